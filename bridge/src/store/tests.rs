//! The probe, the commit put, and what becomes of HTTP answers.

use std::sync::atomic::{AtomicBool, Ordering};

use delta_kernel::object_store::PutPayload;

use super::testing::*;
use super::*;

/// What `lib.rs` promises to C++.
#[test]
fn stores_and_tables_can_be_shared_and_files_can_move() {
    fn shared<T: Send + Sync>() {}
    fn moved<T: Send>() {}
    shared::<Store>();
    shared::<Table>();
    moved::<crate::data_file::DataFile>();
    moved::<crate::data_file::FileSet>();
}

fn put_status(store: &Store) -> (Status, bool, String) {
    put_status_of(store, Bytes::from_static(b"x"))
}

fn put_status_of(store: &Store, body: Bytes) -> (Status, bool, String) {
    let answer = store
        .inner
        .wait(store.inner.commits.put_once(&Path::from("a/b"), body));
    match answer.result {
        Ok(()) => (Status::Ok, answer.sent, String::new()),
        Err(fault) => (fault.status, answer.sent, fault.message),
    }
}

#[test]
fn a_local_store_passes_the_probe_and_keeps_nothing_of_it() {
    let (directory, store) = local();
    expect(store.probe_put_if_absent().unwrap(), Status::Ok);
    let left = std::fs::read_dir(directory.path().join("base"))
        .unwrap()
        .count();
    assert_eq!(left, 0);
}

#[test]
fn a_store_that_overwrites_is_unsupported() {
    let message = expect(
        over(FakeStore::new(Create::Overwrites))
            .probe_put_if_absent()
            .unwrap(),
        Status::Unsupported,
    );
    assert!(message.contains("put-if-absent"), "{message}");
}

#[test]
fn a_store_that_lets_both_racers_win_is_unsupported() {
    let store = over(FakeStore::new(Create::OverwritesInRace));
    let outcome = store.probe_put_if_absent().unwrap();
    let message = expect(outcome, Status::Unsupported);
    assert!(message.contains("both succeeded"), "{message}");
}

#[test]
fn a_store_without_conditional_puts_is_unsupported() {
    let store = over(FakeStore::new(Create::NotImplemented));
    expect(store.probe_put_if_absent().unwrap(), Status::Unsupported);
}

#[test]
fn a_store_out_of_reach_is_not_called_dishonest() {
    let store = over(FakeStore::new(Create::LosesRequest));
    expect(store.probe_put_if_absent().unwrap(), Status::Transient);
}

#[test]
fn a_panic_becomes_an_error() {
    let fake = FakeStore::new(Create::Honest);
    let store = over(fake.clone());
    *fake.panics.lock().unwrap() = true;
    let error = store.probe_put_if_absent().unwrap_err().to_string();
    assert!(error.contains("panic in probe_put_if_absent"), "{error}");
    let table = store.table("bronze_a").unwrap();
    let error = table.create(&spec()).unwrap_err().to_string();
    assert!(error.contains("the store panics"), "{error}");
    *fake.panics.lock().unwrap() = false;
    expect(table.create(&spec()).unwrap(), Status::Ok);
}

#[test]
fn http_answers_have_the_right_status() {
    const XML: &str = "<?xml version=\"1.0\"?><Error><Code>SomeCode</Code>\
        <Message>Some message</Message><StringToSign>AWS4 verysecret</StringToSign></Error>";
    for (answer, expected) in [
        ("200 OK", Status::Ok),
        ("400 Bad Request", Status::Failed),
        ("401 Unauthorized", Status::Denied),
        ("403 Forbidden", Status::Denied),
        ("404 Not Found", Status::Missing),
        ("408 Request Timeout", Status::Transient),
        ("409 Conflict", Status::Transient),
        ("412 Precondition Failed", Status::Conflict),
        ("429 Too Many Requests", Status::Transient),
        ("500 Internal Server Error", Status::Transient),
        ("501 Not Implemented", Status::Unsupported),
        ("503 Slow Down", Status::Transient),
    ] {
        let server = HttpServer::answering(answer, XML);
        let (status, sent, message) = put_status(&server.store());
        assert_eq!(status, expected, "{answer}: {message}");
        assert!(sent, "{answer}");
        assert_eq!(server.requests.lock().unwrap().len(), 1, "{answer}");
        if status != Status::Ok {
            assert!(message.contains("SomeCode Some message"), "{message}");
            assert!(!message.contains("verysecret"), "{message}");
        }
    }
}

#[test]
fn expired_credentials_are_denied_whatever_the_status() {
    let body = "<Error><Code>ExpiredToken</Code><Message>The token has expired.</Message></Error>";
    let server = HttpServer::answering("400 Bad Request", body);
    let (status, _, message) = put_status(&server.store());
    assert_eq!(status, Status::Denied, "{message}");
}

#[test]
fn a_clock_that_is_wrong_is_no_want_of_rights() {
    let body = "<Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the \
        request time and the server's time is too large.</Message></Error>";
    let server = HttpServer::answering("403 Forbidden", body);
    let (status, _, message) = put_status(&server.store());
    assert_eq!(status, Status::Transient, "{message}");
    assert!(message.contains("RequestTimeTooSkewed"), "{message}");
}

#[test]
fn a_connection_that_breaks_after_the_request_was_sent() {
    let server = HttpServer::hanging_up();
    let (status, sent, message) = put_status(&server.store());
    assert_eq!(status, Status::Transient, "{message}");
    assert!(sent);
    assert_eq!(server.requests.lock().unwrap().len(), 1);
}

#[test]
fn a_refused_connection_was_not_sent() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let (status, sent, message) = put_status(&s3_at(&format!("http://{address}")));
    assert_eq!(status, Status::Transient, "{message}");
    assert!(!sent);
}

