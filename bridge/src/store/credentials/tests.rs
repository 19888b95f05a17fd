//! The cache, the chain, and each source.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;
use crate::store::testing::{HttpServer, TempDir};

/// Gives what it is told to, and counts.
#[derive(Default)]
struct Scripted {
    asked: AtomicUsize,
    changed: AtomicBool,
    /// Key and seconds that it holds; None: it cannot be asked.
    next: Mutex<Option<(&'static str, Option<i64>)>>,
}

struct Shared(Arc<Scripted>);

#[async_trait]
impl Source for Shared {
    async fn fetch(&self) -> Result<Fetched> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        // Others come meanwhile.
        tokio::task::yield_now().await;
        match *self.0.next.lock().unwrap() {
            Some((key, seconds)) => Ok(Fetched {
                credential: AwsCredential {
                    key_id: key.to_owned(),
                    secret_key: "verysecret".to_owned(),
                    token: None,
                },
                ends: seconds.map(|seconds| Utc::now() + chrono::TimeDelta::seconds(seconds)),
            }),
            None => Err(Fault::new(Status::Transient, "nobody answers")),
        }
    }

    fn has_changed(&self) -> bool {
        self.0.changed.load(Ordering::SeqCst)
    }
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a script")
    }
}

struct Fixture {
    script: Arc<Scripted>,
    credentials: Credentials,
    runtime: tokio::runtime::Runtime,
}

impl Fixture {
    fn giving(key: &'static str, seconds: Option<i64>) -> Self {
        let script = Arc::new(Scripted::default());
        let fixture = Self {
            credentials: Credentials::of(Box::new(Shared(script.clone()))),
            script,
            runtime: runtime(),
        };
        fixture.give(key, seconds);
        fixture
    }

    fn give(&self, key: &'static str, seconds: Option<i64>) {
        *self.script.next.lock().unwrap() = Some((key, seconds));
    }

    fn fail(&self) {
        *self.script.next.lock().unwrap() = None;
    }

    fn get(&self) -> Result<String> {
        let held = self.runtime.block_on(self.credentials.get())?;
        Ok(held.key_id.clone())
    }

    fn asked(&self) -> usize {
        self.script.asked.load(Ordering::SeqCst)
    }

    fn refused(&self, key: &str) -> Renewal {
        self.runtime.block_on(self.credentials.renew_refused(key))
    }

    /// As if so much time had passed that the source may be asked again.
    fn may_ask(&self) {
        self.credentials.state().held.as_mut().unwrap().ask_from = Instant::now();
    }

    fn end(&self) {
        self.credentials.state().held.as_mut().unwrap().ends = Some(Instant::now());
        self.may_ask();
    }

    fn wait_until_asked(&self, times: usize) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.asked() < times {
            assert!(Instant::now() < deadline, "asked {} times", self.asked());
            std::thread::sleep(Duration::from_millis(5));
        }
        // What it answered is held or noted, too.
        drop(self.runtime.block_on(self.credentials.0.asking.lock()));
    }

    fn notices(&self) -> Vec<(bool, String)> {
        let notices = self.credentials.take_notices().into_iter();
        notices
            .map(|notice| (notice.renewal == ffi::Renewal::Failed, notice.text))
            .collect()
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn they_are_fetched_once_and_kept() {
    let fixture = Fixture::giving("first", Some(3_600));
    for _ in 0..3 {
        assert_eq!(fixture.get().unwrap(), "first");
    }
    assert_eq!(fixture.asked(), 1);
    let held = fixture.credentials.state();
    let held = held.held.as_ref().unwrap();
    let ahead = held.ends.unwrap() - held.ask_from;
    assert_eq!(ahead, RENEW_BEFORE_END_MAX);
}

#[test]
fn short_lived_ones_are_renewed_in_their_last_third() {
    let fixture = Fixture::giving("first", Some(30));
    fixture.get().unwrap();
    let held = fixture.credentials.state();
    let held = held.held.as_ref().unwrap();
    let ahead = held.ends.unwrap() - held.ask_from;
    assert!((9..=10).contains(&ahead.as_secs()), "{ahead:?}");
}

#[test]
fn they_are_renewed_beside_their_use() {
    let fixture = Fixture::giving("first", Some(3_600));
    fixture.get().unwrap();
    fixture.give("second", Some(3_600));
    fixture.may_ask();
    assert_eq!(fixture.get().unwrap(), "first");
    fixture.wait_until_asked(2);
    assert_eq!(fixture.get().unwrap(), "second");
    assert_eq!(fixture.asked(), 2);
    let notices = fixture.notices();
    assert_eq!(notices.len(), 2);
    assert!(
        notices[1].1.starts_with("a script, which hold until 20"),
        "{notices:?}"
    );
}

#[test]
fn while_the_source_is_down_the_old_ones_are_used() {
    let fixture = Fixture::giving("first", Some(3_600));
    fixture.get().unwrap();
    fixture.notices();
    fixture.fail();
    fixture.may_ask();
    assert_eq!(fixture.get().unwrap(), "first");
    fixture.wait_until_asked(2);
    // It is not asked at once again, and said once.
    assert_eq!(fixture.get().unwrap(), "first");
    fixture.may_ask();
    fixture.get().unwrap();
    fixture.wait_until_asked(3);
    let notices = fixture.notices();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].0);
    assert!(notices[0].1.contains("hold for 3599 s"), "{notices:?}");
    assert!(
        notices[0].1.contains("a script: nobody answers"),
        "{notices:?}"
    );
}

