//! Receivers: `qianyun-agent receive`, one per migration, on the same port and the same ledger after every restart.
//!
//! This module starts and ends them and gives them their certificate. It never touches their ledger or volumes.

use super::super::{HostingError, MigrationKey, Receiver, ReceiverSpec, VolumeSpec};
use super::process::{Free, Slot};
use super::{failed, make_dir, volume, write_whole};
use crate::ca::{Authority, RECEIVER_LIFE, receiver_name};
use jiff::{SignedDuration, Timestamp};
use qianyun_agent_api::inventory::DiskIdentity;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Ports of receivers: below the range that Linux gives to outgoing connections (32768), so that a port that is free
/// between two runs of a receiver stays free.
const PORTS: std::ops::Range<u16> = 20_000..30_000;
/// A receiver reads its ledger and listens within this, or it has failed.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// A receiver that is asked to end makes its ledger durable within this.
const PATIENCE: Duration = Duration::from_secs(10);

/// What receivers are started with.
pub(super) struct Program<'a> {
    /// The agent's program.
    pub(super) binary: &'a Path,
    /// Who names them.
    pub(super) authority: &'a Authority,
}

/// What the newest receiver was started as. Written before it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Started {
    address: SocketAddr,
    name: String,
    session: u64,
    host: String,
    /// Certificates are made anew with a start after two thirds of their life.
    certificate_at: Timestamp,
}

/// One entry of the volumes file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct VolumeEntry<'a> {
    name: &'a str,
    path: PathBuf,
    identity: &'a DiskIdentity,
}

impl Started {
    fn receiver(&self) -> Receiver {
        Receiver { address: self.address.to_string(), name: self.name.clone(), session: self.session }
    }
}

/// Runs a receiver of `spec` in `dir`; ends one of another session first. `may_start` is asked while the slot is held.
pub(super) async fn ensure(
    program: &Program<'_>,
    dir: &Path,
    volumes: &Path,
    migration: &MigrationKey,
    spec: &ReceiverSpec,
    may_start: &(dyn Fn() -> Result<(), HostingError> + Sync),
) -> Result<Receiver, HostingError> {
    make_dir(dir)?;
    let slot = Slot::new(dir);
    let last = read(dir)?;
    if let Some(last) = last.as_ref().filter(|last| last.session > spec.session) {
        return Err(HostingError::Refused {
            what: format!("the replication session of {migration}"),
            expected: format!("at least {}", last.session),
            found: spec.session.to_string(),
        });
    }
    let free = match (slot.take()?, &last) {
        (Some(free), _) => free,
        (None, Some(last)) if last.session == spec.session && last.host == spec.host => {
            wait_until_listening(&slot, dir, last).await?;
            return Ok(last.receiver());
        }
        (None, _) => {
            slot.end(PATIENCE).await?;
            let busy = || failed("starting a receiver in", dir, "another controller has just started one");
            slot.take()?.ok_or_else(busy)?
        }
    };
    may_start()?;
    let started = prepare(program, dir, volumes, migration, spec, last)?;
    start(&slot, free, program, dir, &started)?;
    wait_until_listening(&slot, dir, &started).await?;
    Ok(started.receiver())
}

/// Ends the receiver of `dir`, if there is one.
pub(super) async fn stop(dir: &Path) -> Result<(), HostingError> {
    Slot::new(dir).end(PATIENCE).await
}

/// The receiver that runs in `dir`.
pub(super) fn observe(dir: &Path) -> Result<Option<Receiver>, HostingError> {
    if !Slot::new(dir).is_taken()? {
        return Ok(None);
    }
    Ok(read(dir)?.map(|started| started.receiver()))
}

/// Refuses if a receiver runs: its volumes are not at rest.
pub(super) fn refuse_if_running(dir: &Path) -> Result<(), HostingError> {
    if !Slot::new(dir).is_taken()? {
        return Ok(());
    }
    Err(HostingError::Refused {
        what: format!("the receiver in {}", dir.display()),
        expected: "none, before a machine runs on its volumes".to_owned(),
        found: "one that runs".to_owned(),
    })
}

fn read(dir: &Path) -> Result<Option<Started>, HostingError> {
    let path = dir.join("started.json");
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| failed("reading", &path, error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("reading", &path, error)),
    }
}

