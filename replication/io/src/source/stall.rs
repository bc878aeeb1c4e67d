//! What keeps a copy waiting and says nothing: storage that does not end a read of ours, a target that makes nothing durable though its
//! connections live. Tells it in words; never ends or repeats anything, since what hangs in the kernel cannot be ended.

use std::time::{Duration, Instant};

/// Longer than a disk of a server tries to read a place that is bad, which is 7 s, and what a desktop's mostly needs.
const READ_LIMIT: Duration = Duration::from_secs(15);
/// Longer than four connections need for a chunk each at half a megabit per second.
const TARGET_LIMIT: Duration = Duration::from_secs(60);

/// A count that has to grow as long as something is under way.
#[derive(Debug)]
struct Watched {
    /// At the last look; `None` if nothing was under way.
    count: Option<u64>,
    since: Instant,
}

impl Watched {
    /// For how long the count has stood still; from one look to the next nothing is known to.
    fn look(&mut self, count: Option<u64>, now: Instant) -> Duration {
        if count.is_none() || count != self.count {
            (self.count, self.since) = (count, now);
        }
        now.saturating_duration_since(self.since)
    }
}

/// See the module's description.
#[derive(Debug)]
pub(super) struct Stalls {
    reads: Vec<Watched>,
    target: Watched,
}

impl Stalls {
    pub(super) fn new(disks: usize, now: Instant) -> Self {
        let watched = || Watched { count: None, since: now };
        Self { reads: std::iter::repeat_with(watched).take(disks).collect(), target: watched() }
    }

    /// What hangs for the disk at a place in their order, in words; empty if nothing does. To be asked often. `reads_ended` and
    /// `answers` count what ended and what the target answered, and are `None` where nothing is under way.
    pub(super) fn words(
        &mut self,
        disk: usize,
        reads_ended: Option<u64>,
        answers: Option<u64>,
        now: Instant,
    ) -> String {
        let target = self.target.look(answers, now);
        let read = self.reads.get_mut(disk).map(|read| read.look(reads_ended, now)).unwrap_or_default();
        if read >= READ_LIMIT {
            return format!("a read of the disk has not ended for {} s: its storage does not answer", read.as_secs());
        }
        // Whoever cannot read has nothing to send.
        let hangs = |read: &Watched| read.count.is_some() && now.saturating_duration_since(read.since) >= READ_LIMIT;
        if target >= TARGET_LIMIT && !self.reads.iter().any(hangs) {
            return format!(
                "nothing that was sent was made durable for {} s: the target's storage or the line hangs, or is very slow",
                target.as_secs()
            );
        }
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_that_does_not_end_is_told_for_its_disk_and_hides_what_follows_from_it() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut stalls = Stalls::new(2, began);
        assert_eq!(stalls.words(0, Some(7), Some(1), at(5)), "");
        assert_eq!(stalls.words(1, Some(7), Some(1), at(5)), "");
        assert_eq!(stalls.words(0, Some(7), Some(1), at(19)), "", "nobody looked before");
        let words = "a read of the disk has not ended for 60 s: its storage does not answer";
        assert_eq!(stalls.words(0, Some(7), Some(1), at(65)), words);
        assert_eq!(stalls.words(1, Some(8), Some(1), at(65)), "", "another disk reads on");
        assert!(
            stalls.words(0, Some(8), Some(1), at(66)).starts_with("nothing that was sent"),
            "now it is the target's"
        );
        assert_eq!(stalls.words(0, None, None, at(200)), "");
    }

    #[test]
    fn a_target_that_owes_an_answer_for_long_is_told() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut stalls = Stalls::new(1, began);
        assert_eq!(stalls.words(0, None, Some(3), at(1)), "");
        assert_eq!(stalls.words(0, None, Some(4), at(60)), "", "it answered meanwhile");
        assert!(stalls.words(0, None, Some(4), at(120)).starts_with("nothing that was sent was made durable for 60 s"));
        assert_eq!(stalls.words(0, None, None, at(500)), "", "nothing is owed");
        assert_eq!(stalls.words(9, Some(1), None, at(500)), "", "a disk that there is not");
    }
}