#[test]
fn whether_ended_ones_still_hold_is_for_the_store_to_say() {
    let fixture = Fixture::giving("first", Some(3_600));
    fixture.get().unwrap();
    fixture.fail();
    fixture.end();
    assert_eq!(fixture.get().unwrap(), "first");
    assert_eq!(fixture.asked(), 2);
    assert_eq!(fixture.get().unwrap(), "first");
    assert_eq!(fixture.asked(), 2);
    fixture.give("second", Some(3_600));
    fixture.end();
    assert_eq!(fixture.get().unwrap(), "second");
}

#[test]
fn without_any_the_source_speaks() {
    let fixture = Fixture::giving("first", None);
    fixture.fail();
    let fault = fixture.get().unwrap_err();
    assert_eq!(fault.status, Status::Transient);
    assert_eq!(fault.message, "no credentials of a script: nobody answers");
    assert!(fixture.notices().is_empty());
    fixture.give("first", None);
    assert_eq!(fixture.get().unwrap(), "first");
}

#[test]
fn those_without_an_end_are_fetched_when_the_source_changes() {
    let fixture = Fixture::giving("first", None);
    fixture.get().unwrap();
    fixture.give("second", None);
    fixture.may_ask();
    assert_eq!(fixture.get().unwrap(), "first");
    fixture.script.changed.store(true, Ordering::SeqCst);
    assert_eq!(fixture.get().unwrap(), "first");
    fixture.may_ask();
    assert_eq!(fixture.get().unwrap(), "second");
}

#[test]
fn refused_ones_are_fetched_anew() {
    let fixture = Fixture::giving("first", Some(3_600));
    fixture.get().unwrap();
    assert!(matches!(fixture.refused("first"), Renewal::Same));
    fixture.give("second", Some(3_600));
    assert!(matches!(fixture.refused("first"), Renewal::Others));
    assert_eq!(fixture.get().unwrap(), "second");
    assert_eq!(fixture.asked(), 3);
    // A late answer to a request that was signed before.
    assert!(matches!(fixture.refused("first"), Renewal::Others));
    assert_eq!(fixture.asked(), 3);
    fixture.fail();
    assert!(matches!(fixture.refused("second"), Renewal::Unknown(_)));
    assert_eq!(fixture.get().unwrap(), "second");
}

#[test]
fn all_who_wait_share_one_answer() {
    for fails in [false, true] {
        let fixture = Fixture::giving("first", None);
        if fails {
            fixture.fail();
        }
        let all = (0..20).map(|_| fixture.credentials.get());
        let answers = fixture.runtime.block_on(futures::future::join_all(all));
        assert!(answers.iter().all(|answer| answer.is_err() == fails));
        assert_eq!(fixture.asked(), 1);
    }
}

