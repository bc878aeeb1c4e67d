//! The tools: ours and its peers, each from a loop device over TLS with certificates of both ends into a new file. The time
//! runs from the start of the copy, when the receiver listens, until the target is durable, and verified where the tool
//! verifies. Never helps one tool in a way that another could use too.

use std::fmt;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::fs::{Advice, fadvise};

use super::certificates::{Certificates, SERVER};
use super::cost::{Cost, Process, Run, program};
use super::data::Disk;
use super::engine::PORT;
use super::{role, rsync};
use crate::wait::{self, Look};

/// A receiver opens two files and a socket.
const LISTENS_WITHIN: Duration = Duration::from_secs(20);
/// Of socat's relay, for fewer calls; it is 8 KiB otherwise.
pub(super) const RELAY_BYTES: &str = "-b262144";

/// A way to copy a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    /// Our engine, which verifies as it goes.
    Qianyun,
    /// nbdcopy to nbdkit's file plugin.
    Nbdcopy,
    /// The same, and then BLAKE3 over both ends: what a verified copy takes without us.
    NbdcopyHashed,
    /// `dd | zstd | socat` to `socat | zstd | dd`.
    Pipe,
    /// rsync to its daemon behind socat, which sends what differs.
    Rsync,
}

impl Tool {
    /// In the order in which they take their turns.
    pub(super) const ALL: [Self; 5] = [Self::Qianyun, Self::Nbdcopy, Self::NbdcopyHashed, Self::Pipe, Self::Rsync];

    /// Whether what filesystems call free is copied too.
    pub(super) fn copies_free(self) -> bool {
        match self {
            Self::Qianyun => false,
            Self::Nbdcopy | Self::NbdcopyHashed | Self::Pipe | Self::Rsync => true,
        }
    }

    /// Copies the disk to `target`, which does not exist, unless for rsync, which then makes use of what it holds.
    pub(super) fn copy(self, disk: &Disk, target: &Path, certificates: &Certificates) -> Result<Cost> {
        let run = Run::begin()?;
        let took = match self {
            Self::Qianyun => qianyun(&run, disk, target, certificates),
            Self::Nbdcopy => nbdcopy(&run, disk, target, certificates),
            Self::NbdcopyHashed => nbdcopy(&run, disk, target, certificates)
                .and_then(|copied| Ok(copied + same_hashes(&run, &disk.node, target)?)),
            Self::Pipe => pipe(&run, disk, target, certificates),
            Self::Rsync => rsync::copy(&run, disk, target, certificates),
        };
        run.end(took.with_context(|| self.to_string())?)
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Qianyun => "qianyun, verified",
            Self::Nbdcopy => "nbdcopy over TLS",
            Self::NbdcopyHashed => "nbdcopy + BLAKE3 both ends",
            Self::Pipe => "dd | zstd -1 | socat",
            Self::Rsync => "rsync over TLS",
        })
    }
}

fn qianyun(run: &Run, disk: &Disk, target: &Path, certificates: &Certificates) -> Result<Duration> {
    let target = &mut role::target(&disk.node, target, certificates.folder(), PORT)?;
    let _receiver = listening(run.start(target)?, PORT)?;
    let began = Instant::now();
    let mut source = run.start(role::source(&disk.node, certificates.folder(), PORT)?.stdout(Stdio::piped()))?;
    // It says so once it has proved; what it then puts away makes the copy no better.
    let proved = source.line()?;
    let took = began.elapsed();
    println!("{proved}");
    source.finish()?;
    Ok(took)
}

