//! The rings of all CPUs as one stream of completions, and whether the stream is whole.
//!
//! A ring that is full drops events, and the kernel says so only when a later one finds room; so its own count of events
//! is compared with what was consumed. Never decides what a loss means: it is told as a [`Doubt`].

use super::format::{Completion, EventFormat};
use super::record::{Record, records};
use super::{Doubt, TrackerError, Unavailable};
use crate::device::{LeafDisk, io_error};
use crate::sys::ring::PerfRing;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// Where the kernel shows its trace events: tracefs from 4.1 on, debugfs before.
const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
const EVENT: &str = "events/block/block_rq_complete/format";
const ONLINE: &str = "/sys/devices/system/cpu/online";
/// No machine in scope has more.
const MAX_CPUS: usize = 4096;
/// An event counted but not yet in its ring is at most this many looks away from being there.
const COUNT_LOOKS: usize = 50;
const COUNT_PAUSE: Duration = Duration::from_millis(1);

/// The longest wait for slots, of which each CPU has 65,000: 160,000 writes per second fill a quarter.
const SLOTS_WAIT: Duration = Duration::from_millis(100);

struct CpuRing {
    cpu: u32,
    ring: PerfRing,
    consumed: u64,
    lost: u64,
}

/// The rings of all CPUs that were online at arming.
pub(super) struct Rings {
    format: EventFormat,
    online: String,
    rings: Vec<CpuRing>,
    copied: Vec<u8>,
}

pub(super) fn read_format() -> Result<EventFormat, TrackerError> {
    for root in TRACEFS {
        let path = Path::new(root).join(EVENT);
        match std::fs::read_to_string(&path) {
            Ok(text) => return EventFormat::parse(&text).map_err(|error| Unavailable::Format(error).into()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_error("read", &path)(error).into()),
        }
    }
    Err(Unavailable::NoTracefs.into())
}

pub(super) fn read_online() -> Result<String, TrackerError> {
    let path = Path::new(ONLINE);
    Ok(std::fs::read_to_string(path).map_err(io_error("read", path))?.trim().to_owned())
}

/// Parses `0-3,8`.
pub(super) fn parse_cpus(online: &str) -> Option<Vec<u32>> {
    let mut cpus = Vec::new();
    for part in online.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        let count = usize::try_from(last.checked_sub(first)?).ok()?;
        if cpus.len() + count >= MAX_CPUS {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

/// Filters that let the disks' events through, best first: without reads, our own would fill the rings; but old kernels
/// parse only plain comparisons.
pub(super) fn filters(disks: &[LeafDisk]) -> [String; 2] {
    let devices: Vec<_> = disks.iter().map(|disk| format!("dev == {}", disk.number().kernel())).collect();
    let devices = devices.join(" || ");
    [format!("({devices}) && !(rwbs ~ \"R*\")"), devices]
}

fn set_filter(ring: &PerfRing, filters: &[String; 2]) -> Result<(), Errno> {
    match ring.set_filter(&filters[0]) {
        Err(Errno::INVAL) => ring.set_filter(&filters[1]),
        result => result,
    }
}

impl Rings {
    /// Opens, filters and starts a ring of `ring_bytes` on every online CPU.
    pub(super) fn open(disks: &[LeafDisk], ring_bytes: usize) -> Result<Self, TrackerError> {
        let (format, online) = (read_format()?, read_online()?);
        let cpus = parse_cpus(&online)
            .ok_or_else(|| crate::device::malformed(Path::new(ONLINE), "a list of CPUs", &online))?;
        let filters = filters(disks);
        let mut rings = Vec::with_capacity(cpus.len());
        for cpu in cpus {
            let refused = |errno: Errno| Unavailable::Perf { cpu, source: errno.into() };
            let ring = PerfRing::open(format.id, cpu, ring_bytes).map_err(refused)?;
            set_filter(&ring, &filters).map_err(refused)?;
            ring.enable().map_err(refused)?;
            rings.push(CpuRing { cpu, ring, consumed: 0, lost: 0 });
        }
        Ok(Self { format, online, rings, copied: Vec::new() })
    }

    /// Gives every event that has happened before the call to `on_completion`.
    pub(super) fn drain(
        &mut self,
        doubts: &mut Vec<Doubt>,
        mut on_completion: impl FnMut(Completion),
    ) -> Result<(), TrackerError> {
        for ring in &mut self.rings {
            ring.drain(&self.format, &mut self.copied, doubts, &mut on_completion)?;
        }
        Ok(())
    }

    /// Whether the CPUs are those whose rings are open.
    pub(super) fn check_cpus(&self) -> Result<Option<Doubt>, TrackerError> {
        let found = read_online()?;
        let doubt = || Doubt::CpusChanged { armed: self.online.clone(), found: found.clone() };
        Ok((found != self.online).then(doubt))
    }

    /// What waits for these rings.
    pub(super) fn waiter(&self) -> Result<Waiter, TrackerError> {
        let own = |ring: &CpuRing| ring.ring.as_fd().try_clone_to_owned();
        let rings = self.rings.iter().map(own).collect::<Result<Vec<_>, _>>();
        Ok(Waiter { rings: rings.map_err(|source| TrackerError::Ring { source })?, at_most: Duration::MAX })
    }
}

/// Waits for the rings of a tracker without having the tracker: whoever drains meanwhile is not held up.
#[derive(Debug)]
pub struct Waiter {
    rings: Vec<OwnedFd>,
    at_most: Duration,
}

impl Waiter {
    /// For slots, which wake nobody.
    pub(super) fn of_slots() -> Self {
        Self { rings: Vec::new(), at_most: SLOTS_WAIT }
    }

    /// What to poll together with other things.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.rings.iter().map(|ring| ring.as_fd())
    }

    /// Waits until a ring is a quarter full, or slots may be; `timeout` at most.
    pub fn wait(&self, timeout: Duration) -> Result<(), TrackerError> {
        let mut fds: Vec<_> = self.rings.iter().map(|ring| PollFd::new(ring, PollFlags::IN)).collect();
        let timeout =
            Timespec::try_from(timeout.min(self.at_most)).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 });
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(TrackerError::Ring { source: error.into() }),
        }
    }
}