// --- the chain -----------------------------------------------------------------------------------

fn options(pairs: &[(&str, &str)]) -> Options {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

fn credentials(pairs: &[(&str, &str)]) -> Credentials {
    Credentials::take_from(&mut options(pairs), &Arc::default()).unwrap()
}

fn fetched(pairs: &[(&str, &str)]) -> Result<Fetched> {
    runtime().block_on(credentials(pairs).source().fetch())
}

fn refusal(pairs: &[(&str, &str)]) -> Fault {
    runtime().block_on(credentials(pairs).get()).unwrap_err()
}

#[test]
fn the_first_of_the_chain_counts() {
    let home = TempDir::new();
    let file = home.path().join("credentials");
    std::fs::write(
        &file,
        "[default]\naws_access_key_id=a\naws_secret_access_key=b\n",
    )
    .unwrap();
    let mut pairs = vec![
        ("aws_default_region", "us-east-1"),
        ("aws_access_key_id", "key"),
        ("aws_secret_access_key", "secret"),
        ("aws_web_identity_token_file", "/token"),
        ("aws_role_arn", "arn:role"),
        ("aws_container_credentials_relative_uri", "/path"),
        ("aws_shared_credentials_file", file.to_str().unwrap()),
        ("aws_metadata_endpoint", "http://127.0.0.1:1"),
    ];
    for (begin, drop) in [
        ("AWS_ACCESS_KEY_ID", 2),
        (
            "the role arn:role (AWS_ROLE_ARN) by https://sts.us-east-1.",
            2,
        ),
        (
            "the container by http://169.254.170.2/path (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI)",
            1,
        ),
        ("the profile default (AWS_PROFILE) in ", 1),
        ("the instance by http://127.0.0.1:1/", 1),
    ] {
        let named = credentials(&pairs).to_string();
        assert!(named.starts_with(begin), "{named}");
        pairs.drain(1..1 + drop);
    }
    pairs.push(("aws_ec2_metadata_disabled", "true"));
    let fault = refusal(&pairs);
    assert_eq!(fault.status, Status::Denied);
    assert!(
        fault.message.contains("AWS_EC2_METADATA_DISABLED"),
        "{fault}"
    );
}

#[test]
fn nothing_of_the_chain_is_left_for_the_store() {
    let mut all = options(&[
        ("aws_region", "eu-west-1"),
        ("aws_default_region", "us-east-1"),
        ("aws_session_token", "x"),
        ("aws_role_session_name", "x"),
        ("aws_endpoint_url_sts", "http://127.0.0.1:1"),
        ("aws_container_authorization_token", "x"),
        ("aws_container_authorization_token_file", "x"),
        ("aws_config_file", "/nonexistent"),
        ("aws_endpoint", "http://127.0.0.1:9000"),
    ]);
    Credentials::take_from(&mut all, &Arc::default()).unwrap();
    assert_eq!(
        all,
        options(&[
            ("aws_region", "eu-west-1"),
            ("aws_endpoint", "http://127.0.0.1:9000")
        ])
    );
}

// --- profiles ------------------------------------------------------------------------------------

struct Home(TempDir);

impl Home {
    fn new(credentials: &str, config: &str) -> Self {
        let home = Self(TempDir::new());
        home.write("credentials", credentials);
        home.write("config", config);
        home
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).unwrap();
    }

    fn options(&self, profile: Option<&str>) -> Options {
        let path = |name: &str| self.0.path().join(name).display().to_string();
        let mut options = options(&[("aws_default_region", "us-east-1")]);
        options.insert("aws_shared_credentials_file".into(), path("credentials"));
        options.insert("aws_config_file".into(), path("config"));
        if let Some(name) = profile {
            options.insert("aws_profile".into(), name.into());
        }
        options
    }

    fn credentials(&self, profile: Option<&str>) -> Credentials {
        Credentials::take_from(&mut self.options(profile), &Arc::default()).unwrap()
    }

    fn fetched(&self, profile: &str) -> Result<Fetched> {
        runtime().block_on(self.credentials(Some(profile)).source().fetch())
    }

    fn keys(&self, profile: &str) -> (String, String, Option<String>) {
        let credential = self.fetched(profile).unwrap().credential;
        (credential.key_id, credential.secret_key, credential.token)
    }
}