fn nbdcopy(run: &Run, disk: &Disk, target: &Path, certificates: &Certificates) -> Result<Duration> {
    File::create_new(target)?.set_len(disk.bytes)?;
    let folder = certificates.folder().display();
    let mut server = program("nbdkit");
    server.args(["--foreground", "--ipaddr", "127.0.0.1", "--port", &PORT.to_string()]);
    server.args(["--tls=require", "--tls-verify-peer", &format!("--tls-certificates={folder}")]);
    let _server = listening(run.start(server.arg("file").arg(target))?, PORT)?;
    let mut client = program("nbdcopy");
    client.args(["--connections=4", "--flush"]).arg(&disk.node);
    client.arg(format!("nbds://{SERVER}:{PORT}/?tls-certificates={folder}"));
    let began = Instant::now();
    run.start(&mut client)?.finish()?;
    Ok(began.elapsed())
}

/// Hashes both ends at the same time, as on two machines: the source from wherever it is, the target from its medium.
fn same_hashes(run: &Run, source: &Path, target: &Path) -> Result<Duration> {
    let began = Instant::now();
    fadvise(File::open(target)?, 0, None, Advice::DontNeed)?;
    let hash = |file: &Path| run.start(role::hasher(file)?.stdout(Stdio::piped()));
    let (source, target) = (hash(source)?, hash(target)?);
    let (source, target) = (source.answer()?, target.answer()?);
    ensure!(source == target, "the hashes differ: {source}, {target}");
    Ok(began.elapsed())
}

fn pipe(run: &Run, disk: &Disk, target: &Path, certificates: &Certificates) -> Result<Duration> {
    File::create_new(target)?.set_len(disk.bytes)?;
    let listen = format!("OPENSSL-LISTEN:{PORT},bind=127.0.0.1,reuseaddr,{}", Certificates::socat_options("server"));
    let mut receive = socat(certificates);
    let mut receive = run.start(receive.args(["-u", &listen, "STDOUT"]).stdout(Stdio::piped()))?;
    let mut unpack = program("zstd");
    let mut unpack = run.start(unpack.args(["-d", "-c"]).stdin(receive.pipe()?).stdout(Stdio::piped()))?;
    let mut write = program("dd");
    write.arg(format!("of={}", target.display()));
    write.args(["bs=1M", "iflag=fullblock", "conv=notrunc,sparse,fdatasync", "status=none"]);
    let write = run.start(write.stdin(unpack.pipe()?))?;
    let receive = listening(receive, PORT)?;

    let began = Instant::now();
    let mut read = program("dd");
    read.arg(format!("if={}", disk.node.display())).args(["bs=1M", "status=none"]);
    let mut read = run.start(read.stdout(Stdio::piped()))?;
    let mut pack = program("zstd");
    let mut pack = run.start(pack.args(["-1", "-c"]).stdin(read.pipe()?).stdout(Stdio::piped()))?;
    let connect = format!("OPENSSL:{SERVER}:{PORT},{}", Certificates::socat_options("client"));
    let mut send = socat(certificates);
    let send = run.start(send.args(["-u", "STDIN", &connect]).stdin(pack.pipe()?))?;
    for process in [read, pack, send, receive, unpack, write] {
        process.finish()?;
    }
    Ok(began.elapsed())
}

/// Where the certificates are, so that their names are enough.
pub(super) fn socat(certificates: &Certificates) -> Command {
    let mut socat = program("socat");
    socat.arg(RELAY_BYTES).current_dir(certificates.folder());
    socat
}

/// The same process once it takes connections.
pub(super) fn listening(process: Process, port: u16) -> Result<Process> {
    /// TCP_LISTEN in the column `st`.
    const LISTENS: &str = "0A";
    let suffix = format!(":{port:04X}");
    wait::until("the receiver listens", LISTENS_WITHIN, || {
        let sockets = fs::read_to_string("/proc/net/tcp")?;
        let ours = |line: &str| {
            let mut columns = line.split_whitespace().skip(1);
            columns.next().is_some_and(|local| local.ends_with(&suffix)) && columns.nth(1) == Some(LISTENS)
        };
        Ok(if sockets.lines().any(ours) { Look::Holds(()) } else { Look::NotYet(format!("nothing at {port}")) })
    })?;
    Ok(process)
}
