//! What is said of a store that says no.

use bytes::Bytes;
use delta_kernel::object_store::path::Path;
use delta_kernel::object_store::ObjectStoreExt;

use crate::errors::Fault;
use crate::ffi::Status;
use crate::store::testing::{expect, options, HttpServer, TempDir};
use crate::store::{open_store, Store};

const KEYS: [(&str, &str); 2] = [
    ("aws_access_key_id", "someone"),
    ("aws_secret_access_key", "verysecret"),
];

fn error(code: &str, message: &str) -> String {
    format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>")
}

fn store_at(endpoint: &str, more: &[(&str, &str)]) -> Box<Store> {
    let mut pairs = vec![("aws_endpoint", endpoint), ("aws_region", "us-east-1")];
    pairs.extend_from_slice(more);
    open_store(&options("s3://bucket/lake".into(), &pairs)).unwrap()
}

fn refusing(status: &'static str, code: &str, message: &str) -> HttpServer {
    let body = error(code, message);
    HttpServer::with(move |_| Some((status.into(), body.clone())))
}

fn put(store: &Store) -> Fault {
    let path = Path::from("lake/a b");
    let answer = store
        .inner
        .commits
        .put_once(&path, Bytes::from_static(b"x"));
    store.inner.wait(answer).result.unwrap_err()
}

#[test]
fn what_is_wrong_is_named_with_its_variable() {
    for (status, code, expected, words) in [
        (
            "403 Forbidden",
            "SignatureDoesNotMatch",
            Status::Denied,
            [
                "the secret key of AWS_ACCESS_KEY_ID does not fit",
                "check AWS_ACCESS_KEY_ID",
            ],
        ),
        (
            "403 Forbidden",
            "InvalidAccessKeyId",
            Status::Denied,
            [
                "does not know the key of AWS_ACCESS_KEY_ID",
                "AWS_SECRET_ACCESS_KEY",
            ],
        ),
        (
            "400 Bad Request",
            "ExpiredToken",
            Status::Denied,
            [
                "the credentials of AWS_ACCESS_KEY_ID have expired",
                "AWS_SESSION_TOKEN",
            ],
        ),
        (
            "403 Forbidden",
            "AccessDenied",
            Status::Denied,
            ["grant s3:PutObject on bucket/lake/a%20b", "(Some message)"],
        ),
        (
            "404 Not Found",
            "NoSuchBucket",
            Status::Missing,
            [
                "there is no bucket bucket at http://127.0.0.1",
                "BRONZE_BUCKET",
            ],
        ),
        (
            "400 Bad Request",
            "AuthorizationHeaderMalformed",
            Status::Denied,
            ["check AWS_REGION", "(Some message)"],
        ),
        (
            "301 Moved Permanently",
            "PermanentRedirect",
            Status::Denied,
            ["check AWS_REGION", "S3_ENDPOINT_URL"],
        ),
    ] {
        let server = refusing(status, code, "Some message");
        let fault = put(&store_at(&server.endpoint, &KEYS));
        assert_eq!(fault.status, expected, "{fault}");
        assert!(fault.message.starts_with(code), "{fault}");
        for word in words {
            assert!(fault.message.contains(word), "{word}: {fault}");
        }
        assert!(!fault.message.contains("verysecret"), "{fault}");
        assert_eq!(server.requests.lock().unwrap().len(), 1, "{code}");
    }
}

#[test]
fn the_right_that_is_missing_is_named() {
    let server = refusing("403 Forbidden", "AccessDenied", "no");
    let store = store_at(&server.endpoint, &KEYS);
    let said = |outcome| expect(outcome, Status::Denied);
    let listed = said(store.table("t").unwrap().load().unwrap());
    assert!(
        listed.contains("s3:GetObject on bucket/lake/t/_delta_log/_last_checkpoint"),
        "{listed}"
    );
    let data = &store.inner.data;
    let path = Path::from("lake/x");
    let list = store.inner.wait(data.list_with_delimiter(Some(&path)));
    let fault = Fault::from(list.unwrap_err());
    assert!(
        fault
            .message
            .contains("s3:ListBucket on bucket for the prefix lake/x/"),
        "{fault}"
    );
    let fault = Fault::from(store.inner.wait(data.delete(&path)).unwrap_err());
    assert!(
        fault.message.contains("s3:DeleteObject on bucket"),
        "{fault}"
    );
}

