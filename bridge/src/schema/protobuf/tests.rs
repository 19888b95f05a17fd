use super::super::tests::{fixtures, from_hex, message, payloads};
use super::*;
use crate::store::testing::TempDir;

const ROOT: &str = r#"syntax = "proto2"; package p;
    message First {
      required int32 id = 1;
      optional string name = 2;
      repeated int32 numbers = 3;
      repeated fixed32 words = 4;
      optional First inner = 5;
      optional group Way = 6 { required int32 metres = 1; }
      optional bytes blob = 7;
      map<string, int32> counts = 8;
      message Inner { required string text = 1; message Deep { required bool b = 9; } }
      optional Inner text = 70;
    }
    message Second { optional string only = 1; }"#;

fn first() -> Protobuf {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Texts {
        texts: HashMap::from([("a.proto".to_owned(), ROOT.to_owned())]),
    });
    let file = compile_with(resolver, "a.proto").unwrap();
    let mut builder = Builder::default();
    let root = builder.add(&find_message(&file, "").unwrap()).unwrap();
    Protobuf {
        messages: builder.finish(),
        root,
    }
}

fn told(hex: &str) -> String {
    message(&first(), &from_hex(&hex.replace(' ', "")))
}

#[test]
fn required_fields_are_there() {
    assert_eq!(told("0801"), "");
    assert_eq!(
        told(""),
        "the required field id is missing in the message at byte 0"
    );
    assert_eq!(
        told("0801 2a02 1200"),
        "/inner: the required field id is missing in the message at byte 4"
    );
    assert_eq!(
        told("0801 33 34"),
        "/way: the required field metres is missing in the message at byte 3"
    );
}

#[test]
fn unknown_fields_are_accepted() {
    assert_eq!(told("0801 7805"), "");
    assert_eq!(told("0801 f201 03 616263"), "");
    assert_eq!(told("0801 7b 0801 13 14 7c"), "");
    assert_eq!(
        told("0801 7b 0801"),
        "the group of field number 15 does not end at byte 5"
    );
    assert_eq!(
        told("0801 fa01 05 61"),
        "bytes needs 5 bytes and 1 are left at byte 5"
    );
}

#[test]
fn a_field_comes_in_its_own_wire_type() {
    assert_eq!(
        told("0a0161"),
        "/id: it comes as bytes with a length, which is not its type, at byte 0"
    );
    assert_eq!(
        told("0801 1005"),
        "/name: it comes as a varint, which is not its type, at byte 2"
    );
}

#[test]
fn lists_come_packed_or_not() {
    assert_eq!(told("0801 1a03 01ac02"), "");
    assert_eq!(told("0801 1801 18ac02"), "");
    assert_eq!(
        told("0801 1a02 01ac"),
        "/numbers: the value ends within a varint at byte 6"
    );
    assert_eq!(told("0801 2208 0000000000000000"), "");
    assert_eq!(
        told("0801 2207 00000000000000"),
        "/words: packed numbers of 4 bytes in 7 bytes at byte 3"
    );
}

#[test]
fn text_is_utf8_and_bytes_are_anything() {
    assert_eq!(told("0801 3a02ff00"), "");
    assert_eq!(
        told("0801 120261ff"),
        "/name: a string is not valid UTF-8 at byte 5"
    );
    assert_eq!(
        told("0801 4207 0a01ff 1001"),
        "/counts: a part of 7 bytes, and 5 are left at byte 4"
    );
    assert_eq!(
        told("0801 4205 0a01ff 1001"),
        "/counts/key: a string is not valid UTF-8 at byte 6"
    );
}

#[test]
fn tags_exist() {
    assert_eq!(
        told("0801 00"),
        "a field number of 0, which no field has, at byte 2"
    );
    assert_eq!(
        told("0801 0f"),
        "field number 1 in the wire type 7, which does not exist, at byte 2"
    );
    assert_eq!(
        told("0801 0c"),
        "the end of a group of field number 1 that has not begun at byte 2"
    );
    assert_eq!(
        told("ffffffffffffffffff01"),
        "a field number of 2305843009213693951, which no field has, at byte 0"
    );
    assert_eq!(
        told("ffffffffffffffffffff"),
        "a tag has more than 64 bits at byte 0"
    );
    assert_eq!(
        told("0801 12 ffffffffffffffff7f"),
        "/name: a string needs 9223372036854775807 bytes and 0 are left at byte 12"
    );
}

