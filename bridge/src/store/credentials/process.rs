//! `credential_process` of a profile.

use std::io::{self, ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::service::credentials_of as credentials_in;
use super::Fetched;
use crate::errors::{Fault, Result};
use crate::ffi::Status;

const TIMEOUT: Duration = Duration::from_secs(60);
const OUTPUT_BYTES_MAX: u64 = 1 << 20;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What the command prints. Its errors go where ours go.
pub(super) async fn credentials_of(command: &str) -> Result<Fetched> {
    let command = command.to_owned();
    let failed = |why: String| Fault::new(Status::Denied, format!("its credential_process {why}"));
    let output = tokio::task::spawn_blocking(move || output_of(&command, TIMEOUT))
        .await
        .map_err(|error| failed(error.to_string()))?
        .map_err(failed)?;
    let json: Value =
        serde_json::from_str(&output).map_err(|_| failed("prints no JSON".to_owned()))?;
    credentials_in(&json, "SessionToken").map_err(|what| failed(format!("prints {what}")))
}

/// What it prints until it has ended and nothing that it began holds its output open any more.
/// Past the deadline all of its process group is killed; what it leaves running otherwise goes on.
pub(super) fn output_of(command: &str, timeout: Duration) -> Result<String, String> {
    let deadline = Instant::now() + timeout;
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("cannot be started: {error}"))?;
    do_not_block(child.stdout.as_ref().expect("it is piped"));
    let mut output = Vec::new();
    let status = loop {
        match status_after_output(&mut child, &mut output) {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => std::thread::sleep(LOOK_EVERY),
            unended => {
                kill_group(&mut child);
                let why = unended.err().map(|error| error.to_string());
                let late = || format!("does not end within {} s", timeout.as_secs_f64());
                return Err(why.unwrap_or_else(late));
            }
        }
    };
    if !status.success() {
        return Err(format!("fails ({status})"));
    }
    String::from_utf8(output).map_err(|_| "prints no text".to_owned())
}

/// Reads what there is. Its status is not taken before its output has ended: until then the number
/// of its group cannot become another's.
fn status_after_output(child: &mut Child, output: &mut Vec<u8>) -> io::Result<Option<ExitStatus>> {
    let pipe = child.stdout.as_mut().expect("it is piped");
    let room = OUTPUT_BYTES_MAX - output.len() as u64;
    if room == 0 {
        return Err(io::Error::other(format!("prints {OUTPUT_BYTES_MAX} bytes")));
    }
    match pipe.take(room).read_to_end(output) {
        Ok(_) => child.try_wait(),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

fn do_not_block(pipe: &ChildStdout) {
    // SAFETY: the descriptor is open as long as `pipe`.
    unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
}

fn kill_group(child: &mut Child) {
    // SAFETY: it takes and leaves no memory.
    unsafe { libc::killpg(child.id() as libc::pid_t, libc::SIGKILL) };
    let _ = child.wait();
}
