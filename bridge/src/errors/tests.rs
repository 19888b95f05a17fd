//! Each kind of failure, in the wrappers that it comes in.

use delta_kernel::object_store::client::{HttpError, HttpErrorKind};

use super::*;

fn in_store(source: impl Error + Send + Sync + 'static) -> object_store::Error {
    object_store::Error::Generic {
        store: "test",
        source: Box::new(source),
    }
}

fn os(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

#[test]
fn operating_system_errors() {
    const CODES: [(i32, Status); 14] = [
        (1, Status::Denied),      // EPERM
        (13, Status::Denied),     // EACCES
        (30, Status::Denied),     // EROFS
        (2, Status::Missing),     // ENOENT
        (17, Status::Conflict),   // EEXIST
        (28, Status::Transient),  // ENOSPC
        (122, Status::Transient), // EDQUOT
        (5, Status::Transient),   // EIO
        (24, Status::Transient),  // EMFILE
        (104, Status::Transient), // ECONNRESET
        (110, Status::Transient), // ETIMEDOUT
        (111, Status::Transient), // ECONNREFUSED
        (20, Status::Failed),     // ENOTDIR
        (36, Status::Failed),     // ENAMETOOLONG
    ];
    for (code, expected) in CODES {
        assert_eq!(classify(&os(code)), expected, "errno {code}");
        let wrapped = KernelError::ObjectStore(in_store(os(code)));
        assert_eq!(classify(&wrapped), expected, "wrapped errno {code}");
    }
}

#[test]
fn wrappers_that_hide_their_cause_are_seen_through() {
    let denied = || in_store(os(13));
    let cases: Vec<Box<dyn Error>> = vec![
        Box::new(KernelError::ObjectStore(denied())),
        Box::new(KernelError::generic_err(denied())),
        Box::new(KernelError::Arrow(ArrowError::ExternalError(Box::new(
            denied(),
        )))),
        Box::new(KernelError::Arrow(ArrowError::IoError("x".into(), os(13)))),
        Box::new(KernelError::Parquet(ParquetError::External(Box::new(
            denied(),
        )))),
        Box::new(io::Error::other(denied())),
        Box::new(KernelError::IOError(os(13))),
    ];
    for case in cases {
        assert_eq!(classify(case.as_ref()), Status::Denied, "{case:?}");
    }
}

#[test]
fn backtraces_are_neither_judged_nor_shown() {
    let error = KernelError::Backtraced {
        source: Box::new(KernelError::MissingMetadata),
        backtrace: Box::new(std::backtrace::Backtrace::force_capture()),
    };
    let fault = Fault::from(error);
    assert_eq!(fault.status, Status::Corrupt);
    assert!(!fault.message.contains("rust"), "{}", fault.message);
}

#[test]
fn store_errors() {
    let source = || -> Box<dyn Error + Send + Sync> { "why".into() };
    let path = || "a/b".to_owned();
    use object_store::Error as E;
    for (error, expected) in [
        (
            E::NotFound {
                path: path(),
                source: source(),
            },
            Status::Missing,
        ),
        (
            E::AlreadyExists {
                path: path(),
                source: source(),
            },
            Status::Conflict,
        ),
        (
            E::Precondition {
                path: path(),
                source: source(),
            },
            Status::Conflict,
        ),
        (
            E::PermissionDenied {
                path: path(),
                source: source(),
            },
            Status::Denied,
        ),
        (
            E::Unauthenticated {
                path: path(),
                source: source(),
            },
            Status::Denied,
        ),
        (E::NotSupported { source: source() }, Status::Unsupported),
        (
            E::Generic {
                store: "x",
                source: source(),
            },
            Status::Failed,
        ),
    ] {
        assert_eq!(classify(&error), expected, "{error}");
    }
}

#[test]
fn transport_errors_are_transient() {
    for kind in [
        HttpErrorKind::Connect,
        HttpErrorKind::Request,
        HttpErrorKind::Timeout,
        HttpErrorKind::Interrupted,
        HttpErrorKind::Decode,
        HttpErrorKind::Unknown,
    ] {
        let error = in_store(HttpError::new(kind, os(1)));
        assert_eq!(classify(&error), Status::Transient, "{kind:?}");
    }
}

/// As the HTTP client's own error: its cause is in its source only.
#[derive(Debug)]
struct NotSent(io::Error);

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("error sending request")
    }
}

