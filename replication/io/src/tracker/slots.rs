//! What a program in the kernel has noted of each completion, and whether it is whole.
//!
//! Beside it the kernel counts the events, as perf does: a run that it skipped, because the program ran on that CPU already,
//! or withheld is counted all the same. Never decides what a loss means: it is told as a [`Doubt`].

use super::btf;
use super::format::Completion;
use super::perf::{filters, parse_cpus, read_format, read_online};
use super::program::{CONTROL_WORDS, LOST, Layout, MAX_DISKS, READ, SLOT_WORDS, SPARE_SLOTS, TAKEN, program};
use super::{Doubt, TrackerError};
use crate::device::LeafDisk;
use crate::sys::bpf::{Attached, SharedWords};
use crate::sys::ring::PerfCount;
use rustix::io::Errno;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const BTF: &str = "/sys/kernel/btf/vmlinux";
/// Some distributions' kernels have 9 MiB.
const MAX_BTF_BYTES: u64 = 64 << 20;
/// Fewer on a CPU, and a burst while we are not running is lost: as the smallest ring.
const MIN_SLOTS: usize = 256;
/// An event that is counted and not in its slot is at most this many looks away from it.
const LOOKS: usize = 50;
const LOOK_PAUSE: Duration = Duration::from_millis(1);
/// Tries to begin the count between two events: at 100,000 of them per second and CPU each third one meets none.
const QUIET_TRIES: usize = 1000;

/// One CPU's slots, and its count if it is online.
#[derive(Default)]
struct Cpu {
    count: Option<PerfCount>,
    /// Events in slots, or without room, for which the count says nothing: those before it began.
    uncounted: i128,
    read: u64,
    lost: u64,
}

/// The slots of all CPUs that were online at arming, and the program that fills them.
pub(super) struct Slots {
    _attached: Attached,
    memory: SharedWords,
    reader: Reader,
    online: String,
}

/// How far each CPU's slots are read.
struct Reader {
    layout: Layout,
    cpus: Vec<Cpu>,
}

fn read_btf() -> Option<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(BTF).and_then(|file| file.take(MAX_BTF_BYTES).read_to_end(&mut bytes)).ok()?;
    Some(bytes)
}

/// The memory for slots of `cpu_bytes` on each CPU, and its words.
fn layout(cpus: usize, cpu_bytes: usize) -> (Layout, usize) {
    let page_words = rustix::param::page_size() / 8;
    let slots = (cpu_bytes / (SLOT_WORDS * 8)).max(MIN_SLOTS).next_power_of_two();
    let first_slot = (cpus * CONTROL_WORDS).next_multiple_of(page_words);
    let words = (first_slot + cpus * slots * SLOT_WORDS).next_multiple_of(page_words);
    (Layout { cpus, slots, first_slot }, words)
}

/// Events on a CPU that took a slot or found no room.
fn happened(words: &[AtomicU64], cpu: usize) -> u64 {
    let word = |at: usize| words[cpu * CONTROL_WORDS + at].load(Ordering::Acquire);
    word(TAKEN) + word(LOST)
}

impl Slots {
    /// Starts the program for `disks`, with `cpu_bytes` for each CPU and `all_bytes` at most. `None` if this kernel cannot, or
    /// cannot count beside it.
    pub(super) fn open(disks: &[LeafDisk], cpu_bytes: usize, all_bytes: usize) -> Option<Self> {
        if disks.len() > MAX_DISKS {
            return None;
        }
        let (places, format, online) = (btf::places(&read_btf()?)?, read_format().ok()?, read_online().ok()?);
        let counted = parse_cpus(&online)?;
        let cpus = usize::try_from(*counted.iter().max()?).ok()? + 1;
        let (layout, words) = layout(cpus, cpu_bytes.min(all_bytes / cpus.next_power_of_two()));
        let numbers: Vec<_> = disks.iter().map(|disk| disk.number().kernel()).collect();
        let memory = SharedWords::new(words).ok()?;
        let instructions = program(&places, &numbers, layout, memory.descriptor());
        let attached = Attached::new(&instructions, places.tracepoint).ok()?;
        let mut reader = Reader::new(layout);
        for cpu in counted {
            let count = PerfCount::open(format.id, cpu, &filters(disks)[0]).ok()?;
            reader.begin_count(memory.words(), usize::try_from(cpu).ok()?, count)?;
        }
        Some(Self { _attached: attached, memory, reader, online })
    }