#[test]
fn a_profile_is_read_from_both_files() {
    let home = Home::new(
        "# comment\n[default]\naws_access_key_id = a\naws_secret_access_key = s#e;c/r=e:t\n\
         [other]\naws_access_key_id=b\naws_secret_access_key=d\naws_session_token = t==\n",
        "[default]\nregion = eu-west-1\naws_access_key_id = ignored\ns3 =\n    region = nested\n\
         [profile other]\nregion=eu-north-1\n[profile third]\naws_access_key_id = c\n\
         aws_secret_access_key = e\n",
    );
    assert_eq!(
        home.keys("default"),
        ("a".into(), "s#e;c/r=e:t".into(), None)
    );
    assert_eq!(
        home.keys("other"),
        ("b".into(), "d".into(), Some("t==".into()))
    );
    assert_eq!(home.keys("third"), ("c".into(), "e".into(), None));
    assert!(home
        .credentials(None)
        .to_string()
        .contains("profile default"));
}

#[test]
fn a_profile_names_the_region_unless_it_is_given() {
    let home = Home::new("", "[profile p]\nregion = eu-west-1\n[profile q]\n");
    for (profile, given, expected) in [
        ("p", None, "eu-west-1"),
        ("p", Some("eu-north-1"), "eu-north-1"),
        ("q", None, "us-east-1"),
    ] {
        let mut options = home.options(Some(profile));
        if let Some(region) = given {
            options.insert("aws_region".into(), region.into());
        }
        Credentials::take_from(&mut options, &Arc::default()).unwrap();
        assert_eq!(options["aws_region"], expected);
    }
}

#[test]
fn a_profile_that_cannot_be_used_says_why() {
    let home = Home::new(
        "[empty]\n[half]\naws_access_key_id = a\n",
        "[profile role]\nrole_arn = arn\nsource_profile = x\n[profile sso]\nsso_session = y\n",
    );
    for (profile, expected) in [
        ("absent", "the profile absent (AWS_PROFILE)"),
        ("absent", "does not exist: correct AWS_PROFILE"),
        ("empty", "has no keys: it needs aws_access_key_id"),
        ("half", "has no keys"),
        ("role", "has role_arn, which is not supported"),
        ("sso", "has sso_session, which is not supported"),
    ] {
        let fault = home.fetched(profile).unwrap_err();
        assert_eq!(fault.status, Status::Denied, "{fault}");
        assert!(fault.message.contains(expected), "{fault}");
    }
    home.write("credentials", "[broken\n");
    let refused = Credentials::take_from(&mut home.options(Some("x")), &Arc::default());
    let message = refused.unwrap_err().message;
    assert!(message.contains("credentials: line 1"), "{message}");
}

#[test]
fn without_a_default_profile_the_instance_is_asked() {
    let home = Home::new("[other]\naws_access_key_id = a\n", "");
    assert!(home.credentials(None).to_string().contains("instance"));
}

#[test]
fn a_profile_is_read_again_when_its_file_changes() {
    let keys = |id: &str| format!("[p]\naws_access_key_id={id}\naws_secret_access_key=s\n");
    let home = Home::new(&keys("first"), "");
    let runtime = runtime();
    let credentials = home.credentials(Some("p"));
    let get = || {
        if let Some(held) = &mut credentials.state().held {
            held.ask_from = Instant::now();
        }
        runtime.block_on(credentials.get()).unwrap().key_id.clone()
    };
    assert_eq!(get(), "first");
    assert!(!credentials.source().has_changed());
    // Half written: the old keys are used on.
    home.write("credentials", "[p]\naws_access_key_id=sec");
    assert_eq!(get(), "first");
    home.write("credentials", &keys("second"));
    assert_eq!(get(), "second");
    let failed = |notice: &StoreNotice| notice.renewal == ffi::Renewal::Failed;
    assert_eq!(
        credentials
            .take_notices()
            .iter()
            .filter(|n| failed(n))
            .count(),
        1
    );
}

// --- keys of files -------------------------------------------------------------------------------

