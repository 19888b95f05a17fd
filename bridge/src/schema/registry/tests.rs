use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Mutex;

use super::super::tests::from_hex;
use super::*;
use crate::store::testing::{HttpServer, TempDir};

const POINT: &str =
    r#"{\"type\":\"record\",\"name\":\"n.P\",\"fields\":[{\"name\":\"x\",\"type\":\"int\"}]}"#;

/// Answers by path; what it does not know it answers as a registry does.
struct Server {
    url: String,
    answers: Arc<Mutex<HashMap<String, (u16, String)>>>,
    /// What each answer takes; one follows the other.
    pause: Arc<Mutex<Duration>>,
    /// Path and Authorization of each request.
    requests: Arc<Mutex<Vec<(String, String)>>>,
}

impl Server {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            url: format!("http://{}/api", listener.local_addr().unwrap()),
            answers: Arc::default(),
            pause: Arc::default(),
            requests: Arc::default(),
        };
        let (answers, requests) = (server.answers.clone(), server.requests.clone());
        let pause = server.pause.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let stream = connection.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let first = lines.next().unwrap().unwrap();
                let path = first.split(' ').nth(1).unwrap().to_owned();
                let mut authorization = String::new();
                for line in lines.map_while(|line| line.ok().filter(|line| !line.is_empty())) {
                    if let Some(value) = line.strip_prefix("authorization: ") {
                        authorization = value.to_owned();
                    }
                }
                std::thread::sleep(*pause.lock().unwrap());
                let known = answers.lock().unwrap().get(&path).cloned();
                requests.lock().unwrap().push((path, authorization));
                let (status, body) = known.unwrap_or((404, unknown(40403)));
                write!(
                    &stream,
                    "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )
                .unwrap();
            }
        });
        server
    }

    fn answer(&self, path: &str, status: u16, body: impl Into<String>) {
        let mut answers = self.answers.lock().unwrap();
        answers.insert(format!("/api{path}"), (status, body.into()));
    }

    fn paths(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests.iter().map(|(path, _)| path.clone()).collect()
    }
}

