//! What is written to the tracked disks, from the kernel's own trace events, and every doubt about it.
//!
//! A block counts as changed when the request that changed it completes: the event comes before anyone hears of the
//! completion, so whoever reads a block after taking its mark reads at least that write. Events come by one of two ways
//! ([`Way`]). On either, three independent checks look for lost ones: the count of what did not fit, the kernel's count of
//! events, and the sectors that each disk has counted ([`audit`]). A doubt is never resolved here: the caller arms a new
//! tracker and compares the disks by hash.
//!
//! Drain often: a ring holds about 14,500 requests per CPU, the program's slots 65,000. [`Waiter::wait`] returns in time.

mod audit;
mod btf;
mod canary;
mod events;
mod format;
mod perf;
mod program;
mod record;
mod slots;

use crate::device::{self, DeviceError, LeafDisk};
use crate::ranges::{covers, merged};
use audit::{Audit, Sample, Verdict};
pub(crate) use canary::{Landing, fly};
use events::Events;
pub use events::Way;
pub use format::FormatError;
pub use perf::Waiter;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Trace events and counters are in sectors of 512 bytes, whatever the disk's own.
const SECTOR_BYTES: u64 = 512;
/// Bytes of one CPU's ring: 14,500 events of 72 bytes, 2 s at 6,000 writes per second and CPU.
const RING_BYTES: usize = 1 << 20;
/// All rings together, on machines with many CPUs.
const ALL_RINGS_BYTES: usize = 128 << 20;
/// How long a disk may take to come to rest at arming; a disk that does not starts with a looser audit.
const ARM_REST: Duration = Duration::from_millis(500);
/// Between two looks at a disk that is not at rest.
const LOOK_PAUSE: Duration = Duration::from_millis(2);
/// Looks at a disk whose sums do not agree, before it is a doubt: together 100 ms, far longer than a request stays
/// between its event and its count.
const MISMATCH_LOOKS: usize = 50;

/// Why there can be no tracker on this machine. Then nothing is copied: rescans heal a doubt, but never stand in for a tracker, for a
/// disk in use is proved by them only with all of it compared under the freeze.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// Trace events are not mounted or not built in.
    #[error("no trace events; mount tracefs on /sys/kernel/tracing, or debugfs on kernels before 4.1")]
    NoTracefs,
    /// The event is not as any kernel in scope has it.
    #[error("the kernel's block_rq_complete event cannot be read; start one of the distribution's standard kernels")]
    Format(#[source] FormatError),
    /// The kernel refuses the event: not root, or locked down.
    #[error(
        "perf event refused on CPU {cpu}; run as root of the machine itself, not of a container, with a kernel that has perf \
         events and is not locked down"
    )]
    Perf {
        /// The CPU.
        cpu: u32,
        /// The kernel's answer.
        #[source]
        source: std::io::Error,
    },
    /// The disk counts nothing, so lost events would stay unseen.
    #[error("disk {disk} keeps no counts; write 1 to /sys/block/{disk}/queue/iostats")]
    NoCounts {
        /// The kernel's name of the disk.
        disk: String,
    },
}

/// Why the tracker cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrackerError {
    /// It never started.
    #[error("changes cannot be tracked on this machine")]
    Unavailable(#[from] Unavailable),
    /// A disk or `/sys` did not answer.
    #[error("cannot watch a disk")]
    Device(#[from] DeviceError),
    /// The disk is not the one that was opened: it has another size.
    #[error("disk {disk} has {found} bytes, {expected} when it was opened; start the copy of the disk as it is anew")]
    Resized {
        /// The kernel's name of the disk.
        disk: String,
        /// Bytes when it was opened.
        expected: u64,
        /// Bytes now.
        found: u64,
    },
    /// A ring did not answer.
    #[error("cannot read a perf ring")]
    Ring {
        /// The kernel's answer.
        #[source]
        source: std::io::Error,
    },
    /// The disks did not come to rest in time: something writes below the filesystems.
    #[error("disk {disk} is still written to; find who writes below the filesystems, a raw database or swap")]
    NotAtRest {
        /// The kernel's name of the disk.
        disk: String,
    },
}

/// A reason not to believe that every change was seen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Doubt {
    /// The kernel says that a ring was full.
    #[error("{events} events lost on CPU {cpu}")]
    RingLost {
        /// The CPU.
        cpu: u32,
        /// How many.
        events: u64,
    },
    /// Events happened that never came: lost, or withheld because of the task they happened under.
    #[error("{counted} events happened on CPU {cpu} but {consumed} came")]
    CounterMismatch {
        /// The CPU.
        cpu: u32,
        /// By the kernel's count.
        counted: u64,
        /// Through the ring.
        consumed: u64,
    },
    /// A ring holds what is no record.
    #[error("unreadable record from CPU {cpu}")]
    RecordUnreadable {
        /// The CPU.
        cpu: u32,
    },
    /// The disk has counted another number of sectors than were traced.
    #[error("disk {disk}: {traced} sectors traced, {counted} counted")]
    AuditMismatch {
        /// The kernel's name of the disk.
        disk: String,
        /// Since arming.
        traced: u64,
        /// Since arming.
        counted: u64,
    },
    /// Other CPUs are online than those with rings.
    #[error("CPUs {armed} at arming, {found} now")]
    CpusChanged {
        /// At arming.
        armed: String,
        /// Now.
        found: String,
    },
    /// The disk has another size, or is gone.
    #[error("disk {disk} has {found} bytes, {armed} at arming")]
    DeviceResized {
        /// The kernel's name of the disk.
        disk: String,
        /// Bytes at arming.
        armed: u64,
        /// Bytes now.
        found: u64,
    },
    /// A write that must have happened was not seen.
    #[error("canary in {}: bytes {} to {} of disk {disk} were written but not seen", dir.display(), bytes.start, bytes.end)]
    CanaryMissed {
        /// The kernel's name of the disk.
        disk: String,
        /// Where the canary was.
        dir: PathBuf,
        /// Where its bytes lie on the disk.
        bytes: Range<u64>,
    },
}

