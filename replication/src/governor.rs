//! How far a copy holds itself back, so that a disk goes on answering its users: measurements in, a pace for each disk out.
//!
//! What a disk does while it is copied is compared with what it does while the copy rests, and with nothing else: a disk
//! that is slow by itself is slow in both. Two things are compared. A probe is a small read of our own, which waits in the
//! same queue as a user's. Writes are the users' alone, and the kernel counts how long they take; its counts of reads hold
//! ours, in as many pieces as the kernel liked, so that they say only whether anybody else reads.
//!
//! ```text
//!              10 s of reading, at once if somebody writes;
//!              then every minute, or 10 s while held back         200 ms           500 ms
//!   Reading ────────────────────────────────────────────────► Draining ──► Quiet ─────────► Reading
//!   judges a second                                                        learns what is usual
//! ```
//!
//! Two slow seconds in a row halve the pace, as does each one after them; each good second gives a twentieth back. Where nobody else uses a
//! disk, nobody is waited for. Weaker modes: before the first rest nothing is usual yet, and nothing is held back. A window that cannot
//! be (a clock or a counter that went back, a machine that slept) is not judged. Where the kernel keeps no statistics, nobody
//! knows of any users, and the copy is not held back at all.
//!
//! Never here: clocks, files, waiting. A final attempt, under a freeze, asks nobody.

mod watched;

pub use watched::{Counts, Sample};
use watched::{Stage, Watched};

/// Probes in a window: the mean of four is not one unlucky seek, and four reads of 4 KiB a second are less than any disk
/// notices.
const PROBES: u32 = 4;
/// What is judged at once. Long enough for a few requests of few users.
const WINDOW_MS: u64 = 1000;
/// What was begun before a rest has mostly ended after this: a read of 1 MiB takes tens of milliseconds on a disk that is busy.
const DRAIN_MS: u64 = 200;
/// So often that is waited for; a disk that takes a second for a read is measured anyway, or another time.
const DRAINS: u32 = 5;
/// Measured at rest: four probes, each an eighth of a second after the other.
const QUIET_MS: u64 = 500;
/// A machine that slept, or a process that was stopped: what was counted meanwhile says nothing about a second.
const LONGEST_WINDOW_MS: u64 = 30_000;
/// Reading before the first rest, if nobody is seen to write: a copy that is over sooner need not rest at all.
const FIRST_REST_AFTER_MS: u64 = 10_000;
/// Reading between two rests of 700 ms, which so take about a hundredth of the time.
const REST_AFTER_MS: u64 = 60_000;
/// The same while held back: what is usual may have changed, and then we wait for nothing. Two rests change what is usual. The
/// same after a rest that measured nothing.
const REST_AFTER_HELD_MS: u64 = 10_000;

/// A share of what would be read if nothing were held back, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pace(u64);

impl Pace {
    /// Nothing is held back.
    pub const FULL: Self = Self(1000);
    /// A twentieth, so that a copy always goes on: of 100 MiB/s this is still 400 GiB a day.
    pub const LEAST: Self = Self(50);
    /// What a good second gives back: from the least to all of it in 19 s.
    const STEP: u64 = 50;
    /// No pause is longer: a lane that is silent for longer than the 5 s between its pings may be taken for dead.
    const LONGEST_PAUSE_US: u64 = 5_000_000;

    /// In hundredths.
    pub fn percent(self) -> u64 {
        self.0 / 10
    }

    /// What `bytes` cost of a budget, so that of its rate too only this share is used.
    pub fn charge(self, bytes: u64) -> u64 {
        bytes.saturating_mul(1000) / self.0
    }

    /// The pause after work of `busy_us`, so that of the time only this share is used: whatever the bottleneck is, it holds.
    pub fn pause_us(self, busy_us: u64) -> u64 {
        (busy_us.saturating_mul(1000 - self.0) / self.0).min(Self::LONGEST_PAUSE_US)
    }

    fn halved(self) -> Self {
        Self(self.0 / 2).max(Self::LEAST)
    }

    fn raised(self) -> Self {
        Self(self.0 + Self::STEP).min(Self::FULL)
    }
}

