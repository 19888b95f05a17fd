//! Over a server that says what the test wrote down.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Instant;

use super::*;

const OK: &str = "+OK\r\n";

/// Answers each request of its one connection with the next of `answers`, and hangs up then.
/// Returns what it was asked.
struct Server {
    port: u16,
    asked: JoinHandle<Vec<String>>,
}

impl Server {
    fn answering(connections: &'static [&'static [&'static str]]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = std::thread::spawn(move || {
            let mut asked = Vec::new();
            for answers in connections {
                let (mut stream, _) = listener.accept().unwrap();
                let mut buffer = [0; 4096];
                for answer in *answers {
                    let bytes = stream.read(&mut buffer).unwrap();
                    asked.push(String::from_utf8_lossy(&buffer[..bytes]).into_owned());
                    stream.write_all(answer.as_bytes()).unwrap();
                }
                // Until the client has hung up.
                while stream.read(&mut buffer).is_ok_and(|bytes| bytes > 0) {}
            }
            asked
        });
        Self { port, asked }
    }

    fn client(&self) -> Box<Redis> {
        open_redis(&options(self.port)).unwrap()
    }

    fn impatient_client(&self) -> Box<Redis> {
        open_redis(&impatient(self.port)).unwrap()
    }
}

/// For servers that answer too late.
fn impatient(port: u16) -> RedisOptions {
    RedisOptions {
        timeout_ms: 300,
        ..options(port)
    }
}

fn options(port: u16) -> RedisOptions {
    RedisOptions {
        socket: String::new(),
        host: "127.0.0.1".into(),
        port,
        tls: false,
        ca_file: String::new(),
        username: String::new(),
        password: String::new(),
        database: 0,
        timeout_ms: 30_000,
    }
}

fn texts(found: &RedisValues) -> Vec<&str> {
    found
        .values
        .iter()
        .map(|value| value.text.as_str())
        .collect()
}

fn keys(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

// The library introduces itself in two commands first.
const HELLO: &str = "+OK\r\n+OK\r\n";

#[test]
fn values_are_asked_for_at_once_and_no_more_than_can_be_of_use() {
    let server = Server::answering(&[&[
        HELLO,
        "$5\r\nfirst\r\n$0\r\n\r\n-WRONGTYPE a list\r\n$2\r\n\u{fffd}\r\n",
    ]]);
    let mut redis = server.client();
    // The last answer is cut in the middle of a character.
    let found = redis.get(&keys(&["a", "b", "c", "d"]), 9).unwrap();
    assert_eq!(found.outcome.status, Status::Transient);
    drop(redis);
    assert!(
        server.asked.join().unwrap()[1].contains("GETRANGE\r\n$1\r\na\r\n$1\r\n0\r\n$1\r\n9\r\n")
    );

    let server = Server::answering(&[&[
        HELLO,
        "$5\r\nfirst\r\n$0\r\n\r\n-WRONGTYPE a list\r\n$3\r\n\u{fffd}\r\n",
    ]]);
    let mut redis = server.client();
    let found = redis.get(&keys(&["a", "b", "c", "d"]), 9).unwrap();
    assert_eq!(found.outcome.message, "");
    assert_eq!(texts(&found), ["first", "", "", "\u{fffd}"]);
}

#[test]
fn what_the_server_refuses_is_told_and_the_connection_is_kept() {
    let server = Server::answering(&[&[
        HELLO,
        "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
        OK,
        "-LOADING Redis is loading the dataset in memory\r\n",
    ]]);
    let mut redis = server.client();
    let full = redis.set("a", "text", 60).unwrap();
    assert_eq!(full.status, Status::Failed);
    assert!(full.message.contains("maxmemory"), "{}", full.message);
    assert_eq!(redis.set("a", "text", 60).unwrap().status, Status::Ok);
    let loading = redis.get(&keys(&["a"]), 9).unwrap().outcome;
    assert!(loading.message.contains("loading"), "{}", loading.message);
    drop(redis);
    let asked = server.asked.join().unwrap();
    assert!(asked[1].contains("SET\r\n$1\r\na\r\n$4\r\ntext\r\n$2\r\nEX\r\n$2\r\n60\r\n"));
}

#[test]
fn what_is_answered_too_late_is_not_taken_for_the_next_answer() {
    let server = Server::answering(&[&[HELLO, ""], &[HELLO, "$3\r\nnew\r\n"]]);
    let mut redis = server.impatient_client();
    let begin = Instant::now();
    let nothing = redis.get(&keys(&["old"]), 9).unwrap();
    assert_eq!(nothing.outcome.status, Status::Transient);
    assert!(begin.elapsed() < Duration::from_secs(10));
    let found = redis.get(&keys(&["new"]), 9).unwrap();
    assert_eq!(texts(&found), ["new"]);
    drop(redis);
    assert_eq!(server.asked.join().unwrap().len(), 4);
}

/// Answers the first question as `answer` does, after the greeting.
fn hostile(answer: impl FnOnce(&mut TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 4096];
        assert!(stream.read(&mut buffer).unwrap() > 0);
        stream.write_all(HELLO.as_bytes()).unwrap();
        assert!(stream.read(&mut buffer).unwrap() > 0);
        answer(&mut stream);
    });
    port
}

