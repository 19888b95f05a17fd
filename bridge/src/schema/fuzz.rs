//! Any bytes as values of each kind of schema. Nothing here may panic.

use std::sync::LazyLock;

use prost_reflect::{DynamicMessage, MessageDescriptor};

use super::*;

/// What is told of a value, and of a rejection by its nature, has a limit.
const MESSAGE_BYTES_MAX: usize = 8 << 10;

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fixtures/schemas")
        .join(name)
}

/// Whether the value is accepted.
fn checked(schema: &dyn Schema, value: &[u8], begin: usize) -> bool {
    let verdict = schema.check(value, begin);
    assert_eq!(verdict, schema.check(value, begin), "the same each time");
    if let Err(rejection) = &verdict {
        assert!(!matches!(
            rejection.verdict,
            Verdict::Accepted | Verdict::NeedsSchema
        ));
        assert!(!rejection.message.is_empty());
        assert!(rejection.message.len() <= MESSAGE_BYTES_MAX);
    }
    verdict.is_ok()
}

pub fn avro(value: &[u8]) {
    static SCHEMA: LazyLock<avro::Avro> =
        LazyLock::new(|| avro::load(&fixture("rides.avsc")).expect("a fixture"));
    checked(&*SCHEMA, value, 0);
}

/// What is accepted, Protobuf's own decoder takes too.
pub fn protobuf(value: &[u8]) {
    static SCHEMA: LazyLock<protobuf::Protobuf> = LazyLock::new(|| {
        protobuf::load(&fixture("rides.proto"), "bronze.test.Ride").expect("a fixture")
    });
    static MESSAGE: LazyLock<MessageDescriptor> = LazyLock::new(|| {
        let mut compiler = protox::Compiler::new([fixture("")]).expect("a folder");
        compiler.open_file("rides.proto").expect("a fixture");
        let pool = compiler.descriptor_pool();
        pool.get_message_by_name("bronze.test.Ride")
            .expect("a message")
    });
    if checked(&*SCHEMA, value, 0) {
        let decoded = DynamicMessage::decode(MESSAGE.clone(), value);
        assert!(decoded.is_ok(), "{decoded:?}");
    }
}

/// The list of message indexes before it, as behind the id of a registry's schema.
pub fn framed_protobuf(value: &[u8]) {
    static SCHEMA: LazyLock<protobuf::FramedProtobuf> = LazyLock::new(|| {
        let text = fs::read_to_string(fixture("legacy.proto")).expect("a fixture");
        protobuf::compile_framed(&text, &[]).expect("a fixture")
    });
    checked(&*SCHEMA, value, 0);
}

const EVENT: &str = r##"{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["event_id"],
    "properties": {
        "event_id": {"type": "string", "pattern": "^[0-9a-f-]{1,36}$"},
        "kind": {"enum": ["asked", "driven", null]},
        "price": {"type": "number", "minimum": 0, "multipleOf": 0.01},
        "at": {"type": "string", "format": "date-time"},
        "path": {"type": "array", "items": {"$ref": "#"}, "maxItems": 3, "uniqueItems": true},
        "tags": {"patternProperties": {"^(?=x)": {"type": "string", "maxLength": 4}},
                 "propertyNames": {"minLength": 2}, "unevaluatedProperties": false}
    },
    "dependentRequired": {"price": ["kind"]},
    "not": {"required": ["forbidden"]}
}"##;

pub fn json_schema(value: &[u8]) {
    static SCHEMA: LazyLock<Box<dyn Schema>> = LazyLock::new(|| {
        compile("JSON", EVENT, &[], FormatChecks::Check).unwrap_or_else(|fault| panic!("{fault}"))
    });
    checked(&**SCHEMA, value, 0);
}
