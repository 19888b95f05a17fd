//! `credential_process` of a profile.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::service::credentials_of as credentials_in;
use super::Fetched;
use crate::errors::{Fault, Result};
use crate::ffi::Status;

const TIMEOUT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What the command prints. Its errors go where ours go.
pub(super) async fn credentials_of(command: &str) -> Result<Fetched> {
    let command = command.to_owned();
    let failed = |why: String| Fault::new(Status::Denied, format!("its credential_process {why}"));
    let output = tokio::task::spawn_blocking(move || output_of(&command))
        .await
        .map_err(|error| failed(error.to_string()))?
        .map_err(failed)?;
    let json: Value =
        serde_json::from_str(&output).map_err(|_| failed("prints no JSON".to_owned()))?;
    credentials_in(&json, "SessionToken").map_err(|what| failed(format!("prints {what}")))
}

fn output_of(command: &str) -> Result<String, String> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot be started: {error}"))?;
    let mut pipe = child.stdout.take().expect("it is piped");
    // It may print more than a pipe holds before it ends.
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).map(|_| text)
    });
    wait_for(&mut child)?;
    match reader.join() {
        Ok(Ok(text)) => Ok(text),
        _ => Err("prints no text".to_owned()),
    }
}

fn wait_for(child: &mut Child) -> Result<(), String> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("fails ({status})")),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(LOOK_EVERY),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("does not end within {} s", TIMEOUT.as_secs()));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}