/// The trouble, and how long it took.
fn trouble(options: &RedisOptions) -> (String, Duration) {
    let mut redis = open_redis(options).unwrap();
    let begin = Instant::now();
    let outcome = redis.get(&keys(&["a"]), 9).unwrap().outcome;
    assert_ne!(outcome.status, Status::Ok);
    (outcome.message, begin.elapsed())
}

#[test]
fn an_answer_that_drips_is_given_up_in_time() {
    let port = hostile(|stream| {
        let drops = b"$9\r\n123456789\r\n".iter();
        for drop in drops {
            std::thread::sleep(Duration::from_millis(200));
            if stream.write_all(&[*drop]).is_err() {
                return;
            }
        }
    });
    let (why, took) = trouble(&impatient(port));
    assert!(why.ends_with(": no answer within 300 ms"), "{why}");
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn an_endless_answer_is_not_kept() {
    let port = hostile(|stream| {
        stream.write_all(b"$2000000000\r\n").unwrap();
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    let (why, _) = trouble(&options(port));
    assert!(why.contains("an answer of more than"), "{why}");
}

#[test]
fn an_answer_in_pieces_without_number_is_not_kept() {
    let port = hostile(|stream| {
        stream.write_all(b"*2000000000\r\n").unwrap();
        while stream.write_all(&b"_\r\n".repeat(1000)).is_ok() {}
    });
    let (why, _) = trouble(&options(port));
    assert!(why.contains("an answer of more than"), "{why}");
}

#[test]
fn a_port_without_tls_is_named() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let options = RedisOptions {
        tls: true,
        ..impatient(silent.local_addr().unwrap().port())
    };
    let told = open_redis(&options).unwrap().ping().unwrap().message;
    assert!(told.contains("no TLS handshake"), "{told}");
}

#[test]
fn a_connection_that_was_closed_while_idle_is_made_anew() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().unwrap();
            for answer in [HELLO, OK] {
                assert!(stream.read(&mut buffer).unwrap() > 0);
                stream.write_all(answer.as_bytes()).unwrap();
            }
        }
    });
    let mut redis = open_redis(&options(port)).unwrap();
    for _ in 0..3 {
        let outcome = redis.set("a", "text", 60).unwrap();
        assert_eq!(outcome.message, "");
        std::thread::sleep(Duration::from_millis(100));
    }
    server.join().unwrap();
    // Nobody is there any more.
    let told = redis.set("a", "text", 60).unwrap();
    assert_eq!(told.status, Status::Transient);
    assert!(
        told.message.contains(&format!("127.0.0.1:{port}")),
        "{}",
        told.message
    );
}

#[test]
fn something_else_than_redis_is_no_answer() {
    let server = Server::answering(&[&["HTTP/1.1 400 Bad Request\r\n\r\n"]]);
    assert_ne!(server.client().ping().unwrap().status, Status::Ok);
    assert_eq!(
        open_redis(&options(1)).unwrap().ping().unwrap().status,
        Status::Transient
    );
}

#[test]
fn a_file_without_certificates_is_refused() {
    let refused = |ca_file: &str| {
        let options = RedisOptions {
            tls: true,
            ca_file: ca_file.into(),
            ..options(1)
        };
        open_redis(&options)
            .err()
            .map(|fault| fault.to_string())
            .unwrap()
    };
    assert!(refused("/dev/null").contains("no certificate"));
    assert!(refused("/does/not/exist").contains("No such file"));
}
