use super::super::described;
use super::super::tests::{load_fixture, message};
use super::*;

fn schema(text: &str) -> Avro {
    compile(text, &[]).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

/// The message of checking `value`; empty = accepted.
fn told(text: &str, value: &[u8]) -> String {
    message(&schema(text), value)
}

fn zigzag(number: i64) -> Vec<u8> {
    let mut left = ((number << 1) ^ (number >> 63)) as u64;
    let mut bytes = Vec::new();
    while left >= 0x80 {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes
}

#[test]
fn numbers_have_their_size() {
    assert_eq!(told(r#""int""#, &zigzag(i32::MAX.into())), "");
    assert_eq!(told(r#""int""#, &zigzag(i32::MIN.into())), "");
    assert_eq!(
        told(r#""int""#, &zigzag(i64::from(i32::MAX) + 1)),
        "an int of more than 32 bits, 2147483648, at byte 0"
    );
    assert_eq!(told(r#""long""#, &zigzag(i64::MIN)), "");
    assert_eq!(
        told(r#""long""#, &[0xff; 10]),
        "a long has more than 64 bits at byte 0"
    );
    assert_eq!(
        told(r#""long""#, &[0x80, 0x80]),
        "the value ends within a long at byte 2"
    );
    assert_eq!(
        told(r#""boolean""#, &[2]),
        "a boolean is 2, neither 0 nor 1 at byte 0"
    );
    assert_eq!(
        told(r#""double""#, &[0; 7]),
        "a fixed needs 8 bytes and 7 are left at byte 0"
    );
}

#[test]
fn text_is_utf8_and_has_its_length() {
    assert_eq!(told(r#""string""#, b"\x06abc"), "");
    assert_eq!(
        told(r#""string""#, b"\x06a\xffc"),
        "a string is not valid UTF-8 at byte 2"
    );
    assert_eq!(
        told(r#""string""#, &zigzag(1 << 40)),
        "a string needs 1099511627776 bytes and 0 are left at byte 6"
    );
    assert_eq!(
        told(r#""bytes""#, &zigzag(-1)),
        "bytes of negative length -1 at byte 0"
    );
}

#[test]
fn messages_name_the_field_by_a_json_pointer() {
    const ORDER: &str = r#"{"type": "record", "name": "Order", "fields": [
        {"name": "items", "type": {"type": "array", "items":
            {"type": "map", "values": ["null", "string"]}}}]}"#;
    let mut value = vec![2, 2];
    value.extend(b"\x06a/b\x04");
    assert_eq!(
        told(ORDER, &value),
        "/items/0/a~1b: the branch of a union is 2, and the schema has 2 at byte 6"
    );
}

#[test]
fn symbols_and_branches_are_those_of_the_schema() {
    const STATE: &str = r#"{"type": "enum", "name": "State", "symbols": ["A", "B"]}"#;
    assert_eq!(told(STATE, &[2]), "");
    assert_eq!(
        told(STATE, &[4]),
        "the symbol of an enum is 2, and the schema has 2 at byte 0"
    );
    assert_eq!(
        told(STATE, &[1]),
        "the symbol of an enum is -1, and the schema has 2 at byte 0"
    );
}

#[test]
fn blocks_state_what_they_hold() {
    const INTS: &str = r#"{"type": "array", "items": "int"}"#;
    assert_eq!(told(INTS, &[4, 0, 0, 2, 0, 0]), "");
    assert_eq!(told(INTS, &[3, 4, 0, 0, 0]), "");
    assert_eq!(
        told(INTS, &[3, 2, 0, 0, 0]),
        "a block ends at byte 4, but states 3, at byte 0"
    );
    assert_eq!(
        told(INTS, &[3, 100, 0, 0, 0]),
        "a block states 50 bytes, which are not there, at byte 0"
    );
    let mut endless = zigzag(1 << 60);
    endless.push(0);
    assert_eq!(
        told(INTS, &endless),
        "a block of 1152921504606846976 items, and 1 bytes are left at byte 0"
    );
    let mut least = zigzag(i64::MIN);
    least.extend([0, 0]);
    assert_eq!(
        told(INTS, &least),
        "a block states 0 bytes, which are not there, at byte 0"
    );
}

#[test]
fn items_without_bytes_cost_nothing() {
    const NULLS: &str = r#"{"type": "array", "items": {"type": "record", "name": "E", "fields":
        [{"name": "a", "type": "null"}, {"name": "b", "type":
            {"type": "fixed", "name": "F", "size": 0}}]}}"#;
    let mut many = zigzag(i64::from(i32::MAX));
    many.push(0);
    assert_eq!(told(NULLS, &many), "");
    assert_eq!(
        told(NULLS, &zigzag(1 << 60)),
        "more than 2147483647 items without bytes at byte 0"
    );
    let twice = [zigzag(i64::from(i32::MAX)), zigzag(1), vec![0]].concat();
    assert!(told(NULLS, &twice).starts_with("more than"));
}

#[test]
fn nesting_has_a_limit() {
    const LIST: &str = r#"{"type": "record", "name": "L", "fields":
        [{"name": "next", "type": ["null", "L"]}]}"#;
    let deep = |depth: usize| [vec![2; depth], vec![0]].concat();
    assert_eq!(told(LIST, &deep(500)), "");
    assert!(told(LIST, &deep(600)).contains("nested deeper than 1024"));
    assert!(told(LIST, &deep(1_000_000)).contains("nested deeper than 1024"));
    const ENDLESS: &str =
        r#"{"type": "record", "name": "L", "fields": [{"name": "l", "type": "L"}]}"#;
    assert!(told(ENDLESS, &[]).contains("nested deeper than 1024"));
}

#[test]
fn logical_types_have_their_ranges() {
    const MILLIS: &str = r#"{"type": "int", "logicalType": "time-millis"}"#;
    assert_eq!(told(MILLIS, &zigzag(MILLIS_OF_DAY - 1)), "");
    assert_eq!(
        told(MILLIS, &zigzag(MILLIS_OF_DAY)),
        "a time of day of 86400000, which no day has, at byte 0"
    );
    const UUID: &str = r#"{"type": "string", "logicalType": "uuid"}"#;
    let uuid = |text: &str| {
        told(
            UUID,
            &[&zigzag(text.len() as i64), text.as_bytes()].concat(),
        )
    };
    assert_eq!(uuid("123e4567-e89b-12d3-A456-426614174000"), "");
    for other in [
        "abc",
        "123e4567e89b12d3a456426614174000",
        "{123e4567-e89b-12d3-a456-426614174000}",
        "urn:uuid:123e4567-e89b-12d3-a456-426614174000",
        "123e4567-e89b-12d3-a456-42661417400g",
        "123e4567e89b-12d3-a456-4266-14174000",
    ] {
        let expected = "not a uuid (expected 8-4-4-4-12 hexadecimal digits) at byte 0";
        assert_eq!(uuid(other), expected, "{other}");
    }
    const PRICE: &str =
        r#"{"type": "bytes", "logicalType": "decimal", "precision": 3, "scale": 1}"#;
    assert_eq!(told(PRICE, &[4, 0x03, 0xe7]), "");
    assert_eq!(told(PRICE, &[4, 0xfc, 0x19]), "");
    assert_eq!(
        told(PRICE, &[4, 0x03, 0xe8]),
        "a decimal of more than 3 digits at byte 0"
    );
    assert_eq!(
        told(PRICE, &[4, 0xfc, 0x18]),
        "a decimal of more than 3 digits at byte 0"
    );
    assert_eq!(told(PRICE, &[12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), "");
    assert_eq!(told(PRICE, &[0]), "a decimal without bytes at byte 0");
}

#[test]
fn names_and_defaults_that_other_libraries_accept_are_accepted() {
    for (text, value) in [
        (
            r#"{"type": "record", "name": "R", "fields": [{"name": "a", "default": "",
            "type": {"type": "string", "logicalType": "uuid"}}]}"#,
            &b"\x48123e4567-e89b-12d3-a456-426614174000"[..],
        ),
        (
            r#"{"type": "record", "name": "R", "fields": [{"name": "a", "default": 1,
            "type": ["null", {"type": "enum", "name": "E", "symbols": ["é-1"], "default": ""}]}]}"#,
            &[0],
        ),
        (
            r#"{"type": "error", "name": "E", "fields": [{"name": "a", "type": "string"}]}"#,
            &[0],
        ),
        (
            r#"{"type": "record", "name": "Übung", "fields": [{"name": "größe", "type": "int"},
            {"name": "more", "type": ["null", "Übung"]}]}"#,
            &[0, 0],
        ),
        (
            r#"{"type": "record", "name": "R", "namespace": "com.foo.Outer$", "fields": [
            {"name": "a", "type": {"type": "fixed", "name": "F", "size": 1}},
            {"name": "b", "type": ["null", "com.foo.Outer$.F"]}]}"#,
            &[7, 0],
        ),
        (
            r#"{"type": "record", "name": "com.my-app.R", "fields": [{"name": "a", "type": "int"},
            {"name": "b", "type": {"type": "map", "values": "R"}}]}"#,
            &[0, 0],
        ),
    ] {
        assert_eq!(told(text, value), "", "{text}");
    }
    // What is no schema is left as it is.
    let named = r#"{"type": "record", "name": "error", "fields": [{"name": "default",
        "type": "int"}, {"name": "next", "type": ["null", {"type": "error"}]}]}"#;
    assert_eq!(told(named, &[0, 2, 0, 0]), "");
    for broken in [
        r#"{"type": "record", "name": "", "fields": []}"#,
        r#"{"type": "record", "name": "a.", "fields": []}"#,
        r#"{"type": "record", "name": "R", "fields": [{"name": "a", "type": "S"}]}"#,
    ] {
        assert!(compile(broken, &[]).is_err(), "{broken}");
    }
}