/// Why and how far a copy is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// How long the disk took to answer when it was last slow, milliseconds.
    pub answers_ms: u64,
    /// How long it takes while the copy rests.
    pub usually_ms: u64,
    /// Of what would be read otherwise.
    pub percent: u64,
    /// It is not slow any more, and the pace is rising.
    pub recovers: bool,
}

/// What the caller does next: `parts` times it waits `part_ms` and takes the probes that are wanted; then it tells
/// [`Governor::ended`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Nothing may be read meanwhile but probes.
    pub rests: bool,
    /// How many parts.
    pub parts: u32,
    /// How long each is.
    pub part_ms: u64,
}

/// See the module's description.
#[derive(Debug, Clone)]
pub struct Governor {
    disks: Vec<Watched>,
    stage: Stage,
    /// When the present window began.
    began_ms: u64,
    /// Reading since the last rest.
    read_ms: u64,
    rested: bool,
    drained: u32,
}

impl Governor {
    /// For so many disks, which rest together: their reads share the lanes.
    pub fn new(disks: usize, now_ms: u64) -> Self {
        let disks = vec![Watched::default(); disks];
        Self { disks, stage: Stage::Reading, began_ms: now_ms, read_ms: 0, rested: false, drained: 0 }
    }

    /// The window that begins now.
    pub fn window(&self) -> Window {
        let (rests, parts, all_ms) = match self.stage {
            Stage::Reading => (false, PROBES, WINDOW_MS),
            Stage::Draining => (true, 1, DRAIN_MS),
            Stage::Quiet => (true, PROBES, QUIET_MS),
        };
        Window { rests, parts, part_ms: all_ms / u64::from(parts) }
    }

    /// Whether a probe of `disk` is wanted in this window.
    pub fn wants_probe(&self, disk: usize) -> bool {
        self.disks.get(disk).is_some_and(|disk| disk.wants_probe(self.stage))
    }

    /// A window is over; `samples` are in the order of the disks.
    pub fn ended(&mut self, now_ms: u64, samples: &[Sample]) {
        let span_ms = now_ms.checked_sub(self.began_ms).filter(|span| (1..=LONGEST_WINDOW_MS).contains(span));
        self.began_ms = now_ms;
        for (disk, sample) in self.disks.iter_mut().zip(samples) {
            disk.ended(self.stage, span_ms, sample);
        }
        self.stage = match self.stage {
            Stage::Reading => {
                let reads = self.disks.iter().any(Watched::is_read);
                self.read_ms += span_ms.filter(|_| reads).unwrap_or(0);
                if reads && self.read_ms >= self.rest_after_ms() { Stage::Draining } else { Stage::Reading }
            }
            Stage::Draining => {
                self.drained += 1;
                let under_way = samples.iter().any(|sample| sample.own_under_way > 0);
                if under_way && self.drained < DRAINS { Stage::Draining } else { Stage::Quiet }
            }
            Stage::Quiet => {
                (self.rested, self.read_ms, self.drained) = (true, 0, 0);
                Stage::Reading
            }
        };
    }

    /// Something else had the disks: nothing is concluded from what was under way, and no rest goes on.
    pub fn interrupted(&mut self, now_ms: u64) {
        (self.stage, self.began_ms, self.drained) = (Stage::Reading, now_ms, 0);
        self.disks.iter_mut().for_each(Watched::interrupted);
    }

    /// How much of `disk` may be read.
    pub fn pace(&self, disk: usize) -> Pace {
        self.disks.get(disk).map_or(Pace::FULL, |disk| disk.pace)
    }

    /// Why it is held back; `None` if it is not.
    pub fn held(&self, disk: usize) -> Option<Held> {
        self.disks.get(disk)?.held()
    }

    fn rest_after_ms(&self) -> u64 {
        let any = |of: fn(&Watched) -> bool| self.disks.iter().any(of);
        match self.rested {
            false if any(Watched::is_used) => 0,
            false => FIRST_REST_AFTER_MS,
            true if any(|disk| disk.pace < Pace::FULL || disk.is_unknown()) => REST_AFTER_HELD_MS,
            true => REST_AFTER_MS,
        }
    }
}

#[cfg(test)]
mod tests;