/// Files of keys, and credentials of them.
struct KeyFiles {
    home: TempDir,
    credentials: Credentials,
    runtime: tokio::runtime::Runtime,
}

impl KeyFiles {
    /// The id is of the environment, where no file is named.
    fn new(files: &[(&str, &str)]) -> Self {
        let home = TempDir::new();
        let mut options = options(&[
            ("aws_access_key_id", "id"),
            ("aws_secret_access_key", "what C++ read"),
            ("aws_default_region", "us-east-1"),
        ]);
        for (name, text) in files {
            let path = home.path().join(name);
            std::fs::write(&path, text).unwrap();
            options.insert(format!("{name}_file"), path.display().to_string());
        }
        Self {
            credentials: Credentials::take_from(&mut options, &Arc::default()).unwrap(),
            home,
            runtime: runtime(),
        }
    }

    /// Written long enough ago not to be in the middle of it.
    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.home.path().join(name), text).unwrap();
        std::thread::sleep(Duration::from_millis(1_100));
    }

    fn get(&self) -> (String, String, Option<String>) {
        if let Some(held) = &mut self.credentials.state().held {
            held.ask_from = Instant::now();
        }
        let held = self.runtime.block_on(self.credentials.get()).unwrap();
        let AwsCredential {
            key_id,
            secret_key,
            token,
        } = held.as_ref();
        (key_id.clone(), secret_key.clone(), token.clone())
    }
}

#[test]
fn keys_of_files_are_read_again_when_they_change() {
    let files = KeyFiles::new(&[
        ("aws_access_key_id", "first\n"),
        ("aws_secret_access_key", "one\r\n"),
        ("aws_session_token", "t1"),
    ]);
    let is = |id: &str, secret: &str, token: &str| {
        assert_eq!(files.get(), (id.into(), secret.into(), Some(token.into())));
    };
    is("first", "one", "t1");
    assert_eq!(files.credentials.to_string(), "AWS_ACCESS_KEY_ID_FILE");
    // Two files of a pair are written one after the other.
    std::fs::write(files.home.path().join("aws_access_key_id"), "second").unwrap();
    is("first", "one", "t1");
    files.write("aws_secret_access_key", "two");
    is("second", "two", "t1");
    files.write("aws_session_token", "t2");
    is("second", "two", "t2");
    for (text, why) in [("", "is empty"), ("a b", "holds spaces"), ("c\nd", "lines")] {
        files.credentials.state().warned = None;
        files.credentials.take_notices();
        files.write("aws_secret_access_key", text);
        is("second", "two", "t2");
        let notice = files.credentials.take_notices().pop().unwrap();
        assert!(notice.renewal == ffi::Renewal::Failed);
        for word in [
            "AWS_SECRET_ACCESS_KEY_FILE",
            why,
            "the old ones are used on",
        ] {
            assert!(notice.text.contains(word), "{}", notice.text);
        }
    }
}

#[test]
fn a_secret_that_is_refused_is_read_again_though_its_id_stays() {
    let files = KeyFiles::new(&[("aws_secret_access_key", "one")]);
    let refused = || {
        let renewal = files.credentials.renew_refused("id");
        files.runtime.block_on(renewal)
    };
    assert_eq!(files.get(), ("id".into(), "one".into(), None));
    assert!(matches!(refused(), Renewal::Same));
    files.write("aws_secret_access_key", "two");
    assert!(matches!(refused(), Renewal::Others));
    assert_eq!(files.get(), ("id".into(), "two".into(), None));
    // A request may have been signed with the former one.
    assert!(matches!(refused(), Renewal::Others));
    let long_ago = Instant::now() - NEW_FOR;
    files.credentials.state().held.as_mut().unwrap().since = long_ago;
    assert!(matches!(refused(), Renewal::Same));
    std::fs::remove_file(files.home.path().join("aws_secret_access_key")).unwrap();
    assert!(matches!(refused(), Renewal::Unknown(_)));
}

