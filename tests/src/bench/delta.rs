//! What one percent of changes costs: our engine follows the disk while fio writes, the others come afterwards. The time
//! runs from fio's end until the target is durable and, where the tool verifies, verified.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::certificates::Certificates;
use super::cost::{Cost, Process, Stretch, program};
use super::data::{Disk, Kind, forget_caches};
use super::engine::Proof;
use super::following::Following;
use super::series::Series;
use super::tool::Tool;

/// What fio writes at once.
const WRITE_BYTES: u64 = 4096;
/// On a busy machine a third of the turns of `bench tracker` were in doubt (4 of 12): five in a row are hardly chance.
const ATTEMPTS: u32 = 5;

/// A disk, and the targets that go on from round to round: ours and rsync's.
pub(super) struct Delta<'a> {
    following: Following,
    pub(super) disk: Disk,
    ours: PathBuf,
    rsync: PathBuf,
    folder: &'a Path,
    certificates: &'a Certificates,
}

impl<'a> Delta<'a> {
    /// Makes the disk and copies it to both targets.
    pub(super) fn prepare(bytes: u64, folder: &'a Path, certificates: &'a Certificates) -> Result<Self> {
        let disk = Disk::make(Kind::Random, bytes, folder)?;
        let [ours, rsync] = ["ours", "rsync"].map(|name| folder.join(name).join("target.raw"));
        for target in [&ours, &rsync] {
            fs::create_dir(target.parent().context("the target is in no folder")?)?;
        }
        Tool::Rsync.copy(&disk, &rsync, certificates).context("the first copy by rsync")?;
        let following = Following::begin(&disk.node, &ours, certificates).context("the first copy by ours")?;
        Ok(Self { following, disk, ours, rsync, folder, certificates })
    }

    /// Bytes that change in each round.
    pub(super) fn dirty_bytes(&self) -> u64 {
        self.disk.bytes / 100 / WRITE_BYTES * WRITE_BYTES
    }

    /// One round: changes, then everyone's turn.
    pub(super) fn round(&mut self, number: u32, series: &mut [Series]) -> Result<()> {
        // Ours has the first turn, because it does not wait for the end of fio.
        for series in series {
            let cost = match series.tool {
                Tool::Qianyun => self.change_and_prove(number)?,
                Tool::Rsync => self.again_by_rsync()?,
                Tool::Nbdcopy | Tool::NbdcopyHashed | Tool::Pipe => {
                    super::one_turn(series.tool, &self.disk, self.folder, self.certificates)?
                }
            };
            println!("  round {number}: {}: {:.2} s", series.tool, cost.seconds);
            series.costs.push(cost);
        }
        Ok(())
    }

    /// What ours sends while fio still writes counts for the wire and the processor. After a doubt of the tracker, which is
    /// answered by a comparison of all hashes, the round says nothing about changes and is begun again.
    fn change_and_prove(&mut self, round: u32) -> Result<Cost> {
        let dirty_bytes = self.dirty_bytes();
        for _attempt in 0..ATTEMPTS {
            forget_caches()?;
            let stretch = Stretch::begin(&self.following.ends)?;
            write(&self.disk.node, dirty_bytes, round)?;
            let began = Instant::now();
            let proof = self.following.prove()?;
            let cost = stretch.end(&self.following.ends, began.elapsed())?;
            if proof == Proof::Same {
                self.disk.compare(&self.ours, true, self.folder).context("ours: not a copy")?;
                return Ok(cost);
            }
            println!("  round {round}: the tracker was in doubt, so that all hashes are compared; again");
            self.following.in_sync()?;
        }
        bail!("the tracker was in doubt {ATTEMPTS} times in a row")
    }

    fn again_by_rsync(&self) -> Result<Cost> {
        forget_caches()?;
        let cost = Tool::Rsync.copy(&self.disk, &self.rsync, self.certificates)?;
        self.disk.compare(&self.rsync, true, self.folder).context("rsync: not a copy")?;
        Ok(cost)
    }
}

/// Random blocks at random places, each once, past the page cache; others in each round.
fn write(node: &Path, bytes: u64, round: u32) -> Result<()> {
    let mut fio = program("fio");
    fio.args(["--name=delta", "--rw=randwrite", "--bs=4k", "--direct=1", "--ioengine=libaio", "--iodepth=16"]);
    fio.args(["--refill_buffers", "--output-format=terse", "--end_fsync=1", &format!("--randseed={round}")]);
    fio.args([&format!("--io_size={bytes}"), &format!("--filename={}", node.display())]);
    Process::start(fio.stdout(Stdio::piped()))?.answer().map(drop)
}
