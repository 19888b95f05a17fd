//! Payloads that other encoders wrote (tests/fixtures/payloads.json), whole and damaged.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;

pub(super) fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures")
}

pub(super) fn load_fixture(name: &str) -> Box<dyn Schema> {
    let path = fixtures().join("schemas").join(name);
    let path = path.to_str().unwrap();
    let loaded = if name.ends_with(".avsc") {
        load_avro(path)
    } else {
        load_protobuf(path, "")
    };
    let made = loaded.unwrap().schema;
    made.unwrap_or_else(|problems| panic!("{problems:?}"))
}

#[test]
fn a_broken_schema_tells_its_problems_and_checks_nothing() {
    let compiled = |name: &str| {
        let document = SchemaDocument {
            name: "t.json".to_owned(),
            text: b"{".to_vec(),
        };
        compile_json_schema(name, &[document], FormatChecks::Ignore).unwrap()
    };
    for schema in [
        compiled("t.json"),
        compiled("absent.json"),
        load_avro("/absent/t.avsc").unwrap(),
        load_protobuf("/absent/t.proto", "").unwrap(),
    ] {
        assert_eq!(schema.problems().unwrap().len(), 1);
        assert!(schema.check(b"1").is_err());
    }
    let good = load_avro(fixtures().join("schemas/rides.avsc").to_str().unwrap()).unwrap();
    assert!(good.problems().unwrap().is_empty());
}

pub(super) fn payloads(name: &str) -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(fixtures().join("payloads.json")).unwrap();
    let all: BTreeMap<String, Vec<String>> = serde_json::from_str(&text).unwrap();
    all[name].iter().map(|hex| from_hex(hex)).collect()
}

pub(super) fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
        .collect()
}

/// The message; empty = accepted.
pub(super) fn message(schema: &dyn Schema, value: &[u8]) -> String {
    schema
        .check(value, 0)
        .map_or_else(|rejection| rejection.message, |()| String::new())
}

/// Numbers that are the same in every run.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

#[test]
fn accepts_what_other_encoders_wrote() {
    for name in ["rides.avsc", "rides.proto", "legacy.proto"] {
        let schema = load_fixture(name);
        for (index, payload) in payloads(name).iter().enumerate() {
            assert_eq!(message(&*schema, payload), "", "{name} {index}");
        }
    }
}

#[test]
fn a_shortened_avro_payload_is_refused_wherever_it_is_cut() {
    let schema = load_fixture("rides.avsc");
    for payload in payloads("rides.avsc") {
        for length in 0..payload.len() {
            let told = message(&*schema, &payload[..length]);
            assert_ne!(told, "", "{length} of {} bytes", payload.len());
        }
    }
}

#[test]
fn a_byte_too_many_is_refused_with_its_position() {
    let schema = load_fixture("rides.avsc");
    for mut payload in payloads("rides.avsc") {
        let length = payload.len();
        payload.push(0);
        let told = message(&*schema, &payload);
        assert_eq!(
            told,
            format!("the value goes on for 1 bytes after its end by the schema at byte {length}")
        );
    }
}

/// Neither panics nor takes long; the release build has no overflow checks, the debug build has.
#[test]
fn damaged_payloads_do_no_harm() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for name in ["rides.avsc", "rides.proto", "legacy.proto"] {
        let schema = load_fixture(name);
        for payload in payloads(name) {
            for _ in 0..3_000 {
                let mut damaged = payload.clone();
                for _ in 0..=random.below(8) {
                    if damaged.is_empty() {
                        break;
                    }
                    let at = random.below(damaged.len());
                    match random.below(3) {
                        0 => damaged[at] = random.below(256) as u8,
                        1 => damaged[at] = 0xff,
                        _ => damaged.truncate(at),
                    }
                }
                let _ = schema.check(&damaged, 0);
            }
        }
    }
}
