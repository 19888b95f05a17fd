use std::time::{Duration, Instant};

use super::super::tests::message;
use super::*;

fn document(name: &str, text: &str) -> SchemaDocument {
    SchemaDocument {
        name: name.to_owned(),
        text: text.as_bytes().to_vec(),
    }
}

fn compile(documents: &[(&str, &str)]) -> JsonSchema {
    compile_with(documents, FormatChecks::Ignore)
}

/// The first document's schema.
fn compile_with(documents: &[(&str, &str)], formats: FormatChecks) -> JsonSchema {
    try_compile(documents, formats).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn try_compile(
    documents: &[(&str, &str)],
    formats: FormatChecks,
) -> Result<JsonSchema, Vec<SchemaProblem>> {
    let all: Vec<_> = documents.iter().map(|(n, t)| document(n, t)).collect();
    super::compile(documents[0].0, &all, formats)
}

fn problems(documents: &[(&str, &str)]) -> Vec<String> {
    let problems = try_compile(documents, FormatChecks::Ignore).err();
    let problems = problems.unwrap_or_default();
    let text = |p: SchemaProblem| format!("{} {} {}", p.file, p.place, p.message);
    problems.into_iter().map(text).collect()
}

/// What is wrong with the value; empty = nothing.
fn verdict(schema: &JsonSchema, value: &str) -> String {
    message(schema, value.as_bytes())
}

fn nested(levels: usize) -> String {
    "[".repeat(levels) + &"]".repeat(levels)
}

#[test]
fn a_verdict_names_place_rule_and_what_is_there() {
    let schema = compile(&[(
        "gps.json",
        r#"{"type": "object", "required": ["id"], "properties": {
            "id": {"type": "string", "pattern": "^[a-f]+$"},
            "at": {"items": {"maximum": 90}}}}"#,
    )]);
    assert_eq!(verdict(&schema, r#"{"id": "abc", "at": [1, 90]}"#), "");
    assert_eq!(
        verdict(&schema, r#"{"id": "abc", "at": [1, 91.5]}"#),
        "/at/1: 91.5 is greater than the maximum of 90 (gps.json#/properties/at/items/maximum)"
    );
    assert_eq!(
        verdict(&schema, "{}"),
        "the value: \"id\" is a required property (gps.json#/required)"
    );
    assert_eq!(
        verdict(&schema, r#"{"id": "x"}"#),
        "/id: \"x\" does not match \"^[a-f]+$\" (gps.json#/properties/id/pattern)"
    );
}

#[test]
fn a_few_errors_are_told_and_the_others_counted() {
    let schema = compile(&[("t.json", r#"{"items": {"type": "string"}}"#)]);
    let message = verdict(&schema, "[1, 2, 3, 4, 5]");
    assert!(message.starts_with("/0: 1 is not of type \"string\" (t.json#/items/type); /1: "));
    assert!(message.ends_with("; and 2 more"), "{message}");
    let very_many = format!("[{}]", vec!["1"; 30_000].join(","));
    assert_eq!(
        verdict(&schema, &very_many),
        "/0: 1 is not of type \"string\" (t.json#/items/type)"
    );
}

#[test]
fn messages_stay_short_whatever_the_value() {
    let schema = compile(&[(
        "t.json",
        r#"{"properties": {"a": {"type": "integer"}}, "additionalProperties": {"maxLength": 3}}"#,
    )]);
    let long = "ä".repeat(100_000);
    for value in [
        format!(r#"{{"a": "{long}"}}"#),
        format!(r#"{{"{long}": "abcd"}}"#),
        format!(r#"{{"x": "{long}", "y": "{long}", "z": "{long}", "w": "{long}"}}"#),
        format!(r#"{{"a": [{}1]}}"#, "1,".repeat(100_000)),
    ] {
        let message = verdict(&schema, &value);
        assert!(!message.is_empty());
        assert!(message.len() < 2_000, "{} bytes", message.len());
    }
}

#[test]
fn the_last_of_members_with_one_name_counts() {
    let schema = compile(&[("t.json", r#"{"properties": {"a": {"const": 2}}}"#)]);
    assert_eq!(verdict(&schema, r#"{"a": 1, "a": 2}"#), "");
    assert_ne!(verdict(&schema, r#"{"a": 2, "a": 1}"#), "");
}

#[test]
fn formats_are_checked_when_wanted_in_every_draft() {
    for draft in [
        "https://json-schema.org/draft/2020-12/schema",
        "http://json-schema.org/draft-07/schema#",
    ] {
        let text = format!(r#"{{"$schema": "{draft}", "format": "date-time"}}"#);
        let check = |formats| verdict(&compile_with(&[("t.json", &text)], formats), r#""noon""#);
        assert_eq!(check(FormatChecks::Ignore), "");
        assert_eq!(
            check(FormatChecks::Check),
            "the value: \"noon\" is not a \"date-time\" (t.json#/format)"
        );
    }
    let unknown = [("t.json", r#"{"format": "licence-plate"}"#)];
    assert_eq!(
        verdict(&compile_with(&unknown, FormatChecks::Check), "1"),
        ""
    );
}

#[test]
fn the_draft_is_2020_12_unless_the_schema_names_another() {
    let items = r#""items": [{"type": "string"}]"#;
    let old = format!(r#"{{"$schema": "http://json-schema.org/draft-07/schema#", {items}}}"#);
    assert_ne!(verdict(&compile(&[("t.json", &old)]), "[1]"), "");
    let told = problems(&[("t.json", &format!("{{{items}}}"))]);
    assert!(told[0].starts_with("t.json #/items "), "{told:?}");
    let prefix = r#"{"prefixItems": [{"type": "string"}]}"#;
    assert_ne!(verdict(&compile(&[("t.json", prefix)]), "[1]"), "");
}

#[test]
fn a_schema_may_name_a_meta_schema_of_the_folder_and_no_other() {
    let root = r#"{"$schema": "https://example.com/meta", "type": "string"}"#;
    let told = problems(&[("t.json", root)]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("https://example.com/meta"), "{told:?}");
    let meta = r#"{"$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://example.com/meta",
        "$vocabulary": {"https://json-schema.org/draft/2020-12/vocab/core": true},
        "allOf": [{"$ref": "https://json-schema.org/draft/2020-12/meta/core"}]}"#;
    let schema = compile(&[("t.json", root), ("meta.json", meta)]);
    assert_eq!(verdict(&schema, "1"), "", "type is not in its vocabulary");
}

#[test]
fn references_resolve_by_file_name_and_by_id() {
    let schema = compile(&[
        (
            "a b.json",
            r#"{"properties": {"p": {"$ref": "common.json#/$defs/id"},
                "q": {"$ref": "https://example.com/money.json"}}}"#,
        ),
        ("common.json", r#"{"$defs": {"id": {"type": "string"}}}"#),
        (
            "other.json",
            r#"{"$id": "https://example.com/money.json", "type": "number"}"#,
        ),
        ("unrelated.json", "no JSON"),
    ]);
    assert_eq!(verdict(&schema, r#"{"p": "x", "q": 1}"#), "");
    assert_eq!(
        verdict(&schema, r#"{"p": 1}"#),
        "/p: 1 is not of type \"string\" (common.json#/$defs/id/type)"
    );
    assert_ne!(verdict(&schema, r#"{"q": "1"}"#), "");
}

#[test]
fn references_to_anything_else_are_refused() {
    for reference in [
        "missing.json",
        "../t.json",
        "https://example.com/x",
        "/etc/passwd",
        "#/no",
    ] {
        let told = problems(&[("t.json", &format!(r#"{{"$ref": "{reference}"}}"#))]);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("t.json #"), "{told:?}");
    }
    let told = problems(&[("t.json", r#"{"$ref": "missing.json"}"#)]);
    assert!(
        told[0].contains("missing.json: no file of the folder of schemas has"),
        "{told:?}"
    );
}

#[test]
fn a_broken_schema_is_told_with_file_and_place() {
    let told = problems(&[("t.json", "{\n  \"type\": object\n}")]);
    assert_eq!(told, ["t.json 2:11 not JSON: expected value"]);
    let told = problems(&[(
        "t.json",
        r#"{"properties": {"a": {"type": "text"}, "b": {"minimum": "1"}}}"#,
    )]);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told.iter()
            .any(|t| t.starts_with("t.json #/properties/a/type \"text\" ")),
        "{told:?}"
    );
    assert!(
        told.iter()
            .any(|t| t.starts_with("t.json #/properties/b/minimum ")),
        "{told:?}"
    );
    let told = problems(&[("t.json", r#"{"pattern": "(["}"#)]);
    assert!(told[0].starts_with("t.json #/pattern "), "{told:?}");
    let told = problems(&[("t.json", "[]")]);
    assert!(told[0].starts_with("t.json # "), "{told:?}");
}

#[test]
fn a_byte_order_mark_before_a_schema_is_passed_over() {
    let marked = "\u{feff}{\"$ref\": \"common.json\"}";
    let common = ("common.json", "\u{feff}{\"type\": \"string\"}");
    assert_ne!(verdict(&compile(&[("t.json", marked), common]), "1"), "");
    assert_ne!(verdict(&registered(marked, &[common]).unwrap(), "1"), "");
}

#[test]
fn a_broken_document_that_is_referred_to_is_told_by_its_own_name() {
    let root = r#"{"$ref": "common.json"}"#;
    let told = problems(&[("t.json", root), ("common.json", "{\"type\": }")]);
    assert_eq!(told, ["common.json 1:10 not JSON: expected value"]);
    let told = problems(&[("t.json", root), ("common.json", r#"{"type": "text"}"#)]);
    assert!(
        told[0].starts_with("common.json #/type \"text\" "),
        "{told:?}"
    );
}

#[test]
fn a_value_that_is_no_json_is_told_apart_from_one_that_does_not_fit() {
    use super::super::Schema as _;
    let schema = compile(&[("t.json", r#"{"type": "integer"}"#)]);
    let verdict = |value: &[u8]| schema.check(value, 1).unwrap_err().verdict;
    assert_eq!(verdict(b"x\"one\""), Verdict::Refused);
    assert_eq!(verdict(b"x1e400"), Verdict::Refused);
    for value in [
        &b"x"[..],
        b"x1 2",
        b"x{",
        br#"x"\ud800""#,
        b"x\xef\xbb\xbf1",
    ] {
        assert_eq!(verdict(value), Verdict::NotJson, "{value:?}");
    }
    assert_eq!(
        verdict(&[&b"x"[..], &[b'['; 2_000]].concat()),
        Verdict::NotJson
    );
    let rejection = schema.check(b"x\"\xff\"", 1).unwrap_err();
    assert_eq!(rejection.verdict, Verdict::NotText);
    assert_eq!(rejection.message, "the value is not valid UTF-8 at byte 2");
}

fn registered(text: &str, references: &[(&str, &str)]) -> Result<JsonSchema> {
    let references: Vec<_> = references
        .iter()
        .map(|(name, text)| Reference {
            name: (*name).to_owned(),
            text: (*text).to_owned(),
        })
        .collect();
    compile_registered(text, &references, FormatChecks::Ignore)
}

#[test]
fn references_of_a_registered_schema_are_found_by_their_names() {
    let id = r#"{"$defs": {"id": {"type": "string"}}}"#;
    for (root_id, reference, name) in [
        ("", "common.json", "common.json"),
        ("", "parts/common.json", "parts/common.json"),
        (
            "",
            "https://example.com/common",
            "https://example.com/common",
        ),
        ("https://example.com/a/b.json", "common.json", "common.json"),
        (
            "https://example.com/a/b.json",
            "../c.json",
            "https://example.com/c.json",
        ),
    ] {
        let root = format!(
            r#"{{"$id": "{root_id}", "properties": {{"p": {{"$ref": "{reference}#/$defs/id"}}}}}}"#
        );
        let root = root.replace(r#""$id": "", "#, "");
        let schema = registered(&root, &[(name, id)]).unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(verdict(&schema, r#"{"p": "x"}"#), "");
        let told = verdict(&schema, r#"{"p": 1}"#);
        assert!(
            told.starts_with("/p: 1 is not of type \"string\" ("),
            "{told}"
        );
    }
    let told = registered(r#"{"$ref": "absent.json"}"#, &[]).err().unwrap();
    let expected = "absent.json: no reference of the schema has this name or $id";
    assert!(told.message.contains(expected), "{told}");
}

#[test]
fn a_registered_schema_that_does_not_say_is_of_draft_7() {
    let schema = registered(r#"{"items": [{"type": "string"}]}"#, &[]).unwrap();
    assert_eq!(
        verdict(&schema, "[1]"),
        "/0: 1 is not of type \"string\" (#/items/0/type)"
    );
    let newer = r#"{"$schema": "https://json-schema.org/draft/2020-12/schema",
        "prefixItems": [{"type": "string"}]}"#;
    assert_ne!(verdict(&registered(newer, &[]).unwrap(), "[1]"), "");
    let told = registered(r#"{"type": "text"}"#, &[]).err().unwrap();
    assert!(
        told.message.starts_with("#/type: \"text\" is not "),
        "{told}"
    );
    let told = registered("{", &[]).err().unwrap();
    assert!(told.message.starts_with("1:1: not JSON: "), "{told}");
}

#[test]
fn values_are_checked_down_to_the_depth_that_is_allowed() {
    let recursive = compile(&[("t.json", r##"{"type": "array", "items": {"$ref": "#"}}"##)]);
    for levels in [1, 127, 128, 1_024] {
        assert_eq!(verdict(&recursive, &nested(levels)), "", "{levels}");
        let wrong = "[".repeat(levels) + "1" + &"]".repeat(levels);
        assert_ne!(verdict(&recursive, &wrong), "", "{levels}");
    }
    for levels in [1_025, 1_000_000] {
        assert_eq!(
            verdict(&recursive, &nested(levels)),
            "the value is nested deeper than 1024 levels at byte 1024"
        );
    }
}

#[test]
fn brackets_in_strings_are_not_depth() {
    let text = br#"{"a\"[[": "[[\\", "b": [[]]}"#;
    assert_eq!(too_deep_at(text, 2), Some(24));
    assert_eq!(too_deep_at(text, 3), None);
    assert_eq!(too_deep_at(b"\"[[", 0), None);
    assert_eq!(too_deep_at(b"]]][", 0), Some(3));
    assert_eq!(too_deep_at(b"]]][", 1), None);
}

#[test]
fn a_small_stack_is_enough() {
    let check = || {
        let schema = compile(&[("t.json", r##"{"items": {"allOf": [{"$ref": "#"}]}}"##)]);
        [127, 1_024].map(|levels| verdict(&schema, &nested(levels)))
    };
    let stack = thread::Builder::new().stack_size(1 << 20);
    let verdicts = stack.spawn(check).unwrap().join().unwrap();
    assert_eq!(verdicts, ["", ""]);
}

#[test]
fn what_json_allows_but_no_double_holds_is_refused_with_its_place() {
    let schema = compile(&[("t.json", "true")]);
    let deep = format!("{}1e400{}", "[".repeat(200), "]".repeat(200));
    for (value, expected) in [
        ("1e400", "0: number out of range"),
        ("[1,\n\n -1.5e+999 ]", "6: number out of range"),
        (&deep, "200: number out of range"),
        (r#""\ud800""#, "7: unexpected end of hex escape"),
    ] {
        let expected = format!("the value cannot be read as JSON at byte {expected}");
        assert_eq!(verdict(&schema, value), expected);
    }
}

#[test]
fn numbers_are_judged_as_decimals_and_integers_exactly_up_to_64_bits() {
    let valid =
        |schema: &str, value: &str| verdict(&compile(&[("t.json", schema)]), value).is_empty();
    assert!(valid(r#"{"multipleOf": 0.01}"#, "19.99"));
    assert!(valid(r#"{"multipleOf": 0.1}"#, "0.3"));
    assert!(!valid(r#"{"multipleOf": 0.01}"#, "19.995"));
    assert!(valid(
        r#"{"maximum": 18446744073709551615}"#,
        "18446744073709551615"
    ));
    assert!(!valid(
        r#"{"maximum": 18446744073709551614}"#,
        "18446744073709551615"
    ));
    assert!(!valid(r#"{"const": 9007199254740993}"#, "9007199254740992"));
    assert!(valid(r#"{"type": "integer"}"#, "1.0"));
    assert!(valid(
        r#"{"type": "integer"}"#,
        "123456789012345678901234567890"
    ));
}

#[test]
fn a_pattern_that_explodes_ends() {
    let schema = compile(&[("t.json", r#"{"items": {"pattern": "^(?=x)(x+x+)+y\\1$"}}"#)]);
    let told = verdict(&schema, &format!("[\"{}\"]", "x".repeat(64)));
    assert!(told.starts_with("/0: "), "{told}");
    assert!(told.ends_with(" (t.json#/items/pattern)"), "{told}");
}

/// Works as long as it may, and says so.
fn assert_given_up(schema: &JsonSchema, value: &str) {
    let begin = Instant::now();
    let told = verdict(schema, value);
    assert!(told.contains("takes too long"), "{told}");
    assert!(begin.elapsed() < Duration::from_secs(10), "{told}");
}

#[test]
fn patterns_that_step_back_at_each_of_many_strings_are_given_up() {
    const SLOW: &str = r"^(?=x)(x+x+)+y\\1$";
    let strings: Vec<_> = (0..10_000)
        .map(|i| format!("\"{}{i}\"", "x".repeat(20)))
        .collect();
    let items = compile(&[(
        "t.json",
        &format!(r#"{{"items": {{"not": {{"pattern": "{SLOW}"}}}}}}"#),
    )]);
    assert_given_up(&items, &format!("[{}]", strings.join(",")));
    let names = format!("{{{}:1}}", strings.join(":1,"));
    for keyword in [
        r#""patternProperties": {"#,
        r#""additionalProperties": false, "patternProperties": {"#,
    ] {
        let schema = compile(&[(
            "t.json",
            &format!(r#"{{{keyword}"{SLOW}": false, "^x": true}}}}"#),
        )]);
        assert_given_up(&schema, &names);
    }
}

#[test]
fn a_long_string_is_not_passed_over_at_each_step_back() {
    let schema = compile(&[("t.json", r#"{"pattern": "x(?=.*y)(x)\\1z"}"#)]);
    let begin = Instant::now();
    for bytes in [16 << 10, 256 << 10, 1 << 20] {
        let told = verdict(&schema, &format!("\"{}\"", "x".repeat(bytes)));
        assert!(told.ends_with(" (t.json#/pattern)"), "{told}");
    }
    assert!(begin.elapsed() < Duration::from_secs(60));
    let anchored = compile(&[("t.json", r#"{"pattern": "^(?!y)x"}"#)]);
    assert_eq!(
        verdict(&anchored, &format!("\"{}\"", "x".repeat(4 << 20))),
        ""
    );
}

#[test]
fn a_value_of_very_many_parts_is_not_built() {
    let schema = compile(&[("t.json", r#"{"type": "array"}"#)]);
    let elements = |count: usize| format!("[{}]", vec![r#"{"":0}"#; count].join(","));
    assert_eq!(verdict(&schema, &elements(20_000)), "");
    let told = verdict(&schema, &elements(30_000));
    assert!(
        told.contains("more than 50000 members and elements"),
        "{told}"
    );
    let text = format!("[\"{}\"]", ",[{\\\"".repeat(100_000));
    assert_eq!(
        verdict(&schema, &text),
        "",
        "what a string holds is no part"
    );
}

/// A tree of which each node may be of two kinds, and no node of a value is of either.
const TREE: &str = r##"{"anyOf": [
    {"type": "object", "properties": {"n": {"$ref": "#"}}, "required": ["x"]},
    {"type": "object", "properties": {"n": {"$ref": "#"}}, "required": ["y"]}]}"##;

fn tree(levels: usize) -> String {
    r#"{"n":"#.repeat(levels) + "{}" + &"}".repeat(levels)
}

#[test]
fn work_that_doubles_with_each_level_ends() {
    for draft in [
        "https://json-schema.org/draft/2020-12/schema",
        "https://json-schema.org/draft/2019-09/schema",
        "http://json-schema.org/draft-07/schema#",
        "http://json-schema.org/draft-06/schema#",
        "http://json-schema.org/draft-04/schema#",
    ] {
        let begin = format!(r#"{{"$schema": "{draft}","#);
        let schema = compile(&[("t.json", &TREE.replacen('{', &begin, 1))]);
        assert!(verdict(&schema, &tree(2)).contains("under any of the schemas"));
        assert_given_up(&schema, &tree(60));
        assert_given_up(&schema, &tree(1_000));
        let good = tree(60)
            .replace(r#"{"n""#, r#"{"y":1,"n""#)
            .replace("{}", r#"{"x":1}"#);
        assert_eq!(
            verdict(&schema, &good),
            "",
            "the next value has its own time"
        );
    }
}

#[test]
fn work_that_doubles_ends_whatever_stands_beside_a_reference_and_whatever_it_lies_in() {
    let draft_7 = r#"{"$schema": "http://json-schema.org/draft-07/schema#","#;
    let beside = r##"{"$ref": "#", "description": "the next one"}"##;
    let described = TREE.replace(r##"{"$ref": "#"}"##, beside);
    let schema = compile(&[("t.json", &described.replacen('{', draft_7, 1))]);
    assert_given_up(&schema, &tree(60));
    assert_given_up(&registered(&described, &[]).unwrap(), &tree(60));
    for name in ["default", "const", "enum", "examples"] {
        let named = |text: &str| text.replace(r#""n":"#, &format!(r#""{name}":"#));
        assert_given_up(&compile(&[("t.json", &named(TREE))]), &named(&tree(60)));
    }
}

#[test]
fn work_that_doubles_with_each_level_of_a_schema_ends() {
    let mut schema = r#"{"properties": {"a": true}}"#.to_owned();
    for level in 0..30 {
        schema = format!(
            r#"{{"anyOf": [{schema}, true], "properties": {{"p{level}": true}},
                "unevaluatedProperties": false}}"#
        );
    }
    let schema = compile(&[("t.json", &schema)]);
    assert_given_up(&schema, r#"{"a": 1, "z": 2}"#);
}

/// `cargo test --release -- --ignored --nocapture speed`
#[test]
#[ignore = "measures"]
fn speed_of_checks() {
    let pattern = r#"{"type": "string", "pattern": "^[0-9a-f]{32}$"}"#;
    let schema = compile(&[(
        "t.json",
        &format!(
            r##"{{"type": "object", "additionalProperties": false, "required": ["id", "kind"],
            "$defs": {{"id": {pattern}}}, "properties": {{"id": {{"$ref": "#/$defs/id"}},
            "trip": {{"$ref": "#/$defs/id"}}, "kind": {{"enum": ["a", "b"]}},
            "at": {{"type": "array", "items": {{"type": "number", "maximum": 180}}}}}}}}"##
        ),
    )]);
    let id = "0123456789abcdef".repeat(2);
    let place = "[-23.551234567, -46.631234567, 1, 2]";
    let value = format!(r#"{{"id": "{id}", "trip": "{id}", "kind": "a", "at": {place}}}"#);
    let begin = Instant::now();
    const TIMES: usize = 1_000_000;
    for _ in 0..TIMES {
        assert_eq!(verdict(&schema, &value), "");
    }
    let bytes = (TIMES * value.len()) as f64;
    println!("{:.0} MB/s", bytes / begin.elapsed().as_secs_f64() / 1e6);
}