/// Doubts remembered: one is enough to act on, a few tell the story.
const MAX_DOUBTS: usize = 64;

/// What happened since the last drain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drained {
    /// Per disk, in the order of arming: changed bytes, in order, merged.
    pub changes: Vec<Vec<Range<u64>>>,
    /// Every doubt since arming. Not empty: changes may be missing, and this tracker is never to be relied on again.
    pub doubts: Vec<Doubt>,
}

impl Drained {
    /// Whether nothing has changed, as far as is known.
    pub fn is_empty(&self) -> bool {
        self.changes.iter().all(Vec::is_empty)
    }
}

/// Sectors written or discarded on a disk since arming.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Seen by the tracker.
    pub traced_sectors: u64,
    /// Counted by the kernel.
    pub counted_sectors: u64,
}

struct Tracked {
    disk: LeafDisk,
    audit: Audit,
    traced: u64,
    changed: Vec<Range<u64>>,
    doubted: bool,
}

/// Armed on some disks; dropping it ends the tracking.
pub struct Tracker {
    events: Events,
    disks: Vec<Tracked>,
    doubts: Vec<Doubt>,
}

impl std::fmt::Debug for Tracker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.disks.iter().map(|tracked| tracked.disk.name())).finish()
    }
}

/// Refuses a disk that has another size than when it was opened: what came to it would not be in the copy.
pub(crate) fn check_size(disk: &LeafDisk) -> Result<(), TrackerError> {
    let (found, expected) = (device::current_size(disk.name())?, disk.size_bytes());
    if found == expected {
        return Ok(());
    }
    Err(TrackerError::Resized { disk: disk.name().to_owned(), expected, found })
}

fn ring_bytes() -> usize {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let share = ALL_RINGS_BYTES / cpus.next_power_of_two();
    // Both are powers of two; no less than 16 pages, however many CPUs.
    RING_BYTES.min(share).max(1 << 16)
}

impl Tracker {
    /// Every request on `disks` that completes after this returns is seen, and some before it.
    pub fn arm(disks: &[LeafDisk]) -> Result<Self, TrackerError> {
        Self::arm_by(Way::Best, disks, None)
    }

    /// As [`Self::arm`], by a certain way and with so much memory per CPU: a power of two, at least a page.
    pub fn arm_by(way: Way, disks: &[LeafDisk], cpu_bytes: Option<usize>) -> Result<Self, TrackerError> {
        for disk in disks {
            disk.check_followed()?;
            let path = device::block_dir(disk.name()).join("queue/iostats");
            if device::read_text(&path)? != "1" {
                return Err(Unavailable::NoCounts { disk: disk.name().to_owned() }.into());
            }
            check_size(disk)?;
        }
        let events = Events::open(disks, way, cpu_bytes.unwrap_or_else(ring_bytes))?;
        let nothing = Sample { traced_before: 0, counted: 0, traced_after: 0, busy: true };
        let tracked = |disk: &LeafDisk| Tracked {
            disk: disk.clone(),
            audit: Audit::new(nothing),
            traced: 0,
            changed: Vec::new(),
            doubted: false,
        };
        let mut tracker = Self { events, disks: disks.iter().map(tracked).collect(), doubts: Vec::new() };
        for index in 0..disks.len() {
            tracker.disks[index].audit = tracker.first_audit(index)?;
        }
        Ok(tracker)
    }

