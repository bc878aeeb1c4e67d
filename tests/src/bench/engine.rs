//! Our engine as it works in a move, less the freeze: a source that follows its disk with the real tracker, and a target that
//! checks, writes, flushes and reads back. Both roots are computed and compared. Signs nothing, for nothing is handed over.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use qianyun_replication::progress::{Counters, ReplicationState};
use qianyun_replication_io::device::LeafDisk;
use qianyun_replication_io::signer::Signer;
use qianyun_replication_io::source::{Replication, SourceConfig, SourceDisk};
use qianyun_replication_io::target::{self, TargetConfig, TargetVolume};
use tokio::runtime::{Builder, Runtime};

use super::certificates::{Certificates, SERVER};

/// Where every receiver listens, ours and the others': in a network namespace of our own any port is free.
pub(super) const PORT: u16 = 10809;

const SESSION: u64 = 1;
const VOLUME: &str = "disk-0";
/// As many as the agent opens.
const LANES: u16 = 2;
/// Between two looks at the progress; this much may be added to what is measured.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
/// Whatever copies less is not slow but stuck.
const LEAST_BYTES_PER_SECOND: u64 = 1 << 20;

/// Copies the disk at `node` to the target, proves that both are the same, and says what it did.
pub(super) fn source(node: &Path, certificates: &Certificates) -> Result<()> {
    let disk = LeafDisk::from_node(node)?;
    let deadline = Instant::now() + Duration::from_secs(60 + disk.size_bytes() / LEAST_BYTES_PER_SECOND);
    let config = SourceConfig {
        session: SESSION,
        receiver_address: format!("{}:{PORT}", Ipv4Addr::LOCALHOST),
        receiver_name: SERVER.to_owned(),
        tls: certificates.client()?,
        disks: vec![SourceDisk { volume: VOLUME.to_owned(), disk }],
        lanes: LANES,
        max_bytes_per_second: 0,
    };
    let runtime = runtime()?;
    let proved = runtime.block_on(copy_and_prove(config, deadline));
    // What is proved is proved: nothing is left that would have to be waited for.
    runtime.shutdown_background();
    proved
}

async fn copy_and_prove(config: SourceConfig, deadline: Instant) -> Result<()> {
    let began = Instant::now();
    let replication = Replication::start(config)?;
    let counters = in_sync(&replication, deadline).await?;
    let durable = began.elapsed();
    replication.prepare_final()?;
    let records = replication.finalise(deadline).await?;
    for record in &records {
        ensure!(record.source_root == record.target_root, "the roots differ: {record:?}");
    }
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
    Ok(())
}

/// Waits until everything is durable at the target.
async fn in_sync(replication: &Replication, deadline: Instant) -> Result<Counters> {
    loop {
        let progress = replication.progress();
        let disk = progress.first().context("the disk is not followed")?;
        if disk.progress.state == ReplicationState::InSync && disk.progress.remaining_bytes == 0 {
            return Ok(disk.progress.counters);
        }
        if Instant::now() >= deadline {
            bail!("not in sync in time, last seen: {disk:?}");
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// Receives the disk at `node` into the file `volume` until it is ended.
pub(super) fn target(node: &Path, volume: &Path, certificates: &Certificates) -> Result<()> {
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
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
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
fn runtime() -> Result<Runtime> {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().context("cannot start the runtime")
}
