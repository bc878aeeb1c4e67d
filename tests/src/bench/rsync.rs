//! rsync from a disk into a file, to its daemon over TLS. It reads both ends and sends what differs. Both rsyncs are told
//! everything by arguments; neither starts a shell.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::certificates::{Certificates, SERVER};
use super::cost::{Run, program};
use super::data::Disk;
use super::engine::PORT;
use super::role;
use super::tool::{RELAY_BYTES, listening, socat};

/// The daemon's file, beside the certificates.
const DAEMON_FILE: &str = "rsyncd.conf";
/// The largest block that rsync has: the fewest sums for a disk.
const BLOCK_BYTES: &str = "--block-size=131072";

/// Copies the disk to `target`. The time runs until the daemon has ended, which has synced the file.
pub(super) fn copy(run: &Run, disk: &Disk, target: &Path, certificates: &Certificates) -> Result<Duration> {
    let (folder, name) = target.parent().zip(target.file_name()).context("the target is in no folder")?;
    let lines = [
        "use chroot = no",
        "uid = root",
        "gid = root",
        "[bench]",
        &format!("path = {}", folder.display()),
        "read only = no",
    ];
    fs::write(certificates.folder().join(DAEMON_FILE), lines.join("\n") + "\n")?;
    let listen = format!("OPENSSL-LISTEN:{PORT},bind=127.0.0.1,reuseaddr,{}", Certificates::socat_options("server"));
    let daemon = format!("EXEC:rsync --daemon --config={DAEMON_FILE}");
    let daemon = listening(run.start(socat(certificates).args([listen, daemon]))?, PORT)?;
    let mut client = program("rsync");
    client.args([
        "--inplace",
        "--sparse",
        "--no-whole-file",
        "--ignore-times",
        "--copy-devices",
        "--fsync",
        BLOCK_BYTES,
    ]);
    client.arg(format!("--rsh={}", role::relay_words()?)).current_dir(certificates.folder());
    client.arg(&disk.node).arg(format!("{SERVER}::bench/{}", Path::new(name).display()));
    let began = Instant::now();
    run.start(&mut client)?.finish()?;
    daemon.finish()?;
    Ok(began.elapsed())
}

/// What rsync starts instead of a remote shell, beside the certificates: becomes the client's end of TLS.
pub(super) fn relay() -> Result<()> {
    let connect = format!("OPENSSL:{SERVER}:{PORT},{}", Certificates::socat_options("client"));
    let error = Command::new("socat").args([RELAY_BYTES, "STDIO", &connect]).exec();
    Err(error).context("socat cannot be started")
}