#[test]
fn nesting_has_a_limit() {
    let nested = |depth: usize| {
        let mut value = vec![8, 1];
        for _ in 0..depth {
            let mut outer = vec![8, 1, 0x2a];
            let mut length = value.len();
            while length >= 0x80 {
                outer.push(length as u8 | 0x80);
                length >>= 7;
            }
            outer.push(length as u8);
            outer.extend(value);
            value = outer;
        }
        message(&first(), &value)
    };
    assert_eq!(nested(100), "");
    assert!(nested(101).contains("messages nested deeper than 100"));
    assert!(nested(2_000).contains("messages nested deeper than 100"));
    let groups = [vec![8, 1], vec![0x7b; 1_000_000]].concat();
    assert!(message(&first(), &groups).contains("messages nested deeper than 100"));
    let groups = [vec![8, 1], vec![0x33; 1_000_000]].concat();
    assert!(message(&first(), &groups).contains("messages nested deeper than 100"));
}

#[test]
fn messages_behind_maps_have_two_places_however_deep_they_are() {
    let levels = 25;
    let mut text = "syntax = \"proto3\"; ".to_owned();
    for level in 0..levels {
        text += &format!("message M{level} {{ map<int32, int32> m = 1; int32 at{level} = 2; ");
    }
    text += &"}".repeat(levels);
    let schema = compile_framed(&text, &[]).unwrap();
    assert!(schema.places.len() <= 2 * levels);
    let place = |index: u8| [vec![2 * levels as u8], vec![0], vec![index; levels - 1]].concat();
    let wrong = [0x10];
    for index in [0, 2] {
        let value = [&place(index)[..], &wrong].concat();
        assert!(message(&schema, &value).starts_with("/at24: "), "{index}");
    }
}

#[test]
fn indexes_name_the_message() {
    let framed = compile_framed(ROOT, &[]).unwrap();
    let told = |hex: &str| message(&framed, &from_hex(&hex.replace(' ', "")));
    assert_eq!(told("00 0801"), "");
    assert_eq!(told("0200 0801"), "");
    assert_eq!(told("0202 0a0161"), "");
    assert_ne!(told("0202 0a01ff"), "");
    // Inner is the second message within First, or the third: the entry of the map is before it.
    assert_eq!(told("040000 0801"), "");
    assert_eq!(told("040002 0a0161"), "");
    assert_eq!(told("040004 0a0161"), "");
    assert_ne!(told("040002 0a01ff"), "");
    assert_eq!(told("06000200 4801"), "");
    assert_eq!(told("06000400 4801"), "");
    assert_eq!(
        told("0204 00"),
        "the schema has no message with the indexes [2] at byte 0"
    );
    assert_eq!(told("0201 00"), "a negative message index at byte 1");
    assert_eq!(
        told("feffffff0f"),
        "a list of 2147483647 message indexes, which the schema does not have, at byte 0"
    );
    assert_eq!(
        told(""),
        "the value ends within the message indexes at byte 0"
    );
}

#[test]
fn imports_come_from_references_and_from_what_everybody_knows() {
    const TEXT: &str = r#"syntax = "proto3";
        import "other.proto";
        import "confluent/meta.proto";
        import "confluent/type/decimal.proto";
        import "google/protobuf/timestamp.proto";
        message M {
          o.Other other = 1;
          confluent.type.Decimal price = 2 [(confluent.field_meta).doc = "net"];
          google.protobuf.Timestamp at = 3;
        }"#;
    let other = Reference {
        name: "other.proto".to_owned(),
        text: r#"syntax = "proto3"; package o; message Other { string s = 1; }"#.to_owned(),
    };
    let framed = compile_framed(TEXT, &[other]).unwrap();
    assert_eq!(message(&framed, &from_hex("000a030a0161")), "");
    assert_ne!(message(&framed, &from_hex("000a030a01ff")), "");
    let fault = compile_framed(TEXT, &[]).err().unwrap().message;
    assert!(fault.contains("other.proto"), "{fault}");
}

