//! The tracker as the source sees it: its own, or kept by another process so that a restart need not compare everything.
//!
//! Changes are bytes of each disk here, doubts are words. Never here: what follows from a doubt.

use super::Mode;
use crate::device::{DeviceError, LeafDisk};
use crate::ranges::{covers, merged};
use crate::trackd::{self, Client, Keep, TrackdError};
use crate::tracker::{Counts, Doubt, Drained, Landing, Tracker, TrackerError, Waiter, Way, check_size, fly};
use qianyun_replication::block_set::BlockSet;
use qianyun_replication::geometry::BLOCK_BYTES;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Why changes cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrackingError {
    /// Our own tracker.
    #[error(transparent)]
    Tracker(#[from] TrackerError),
    /// The other process.
    #[error(transparent)]
    Trackd(#[from] TrackdError),
    /// A disk or `/sys` did not answer.
    #[error("cannot watch a disk")]
    Device(#[from] DeviceError),
}

/// Changed bytes of each disk, and doubts since arming.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) changes: Vec<Vec<Range<u64>>>,
    pub(super) doubts: Vec<String>,
}

impl Taken {
    pub(super) fn is_empty(&self) -> bool {
        self.changes.iter().all(Vec::is_empty)
    }
}

/// See the module's description.
#[derive(Debug)]
pub(super) enum Tracking {
    Own(Tracker),
    Kept {
        client: Client,
        leaves: Vec<LeafDisk>,
        /// Told, and not yet taken: what a canary had to look at.
        aside: Vec<Vec<Range<u64>>>,
    },
}

/// Waits for changes without holding the tracker.
#[derive(Debug)]
pub(super) enum Waiting {
    Own(Waiter),
    /// The other process watches the rings: there is nothing to miss.
    Kept(watch::Receiver<Mode>),
}

impl Waiting {
    pub(super) fn wait(&self, timeout: Duration) -> Result<(), TrackingError> {
        match self {
            Self::Own(waiter) => Ok(waiter.wait(timeout)?),
            Self::Kept(mode) => {
                let until = Instant::now() + timeout;
                while *mode.borrow() != Mode::Stopped && Instant::now() < until {
                    std::thread::park_timeout(timeout / 4);
                }
                Ok(())
            }
        }
    }
}

impl Tracking {
    /// A new one: by another process if the map is to be kept, unless that cannot be started.
    pub(super) fn arm(
        leaves: &[LeafDisk],
        keep: Option<&Keep>,
        way: Way,
        ring_bytes: Option<usize>,
    ) -> Result<Self, TrackingError> {
        leaves.iter().try_for_each(check_size)?;
        match keep.map(|keep| Client::start(keep, way)) {
            Some(Ok(client)) => {
                // It opened the disks anew, and takes the size that one has now for the right one. What changes later is a doubt.
                if let Err(error) = leaves.iter().try_for_each(check_size) {
                    let _gone = client.end();
                    return Err(error.into());
                }
                Ok(Self::kept(client, leaves))
            }
            Some(Err(error)) => {
                let error = super::words_of(&error);
                tracing::warn!(error, "a restart of this process will compare all disks");
                Ok(Self::Own(Tracker::arm_by(way, leaves, ring_bytes)?))
            }
            None => Ok(Self::Own(Tracker::arm_by(way, leaves, ring_bytes)?)),
        }
    }

    /// One that was found.
    pub(super) fn kept(client: Client, leaves: &[LeafDisk]) -> Self {
        Self::Kept { client, leaves: leaves.to_vec(), aside: vec![Vec::new(); leaves.len()] }
    }

    pub(super) fn waiting(&self, mode: watch::Receiver<Mode>) -> Result<Waiting, TrackingError> {
        match self {
            Self::Own(tracker) => Ok(Waiting::Own(tracker.waiter()?)),
            Self::Kept { .. } => Ok(Waiting::Kept(mode)),
        }
    }

    /// What has changed since the last call, of all whose write had completed when this was called.
    pub(super) fn drain(&mut self) -> Result<Taken, TrackingError> {
        match self {
            Self::Own(tracker) => Ok(taken(tracker.drain()?)),
            Self::Kept { client, aside, .. } => Ok(told(client.drain(false)?, aside)),
        }
    }

    /// As [`Self::drain`], to be followed by a checkpoint; and the batch that this has to state. `None` if nothing is kept.
    pub(super) fn close(&mut self) -> Result<Option<(Taken, u64)>, TrackingError> {
        match self {
            Self::Own(_) => Ok(None),
            Self::Kept { client, aside, .. } => {
                let found = client.drain(true)?;
                let closed = found.closed;
                Ok(Some((told(found, aside), closed)))
            }
        }
    }

    /// As [`Self::drain`], with every disk at rest.
    pub(super) fn settle(&mut self, deadline: Instant) -> Result<Taken, TrackingError> {
        match self {
            Self::Own(tracker) => Ok(taken(tracker.settle(deadline)?)),
            Self::Kept { client, aside, .. } => Ok(told(client.settle(deadline)?, aside)),
        }
    }

    pub(super) fn counts(&mut self, disk: u32) -> Result<Counts, TrackingError> {
        match self {
            Self::Own(tracker) => Ok(tracker.counts(usize::try_from(disk).expect("fewer than 2^32 disks"))?),
            Self::Kept { client, .. } => Ok(client.counts(disk)?),
        }
    }

    /// Blocks that go to the domain of a disk without having changed: a successor must send them as well.
    pub(super) fn note(&mut self, disk: u32, blocks: &BlockSet) -> Result<(), TrackingError> {
        match self {
            Self::Kept { client, .. } if !blocks.is_empty() => Ok(client.note(disk, blocks)?),
            Self::Own(_) | Self::Kept { .. } => Ok(()),
        }
    }

    /// No checkpoint from before may be gone on from.
    pub(super) fn void(&mut self) -> Result<(), TrackingError> {
        match self {
            Self::Own(_) => Ok(()),
            Self::Kept { client, .. } => Ok(client.void()?),
        }
    }

    /// As [`Tracker::canary`], which see. Written by this process in either case: the other must never wait for a filesystem.
    pub(super) fn canary(&mut self, dir: &Path) -> Result<bool, TrackingError> {
        let (client, leaves, aside) = match self {
            Self::Own(tracker) => return Ok(tracker.canary(dir)?),
            Self::Kept { client, leaves, aside } => (client, leaves, aside),
        };
        put_aside(aside, client.drain(false)?);
        let flown = fly(dir)?;
        let seen = client.drain(false)?;
        let now: Vec<_> = seen.blocks.iter().map(bytes).collect();
        put_aside(aside, seen);
        let mut proved = false;
        for Landing { disk, bytes } in flown.unwrap_or_default() {
            let Some(index) = leaves.iter().position(|leaf| leaf.number() == disk) else { continue };
            proved = true;
            if !covers(&now[index], &bytes) {
                let disk = leaves[index].name().to_owned();
                client.doubt(&Doubt::CanaryMissed { disk, dir: dir.to_owned(), bytes }.to_string())?;
            }
        }
        Ok(proved)
    }
}

fn taken(drained: Drained) -> Taken {
    let Drained { changes, doubts } = drained;
    Taken { changes, doubts: doubts.iter().map(Doubt::to_string).collect() }
}

fn told(found: trackd::Found, aside: &mut [Vec<Range<u64>>]) -> Taken {
    let doubts = put_aside(aside, found);
    Taken { changes: aside.iter_mut().map(|ranges| merged(std::mem::take(ranges))).collect(), doubts }
}

fn put_aside(aside: &mut [Vec<Range<u64>>], found: trackd::Found) -> Vec<String> {
    for (aside, blocks) in aside.iter_mut().zip(&found.blocks) {
        aside.extend(bytes(blocks));
    }
    found.doubts
}

/// Runs of blocks as bytes.
pub(super) fn bytes(blocks: &BlockSet) -> Vec<Range<u64>> {
    blocks.runs().map(|run| run.start * BLOCK_BYTES..run.end * BLOCK_BYTES).collect()
}