#[test]
fn types_may_come_from_other_documents() {
    let point = Reference {
        name: "n.Point".to_owned(),
        text: r#"{"type": "record", "name": "n.Point", "fields":
            [{"name": "x", "type": "int"}, {"name": "kind", "type": "n.Kind"}]}"#
            .to_owned(),
    };
    let kind = Reference {
        name: "n.Kind".to_owned(),
        text: r#"{"type": "enum", "name": "n.Kind", "symbols": ["A"]}"#.to_owned(),
    };
    const LINE: &str = r#"{"type": "record", "name": "n.Line", "fields":
        [{"name": "a", "type": "Point"}, {"name": "b", "type": "n.Point"}]}"#;
    let line = compile(LINE, &[kind, point.clone()]).unwrap();
    assert_eq!(message(&line, &[2, 0, 4, 0]), "");
    assert!(message(&line, &[2, 0, 4, 2]).starts_with("/b/kind: the symbol"));
    let fault = compile(LINE, &[point]).err().unwrap();
    assert_eq!(fault.message, "the type n.Kind is not defined");
}

#[test]
fn a_file_finds_its_types_beside_it() {
    let ride = load_fixture("rides.avsc");
    assert_ne!(message(&*ride, &[0]), "");
}

#[test]
fn a_broken_schema_names_the_file_and_the_place() {
    let folder = std::env::temp_dir().join(format!("bronze-avro-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("t.avsc");
    let fault = |text: &str| {
        std::fs::write(&path, text).unwrap();
        described(&load(&path).err().unwrap())
    };
    assert!(fault("{\n\"type\": }").starts_with("t.avsc:2:9: not JSON: expected value"));
    assert_eq!(
        fault(r#"{"type": "array", "items": "n.Absent"}"#),
        "t.avsc: the type n.Absent is not defined, neither there nor in n.Absent.avsc"
    );
    assert!(fault(r#"{"type": "record", "name": "A"}"#).starts_with("t.avsc: "));
    assert_eq!(
        fault(r#"{"type": "array", "items": "../../n"}"#),
        "t.avsc: the type ../../n is not defined, neither there nor in ../../n.avsc"
    );
    std::fs::write(&path, "\u{feff}\"int\"").unwrap();
    assert!(load(&path).is_ok());
    std::fs::write(folder.join("n.Absent.avsc"), "{").unwrap();
    let told = fault(r#"{"type": "array", "items": "n.Absent"}"#);
    assert!(told.starts_with("n.Absent.avsc:1:1: not JSON: "), "{told}");
    let told = fault(&" ".repeat(5_000_000));
    assert!(
        told.starts_with("t.avsc: 5000000 bytes are too many"),
        "{told}"
    );
    std::fs::remove_dir_all(&folder).unwrap();
    let told = described(&load(&path).err().unwrap());
    assert!(told.starts_with("t.avsc: cannot be read: "), "{told}");
}