#[test]
fn a_process_prints_credentials() {
    let home = Home::new(
        "",
        "[profile good]\ncredential_process = echo '{\"Version\": 1, \"AccessKeyId\": \"a\", \
         \"SecretAccessKey\": \"b\", \"SessionToken\": \"c\", \
         \"Expiration\": \"2100-01-01T00:00:00+01:00\"}'\n\
         [profile bad]\ncredential_process = exit 3\n\
         [profile mute]\ncredential_process = true\n\
         [profile half]\ncredential_process = echo '{\"AccessKeyId\": \"a\"}'\n",
    );
    assert_eq!(
        home.keys("good"),
        ("a".into(), "b".into(), Some("c".into()))
    );
    let end = home.fetched("good").unwrap().ends.unwrap();
    assert_eq!(end.to_rfc3339(), "2099-12-31T23:00:00+00:00");
    for (profile, expected) in [
        ("bad", "credential_process fails (exit status: 3)"),
        ("mute", "credential_process prints no JSON"),
        ("half", "credential_process prints no SecretAccessKey"),
    ] {
        let fault = home.fetched(profile).unwrap_err();
        assert_eq!(fault.status, Status::Denied);
        assert!(fault.message.contains(expected), "{fault}");
    }
}

fn is_running(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn a_process_that_does_not_end_is_killed_with_all_that_it_began() {
    let folder = TempDir::new();
    let file = folder.path().join("pid");
    for (rest, output) in [
        ("echo text", ""),
        ("sleep 30", ""),
        ("exec >&-; sleep 30", "> /dev/null"),
    ] {
        let _ = std::fs::remove_file(&file);
        let command = format!("sleep 30 {output} & echo $! > {}; {rest}", file.display());
        let error = process::output_of(&command, Duration::from_millis(500)).unwrap_err();
        assert!(error.contains("within 0.5 s"), "{error}");
        let pid = std::fs::read_to_string(&file).unwrap();
        let killed = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            !is_running(&pid)
        });
        assert!(killed, "{rest}");
    }
}

#[test]
fn what_a_process_leaves_running_on_purpose_goes_on() {
    let command = "sleep 30 > /dev/null & echo $!";
    let pid = process::output_of(command, Duration::from_secs(20)).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert!(is_running(&pid));
    process::output_of(&format!("kill {pid}"), Duration::from_secs(20)).unwrap();
}

#[test]
fn a_process_may_print_more_than_a_pipe_holds() {
    let command = "head -c 300000 /dev/zero | tr '\\0' x";
    let text = process::output_of(command, Duration::from_secs(20)).unwrap();
    assert_eq!(text.len(), 300_000);
}

// --- services ------------------------------------------------------------------------------------

const DOCUMENT: &str = r#"{"Code": "Success", "AccessKeyId": "a", "SecretAccessKey": "b",
    "Token": "c", "Expiration": "2100-01-01T00:00:00Z"}"#;

fn ok(body: &str) -> Option<(String, String)> {
    Some(("200 OK".into(), body.into()))
}

fn no(status: &str, body: &str) -> Option<(String, String)> {
    Some((status.into(), body.into()))
}

fn check_issued(answer: Result<Fetched>) {
    let Fetched { credential, ends } = answer.unwrap();
    assert_eq!(
        (credential.key_id, credential.secret_key, credential.token),
        ("a".into(), "b".into(), Some("c".into()))
    );
    assert_eq!(ends.unwrap().to_rfc3339(), "2100-01-01T00:00:00+00:00");
}

#[test]
fn an_instance_is_asked_by_version_2() {
    let server = HttpServer::with(|request| {
        let lower = request.to_lowercase();
        let path = request.split(' ').nth(1).unwrap();
        match path {
            "/latest/api/token"
                if request.starts_with("PUT")
                    && lower.contains("x-aws-ec2-metadata-token-ttl-seconds: ") =>
            {
                ok("the-token")
            }
            _ if !lower.contains("x-aws-ec2-metadata-token: the-token") => no("401 No", ""),
            "/latest/meta-data/iam/security-credentials/" => ok("role\n"),
            "/latest/meta-data/iam/security-credentials/role" => ok(DOCUMENT),
            _ => no("404 Not Found", ""),
        }
    });
    check_issued(fetched(&[("aws_metadata_endpoint", &server.endpoint)]));
    assert_eq!(server.requests.lock().unwrap().len(), 3);
}