/// Writes what the receiver will read, and what is said about it.
fn prepare(
    program: &Program<'_>,
    dir: &Path,
    volumes: &Path,
    migration: &MigrationKey,
    spec: &ReceiverSpec,
    last: Option<Started>,
) -> Result<Started, HostingError> {
    let now = Timestamp::now();
    let name = receiver_name(&migration.to_string(), spec.session);
    let address = address(dir, migration, spec, last.as_ref())?;
    let fresh = |last: &Started| {
        last.name == name
            && now.duration_since(last.certificate_at) < two_thirds(RECEIVER_LIFE)
            && dir.join("key.pem").exists()
    };
    let certificate_at = match last.filter(fresh) {
        Some(last) => last.certificate_at,
        None => {
            let made = program.authority.issue_server(std::slice::from_ref(&name), RECEIVER_LIFE, now);
            let identity = made.map_err(|error| failed("making the certificate of", dir, error))?;
            write_whole(&dir.join("key.pem"), identity.key_pem.as_bytes(), 0o600)?;
            write_whole(&dir.join("certificate.pem"), identity.certificate_pem.as_bytes(), 0o600)?;
            now
        }
    };
    write_whole(&dir.join("ca.pem"), program.authority.ca_pem().as_bytes(), 0o600)?;
    write_json(&dir.join("volumes.json"), &entries(volumes, spec)?)?;
    let started = Started { address, name, session: spec.session, host: spec.host.clone(), certificate_at };
    write_json(&dir.join("started.json"), &started)?;
    Ok(started)
}

/// Each volume with the one disk that may be copied to it.
fn entries<'a>(volumes: &Path, spec: &'a ReceiverSpec) -> Result<Vec<VolumeEntry<'a>>, HostingError> {
    let entry = |v: &'a VolumeSpec| {
        let disk = spec.disks.iter().find(|disk| disk.volume == v.name).ok_or_else(|| HostingError::Refused {
            what: format!("the disk of volume {}", v.name),
            expected: "the identity of one of the host's disks".to_owned(),
            found: "none".to_owned(),
        })?;
        Ok(VolumeEntry { name: &v.name, path: volume::path(volumes, &v.name)?, identity: &disk.identity })
    };
    spec.volumes.iter().map(entry).collect()
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), HostingError> {
    let bytes = serde_json::to_vec_pretty(value).map_err(|error| failed("writing", path, error))?;
    write_whole(path, &bytes, 0o600)
}

/// The address of before, or one with a free port: of two that started at once on one port the second did not come up, and would not
/// ever. Where the search begins depends on the migration, so that they seldom meet.
fn address(
    dir: &Path,
    migration: &MigrationKey,
    spec: &ReceiverSpec,
    last: Option<&Started>,
) -> Result<SocketAddr, HostingError> {
    let ip: IpAddr = spec.listen_address.parse().map_err(|_| HostingError::Refused {
        what: "the receiver address of the platform".to_owned(),
        expected: "an ip address".to_owned(),
        found: format!("{:?}", spec.listen_address),
    })?;
    let is_free = |address: &SocketAddr| TcpListener::bind(address).is_ok();
    if let Some(last) = last.filter(|last| last.address.ip() == ip && is_free(&last.address)) {
        return Ok(last.address);
    }
    let name = migration.to_string();
    let seed = name.bytes().fold(0_u16, |seed, byte| seed.wrapping_mul(31).wrapping_add(u16::from(byte)));
    let count = PORTS.end - PORTS.start;
    let free = (0..count).map(|step| SocketAddr::new(ip, PORTS.start + (seed % count + step) % count)).find(is_free);
    free.ok_or_else(|| failed("finding a port for", dir, format!("no port of {PORTS:?} can be listened on at {ip}")))
}

fn two_thirds(life: Duration) -> SignedDuration {
    SignedDuration::try_from(life * 2 / 3).unwrap_or(SignedDuration::MAX)
}

fn start(slot: &Slot, free: Free, program: &Program<'_>, dir: &Path, started: &Started) -> Result<(), HostingError> {
    let at = |name: &str| dir.join(name).display().to_string();
    let arguments = [
        "receive".to_owned(),
        "--listen".to_owned(),
        started.address.to_string(),
        "--dir".to_owned(),
        dir.display().to_string(),
        "--session".to_owned(),
        started.session.to_string(),
        "--volumes-file".to_owned(),
        at("volumes.json"),
        "--host".to_owned(),
        started.host.clone(),
        "--ca".to_owned(),
        at("ca.pem"),
    ];
    slot.start(free, program.binary, &arguments, &dir.join("log"))
}

async fn wait_until_listening(slot: &Slot, dir: &Path, started: &Started) -> Result<(), HostingError> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        if TcpStream::connect(started.address).await.is_ok() && slot.is_taken()? {
            return Ok(());
        }
        if !slot.is_taken()? {
            return Err(failed("running the receiver of", dir, format!("it ended: {}", last_words(dir))));
        }
        if Instant::now() >= deadline {
            let limit = READY_WITHIN.as_secs();
            return Err(failed("running the receiver of", dir, format!("it did not listen within {limit} s")));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The last line of the log, for the error.
fn last_words(dir: &Path) -> String {
    let log = std::fs::read(dir.join("log")).unwrap_or_default();
    let tail = String::from_utf8_lossy(&log[log.len().saturating_sub(512)..]).into_owned();
    tail.lines().last().unwrap_or("its log is empty").to_owned()
}
