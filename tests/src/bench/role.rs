//! What this program does when it has started itself again for one run: an end of our engine, or a hash; or when the engine
//! has started it for the map of a disk. Both the writing of the arguments and their reading are here, and nothing else.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use qianyun_replication_io::trackd;

use super::certificates::Certificates;
use super::cost::program;
use super::{engine, following, rsync, tracker};

const SOURCE: &str = "source";
const TARGET: &str = "target";
const FOLLOWER: &str = "follower";
const HASH: &str = "hash";
const RELAY: &str = "relay";
const TRACKER: &str = "tracker";

/// Plays the role that the arguments name, if they name one.
pub fn play(arguments: &[&str]) -> Option<Result<()>> {
    Some(match arguments {
        [SOURCE, node, certificates, port] => {
            port_of(port).and_then(|port| engine::source(Path::new(node), &Certificates::of(certificates), port))
        }
        [FOLLOWER, node, certificates, port] => {
            port_of(port).and_then(|port| following::source(Path::new(node), &Certificates::of(certificates), port))
        }
        [TARGET, node, certificates, port, volume] => port_of(port)
            .and_then(|port| engine::target(Path::new(node), Path::new(volume), &Certificates::of(certificates), port)),
        [HASH, file] => hash(Path::new(file)),
        // rsync adds what a remote shell would be told.
        [RELAY, ..] => rsync::relay(),
        [TRACKER, node] => tracker::follow(Path::new(node)),
        [trackd::ROLE, arguments @ ..] => {
            trackd::main(arguments.iter().map(|&word| word.to_owned())).map_err(Into::into)
        }
        _ => return None,
    })
}

fn port_of(word: &str) -> Result<u16> {
    word.parse().with_context(|| format!("expected a port, found {word}"))
}

/// Our engine's end at the disk.
pub(super) fn source(node: &Path, certificates: &Path, port: u16) -> Result<Command> {
    end(SOURCE, node, certificates, port)
}

/// The same, which goes on following and proves whenever it is told.
pub(super) fn follower(node: &Path, certificates: &Path, port: u16) -> Result<Command> {
    end(FOLLOWER, node, certificates, port)
}

/// Our engine's end at the new volume, which must know the disk's identity.
pub(super) fn target(node: &Path, volume: &Path, certificates: &Path, port: u16) -> Result<Command> {
    let mut command = end(TARGET, node, certificates, port)?;
    command.arg(volume);
    Ok(command)
}

fn end(role: &str, node: &Path, certificates: &Path, port: u16) -> Result<Command> {
    let mut command = starts_as(role, &[node, certificates])?;
    command.arg(port.to_string());
    Ok(command)
}

/// The tracker alone, on a disk.
pub(super) fn tracker(node: &Path) -> Result<Command> {
    starts_as(TRACKER, &[node])
}

/// The words that rsync splits itself, by spaces outside of quotes.
pub(super) fn relay_words() -> Result<String> {
    Ok(format!("'{}' {RELAY}", std::env::current_exe()?.display()))
}

/// BLAKE3 of a file or device, on standard output.
pub(super) fn hasher(file: &Path) -> Result<Command> {
    starts_as(HASH, &[file])
}

fn starts_as(role: &str, arguments: &[impl AsRef<OsStr>]) -> Result<Command> {
    let mut command = program(std::env::current_exe()?);
    command.arg(role).args(arguments);
    Ok(command)
}

fn hash(file: &Path) -> Result<()> {
    let opened = File::open(file).with_context(|| format!("{}: cannot be read", file.display()))?;
    println!("{}", blake3::Hasher::new().update_reader(opened)?.finalize());
    Ok(())
}