#[test]
fn a_container_is_asked_with_its_token() {
    let server = HttpServer::with(|request| {
        match request.contains("authorization: Bearer x\r\n") && request.starts_with("GET /a?b ") {
            true => ok(DOCUMENT),
            false => no(
                "401 Unauthorized",
                r#"{"code": "Bad", "message": "no such token"}"#,
            ),
        }
    });
    let home = TempDir::new();
    let file = home.path().join("token");
    std::fs::write(&file, "Bearer x\n").unwrap();
    let url = format!("{}/a?b", server.endpoint);
    let full = ("aws_container_credentials_full_uri", url.as_str());
    let token = "aws_container_authorization_token";
    check_issued(fetched(&[full, (token, "Bearer x")]));
    let in_file = (
        "aws_container_authorization_token_file",
        file.to_str().unwrap(),
    );
    check_issued(fetched(&[full, in_file, (token, "another")]));
    let fault = refusal(&[full]);
    assert_eq!(fault.status, Status::Denied);
    assert!(
        fault
            .message
            .contains("401 Unauthorized: Bad no such token"),
        "{fault}"
    );
    assert!(!fault.message.contains("?b"), "{fault}");
    std::fs::remove_file(&file).unwrap();
    let fault = refusal(&[full, in_file]);
    assert!(
        fault
            .message
            .contains("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: /"),
        "{fault}"
    );
}

#[test]
fn a_web_identity_takes_on_its_role() {
    let server = HttpServer::with(|request| {
        let wanted = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Arole\
                      &RoleSessionName=bronze&WebIdentityToken=id%2Fentity";
        if request.starts_with("POST / ") && request.ends_with(wanted) {
            return ok(
                "<R><C><AccessKeyId>a</AccessKeyId><SecretAccessKey>b</SecretAccessKey>\
                 <SessionToken>c</SessionToken>\n\
                 <Expiration>2100-01-01T00:00:00Z</Expiration></C></R>",
            );
        }
        no(
            "400 Bad Request",
            "<E><Error><Code>InvalidIdentityToken</Code><Message>who</Message></Error></E>",
        )
    });
    let home = TempDir::new();
    let file = home.path().join("token");
    let pairs = [
        ("aws_web_identity_token_file", file.to_str().unwrap()),
        ("aws_role_arn", "arn:role"),
        ("aws_endpoint_url_sts", server.endpoint.as_str()),
    ];
    std::fs::write(&file, "id/entity\n").unwrap();
    check_issued(fetched(&pairs));
    std::fs::write(&file, "stale").unwrap();
    let fault = refusal(&pairs);
    assert_eq!(fault.status, Status::Denied);
    assert!(
        fault.message.contains("InvalidIdentityToken who"),
        "{fault}"
    );
    assert!(!fault.message.contains("stale"), "{fault}");
}

#[test]
fn a_service_that_is_busy_or_silent_is_asked_again_and_one_that_says_no_is_not() {
    let ask = |endpoint: &str| refusal(&[("aws_container_credentials_full_uri", endpoint)]);
    for (answer, body, expected) in [
        ("500 Internal Server Error", "", Status::Transient),
        ("429 Too Many Requests", "", Status::Transient),
        (
            "400 Bad Request",
            r#"{"Code":"Throttling"}"#,
            Status::Transient,
        ),
        ("404 Not Found", "", Status::Denied),
        ("403 Forbidden", "", Status::Denied),
        ("200 OK", "<html>", Status::Denied),
        ("200 OK", r#"{"AccessKeyId": "a"}"#, Status::Denied),
        (
            "200 OK",
            r#"{"Code": "AssumeRoleUnauthorizedAccess"}"#,
            Status::Denied,
        ),
    ] {
        let fault = ask(&HttpServer::answering(answer, body).endpoint);
        assert_eq!(fault.status, expected, "{fault}");
        assert!(
            fault.message.contains("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
            "{fault}"
        );
    }
    let fault = ask("http://127.0.0.1:1");
    assert_eq!(fault.status, Status::Transient);
    assert!(
        fault
            .message
            .contains("it does not answer: Connection refused"),
        "{fault}"
    );
}
