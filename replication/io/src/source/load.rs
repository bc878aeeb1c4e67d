//! What a copy takes of its server, and how far it holds itself back for the server's users: measures both, tells the governor,
//! and hands out its pace. Never decides; never waits for a disk while a final attempt is under way.
//!
//! Read are small files of `/sys` and, where the governor wants it, single blocks of a disk at places that nobody asked for.

use super::{Disk, Mode, Shared, follow, lock};
use crate::device::buffer::{ALIGNMENT, AlignedBuffer};
use crate::device::{block_dir, read_text};
use qianyun_replication::geometry::{BLOCK_BYTES, DeviceId};
use qianyun_replication::governor::{Counts, Governor, Held, Pace, Sample, Window};
use qianyun_replication::progress::Meter;
use rustix::time::{ClockId, clock_gettime};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::block_in_place;
use tokio::time::timeout;

/// No rest is waited for longer than this, though the task that ends it waits for a disk that hangs: the longest takes 1.5 s.
const LONGEST_REST: Duration = Duration::from_secs(2);
/// Without a governor: our own load is still measured.
const UNGOVERNED: Window = Window { rests: false, parts: 1, part_ms: 1000 };
/// Spreads the places of the probes over a disk: 2^64 divided by the golden ratio, so that no two are near each other.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// What this process takes of the server, over the last 10 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnLoad {
    /// Thousandths of one processor.
    pub processor_thousandths: u64,
    /// Read from the disks that are copied, bytes per second.
    pub read_bytes_per_second: u64,
}

/// What all tasks share of it.
pub(super) struct Load {
    /// `None`: nothing is held back.
    governor: Mutex<Option<Governor>>,
    rests: AtomicBool,
    meters: Mutex<Meters>,
}

#[derive(Default)]
struct Meters {
    processor_ms: Meter,
    read_bytes: Meter,
}

impl Load {
    pub(super) fn new(yields: bool, disks: usize) -> Self {
        let governor = Mutex::new(yields.then(|| Governor::new(disks, 0)));
        Self { governor, rests: AtomicBool::new(false), meters: Mutex::default() }
    }

    /// Whether it holds itself back from now on.
    pub(super) fn set_yields(&self, yields: bool, disks: usize, now_ms: u64) {
        let mut governor = lock(&self.governor);
        if yields != governor.is_some() {
            *governor = yields.then(|| Governor::new(disks, now_ms));
        }
    }

    pub(super) fn pace(&self, disk: DeviceId) -> Pace {
        lock(&self.governor).as_ref().map_or(Pace::FULL, |governor| governor.pace(place(disk)))
    }

    pub(super) fn held(&self, disk: DeviceId) -> Option<Held> {
        lock(&self.governor).as_ref()?.held(place(disk))
    }

    /// Whether a lane that has waited for `waited` is to read nothing yet.
    pub(super) fn rests(&self, waited: Duration) -> bool {
        waited < LONGEST_REST && self.rests.load(Ordering::Relaxed)
    }

    pub(super) fn own(&self, now_ms: u64) -> OwnLoad {
        let mut meters = lock(&self.meters);
        OwnLoad {
            processor_thousandths: meters.processor_ms.per_second(now_ms),
            read_bytes_per_second: meters.read_bytes.per_second(now_ms),
        }
    }

    fn window(&self) -> Window {
        lock(&self.governor).as_ref().map_or(UNGOVERNED, Governor::window)
    }

    fn wants_probe(&self, disk: DeviceId) -> bool {
        lock(&self.governor).as_ref().is_some_and(|governor| governor.wants_probe(place(disk)))
    }

    fn with_governor(&self, tell: impl FnOnce(&mut Governor)) {
        if let Some(governor) = lock(&self.governor).as_mut() {
            tell(governor);
        }
    }
}

/// Of a disk among those of [`Shared`], which are numbered in their order.
fn place(disk: DeviceId) -> usize {
    usize::try_from(disk.0).unwrap_or(usize::MAX)
}

/// The pause that a lane owes after work of `busy`.
pub(super) fn pause(pace: Pace, busy: Duration) -> Duration {
    Duration::from_micros(pace.pause_us(micros(busy)))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Measures until the replication is stopped.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut mode = shared.mode.subscribe();
    let mut measuring = Measuring::new(&shared);
    while shared.mode() != Mode::Stopped {
        let window = shared.load.window();
        shared.load.rests.store(window.rests, Ordering::Relaxed);
        measuring.probes.fill(Probes::default());
        for _ in 0..window.parts {
            let part = Duration::from_millis(window.part_ms);
            // The sender of this signal lives in `shared`.
            let _stopped = timeout(part, mode.wait_for(|mode| *mode == Mode::Stopped)).await;
            block_in_place(|| measuring.probe(&shared));
        }
        measuring.ended(&shared);
    }
}

/// How many probes a disk had in a window, and how long they took.
#[derive(Debug, Clone, Copy, Default)]
struct Probes {
    count: u64,
    us: u64,
}

/// What the measuring task keeps to itself.
struct Measuring {
    buffer: AlignedBuffer,
    probes: Vec<Probes>,
    /// Probes ever; their places follow from it.
    taken: u64,
    processor_ms: u64,
    read_bytes: u64,
}

impl Measuring {
    fn new(shared: &Shared) -> Self {
        Self {
            buffer: AlignedBuffer::new(ALIGNMENT),
            probes: vec![Probes::default(); shared.disks.len()],
            taken: 0,
            processor_ms: processor_ms(),
            read_bytes: read_bytes(shared),
        }
    }