    /// The way that was taken.
    pub fn way(&self) -> Way {
        match self.events {
            Events::Program(_) => Way::Best,
            Events::Rings(_) => Way::Rings,
        }
    }

    /// What waits until there is much to drain.
    pub fn waiter(&self) -> Result<Waiter, TrackerError> {
        self.events.waiter()
    }

    /// Takes what has changed since the last call: everything whose write had completed when this was called.
    pub fn drain(&mut self) -> Result<Drained, TrackerError> {
        self.collect()?;
        if let Some(doubt) = self.events.check_cpus()? {
            self.doubt(doubt);
        }
        for index in 0..self.disks.len() {
            self.check_size(index);
            self.audit(index)?;
        }
        Ok(self.hand_over())
    }

    /// Writes and discards that are under way on a disk, by its place in the order of arming.
    pub fn inflight(&self, disk: usize) -> Result<u64, TrackerError> {
        let path = device::block_dir(self.disks[disk].disk.name()).join("inflight");
        let text = device::read_text(&path)?;
        Ok(audit::writes_in_flight(&text).ok_or_else(|| device::malformed(&path, "two numbers", &text))?)
    }

    /// What was traced and what was counted on a disk since arming, by its place in the order of arming. Equal when asked
    /// right after a [`Self::settle`] without doubts.
    pub fn counts(&mut self, disk: usize) -> Result<Counts, TrackerError> {
        let sample = self.sample(disk)?;
        let counted = self.disks[disk].audit.counted_since_arming(sample);
        Ok(Counts { traced_sectors: sample.traced_after, counted_sectors: counted })
    }

    /// As [`Self::drain`], after every disk was seen at rest with sums that agree exactly: for use under a freeze. Repeat
    /// until the result is empty; what it returns has to be sent, and sending takes time in which someone may write.
    pub fn settle(&mut self, deadline: Instant) -> Result<Drained, TrackerError> {
        for index in 0..self.disks.len() {
            // Sums that were once in doubt will not agree again; the doubt is in what `drain` returns.
            while !self.audit(index)? && self.doubts.is_empty() {
                if Instant::now() >= deadline {
                    return Err(TrackerError::NotAtRest { disk: self.disks[index].disk.name().to_owned() });
                }
                std::thread::sleep(LOOK_PAUSE);
            }
        }
        self.drain()
    }

    /// Settles and hands the changes to `send` until a round finds nothing new. Returns the doubts, empty if the disks and
    /// what was sent are the same.
    pub fn fixpoint<E: From<TrackerError>>(
        &mut self,
        deadline: Instant,
        mut send: impl FnMut(Vec<Vec<Range<u64>>>) -> Result<(), E>,
    ) -> Result<Vec<Doubt>, E> {
        loop {
            let drained = self.settle(deadline)?;
            if !drained.doubts.is_empty() || drained.is_empty() {
                return Ok(drained.doubts);
            }
            if Instant::now() >= deadline {
                let written = drained.changes.iter().position(|ranges| !ranges.is_empty()).unwrap_or_default();
                return Err(TrackerError::NotAtRest { disk: self.disks[written].disk.name().to_owned() }.into());
            }
            send(drained.changes)?;
        }
    }

    /// Writes a small file in `dir`, a directory of a filesystem on a tracked disk, and demands that the write is seen; a
    /// missed one is a doubt of the next drain. `false` if the filesystem does not lie right on a tracked disk.
    pub fn canary(&mut self, dir: &Path) -> Result<bool, TrackerError> {
        self.collect()?;
        // Set aside, so that only what comes now can prove anything.
        let before: Vec<_> = self.disks.iter_mut().map(|tracked| std::mem::take(&mut tracked.changed)).collect();
        let flown = canary::fly(dir);
        let collected = self.collect();
        let now: Vec<_> = self.disks.iter().map(|tracked| merged(tracked.changed.clone())).collect();
        for (tracked, before) in self.disks.iter_mut().zip(before) {
            tracked.changed.extend(before);
        }
        collected?;
        let mut proved = false;
        for landing in flown?.unwrap_or_default() {
            let on = |tracked: &Tracked| tracked.disk.number() == landing.disk;
            let Some(index) = self.disks.iter().position(on) else { continue };
            proved = true;
            if !covers(&now[index], &landing.bytes) {
                let disk = self.disks[index].disk.name().to_owned();
                self.doubt(Doubt::CanaryMissed { disk, dir: dir.to_owned(), bytes: landing.bytes });
            }
        }
        Ok(proved)
    }

    fn doubt(&mut self, doubt: Doubt) {
        if self.doubts.len() < MAX_DOUBTS && !self.doubts.contains(&doubt) {
            self.doubts.push(doubt);
        }
    }

