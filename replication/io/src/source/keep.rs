//! What outlives this process: the checkpoint in a folder in memory, beside the tracker's process.
//!
//! Order is what makes it safe: a batch is closed and told to the engine, then the checkpoint that states it is taken and
//! written, and only then is the batch forgotten. Whatever does not fit together is answered by starting anew. Never called
//! under a freeze.

use super::tracking::{Tracking, TrackingError, bytes};
use super::{Shared, follow, lock, words_of};
use crate::trackd::{Client, Found, Keep};
use qianyun_replication::checkpoint::{Checkpoint, ReadUpTo};
use qianyun_replication::digest::hash_bytes;
use qianyun_replication::sender::{Sender, SenderConfig};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A new process sends again what was sent in this time.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(30);
/// Large disks take time to write down: at most a fiftieth of it all.
const SHARE_OF_TIME: u32 = 50;

/// When the next checkpoint is due, and at which landmark the last one was.
#[derive(Debug)]
pub(super) struct Due {
    at: Instant,
    landmark: Option<(u32, bool)>,
}

impl Due {
    pub(super) fn now() -> Self {
        Self { at: Instant::now(), landmark: None }
    }
}

fn file(keep: &Keep) -> PathBuf {
    keep.dir.join("checkpoint")
}

/// A digest of what is copied to whom: another session, receiver or disk is another subject.
pub(super) fn subject(session: u64, receiver_name: &str, disks: &[super::Disk]) -> [u8; 32] {
    let mut text = format!("{session}\n{receiver_name}\n");
    for disk in disks {
        text.push_str(&format!("{:?} {:?} {}\n", disk.volume, disk.leaf.number(), disk.leaf.identity()));
    }
    hash_bytes(text.as_bytes()).0
}

/// Goes on where the process before was: the tracker that it had, and the engine. `None` if anything does not fit.
pub(super) fn take_up(shared: &Shared, keep: &Keep) -> Option<Tracking> {
    let mut client = Client::connect(keep).map_err(|error| tracing::debug!(error = words_of(&error), "no map")).ok()?;
    let read = read(shared, keep);
    let checkpoint = read.map_err(|error| tracing::info!(%error, "no checkpoint to go on from")).ok()?;
    let ReadUpTo { subject, generation, batch } = checkpoint.read;
    let known = checkpoint.disks.iter().map(|disk| (disk.device, disk.size));
    let fits = known.eq(shared.disks.iter().map(|disk| (disk.id, disk.size)))
        && (subject, generation) == (keep.subject, client.generation());
    if !fits || client.was_doubted() {
        tracing::info!(fits, "the map that was kept cannot be gone on from");
        return None;
    }
    let since = client.since(batch).map_err(|error| tracing::info!(error = words_of(&error), "no changes")).ok()?;
    let Found { closed: _, doubts, blocks } = since;
    if !doubts.is_empty() {
        return None;
    }
    *shared.engine() = Sender::restored(SenderConfig::default(), &checkpoint);
    follow::mark(shared, &blocks.iter().map(bytes).collect::<Vec<_>>());
    let leaves: Vec<_> = shared.disks.iter().map(|disk| disk.leaf.clone()).collect();
    tracing::info!(batch, "going on where the process before was");
    Some(Tracking::kept(client, &leaves))
}

fn read(shared: &Shared, keep: &Keep) -> io::Result<Checkpoint> {
    let most = Checkpoint::max_bytes(shared.disks.iter().map(|disk| disk.size));
    let mut bytes = Vec::new();
    File::open(file(keep))?.take(most).read_to_end(&mut bytes)?;
    Checkpoint::decode(&bytes).map_err(io::Error::other)
}

/// Takes a checkpoint if one is due. The caller holds the tracker.
pub(super) fn checkpoint(
    shared: &Shared,
    tracking: &mut Tracking,
    due: &mut Due,
) -> Result<Vec<String>, TrackingError> {
    let landmark = shared.engine().landmark();
    // Only the link right after the one that a checkpoint states is believed: every link has one.
    let passed = landmark.is_some() && landmark != due.landmark;
    if Instant::now() < due.at && !passed {
        return Ok(Vec::new());
    }
    let began = Instant::now();
    let doubts = keep_now(shared, tracking)?;
    let pause = CHECKPOINT_EVERY.max(began.elapsed().saturating_mul(SHARE_OF_TIME));
    *due = Due { at: Instant::now() + pause, landmark: landmark.or(due.landmark) };
    Ok(doubts)
}

/// Takes a checkpoint, unless there is a doubt: doubts are returned.
pub(super) fn keep_now(shared: &Shared, tracking: &mut Tracking) -> Result<Vec<String>, TrackingError> {
    let Some(keep) = &shared.keep else { return Ok(Vec::new()) };
    let Some((taken, batch)) = tracking.close()? else { return Ok(Vec::new()) };
    follow::mark(shared, &taken.changes);
    let Tracking::Kept { client, .. } = tracking else { return Ok(taken.doubts) };
    if !taken.doubts.is_empty() {
        return Ok(taken.doubts);
    }
    // A successor would take the hashes of zeros for those of the disk: it has to read these places itself.
    if lock(&shared.unread).has_bad_places() {
        return Ok(Vec::new());
    }
    let read = ReadUpTo { subject: keep.subject, generation: client.generation(), batch };
    let checkpoint = shared.engine().checkpoint(read);
    match write(&keep.dir, &file(keep), &checkpoint.encode()) {
        Ok(()) => client.forget(batch)?,
        // The one before stays, and so do all changes since.
        Err(error) => tracing::warn!(%error, dir = %keep.dir.display(), "a checkpoint cannot be written"),
    }
    Ok(Vec::new())
}

/// Writes the file whole or not at all. Not durably: it is worth nothing after a boot.
fn write(dir: &Path, file: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = dir.join("checkpoint.new");
    File::create(&new)?.write_all(bytes)?;
    std::fs::rename(&new, file)
}

/// Nothing is to be gone on from: ends the tracker's process and removes the checkpoint.
pub(super) fn end(shared: &Shared) {
    let tracking = lock(&shared.tracker).take();
    if let Some(Tracking::Kept { client, .. }) = tracking {
        let _gone = client.end();
    }
    if let Some(keep) = &shared.keep {
        let _none = std::fs::remove_file(file(keep));
        // Only if it is empty: others may use it for something else.
        let _used = std::fs::remove_dir(&keep.dir);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("checkpoint");
        for content in [&b"the first, which is longer"[..], b"the second"] {
            write(dir.path(), &file, content).unwrap();
            assert_eq!(std::fs::read(&file).unwrap(), content);
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