#[test]
fn what_producers_take_for_known_is_known_to_files_and_to_the_registry() {
    let folder = TempDir::new();
    let path = folder.path().join("all.proto");
    let imports: String = KNOWN_IMPORTS
        .iter()
        .map(|(name, _)| format!("import \"{name}\";\n"))
        .collect();
    let text = format!(
        r#"syntax = "proto3"; {imports}
        message M {{ google.type.Money fare = 1; google.type.DateTime at = 2; }}"#
    );
    std::fs::write(&path, &text).unwrap();
    let of_file = load(&path, "").unwrap();
    let framed = compile_framed(&text, &[]).unwrap();
    for (fare, expected) in [
        ("0a050a03434846", ""),
        ("0a050a0343ff46", "/fare/currency_code: "),
    ] {
        let told = message(&of_file, &from_hex(fare));
        assert!(told.starts_with(expected) && told.is_empty() == expected.is_empty());
        let told = message(&framed, &from_hex(&format!("00{fare}")));
        assert!(told.starts_with(expected) && told.is_empty() == expected.is_empty());
    }
    assert!(KNOWN_IMPORTS.len() >= 18, "as many as Confluent's own");
}

#[test]
fn a_registry_may_hold_descriptors_instead_of_text() {
    let file = Compiler::with_file_resolver({
        let mut resolver = ChainFileResolver::new();
        resolver.add(Texts {
            texts: HashMap::from([("a.proto".to_owned(), ROOT.to_owned())]),
        });
        resolver
    })
    .open_file("a.proto")
    .unwrap()
    .descriptor_pool()
    .get_file_by_name("a.proto")
    .unwrap();
    let text = base64::engine::general_purpose::STANDARD.encode(file.encode_to_vec());
    let framed = compile_framed(&text, &[]).unwrap();
    assert_eq!(message(&framed, &from_hex("000801")), "");
}

#[test]
fn a_descriptor_set_is_as_good_as_its_files() {
    let path = fixtures().join("schemas/rides.desc");
    let ride = load(&path, "").unwrap();
    for payload in payloads("rides.proto") {
        assert_eq!(message(&ride, &payload), "");
    }
    let other = load(&path, "bronze.test.Other").unwrap();
    assert_eq!(message(&other, &from_hex("0801")), "");
    assert_eq!(
        described(&load(&path, "Other").err().unwrap()),
        "rides.desc: it has no message Other (expected the full name, e.g. package.Message)"
    );
}

#[test]
fn a_byte_order_mark_before_a_file_is_passed_over() {
    let folder = TempDir::new();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("\u{feff}syntax = \"proto3\"; {text}")).unwrap();
        path
    };
    write("n.proto", "message N { string a = 1; }");
    let path = write("m.proto", "import \"n.proto\"; message M { N n = 1; }");
    let schema = load(&path, "").unwrap();
    assert!(
        message(&schema, &from_hex("0a03 0a01ff".replace(' ', "").as_str())).starts_with("/n/a: ")
    );
    let reference = Reference {
        name: "n.proto".to_owned(),
        text: std::fs::read_to_string(folder.path().join("n.proto")).unwrap(),
    };
    let text = std::fs::read_to_string(path).unwrap();
    assert!(compile_framed(&text, &[reference]).is_ok());
}

#[test]
fn a_broken_schema_names_the_file_and_the_place() {
    let folder = std::env::temp_dir().join(format!("bronze-proto-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("t.proto");
    let fault = |text: &str| {
        std::fs::write(&path, text).unwrap();
        described(&load(&path, "").err().unwrap())
    };
    let told = fault("syntax = \"proto3\";\nmessage M { int32 }");
    assert!(told.starts_with("t.proto:2:19: expected "), "{told}");
    let told = fault("syntax = \"proto3\";\nmessage M { Absent a = 1; }");
    assert!(told.starts_with("t.proto:2:13: "), "{told}");
    assert_eq!(
        fault("syntax = \"proto3\"; import \"absent.proto\";"),
        "t.proto:1:20: import 'absent.proto' not found"
    );
    std::fs::write(folder.join("u.proto"), "syntax = \"proto3\";\nmessage 5").unwrap();
    let told = fault("syntax = \"proto3\"; import \"u.proto\";");
    assert!(told.starts_with("u.proto:2:9: expected "), "{told}");
    assert_eq!(fault("syntax = \"proto3\";"), "t.proto: it has no message");
    std::fs::remove_dir_all(&folder).unwrap();
    let told = described(&load(&path, "").err().unwrap());
    assert!(told.starts_with("t.proto: cannot be read: "), "{told}");
}