#[test]
fn a_store_that_does_not_answer_is_transient_and_sent() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let (status, sent, message) = put_status(&s3_at(&format!("http://{address}")));
    assert_eq!(status, Status::Transient, "{message}");
    assert!(sent);
}

#[test]
fn a_large_body_on_a_slow_link_is_given_longer_until_the_link_is_fast() {
    let (slow, refuses) = (
        Arc::new(AtomicBool::new(true)),
        Arc::new(AtomicBool::new(false)),
    );
    let (is_slow, does_refuse) = (slow.clone(), refuses.clone());
    let server = HttpServer::with(move |_| {
        if does_refuse.load(Ordering::Relaxed) {
            return Some(("403 Forbidden".into(), String::new()));
        }
        if is_slow.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(2_800));
        }
        Some(("200 OK".into(), String::new()))
    });
    let mut settings = s3_options(&server.endpoint);
    settings.request_timeout_ms = 1_200;
    let store = open_store(&settings).unwrap();
    // The tries that it took; 0 = none of those that the client makes by itself.
    let put = |bytes: usize| {
        server.requests.lock().unwrap().clear();
        let body = PutPayload::from(vec![0; bytes]);
        let answer = store
            .inner
            .wait(store.inner.data.put(&Path::from("a/b"), body));
        answer.map_or(0, |_| server.requests.lock().unwrap().len())
    };
    let large = 16 << 20;

    assert!(put(large) > 1, "the time-out holds at first");
    assert_eq!(put(large), 1);
    assert_eq!(put(1_000), 0, "a small one waits no longer");
    let (status, _, message) = put_status_of(&store, vec![0; large].into());
    assert_eq!(status, Status::Transient, "a commit neither: {message}");
    assert!(message.contains("timed out"), "{message}");
    refuses.store(true, Ordering::Relaxed);
    assert_eq!(put(large), 0);
    refuses.store(false, Ordering::Relaxed);
    assert_eq!(put(large), 1, "a quick refusal says nothing of the link");

    slow.store(false, Ordering::Relaxed);
    for _ in 0..5 {
        assert_eq!(put(large), 1);
    }
    slow.store(true, Ordering::Relaxed);
    assert!(put(large) > 1, "as in the beginning");
}

#[test]
fn a_missing_bucket_is_named() {
    let body = "<Error><Code>NoSuchBucket</Code>\
        <Message>The specified bucket does not exist</Message></Error>";
    let store = HttpServer::answering("404 Not Found", body).store();
    let message = expect(store.probe_put_if_absent().unwrap(), Status::Missing);
    assert!(message.contains("s3://bucket/lake"), "{message}");
    let message = expect(store.table("t").unwrap().load().unwrap(), Status::Missing);
    assert!(message.contains("NoSuchBucket"), "{message}");
    assert!(message.contains("s3://bucket/lake"), "{message}");
}

#[test]
fn a_denied_listing_is_not_a_missing_table() {
    let body = "<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>";
    let store = HttpServer::answering("403 Forbidden", body).store();
    let message = expect(store.table("t").unwrap().load().unwrap(), Status::Denied);
    assert!(!message.contains('?'), "{message}");
    expect(store.probe_put_if_absent().unwrap(), Status::Denied);
}

#[test]
fn reads_are_retried_and_commits_are_not() {
    let server = HttpServer::answering("503 Slow Down", "");
    let store = server.store();
    let table = store.table("t").unwrap();
    expect(
        table.log_entry_has_txn(1, "").unwrap().outcome,
        Status::Transient,
    );
    assert_eq!(server.requests.lock().unwrap().len(), 4);
    server.requests.lock().unwrap().clear();
    put_status(&store);
    assert_eq!(server.requests.lock().unwrap().len(), 1);
}

#[test]
fn options_and_uris_that_mean_nothing_are_errors() {
    let refused = |uri: &str, pairs: &[(&str, &str)]| {
        open_store(&options(uri.into(), pairs))
            .err()
            .unwrap()
            .to_string()
    };
    assert!(refused("s3://bucket", &[("aws_regio", "x")]).contains("aws_regio"));
    assert!(refused("s3://", &[]).contains("bucket"));
    assert!(refused("s3://bucket/a%20b", &[]).contains("percent"));
    assert!(refused("file://relative/path", &[]).contains("absolute"));
    assert!(refused("ftp://x/y", &[]).contains("ftp"));
    assert!(refused("/plain/path", &[]).contains("scheme"));
}

#[test]
fn client_options_of_the_caller_win() {
    let server = HttpServer::answering("200 OK", "");
    let pairs = [
        ("aws_endpoint", server.endpoint.as_str()),
        ("aws_allow_http", "false"),
        ("aws_skip_signature", "true"),
    ];
    let store = open_store(&options("s3://bucket".into(), &pairs)).unwrap();
    assert_ne!(put_status(&store).0, Status::Ok);
    assert_eq!(server.requests.lock().unwrap().len(), 0);
}

#[test]
fn a_read_only_directory_is_denied() {
    use std::os::unix::fs::PermissionsExt;
    if is_root() {
        return;
    }
    let (directory, store) = local();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o500)).unwrap();
    let status = store.probe_put_if_absent().unwrap().status;
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(status, Status::Denied);
}

/// Root may write anywhere, but not into /proc and not into a file.
#[test]
fn a_base_that_cannot_be_a_directory_is_an_error_of_its_own() {
    let directory = TempDir::new();
    let file = directory.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let outcome = local_at(&file.join("base")).probe_put_if_absent().unwrap();
    assert_eq!(outcome.status, Status::Failed, "{}", outcome.message);
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}