impl CpuRing {
    fn drain(
        &mut self,
        format: &EventFormat,
        copied: &mut Vec<u8>,
        doubts: &mut Vec<Doubt>,
        on_completion: &mut impl FnMut(Completion),
    ) -> Result<(), TrackerError> {
        let count = self.ring.count().map_err(|errno| TrackerError::Ring { source: errno.into() })?;
        for look in 1..=COUNT_LOOKS {
            copied.clear();
            self.ring.take(copied);
            self.consume(format, copied, doubts, on_completion);
            if self.consumed >= count.events {
                break;
            }
            if look < COUNT_LOOKS {
                std::thread::sleep(COUNT_PAUSE);
                continue;
            }
            doubts.push(Doubt::CounterMismatch { cpu: self.cpu, counted: count.events, consumed: self.consumed });
            // Told once; what is lost from here on is told again.
            self.consumed = count.events;
        }
        if count.lost > self.lost {
            doubts.push(Doubt::RingLost { cpu: self.cpu, events: count.lost - self.lost });
            self.lost = count.lost;
        }
        Ok(())
    }

    fn consume(
        &mut self,
        format: &EventFormat,
        bytes: &[u8],
        doubts: &mut Vec<Doubt>,
        on_completion: &mut impl FnMut(Completion),
    ) {
        for record in records(bytes) {
            match record {
                Record::Event(raw) => {
                    self.consumed += 1;
                    match format.read(raw) {
                        Some(completion) => on_completion(completion),
                        None => doubts.push(Doubt::RecordUnreadable { cpu: self.cpu }),
                    }
                }
                Record::Lost(events) => doubts.push(Doubt::RingLost { cpu: self.cpu, events }),
                Record::Unreadable => doubts.push(Doubt::RecordUnreadable { cpu: self.cpu }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus_are_read_and_bounded() {
        assert_eq!(parse_cpus("0-2,8"), Some(vec![0, 1, 2, 8]));
        assert_eq!(parse_cpus("0"), Some(vec![0]));
        assert_eq!((parse_cpus(""), parse_cpus("3-1"), parse_cpus("0-4294967295")), (None, None, None));
    }
}