    /// Gives every event that has happened before the call to `on_completion`.
    pub(super) fn drain(
        &mut self,
        doubts: &mut Vec<Doubt>,
        mut on_completion: impl FnMut(Completion),
    ) -> Result<(), TrackerError> {
        let drained = self.reader.drain(self.memory.words(), doubts, &mut on_completion);
        drained.map_err(|errno| TrackerError::Ring { source: errno.into() })
    }

    /// Whether the CPUs are those that are counted.
    pub(super) fn check_cpus(&self) -> Result<Option<Doubt>, TrackerError> {
        let found = read_online()?;
        let doubt = || Doubt::CpusChanged { armed: self.online.clone(), found: found.clone() };
        Ok((found != self.online).then(doubt))
    }
}

impl Reader {
    fn new(layout: Layout) -> Self {
        let cpus = std::iter::repeat_with(Cpu::default).take(layout.cpus).collect();
        Self { layout, cpus }
    }

    /// Begins to count on a CPU while no event happens there, so that it is known which are counted. `None` if there is no
    /// such moment.
    fn begin_count(&mut self, words: &[AtomicU64], cpu: usize, count: PerfCount) -> Option<()> {
        for _ in 0..QUIET_TRIES {
            let before = (count.events().ok()?, happened(words, cpu));
            count.enable().ok()?;
            // This asks the CPU, so that what was under way there when the count began is in the sums.
            let after = (count.events().ok()?, happened(words, cpu));
            if before == after {
                self.cpus[cpu].uncounted = i128::from(before.1) - i128::from(before.0);
                self.cpus[cpu].count = Some(count);
                return Some(());
            }
            count.disable().ok()?;
        }
        None
    }

    fn drain(
        &mut self,
        words: &[AtomicU64],
        doubts: &mut Vec<Doubt>,
        on_completion: &mut impl FnMut(Completion),
    ) -> Result<(), Errno> {
        for cpu in 0..self.cpus.len() {
            let counted = self.cpus[cpu].count.as_ref().map(PerfCount::events).transpose()?;
            self.drain_cpu(words, cpu, counted, doubts, on_completion);
        }
        Ok(())
    }

    fn drain_cpu(
        &mut self,
        words: &[AtomicU64],
        cpu: usize,
        counted: Option<u64>,
        doubts: &mut Vec<Doubt>,
        on_completion: &mut impl FnMut(Completion),
    ) {
        let (control, number) = (cpu * CONTROL_WORDS, u32::try_from(cpu).unwrap_or(u32::MAX));
        for look in 1..=LOOKS {
            let taken = words[control + TAKEN].load(Ordering::Acquire);
            let lost = words[control + LOST].load(Ordering::Acquire);
            self.read_until(words, cpu, taken, on_completion);
            let (read, uncounted) = (self.cpus[cpu].read, self.cpus[cpu].uncounted);
            let (came, expected) =
                (i128::from(read) + i128::from(lost), counted.map(|events| uncounted + i128::from(events)));
            if read == taken && expected.is_none_or(|expected| came >= expected) {
                break;
            }
            if look < LOOKS {
                std::thread::sleep(LOOK_PAUSE);
                continue;
            }
            let happened = expected.unwrap_or(came).max(i128::from(taken) + i128::from(lost));
            let as_count = |sum: i128| u64::try_from(sum).unwrap_or(u64::MAX);
            doubts.push(Doubt::CounterMismatch { cpu: number, counted: as_count(happened), consumed: as_count(came) });
            // Told once; what is lost from here on is told again.
            self.skip_until(words, cpu, taken);
            let came = i128::from(taken) + i128::from(lost);
            self.cpus[cpu].uncounted -= expected.map_or(0, |expected| (expected - came).max(0));
        }
        let lost = words[control + LOST].load(Ordering::Acquire);
        if lost > self.cpus[cpu].lost {
            doubts.push(Doubt::RingLost { cpu: number, events: lost - self.cpus[cpu].lost });
            self.cpus[cpu].lost = lost;
        }
    }

    /// Reads the slots up to number `taken`, or to one that is not filled yet, and gives them back empty.
    fn read_until(&mut self, words: &[AtomicU64], cpu: usize, taken: u64, on_completion: &mut impl FnMut(Completion)) {
        let mut read = self.cpus[cpu].read;
        while read != taken {
            let slot = self.slot(cpu, read);
            let second = words[slot + 1].load(Ordering::Acquire);
            if second == 0 {
                break;
            }
            let sector = words[slot].load(Ordering::Relaxed);
            words[slot + 1].store(0, Ordering::Relaxed);
            let dev = u32::try_from(second >> 32).expect("half of 64 bits");
            let sectors = u32::try_from(second & u64::from(u32::MAX)).expect("half of 64 bits");
            on_completion(Completion { dev, sector, sectors, is_read: false });
            read += 1;
        }
        self.give_back(words, cpu, read);
    }