    fn probe(&mut self, shared: &Shared) {
        for (disk, probes) in shared.disks.iter().zip(&mut self.probes) {
            if follow::is_final(shared) || !shared.load.wants_probe(disk.id) {
                continue;
            }
            self.taken += 1;
            let began = Instant::now();
            // A place that cannot be read takes as long as the disk tries, which is no answer to anybody.
            if disk
                .leaf
                .read(probe_offset(self.taken, disk.size.bytes()), &mut self.buffer)
                .is_ok_and(|bad| bad.is_empty())
            {
                probes.count += 1;
                probes.us += micros(began.elapsed());
            }
        }
    }

    /// A window is over.
    fn ended(&mut self, shared: &Shared) {
        let now_ms = shared.now_ms();
        self.meter(shared, now_ms);
        if follow::is_final(shared) {
            shared.load.rests.store(false, Ordering::Relaxed);
            shared.load.with_governor(|governor| governor.interrupted(now_ms));
            return;
        }
        let measured = shared.disks.iter().zip(&self.probes);
        let samples: Vec<Sample> = measured.map(|(disk, probes)| sample(disk, *probes)).collect();
        shared.load.with_governor(|governor| governor.ended(now_ms, &samples));
    }

    fn meter(&mut self, shared: &Shared, now_ms: u64) {
        let (processor_ms, read_bytes) = (processor_ms(), read_bytes(shared));
        let mut meters = lock(&shared.load.meters);
        meters.processor_ms.add(processor_ms.saturating_sub(self.processor_ms), now_ms);
        meters.read_bytes.add(read_bytes.saturating_sub(self.read_bytes), now_ms);
        (self.processor_ms, self.read_bytes) = (processor_ms, read_bytes);
    }
}

/// Ours before the kernel's, so that the kernel's holds it.
fn sample(disk: &Disk, Probes { count, us }: Probes) -> Sample {
    let own = disk.leaf.own_reads();
    let text = read_text(&block_dir(disk.leaf.name()).join("stat"));
    let counts = text.ok().and_then(|text| Counts::parse(&text));
    Sample { counts, own_reads: own.calls, own_under_way: own.under_way, probes: count, probes_us: us }
}

/// A whole block somewhere on the disk, another one each time: what was read a moment ago would come from a cache.
fn probe_offset(number: u64, size_bytes: u64) -> u64 {
    let blocks = (size_bytes / BLOCK_BYTES).max(1);
    number.wrapping_mul(SPREAD) % blocks * BLOCK_BYTES
}

fn read_bytes(shared: &Shared) -> u64 {
    shared.disks.iter().map(|disk| disk.leaf.own_reads().bytes).sum()
}

/// Processor time of this process and all its threads.
fn processor_ms() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    u64::try_from(time.tv_sec * 1000 + time.tv_nsec / 1_000_000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const DISK: DeviceId = DeviceId(0);

    /// Seconds in which a disk with users was read, at rest but for probes if that is wanted, and answered in `answer_us`.
    fn seconds(governor: &mut Governor, own_reads: &mut u64, seconds: std::ops::Range<u64>, answer_us: u64) {
        for second in seconds {
            *own_reads += if governor.window().rests { 4 } else { 100 };
            let counts = Counts { reads: second * 200, writes: second * 50, write_ms: second * 50 };
            let sample = Sample {
                counts: Some(counts),
                own_reads: *own_reads,
                own_under_way: 0,
                probes: 4,
                probes_us: 4 * answer_us,
            };
            governor.ended(second * 1000, &[sample]);
        }
    }

    #[test]
    fn probes_are_whole_blocks_of_the_disk_and_each_is_somewhere_else() {
        let size_bytes = (1 << 30) + 512;
        let places: BTreeSet<u64> = (0..1000).map(|number| probe_offset(number, size_bytes)).collect();
        assert_eq!(places.len(), 1000);
        assert!(places.iter().all(|place| place % BLOCK_BYTES == 0 && place + BLOCK_BYTES <= size_bytes));
        let halves = places.iter().filter(|place| **place < size_bytes / 2).count();
        assert!((400..600).contains(&halves), "{halves} of 1000 in the first half");
    }

    #[test]
    fn switched_off_nothing_is_held_back_and_switched_on_again_it_begins_anew() {
        let load = Load::new(true, 1);
        let mut own_reads = 0;
        load.with_governor(|governor| {
            seconds(governor, &mut own_reads, 1..5, 1_000);
            seconds(governor, &mut own_reads, 5..9, 90_000);
        });
        assert!(load.pace(DISK) < Pace::FULL && load.held(DISK).is_some());
        load.set_yields(true, 1, 9_000);
        assert!(load.pace(DISK) < Pace::FULL, "nothing changes");
        load.set_yields(false, 1, 9_000);
        assert_eq!((load.pace(DISK), load.held(DISK), load.window()), (Pace::FULL, None, UNGOVERNED));
        load.set_yields(true, 1, 9_000);
        assert_eq!((load.pace(DISK), load.held(DISK)), (Pace::FULL, None));
    }

    #[test]
    fn a_lane_waits_for_the_end_of_a_rest_and_not_for_ever() {
        let load = Load::new(true, 1);
        assert!(!load.rests(Duration::ZERO));
        load.rests.store(true, Ordering::Relaxed);
        assert!(load.rests(Duration::from_millis(700)));
        assert!(!load.rests(LONGEST_REST));
    }
}
