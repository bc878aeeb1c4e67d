//! What keeps a copy waiting and says nothing: storage that does not end a read of ours, a target that makes nothing durable though its
//! connections live. Tells it in words; never ends or repeats anything, since what hangs in the kernel cannot be ended.

use qianyun_replication::geometry::DeviceId;
use std::time::{Duration, Instant};

/// Longer than a disk takes to find out that a place is bad (7 s for those of servers), and a slow target to write a window.
const LIMIT: Duration = Duration::from_secs(15);

/// See the module's description.
#[derive(Debug)]
pub(super) struct Stalls {
    /// For each lane, the disk that it reads and since when.
    reads: Vec<Option<(DeviceId, Instant)>>,
    /// When the target last answered, or was last asked while nothing was on its way.
    answered: Instant,
}

impl Stalls {
    pub(super) fn new(lanes: u16, now: Instant) -> Self {
        Self { reads: vec![None; usize::from(lanes)], answered: now }
    }

    /// A lane begins to read a disk.
    pub(super) fn begins(&mut self, lane: u16, disk: DeviceId, now: Instant) {
        if let Some(read) = self.reads.get_mut(usize::from(lane)) {
            *read = Some((disk, now));
        }
    }

    /// The read has ended, well or not.
    pub(super) fn ended(&mut self, lane: u16) {
        if let Some(read) = self.reads.get_mut(usize::from(lane)) {
            *read = None;
        }
    }

    /// From now on an answer is waited for, or one has come.
    pub(super) fn answered(&mut self, now: Instant) {
        self.answered = now;
    }

    /// For people, about one disk; empty where nothing hangs. `waits` is whether the target owes an answer.
    pub(super) fn words(&self, disk: DeviceId, waits: bool, now: Instant) -> String {
        let since = |at: Instant| Some(now.saturating_duration_since(at)).filter(|time| *time >= LIMIT);
        let reads = self.reads.iter().flatten();
        let hung: Vec<_> = reads.filter_map(|(of, at)| since(*at).map(|time| (*of, time))).collect();
        if let Some((_, time)) = hung.iter().filter(|(of, _)| *of == disk).max_by_key(|(_, time)| *time) {
            return format!("a read of the disk has not ended for {} s: its storage does not answer", time.as_secs());
        }
        // Whoever cannot read has nothing to ask the target for.
        match since(self.answered).filter(|_| waits && hung.is_empty()) {
            Some(time) => format!(
                "the target has made nothing durable for {} s, though its connections live: its storage does not answer, or very slowly",
                time.as_secs()
            ),
            None => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK: DeviceId = DeviceId(0);
    const OTHER: DeviceId = DeviceId(1);

    #[test]
    fn a_read_that_does_not_end_is_told_for_its_disk_and_hides_what_follows_from_it() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut stalls = Stalls::new(2, began);
        stalls.begins(0, DISK, at(0));
        stalls.begins(1, OTHER, at(0));
        assert_eq!(stalls.words(DISK, true, at(14)), "");
        stalls.ended(1);
        let words = "a read of the disk has not ended for 40 s: its storage does not answer";
        assert_eq!(stalls.words(DISK, true, at(40)), words);
        assert_eq!(stalls.words(OTHER, true, at(40)), "");
        stalls.ended(0);
        assert_eq!(stalls.words(DISK, false, at(40)), "");
    }

    #[test]
    fn a_target_that_owes_an_answer_for_long_is_told() {
        let began = Instant::now();
        let mut stalls = Stalls::new(1, began);
        let late = began + Duration::from_secs(15);
        assert!(stalls.words(DISK, true, late).starts_with("the target has made nothing durable for 15 s"));
        assert_eq!(stalls.words(DISK, false, late), "", "nothing was asked for");
        stalls.answered(late);
        assert_eq!(stalls.words(DISK, true, late), "");
        // A lane that there is not.
        stalls.begins(7, DISK, began);
        stalls.ended(7);
    }
}