fn unknown(code: i32) -> String {
    format!(r#"{{"error_code":{code},"message":"not found"}}"#)
}

fn options(urls: &[&str]) -> RegistryOptions {
    RegistryOptions {
        urls: urls.iter().map(|url| (*url).to_owned()).collect(),
        ca_file: String::new(),
        connect_timeout_ms: 2_000,
        request_timeout_ms: 2_000,
        formats: FormatChecks::Ignore,
    }
}

fn nobody() -> RegistryLogin {
    RegistryLogin {
        username: String::new(),
        password: String::new(),
    }
}

fn open(urls: &[&str]) -> Box<Registry> {
    open_registry(&options(urls)).unwrap()
}

/// The verdict and the message.
fn told(registry: &Registry, hex: &str) -> (Verdict, String) {
    let result = registry.check(&from_hex(&hex.replace(' ', ""))).unwrap();
    (result.verdict, result.message)
}

fn fetched(registry: &Registry, id: i32) {
    let results = registry.fetch(&[id], &nobody()).unwrap();
    assert_eq!(
        statuses(&results),
        [FetchStatus::Fetched],
        "{}",
        results[0].message
    );
}

fn unavailable(registry: &Registry, id: i32) -> String {
    let results = registry.fetch(&[id], &nobody()).unwrap();
    assert_eq!(statuses(&results), [FetchStatus::Unavailable]);
    results[0].message.clone()
}

fn statuses(results: &[FetchResult]) -> Vec<FetchStatus> {
    results.iter().map(|result| result.status).collect()
}

#[test]
fn a_schema_is_asked_for_once() {
    let server = Server::new();
    server.answer(
        "/schemas/ids/258",
        200,
        format!(r#"{{"schema":"{POINT}"}}"#),
    );
    let registry = open(&[&server.url]);
    let value = "00 00000102 02";
    assert_eq!(
        told(&registry, value),
        (Verdict::NeedsSchema, String::new())
    );
    let asks = registry.check(&from_hex("000000010202")).unwrap();
    assert_eq!(asks.schema_id, 258);
    fetched(&registry, 258);
    assert_eq!(told(&registry, value), (Verdict::Accepted, String::new()));
    assert_eq!(
        told(&registry, "00 00000102 02 00"),
        (
            Verdict::Refused,
            "the value goes on for 1 bytes after its end by the schema at byte 6 (schema 258)"
                .to_owned()
        )
    );
    assert_eq!(server.paths(), ["/api/schemas/ids/258"]);
}

#[test]
fn a_value_without_a_frame_is_refused() {
    let registry = open(&["http://127.0.0.1:1"]);
    for (hex, begin) in [
        ("", "0 bytes: "),
        ("00000001", "4 bytes: "),
        ("7b7d7b7d7b7d", "0x7b at byte 0: "),
    ] {
        let (verdict, message) = told(&registry, hex);
        assert_eq!(verdict, Verdict::Refused);
        assert!(message.starts_with(begin), "{message}");
    }
}

#[test]
fn an_unknown_id_is_refused_until_it_may_have_come() {
    let server = Server::new();
    let registry = open(&[&server.url]);
    let value = "00 00000007 02";
    fetched(&registry, 7);
    let (verdict, message) = told(&registry, value);
    assert_eq!(verdict, Verdict::Refused);
    assert_eq!(
        message,
        "the schema registry does not know the schema id 7 (not found)"
    );
    for refusal in registry.kept.write().unwrap().refused.values_mut() {
        refusal.until = Instant::now();
    }
    assert_eq!(told(&registry, value).0, Verdict::NeedsSchema);
    server.answer("/schemas/ids/7", 200, format!(r#"{{"schema":"{POINT}"}}"#));
    fetched(&registry, 7);
    assert_eq!(told(&registry, value).0, Verdict::Accepted);
}

#[test]
fn what_is_kept_has_a_limit_and_ids_without_a_schema_push_none_out() {
    let server = Server::new();
    server.answer("/schemas/ids/-7", 200, format!(r#"{{"schema":"{POINT}"}}"#));
    let registry = open(&[&server.url]);
    fetched(&registry, -7);
    for id in (0..2 * REFUSED_MAX as i32).chain([REFUSED_MAX as i32]) {
        registry.kept.write().unwrap().refuse(id, String::new());
    }
    let kept = registry.kept.read().unwrap();
    assert!(kept.refused.len() <= REFUSED_MAX);
    assert!(kept.in_order.len() <= REFUSED_MAX);
    assert!(kept.get(0).is_none(), "the oldest is gone");
    assert!(kept.get(2 * REFUSED_MAX as i32 - 1).is_some());
    assert!(kept.get(REFUSED_MAX as i32).is_some(), "refused anew");
    drop(kept);
    assert_eq!(told(&registry, "00 fffffff9 02").0, Verdict::Accepted);
}

#[test]
fn what_is_kept_has_a_limit_in_bytes() {
    let schema: Arc<dyn Schema> = compile("AVRO", r#""int""#, &[], FormatChecks::Ignore)
        .unwrap()
        .into();
    let mut kept = Kept::default();
    let mut put = |id: i32, text_bytes: usize| {
        let schema = schema.clone();
        kept.put(id, Entry::Usable(Usable { schema, text_bytes }));
        let ids = (0..5).filter(|id| kept.get(*id).is_some());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(put(0, SCHEMA_BYTES_MAX / 2), [0]);
    assert_eq!(put(1, SCHEMA_BYTES_MAX / 2), [0, 1]);
    assert_eq!(put(2, 1), [2]);
    assert_eq!(put(2, SCHEMA_BYTES_MAX - 1), [2], "the same again");
    assert_eq!(put(3, 1), [2, 3]);
    assert_eq!(put(4, 1), [4]);
    assert_eq!(put(0, 2 * SCHEMA_BYTES_MAX), [0]);
    assert_eq!(put(1, 1), [1]);
}

#[test]
fn many_ids_are_asked_for_together() {
    let server = Server::new();
    server.answer("/schemas/ids/40", 200, format!(r#"{{"schema":"{POINT}"}}"#));
    let registry = open(&[&server.url]);
    let ids: Vec<i32> = (0..100).collect();
    let results = registry.fetch(&ids, &nobody()).unwrap();
    assert_eq!(statuses(&results), vec![FetchStatus::Fetched; 100]);
    assert_eq!(told(&registry, "00 00000028 02").0, Verdict::Accepted);
    for other in ["00 00000000 02", "00 00000063 02"] {
        assert_eq!(told(&registry, other).0, Verdict::Refused);
    }
    assert_eq!(server.paths().len(), 100);
}

#[test]
fn of_many_ids_no_more_are_asked_for_once_one_got_no_answer() {
    let server = Server::new();
    server.answer("/schemas/ids/0", 500, "");
    let registry = open(&[&server.url]);
    let ids: Vec<i32> = (0..100).collect();
    let results = statuses(&registry.fetch(&ids, &nobody()).unwrap());
    assert_eq!(results[0], FetchStatus::Unavailable);
    assert_eq!(results[99], FetchStatus::NotAsked);
    assert!(server.paths().len() < 50);
    // What was answered is kept, and what was not asked for is no fault of anything.
    assert_eq!(told(&registry, "00 00000000 02").0, Verdict::NeedsSchema);
    assert_eq!(told(&registry, "00 00000063 02").0, Verdict::NeedsSchema);
    assert_eq!(
        statuses(&registry.fetch(&ids[1..], &nobody()).unwrap()),
        vec![FetchStatus::Fetched; 99]
    );
}

#[test]
fn of_many_ids_a_slow_registry_is_asked_for_some() {
    let server = Server::new();
    *server.pause.lock().unwrap() = Duration::from_millis(100);
    let registry = open(&[&server.url]);
    let ids: Vec<i32> = (0..100).collect();
    let results = statuses(&registry.fetch(&ids, &nobody()).unwrap());
    assert_eq!(results[0], FetchStatus::Fetched);
    assert_eq!(results[99], FetchStatus::NotAsked);
}

#[test]
fn references_are_followed_each_once() {
    let server = Server::new();
    let reference = |name: &str, subject: &str| {
        format!(r#"{{"name":"{name}","subject":"{subject}","version":1}}"#)
    };
    let schema = |text: &str, references: &[String]| {
        format!(
            r#"{{"schema":"{text}","references":[{}]}}"#,
            references.join(",")
        )
    };
    let uses = |name: &str, field: &str| {
        let fields = format!(r#"{{\"name\":\"f\",\"type\":\"{field}\"}}"#);
        format!(r#"{{\"type\":\"record\",\"name\":\"{name}\",\"fields\":[{fields}]}}"#)
    };
    server.answer(
        "/schemas/ids/1",
        200,
        schema(
            &uses("n.A", "n.B"),
            &[reference("n.B", "b/b value"), reference("n.P", "p")],
        ),
    );
    let b = schema(&uses("n.B", "n.P"), &[reference("n.P", "p")]);
    server.answer(
        "/subjects/b%2Fb%20value/versions/1?deleted=true",
        200,
        b.clone(),
    );
    server.answer(
        "/subjects/p/versions/1?deleted=true",
        200,
        schema(POINT, &[]),
    );
    let registry = open(&[&server.url]);
    fetched(&registry, 1);
    assert_eq!(told(&registry, "00 00000001 02").0, Verdict::Accepted);
    assert_eq!(server.paths().len(), 3);

    // A reference that the registry does not have, and one that leads back.
    server.answer(
        "/schemas/ids/2",
        200,
        schema(POINT, &[reference("n.X", "x")]),
    );
    fetched(&registry, 2);
    assert_eq!(
        told(&registry, "00 00000002 02"),
        (
            Verdict::Refused,
            "references of schema 2: the schema registry does not know version 1 of the subject x \
             (not found)"
                .to_owned()
        )
    );
    let itself = schema(&uses("n.C", "n.C"), &[reference("n.C", "c")]);
    server.answer("/subjects/c/versions/1?deleted=true", 200, itself.clone());
    server.answer("/schemas/ids/3", 200, itself);
    fetched(&registry, 3);
}

#[test]
fn protobuf_and_json_come_by_their_type() {
    let server = Server::new();
    server.answer(
        "/schemas/ids/1",
        200,
        r#"{"schemaType":"PROTOBUF","schema":"syntax=\"proto3\"; message M { string s = 1; }"}"#,
    );
    server.answer(
        "/schemas/ids/2",
        200,
        r#"{"schemaType":"JSON","schema":"{\"required\":[\"a\"]}"}"#,
    );
    server.answer("/schemas/ids/3", 200, r#"{"schemaType":"XML","schema":""}"#);
    server.answer("/schemas/ids/4", 200, r#"{"schema":"{\"type\":"}"#);
    let registry = open(&[&server.url]);
    for id in 1..=4 {
        fetched(&registry, id);
    }
    assert_eq!(
        told(&registry, "00 00000001 00 0a0161").0,
        Verdict::Accepted
    );
    assert_eq!(
        told(&registry, "00 00000001 00 0a01ff").1,
        "/s: a string is not valid UTF-8 at byte 8 (schema 1)"
    );
    let object = "00 00000002 7b2261223a317d";
    assert_eq!(told(&registry, object).0, Verdict::Accepted);
    assert_eq!(
        told(&registry, "00 00000002 7b7d"),
        (
            Verdict::Refused,
            "the value: \"a\" is a required property (#/required) (schema 2)".to_owned()
        )
    );
    assert_eq!(told(&registry, "00 00000002 7b").0, Verdict::NotJson);
    assert_eq!(told(&registry, "00 00000002 22ff22").0, Verdict::NotText);
    let (verdict, message) = told(&registry, "00 00000003");
    assert_eq!(verdict, Verdict::Refused);
    assert!(message.starts_with("schema 3 of the schema registry cannot be used: schemas of type"));
    assert!(told(&registry, "00 00000004").1.contains("not JSON"));
}

#[test]
fn a_registry_that_cannot_answer_is_worth_another_try() {
    for (status, expected) in [
        (
            "500 Oops",
            "answers 500 Internal Server Error to /schemas/ids/1",
        ),
        (
            "401 No",
            "refuses access (401 Unauthorized): check SCHEMA_REGISTRY_USERNAME",
        ),
        ("403 No", "refuses access (403 Forbidden)"),
        (
            "404 None",
            "but not as a schema registry: check the path in SCHEMA_REGISTRY_URL",
        ),
        ("200 OK", "but not as a schema registry"),
        ("429 Slow", "answers 429"),
    ] {
        let server = HttpServer::answering(status, "<html>");
        let told = unavailable(&open(&[&server.endpoint]), 1);
        assert!(told.contains(expected), "{status}: {told}");
        assert!(told.contains(&server.endpoint), "{told}");
    }
    for foreign in [
        r#"{"status":"UP"}"#,
        "null",
        "[]",
        r#"{"schema":null}"#,
        r#""login""#,
    ] {
        let server = HttpServer::answering("200 OK", foreign);
        let told = unavailable(&open(&[&server.endpoint]), 1);
        assert!(told.contains("leads to a schema registry"), "{told}");
    }
    let server = HttpServer::hanging_up();
    unavailable(&open(&[&server.endpoint]), 1);
    let told = unavailable(&open(&["http://127.0.0.1:1"]), 1);
    assert!(
        told.contains("http://127.0.0.1:1/ cannot be reached: "),
        "{told}"
    );
    assert!(told.contains("Check SCHEMA_REGISTRY_URL"), "{told}");
}

#[test]
fn an_id_that_the_registry_refuses_is_unknown() {
    for (status, body) in [
        ("422 No", r#"{"error_code":42201,"message":"no such id"}"#),
        ("400 No", r#"{"error_code":400,"message":"no such id"}"#),
    ] {
        let server = HttpServer::answering(status, body);
        let registry = open(&[&server.endpoint]);
        fetched(&registry, -1);
        let (verdict, message) = told(&registry, "00 ffffffff 02");
        assert_eq!(verdict, Verdict::Refused);
        assert!(
            message.contains("does not know the schema id -1"),
            "{message}"
        );
    }
}

#[test]
fn the_next_registry_is_tried() {
    let server = Server::new();
    server.answer("/schemas/ids/1", 200, format!(r#"{{"schema":"{POINT}"}}"#));
    let broken = HttpServer::answering("503 Later", "");
    let registry = open(&["http://127.0.0.1:1", &broken.endpoint, &server.url]);
    fetched(&registry, 1);
    assert_eq!(told(&registry, "00 00000001 02").0, Verdict::Accepted);
}

#[test]
fn a_silent_registry_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut impatient = options(&[&url]);
    impatient.request_timeout_ms = 100;
    let told = unavailable(&open_registry(&impatient).unwrap(), 1);
    assert!(told.contains("timed out"), "{told}");
}

#[test]
fn the_password_is_sent_and_never_told() {
    let server = Server::new();
    server.answer("/schemas/ids/1", 500, "");
    let registry = open(&[&server.url]);
    for password in ["verysecret", "verynew"] {
        let login = RegistryLogin {
            username: "user".to_owned(),
            password: password.to_owned(),
        };
        let told = &registry.fetch(&[1], &login).unwrap()[0].message;
        assert!(!told.is_empty() && !told.contains("very"), "{told}");
    }
    let requests = server.requests.lock().unwrap();
    assert_eq!(requests[0].1, "Basic dXNlcjp2ZXJ5c2VjcmV0");
    assert_eq!(requests[1].1, "Basic dXNlcjp2ZXJ5bmV3");
}

#[test]
fn certificates_are_those_of_the_file() {
    let folder = TempDir::new();
    let path = folder.path().join("ca.pem");
    let refused = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let mut with_ca = options(&["https://127.0.0.1:1"]);
        with_ca.ca_file = path.to_str().unwrap().to_owned();
        open_registry(&with_ca).err().unwrap().message
    };
    let told = refused("none");
    let expected = format!("{}: no certificate in it", path.display());
    assert!(told.starts_with(&expected), "{told}");
}

#[test]
fn an_endless_answer_is_given_up() {
    let server = Server::new();
    server.answer("/schemas/ids/1", 200, " ".repeat(17 * 1024 * 1024));
    let told = unavailable(&open(&[&server.url]), 1);
    assert!(told.contains("an answer of more than"), "{told}");
}