impl Error for NotSent {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn transport_errors_say_why_nothing_could_be_sent() {
    let refused = "Connection refused (os error 111)";
    let not_sent = || in_store(HttpError::new(HttpErrorKind::Connect, NotSent(os(111))));
    assert!(!not_sent().to_string().contains(refused));
    for fault in [
        Fault::from(not_sent()),
        Fault::from(KernelError::ObjectStore(not_sent())),
    ] {
        assert_eq!(fault.message.matches(refused).count(), 1, "{fault}");
        assert!(fault.message.ends_with(refused), "{fault}");
    }
    let local = Fault::from(in_store(os(13)));
    assert_eq!(local.message.matches("os error 13").count(), 1, "{local}");
}

#[test]
fn what_our_own_layers_say_comes_through_the_libraries() {
    let said = || Fault::new(Status::Denied, "the key is wrong");
    let in_http = || in_store(HttpError::new(HttpErrorKind::Unknown, said()));
    for fault in [
        Fault::from(in_http()),
        Fault::from(KernelError::ObjectStore(in_http())),
        Fault::from(ParquetError::External(Box::new(in_http()))),
        Fault::from(ArrowError::ExternalError(Box::new(in_http()))),
    ] {
        assert_eq!(fault.status, Status::Denied);
        assert_eq!(fault.message, "the key is wrong");
    }
}

#[test]
fn kernel_errors() {
    for (error, expected) in [
        (KernelError::file_not_found("x"), Status::Missing),
        (KernelError::FileAlreadyExists("x".into()), Status::Conflict),
        (KernelError::Unsupported("x".into()), Status::Unsupported),
        (KernelError::InvalidCheckpoint("x".into()), Status::Corrupt),
        (KernelError::MissingMetadata, Status::Corrupt),
        (KernelError::MissingVersion(3), Status::Corrupt),
        (
            KernelError::Arrow(ArrowError::JsonError("x".into())),
            Status::Corrupt,
        ),
        (
            KernelError::Parquet(ParquetError::EOF("x".into())),
            Status::Corrupt,
        ),
        (KernelError::generic("x"), Status::Failed),
    ] {
        assert_eq!(classify(&error), expected, "{error}");
    }
}

#[test]
fn messages_keep_no_secrets() {
    let text = redact(
        "Error performing GET https://user:pw@host:9000/bucket/key?X-Amz-Signature=abc&p=1 in 1ms \
         - Server returned non-2xx status code: 403 Forbidden: <?xml version=\"1.0\"?>\n<Error>\
         <Code>SignatureDoesNotMatch</Code><Message>no match</Message>\
         <AWSAccessKeyId>AKIA</AWSAccessKeyId></Error>",
    );
    assert_eq!(
        text,
        "Error performing GET https://host:9000/bucket/key in 1ms - Server returned non-2xx \
         status code: 403 Forbidden: SignatureDoesNotMatch no match"
    );
    assert_eq!(redact("(s3://b/p?x=1) and s3://c"), "(s3://b/p) and s3://c");
    assert_eq!(redact("no url, a?b stays"), "no url, a?b stays");
}

#[test]
fn long_messages_are_cut_between_characters() {
    let cut = redact(&"ä".repeat(5_000));
    assert!(cut.len() <= MESSAGE_BYTES_MAX + "…".len());
    assert!(cut.ends_with('…'));
}

#[test]
fn panics_become_errors_with_their_message() {
    let number = 7;
    let fault = guarded::<()>("work", || panic!("number {number}")).unwrap_err();
    assert_eq!(fault.to_string(), "panic in work: number 7");
}