#[test]
fn what_is_not_there_or_was_changed_is_left_to_the_library() {
    for (status, code, expected) in [
        ("404 Not Found", "NoSuchKey", Status::Missing),
        (
            "412 Precondition Failed",
            "PreconditionFailed",
            Status::Conflict,
        ),
        ("403 Forbidden", "RequestTimeTooSkewed", Status::Transient),
        ("400 Bad Request", "BadDigest", Status::Transient),
    ] {
        let server = refusing(status, code, "Some message");
        let fault = put(&store_at(&server.endpoint, &KEYS));
        assert_eq!(fault.status, expected, "{fault}");
        assert!(fault.message.contains("Some message"), "{fault}");
    }
}

/// Answers as a store that knows only this key.
fn store_of(key: &'static str) -> HttpServer {
    HttpServer::with(move |request| {
        let known = request.contains(&format!("Credential={key}/"));
        Some(match known {
            true => ("200 OK".into(), String::new()),
            false => ("400 Bad Request".into(), error("ExpiredToken", "too old")),
        })
    })
}

#[test]
fn expired_credentials_are_fetched_anew_and_the_request_may_be_repeated() {
    let home = TempDir::new();
    let file = home.path().join("credentials");
    let write = |id: &str| {
        let text = format!("[p]\naws_access_key_id={id}\naws_secret_access_key=verysecret\n");
        std::fs::write(&file, text).unwrap();
    };
    let server = store_of("second");
    let profile = [
        ("aws_profile", "p"),
        ("aws_shared_credentials_file", file.to_str().unwrap()),
    ];
    let store = store_at(&server.endpoint, &profile);
    write("first");
    let fault = put(&store);
    assert_eq!(fault.status, Status::Denied, "{fault}");
    assert!(
        fault
            .message
            .contains("the files are read again when they change"),
        "{fault}"
    );
    write("second");
    // The change is looked for once a second only; the store is quicker.
    let fault = put(&store);
    assert_eq!(fault.status, Status::Transient, "{fault}");
    assert!(fault.message.contains("new ones were fetched"), "{fault}");
    let path = Path::from("lake/a b");
    let answer = store.inner.commits.put_once(&path, Bytes::new());
    assert!(store.inner.wait(answer).result.is_ok());
}

#[test]
fn expired_credentials_of_a_service_are_waited_for() {
    let issuer = HttpServer::answering(
        "200 OK",
        r#"{"AccessKeyId": "first", "SecretAccessKey": "verysecret", "Token": "t",
            "Expiration": "2100-01-01T00:00:00Z"}"#,
    );
    let server = store_of("second");
    let url = issuer.endpoint.as_str();
    let store = store_at(
        &server.endpoint,
        &[("aws_container_credentials_full_uri", url)],
    );
    let fault = put(&store);
    assert_eq!(fault.status, Status::Transient, "{fault}");
    assert!(
        fault.message.contains("no new ones are issued yet"),
        "{fault}"
    );
    assert!(
        fault.message.contains("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        "{fault}"
    );
    assert_eq!(issuer.requests.lock().unwrap().len(), 2);
}

#[test]
fn without_credentials_nothing_is_sent() {
    let server = HttpServer::answering("200 OK", "");
    let store = store_at(&server.endpoint, &[("aws_ec2_metadata_disabled", "true")]);
    let fault = put(&store);
    assert_eq!(fault.status, Status::Denied);
    assert!(
        fault
            .message
            .starts_with("no credentials of any source: there is none"),
        "{fault}"
    );
    assert!(server.requests.lock().unwrap().is_empty());
}

#[test]
fn the_bucket_may_be_named_in_the_host() {
    let server = refusing("404 Not Found", "NoSuchBucket", "");
    let endpoint = server.endpoint.replace("127.0.0.1", "nowhere.invalid");
    let store = store_at(
        &endpoint,
        &[
            KEYS[0],
            KEYS[1],
            ("aws_virtual_hosted_style_request", "true"),
        ],
    );
    let fault = put(&store);
    assert!(
        fault.message.contains("http://bucket.nowhere.invalid"),
        "{fault}"
    );
}

#[test]
fn a_bundle_without_certificates_is_refused() {
    let home = TempDir::new();
    let file = home.path().join("ca.pem");
    let path = file.to_str().unwrap();
    for (text, expected) in [
        (None, "No such file"),
        (Some("nothing"), "no certificate in it"),
    ] {
        if let Some(text) = text {
            std::fs::write(&file, text).unwrap();
        }
        let pairs = [
            ("aws_endpoint", "https://127.0.0.1:1"),
            ("aws_ca_bundle", path),
        ];
        let refused = open_store(&options("s3://bucket".into(), &pairs));
        let message = refused.err().unwrap().to_string();
        assert!(
            message.starts_with(&format!("AWS_CA_BUNDLE: {path}: ")),
            "{message}"
        );
        assert!(message.contains(expected), "{message}");
    }
}