    fn skip_until(&mut self, words: &[AtomicU64], cpu: usize, taken: u64) {
        for number in self.cpus[cpu].read..taken {
            words[self.slot(cpu, number) + 1].store(0, Ordering::Relaxed);
        }
        self.give_back(words, cpu, taken);
    }

    fn give_back(&mut self, words: &[AtomicU64], cpu: usize, read: u64) {
        self.cpus[cpu].read = read;
        // What was read and emptied is so before the program sees the room.
        words[cpu * CONTROL_WORDS + READ].store(read, Ordering::Release);
    }

    /// The first word of a CPU's slot.
    fn slot(&self, cpu: usize, number: u64) -> usize {
        let slots = self.layout.slots;
        let within = usize::try_from(number & (slots as u64 - 1)).expect("fewer than the slots");
        self.layout.first_slot + (cpu * slots + within) * SLOT_WORDS
    }
}

const _: () = assert!(MIN_SLOTS > 2 * SPARE_SLOTS, "or there is never room");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_a_power_of_two_behind_the_controls_of_all_cpus() {
        let page_words = rustix::param::page_size() / 8;
        let (two, words) = layout(2, 1 << 20);
        assert_eq!((two.slots, two.first_slot), (1 << 16, page_words));
        assert_eq!(words, page_words + (2 << 20) / 8);
        assert_eq!(layout(3, 1).0.slots, MIN_SLOTS);
    }

    /// Two CPUs' memory as the program would leave it.
    struct Memory {
        words: Vec<AtomicU64>,
        reader: Reader,
        doubts: Vec<Doubt>,
    }

    impl Memory {
        fn new() -> Self {
            let (layout, words) = layout(2, 1);
            let words = std::iter::repeat_with(|| AtomicU64::new(0)).take(words).collect();
            Self { words, reader: Reader::new(layout), doubts: Vec::new() }
        }

        fn take(&self, cpu: usize) -> u64 {
            self.words[cpu * CONTROL_WORDS + TAKEN].fetch_add(1, Ordering::Relaxed)
        }

        fn fill(&self, cpu: usize, number: u64) {
            let slot = self.reader.slot(cpu, number);
            self.words[slot].store(number * 8, Ordering::Relaxed);
            self.words[slot + 1].store((0x0070_0000 + cpu as u64) << 32 | 8, Ordering::Release);
        }

        fn drain(&mut self) -> Vec<(u32, u64)> {
            let mut seen = Vec::new();
            let mut note = |completion: Completion| seen.push((completion.dev & 0xfffff, completion.sector / 8));
            self.reader.drain(&self.words, &mut self.doubts, &mut note).unwrap();
            seen
        }
    }

    #[test]
    fn slots_are_read_once_in_order_and_many_times_around() {
        let mut memory = Memory::new();
        for round in 0..20 {
            let expected: Vec<_> =
                (0..2).flat_map(|cpu| (round * 100..(round + 1) * 100).map(move |at| (cpu, at))).collect();
            for (cpu, _) in &expected {
                memory.fill(*cpu as usize, memory.take(*cpu as usize));
            }
            assert_eq!(memory.drain(), expected);
            assert_eq!(memory.drain(), []);
            assert_eq!(memory.words[CONTROL_WORDS + READ].load(Ordering::Relaxed), (round + 1) * 100);
        }
        assert_eq!(memory.doubts, []);
    }

    #[test]
    fn a_slot_that_is_not_filled_yet_is_waited_for_and_one_that_never_is_is_a_doubt() {
        let mut memory = Memory::new();
        let (outer, inner) = (memory.take(0), memory.take(0));
        memory.fill(0, inner);
        assert_eq!(memory.drain(), [], "what comes after it is not read before it");
        assert_eq!(memory.doubts, [Doubt::CounterMismatch { cpu: 0, counted: 2, consumed: 0 }]);
        memory.doubts.clear();
        assert_eq!((outer, memory.take(0)), (0, 2));
        memory.fill(0, 2);
        assert_eq!((memory.drain(), memory.doubts.len()), (vec![(0, 2)], 0), "told once");
    }

    #[test]
    fn an_event_without_room_is_a_doubt_each_time() {
        let mut memory = Memory::new();
        for lost in [3, 4] {
            memory.words[CONTROL_WORDS + LOST].fetch_add(lost, Ordering::Relaxed);
            memory.drain();
        }
        assert_eq!(memory.doubts, [3, 4].map(|events| Doubt::RingLost { cpu: 1, events }));
    }
}
