//! Our engine over a longer time: after the first copy it follows the disk, and proves both ends whenever it is told. Both
//! sides of the conversation are here: the source's process, and whoever tells it. Never times anything.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use qianyun_replication_io::source::Replication;

use super::certificates::Certificates;
use super::cost::Process;
use super::engine::{self, FOLLOWING_PORT, Proof};
use super::role;
use super::tool::listening;

const IN_SYNC: &str = "in sync";
const PROVED: &str = "proved";
const DOUBTED: &str = "doubted";
/// A proof of what 1 % changed; what takes longer is stuck.
const PROVES_WITHIN: Duration = Duration::from_secs(120);

/// Both ends, as processes: the target first.
pub(super) struct Following {
    pub(super) ends: [Process; 2],
}

impl Following {
    /// Copies the disk at `node` to the new file `volume` and goes on following.
    pub(super) fn begin(node: &Path, volume: &Path, certificates: &Certificates) -> Result<Self> {
        let mut target = role::target(node, volume, certificates.folder(), FOLLOWING_PORT)?;
        let target = listening(Process::start(&mut target)?, FOLLOWING_PORT)?;
        let mut source = role::follower(node, certificates.folder(), FOLLOWING_PORT)?;
        let source = Process::start(source.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let mut following = Self { ends: [target, source] };
        following.in_sync()?;
        Ok(following)
    }

    /// Returns when both ends are proved to be the same, or the tracker is in doubt.
    pub(super) fn prove(&mut self) -> Result<Proof> {
        self.ends[1].tell()?;
        match self.ends[1].line()?.as_str() {
            PROVED => Ok(Proof::Same),
            DOUBTED => Ok(Proof::Doubted),
            other => bail!("the source says {other:?}"),
        }
    }

    /// Returns when all is durable and compared, at the beginning and after a doubt.
    pub(super) fn in_sync(&mut self) -> Result<()> {
        let line = self.ends[1].line()?;
        ensure!(line == IN_SYNC, "the source says {line:?}, expected {IN_SYNC:?}");
        Ok(())
    }
}

impl Drop for Following {
    /// Has the source put the map of its disk away, which would be kept for a day, and waits until it has ended.
    fn drop(&mut self) {
        self.ends[1].dismiss();
        let _nothing_more = self.ends[1].line();
    }
}

/// Copies the disk at `node`, follows it, and proves at every line of the standard input until that ends.
pub(super) fn source(node: &Path, certificates: &Certificates, port: u16) -> Result<()> {
    let (config, deadline) = engine::config(node, certificates, port)?;
    let runtime = engine::runtime()?;
    let ended = runtime.block_on(async {
        let replication = Replication::start(config)?;
        engine::in_sync(&replication, deadline).await?;
        println!("{IN_SYNC}");
        while io::stdin().read_line(&mut String::new())? > 0 {
            let proof = engine::prove(&replication, Instant::now() + PROVES_WITHIN).await?;
            println!("{}", if proof == Proof::Same { PROVED } else { DOUBTED });
            replication.resume();
            if proof == Proof::Doubted {
                engine::compared(&replication, deadline).await?;
                println!("{IN_SYNC}");
            }
        }
        replication.end().await;
        Ok(())
    });
    runtime.shutdown_background();
    ended
}