    fn hand_over(&mut self) -> Drained {
        let take = |tracked: &mut Tracked| merged(std::mem::take(&mut tracked.changed));
        Drained { changes: self.disks.iter_mut().map(take).collect(), doubts: self.doubts.clone() }
    }

    /// Moves the events out of the rings.
    fn collect(&mut self) -> Result<(), TrackerError> {
        let (disks, mut doubts) = (&mut self.disks, Vec::new());
        let drained = self.events.drain(&mut doubts, |completion| {
            let of_disk = |tracked: &&mut Tracked| tracked.disk.number().kernel() == completion.dev;
            if let Some(tracked) = disks.iter_mut().find(of_disk).filter(|_| completion.is_counted()) {
                tracked.mark(completion.sector, u64::from(completion.sectors));
            }
        });
        doubts.into_iter().for_each(|doubt| self.doubt(doubt));
        drained
    }

    /// What the difference of the sums is: exact if the disk is at rest twice with the same difference, so that no
    /// request was between its event and its count; or else as wide as all that was seen.
    fn first_audit(&mut self, index: usize) -> Result<Audit, TrackerError> {
        let deadline = Instant::now() + ARM_REST;
        let mut last = self.sample(index)?;
        let mut audit = Audit::new(last);
        while Instant::now() < deadline {
            std::thread::sleep(LOOK_PAUSE);
            let sample = self.sample(index)?;
            let agreed = Audit::new(sample);
            if last.is_settled() && sample.is_settled() && agreed == Audit::new(last) {
                return Ok(agreed);
            }
            audit.widen(sample);
            last = sample;
        }
        Ok(audit)
    }

    fn sample(&mut self, index: usize) -> Result<Sample, TrackerError> {
        self.collect()?;
        let traced_before = self.disks[index].traced;
        let busy = self.inflight(index)? > 0;
        let path = device::block_dir(self.disks[index].disk.name()).join("stat");
        let text = device::read_text(&path)?;
        let counted =
            audit::counted_sectors(&text).ok_or_else(|| device::malformed(&path, "the counters of a disk", &text))?;
        self.collect()?;
        Ok(Sample { traced_before, counted, traced_after: self.disks[index].traced, busy })
    }

    /// Whether the sums agree exactly. That they do not agree becomes a doubt when it stays so.
    fn audit(&mut self, index: usize) -> Result<bool, TrackerError> {
        let mut last = None;
        for _ in 0..MISMATCH_LOOKS {
            if self.disks[index].doubted {
                return Ok(false);
            }
            let sample = self.sample(index)?;
            match self.disks[index].audit.judge(sample) {
                Verdict::Exact => return Ok(true),
                Verdict::Plausible => return Ok(false),
                Verdict::Mismatch { traced, counted } => last = Some((traced, counted)),
            }
            std::thread::sleep(LOOK_PAUSE);
        }
        if let Some((traced, counted)) = last {
            let disk = self.disks[index].disk.name().to_owned();
            self.doubt(Doubt::AuditMismatch { disk, traced, counted });
            self.disks[index].doubted = true;
        }
        Ok(false)
    }

    fn check_size(&mut self, index: usize) {
        let disk = &self.disks[index].disk;
        // A disk that is gone has no size.
        let found = device::current_size(disk.name()).unwrap_or(0);
        if found != disk.size_bytes() {
            let (disk, armed) = (disk.name().to_owned(), disk.size_bytes());
            self.doubt(Doubt::DeviceResized { disk, armed, found });
        }
    }
}

impl Tracked {
    fn mark(&mut self, sector: u64, sectors: u64) {
        self.traced = self.traced.saturating_add(sectors);
        let size = self.disk.size_bytes();
        let start = sector.saturating_mul(SECTOR_BYTES).min(size);
        let end = sector.saturating_add(sectors).saturating_mul(SECTOR_BYTES).min(size);
        if start == end {
            return;
        }
        // Writers mostly go on where they were: keeps the list short.
        match self.changed.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => self.changed.push(start..end),
        }
    }
}

/// How many events of a ring can be read with a format, for the fuzz targets.
#[cfg(fuzzing)]
pub(crate) fn readable_events(format: &str, ring: &[u8]) -> usize {
    let Ok(format) = format::EventFormat::parse(format) else { return 0 };
    let readable = |record: &record::Record<'_>| match record {
        record::Record::Event(raw) => format.read(raw).is_some(),
        record::Record::Lost(_) | record::Record::Unreadable => false,
    };
    record::records(ring).filter(readable).count()
}

/// Whether the places in the kernel's structures can be told from a description of its types, for the fuzz targets.
#[cfg(fuzzing)]
pub(crate) fn knows_places(btf: &[u8]) -> bool {
    btf::places(btf).is_some()
}
