//! Both ends of a replication, over real TLS on the loopback: a target whose directory outlives its processes, and a source.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // each test file uses its part; a panic fails the test

use crate::rig::port::Port;
use crate::rig::{LoopDisk, tracefs};
use crate::tls::{Authority, NAME};
use qianyun_replication::progress::ReplicationState;
use qianyun_replication_io::device::LeafDisk;
use qianyun_replication_io::source::{DiskProgress, Replication, SourceConfig, SourceDisk};
use qianyun_replication_io::target::{Target, TargetConfig, TargetVolume};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

pub const SESSION: u64 = 3;
/// For everything that is waited for; a loaded machine takes a tenth of it.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The receiving side: a directory that outlives its processes.
pub struct Site {
    pub dir: tempfile::TempDir,
    authority: Arc<Authority>,
    /// The target dies and must come back at the same address.
    port: Port,
}

impl Site {
    pub fn new(authority: &Arc<Authority>) -> Self {
        Self::in_dir(authority, tempfile::tempdir().unwrap())
    }

    /// Whose volume and ledger are kept in `dir`.
    pub fn in_dir(authority: &Arc<Authority>, dir: tempfile::TempDir) -> Self {
        tracefs();
        Self { dir, authority: Arc::clone(authority), port: Port::new() }
    }

    pub fn volume(&self) -> PathBuf {
        self.dir.path().join("disk-0.raw")
    }

    /// Starts a target. The one before may still be on its way out.
    pub async fn start(&self, disk: &LeafDisk) -> JoinHandle<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let volume =
                TargetVolume { name: "disk-0".to_owned(), identity: disk.identity().clone(), path: self.volume() };
            let config = TargetConfig {
                session: SESSION,
                volumes: vec![volume],
                ledger_dir: self.dir.path().to_owned(),
                tls: self.authority.server(),
                authorize: Arc::new(|chain| if chain.is_empty() { Err("no certificate".to_owned()) } else { Ok(()) }),
                signer: Arc::new(self.authority.signer("target")),
            };
            match Target::bind(self.address(), config).await {
                Ok(target) => {
                    return tokio::spawn(async move {
                        let Err(error) = target.serve().await;
                        panic!("{error}");
                    });
                }
                Err(error) => assert!(Instant::now() < deadline, "{error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn source(&self, disk: &LeafDisk) -> Replication {
        source_to(self.address(), &self.authority, disk, None)
    }

    /// One whose tracker has so little memory that a burst is more than it can take.
    pub fn forgetful_source(&self, disk: &LeafDisk) -> Replication {
        let config = config(self.address(), &self.authority, disk, None);
        Replication::start(SourceConfig { ring_bytes: Some(4096), ..config }).unwrap()
    }

    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }
}

/// A source that sends to `address`.
pub fn source_to(address: SocketAddr, authority: &Authority, disk: &LeafDisk, keep: Option<PathBuf>) -> Replication {
    Replication::start(config(address, authority, disk, keep)).unwrap()
}

fn config(address: SocketAddr, authority: &Authority, disk: &LeafDisk, keep: Option<PathBuf>) -> SourceConfig {
    SourceConfig {
        session: SESSION,
        receiver_address: address.to_string(),
        receiver_name: NAME.to_owned(),
        tls: authority.client(),
        disks: vec![SourceDisk { volume: "disk-0".to_owned(), disk: disk.clone() }],
        lanes: 2,
        max_bytes_per_second: 0,
        yields: true,
        keep,
        ring_bytes: None,
    }
}

pub async fn wait_for(replication: &Replication, what: &str, mut reached: impl FnMut(&DiskProgress) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let progress = replication.progress();
        if progress.iter().all(&mut reached) {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: {progress:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub fn in_sync(disk: &DiskProgress) -> bool {
    disk.progress.state == ReplicationState::InSync && disk.progress.remaining_bytes == 0
}

/// Finishes the copy as under a freeze, and looks at both ends.
pub async fn assert_proved(replication: &Replication, disk: &LoopDisk, volume: &Path) {
    replication.prepare_final().unwrap();
    let records = replication.finalise(Instant::now() + PATIENCE).await.unwrap();
    assert!(records.iter().all(|record| record.source_root == record.target_root), "{records:?}");
    assert_same_bytes(disk, volume);
}

pub fn assert_same_bytes(disk: &LoopDisk, volume: &Path) {
    let (here, there) = (std::fs::read(&disk.node).unwrap(), std::fs::read(volume).unwrap());
    assert_eq!(here.len(), there.len());
    let differ = here.chunks(4096).zip(there.chunks(4096)).position(|(a, b)| a != b);
    assert_eq!(differ, None, "first differing block");
}
