//! The little of QMP that is needed: to ask a machine how it is.
//!
//! One connection per command; events are skipped. The protocol's answers are bounded and must come in time.

use super::super::HostingError;
use super::failed;
use serde_json::{Value, json};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;

/// Name of the socket in the machine's directory.
pub(super) const SOCKET: &str = "qmp.sock";
/// QEMU answers these from its main loop, within milliseconds; under a heavily loaded TCG guest within a second.
const LIMIT: Duration = Duration::from_secs(5);
/// Longer than any answer to these commands; more is not read.
const ANSWER_BYTES: u64 = 64 * 1024;

/// Runs `command`, without arguments, on the machine of `dir`, and gives what it returns.
pub(super) async fn execute(dir: &Path, command: &str) -> Result<Value, HostingError> {
    let wrap = |error: std::io::Error| failed(&format!("qmp {command} in"), dir, error);
    match tokio::time::timeout(LIMIT, converse(dir, command)).await {
        Ok(answer) => answer.map_err(wrap),
        Err(_) => Err(wrap(std::io::Error::from(std::io::ErrorKind::TimedOut))),
    }
}

async fn converse(dir: &Path, command: &str) -> std::io::Result<Value> {
    // A socket's path may have 107 bytes only; the directory's may be longer, so it is named by a descriptor.
    let open = File::open(dir)?;
    let stream = UnixStream::connect(format!("/proc/self/fd/{}/{SOCKET}", open.as_raw_fd())).await?;
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read);
    answer(&mut lines, "QMP").await?;
    for command in ["qmp_capabilities", command] {
        write.write_all(format!("{}\n", json!({ "execute": command })).as_bytes()).await?;
        let returned = answer(&mut lines, "return").await;
        match returned {
            Ok(_) if command == "qmp_capabilities" => {}
            other => return other,
        }
    }
    Err(std::io::Error::other("no command was given"))
}

/// The next line that has `key`; what it holds.
async fn answer(lines: &mut BufReader<OwnedReadHalf>, key: &str) -> std::io::Result<Value> {
    loop {
        let mut line = String::new();
        if (&mut *lines).take(ANSWER_BYTES).read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let mut value: Value = serde_json::from_str(&line)?;
        if let Some(error) = value.get("error") {
            return Err(std::io::Error::other(error.to_string()));
        }
        if let Some(found) = value.get_mut(key) {
            return Ok(found.take());
        }
    }
}
