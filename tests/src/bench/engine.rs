//! Our engine as it works in a move, less the freeze: a source that follows its disk with the real tracker, in the process that
//! keeps its map, and a target that checks, writes, flushes and reads back. Both roots are computed and compared. Signs nothing, for nothing is handed over.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use qianyun_replication::progress::{Counters, ReplicationState};
use qianyun_replication_io::device::LeafDisk;
use qianyun_replication_io::signer::Signer;
use qianyun_replication_io::source::{DiskProgress, FinishError, Replication, SourceConfig, SourceDisk};
use qianyun_replication_io::target::{self, TargetConfig, TargetVolume};
use tokio::runtime::{Builder, Runtime};

use super::certificates::{Certificates, SERVER};

/// Where every receiver listens, ours and the others': in a network namespace of our own any port is free.
pub(super) const PORT: u16 = 10809;
/// Where ours listens that goes on while others have their turns.
pub(super) const FOLLOWING_PORT: u16 = 10810;

const SESSION: u64 = 1;
const VOLUME: &str = "disk-0";
/// As many as the agent opens.
const LANES: u16 = 4;
/// Between two looks at the progress; this much may be added to what is measured.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
/// The engine looks four times a second.
const HEARS_WITHIN: Duration = Duration::from_secs(1);
/// Whatever copies less is not slow but stuck.
const LEAST_BYTES_PER_SECOND: u64 = 1 << 20;

/// What a proof came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Both roots are the same.
    Same,
    /// The tracker may have missed something: the disk is to be compared by hash first.
    Doubted,
}

/// Copies the disk at `node` to the target, proves that both are the same, and says what it did.
pub(super) fn source(node: &Path, certificates: &Certificates, port: u16) -> Result<()> {
    let (config, deadline) = config(node, certificates, port)?;
    let runtime = runtime()?;
    let proved = runtime.block_on(copy_and_prove(config, deadline));
    // What is proved is proved: nothing is left that would have to be waited for.
    runtime.shutdown_background();
    proved
}

/// For the disk at `node`, and when a copy of it must be done.
pub(super) fn config(node: &Path, certificates: &Certificates, port: u16) -> Result<(SourceConfig, Instant)> {
    let disk = LeafDisk::from_node(node)?;
    let deadline = Instant::now() + Duration::from_secs(60 + disk.size_bytes() / LEAST_BYTES_PER_SECOND);
    let config = SourceConfig {
        session: SESSION,
        receiver_address: format!("{}:{port}", Ipv4Addr::LOCALHOST),
        receiver_name: SERVER.to_owned(),
        tls: certificates.client()?,
        disks: vec![SourceDisk { volume: VOLUME.to_owned(), disk }],
        lanes: LANES,
        max_bytes_per_second: 0,
        yields: true,
        // Of every run its own, and gone with it.
        keep: Some(certificates.folder().join(format!("kept-{port}"))),
        ring_bytes: None,
    };
    Ok((config, deadline))
}

async fn copy_and_prove(config: SourceConfig, deadline: Instant) -> Result<()> {
    let began = Instant::now();
    let replication = Replication::start(config)?;
    let counters = in_sync(&replication, deadline).await?;
    let durable = began.elapsed();
    ensure!(prove(&replication, deadline).await? == Proof::Same, "the tracker is in doubt, though nobody wrote");
    let Counters { read_bytes, skipped_bytes, zero_bytes, sent_bytes, wire_bytes: _ } = counters;
    println!(
        "    durable after {:.2} s, proved after {:.2} s; MiB read {}, skipped {}, zeros {}, sent {}",
        durable.as_secs_f64(),
        began.elapsed().as_secs_f64(),
        read_bytes >> 20,
        skipped_bytes >> 20,
        zero_bytes >> 20,
        sent_bytes >> 20
    );
    replication.end().await;
    Ok(())
}

/// Sends what is left, and compares the roots of both ends.
pub(super) async fn prove(replication: &Replication, deadline: Instant) -> Result<Proof> {
    if is_doubted(replication) {
        return Ok(Proof::Doubted);
    }
    replication.prepare_final()?;
    let records = match replication.finalise(deadline).await {
        Err(FinishError::Doubt { doubt: _ }) => return Ok(Proof::Doubted),
        finished => finished?,
    };
    for record in &records {
        ensure!(record.source_root == record.target_root, "the roots differ: {record:?}");
    }
    Ok(Proof::Same)
}

/// Waits until a doubt has been answered by a comparison of all hashes.
pub(super) async fn compared(replication: &Replication, deadline: Instant) -> Result<()> {
    // The engine hears of the doubt at its next look; one that it has answered already is as good.
    let heard = Instant::now() + HEARS_WITHIN;
    while !is_doubted(replication) && Instant::now() < heard {
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    in_sync(replication, deadline).await.map(drop)
}

fn is_doubted(replication: &Replication) -> bool {
    let doubted = |disk: &DiskProgress| disk.progress.unverified_bytes > 0 || !disk.progress.doubt.is_empty();
    replication.progress().iter().any(doubted)
}

/// Waits until everything is durable at the target.
pub(super) async fn in_sync(replication: &Replication, deadline: Instant) -> Result<Counters> {
    loop {
        let progress = replication.progress();
        let disk = progress.first().context("the disk is not followed")?;
        let left_bytes = disk.progress.remaining_bytes + disk.progress.unverified_bytes;
        if disk.progress.state == ReplicationState::InSync && left_bytes == 0 {
            return Ok(disk.progress.counters);
        }
        if Instant::now() >= deadline {
            bail!("not in sync in time, last seen: {disk:?}");
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// Receives the disk at `node` into the file `volume`, until it is ended.
pub(super) fn target(node: &Path, volume: &Path, certificates: &Certificates, port: u16) -> Result<()> {
    let ledger_dir = volume.parent().context("the volume is in no folder")?.to_owned();
    let identity = LeafDisk::from_node(node)?.identity().clone();
    let config = TargetConfig {
        session: SESSION,
        volumes: vec![TargetVolume { name: VOLUME.to_owned(), identity, path: volume.to_owned() }],
        ledger_dir,
        tls: certificates.server()?,
        // One authority, one client: the chain, which has been checked, says it all.
        authorize: Arc::new(|_chain| Ok(())),
        signer: Arc::new(NoSigner),
    };
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match runtime()?.block_on(target::serve(listen, config))? {}
}

struct NoSigner;

impl Signer for NoSigner {
    fn sign(&self, _bytes: &[u8]) -> Result<Vec<u8>, String> {
        Err("a benchmark signs nothing".to_owned())
    }

    fn certificate_pem(&self) -> String {
        String::new()
    }
}

/// As the agent's.
pub(super) fn runtime() -> Result<Runtime> {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().context("cannot start the runtime")
}
