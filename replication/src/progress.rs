//! How far a copy has come: bytes of four kinds, two rates, lag, and an estimate as a range.
//!
//! The kinds add up: what was not read because it is free, what was read and found to be zeros, what was read and
//! sent; and what that took on the wire. Never here: words for people, and any decision.

/// Where the replication of a disk stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReplicationState {
    /// Not connected yet, or no disk open.
    Idle,
    /// First copy.
    InitialCopy,
    /// Following, behind.
    CatchingUp,
    /// Following, and a freeze now would be short.
    InSync,
    /// The tracker may have missed something; a rescan by hash is under way.
    Suspect,
    /// Comparing hashes: the roots are being computed.
    Verifying,
    /// Frozen, last pass.
    Final,
    /// The record is signed by both ends.
    Committed,
}

/// One disk's progress at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Where it stands.
    pub state: ReplicationState,
    /// Size of the disk, bytes.
    pub size_bytes: u64,
    /// The four kinds, so far.
    pub counters: Counters,
    /// Still to be sent, or sent and not yet durable, bytes.
    pub remaining_bytes: u64,
    /// Still to be compared by hash, bytes; 0 unless a rescan is under way.
    pub unverified_bytes: u64,
    /// Sending, bytes per second, over the last [`WINDOW_SECONDS`].
    pub send_bytes_per_second: u64,
    /// Changing on the source, bytes per second, over the same time.
    pub change_bytes_per_second: u64,
    /// Age of the oldest change that is not durable at the target, milliseconds.
    pub lag_ms: u64,
    /// Seconds until in sync: low and high end; `None` when it is not known or does not converge.
    pub eta_seconds: Option<(u64, u64)>,
    /// How long a freeze would take now, milliseconds; `None` when it is not known.
    pub freeze_forecast_ms: Option<u64>,
    /// Why the disk is in doubt; empty if it is not.
    pub doubt: String,
}

impl Progress {
    /// A disk of which nothing is known yet.
    pub fn idle(size_bytes: u64) -> Self {
        Self {
            state: ReplicationState::Idle,
            size_bytes,
            counters: Counters::default(),
            remaining_bytes: size_bytes,
            unverified_bytes: 0,
            send_bytes_per_second: 0,
            change_bytes_per_second: 0,
            lag_ms: 0,
            eta_seconds: None,
            freeze_forecast_ms: None,
            doubt: String::new(),
        }
    }
}

/// Bytes of the four kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Read from the disk.
    pub read_bytes: u64,
    /// Not read because a filesystem calls it free.
    pub skipped_bytes: u64,
    /// Read and found to be zeros.
    pub zero_bytes: u64,
    /// Sent, before compression.
    pub sent_bytes: u64,
    /// On the wire, after compression, with framing.
    pub wire_bytes: u64,
}

impl Counters {
    /// Adds `other`.
    pub fn add(&mut self, other: &Counters) {
        let Counters { read_bytes, skipped_bytes, zero_bytes, sent_bytes, wire_bytes } = *other;
        self.read_bytes += read_bytes;
        self.skipped_bytes += skipped_bytes;
        self.zero_bytes += zero_bytes;
        self.sent_bytes += sent_bytes;
        self.wire_bytes += wire_bytes;
    }
}

/// What rates are averaged over: long enough to ride out one fdatasync, short enough to show a stall.
pub const WINDOW_SECONDS: u64 = 10;
const SLOTS: usize = 10;

/// A rate over the last [`WINDOW_SECONDS`], in slots of a second. Time is the caller's monotonic milliseconds.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    slots: [u64; SLOTS],
    /// The second that the newest slot stands for.
    second: u64,
    /// The second of the first addition.
    began: Option<u64>,
}

impl Meter {
    /// Counts `amount` at `now_ms`.
    pub fn add(&mut self, amount: u64, now_ms: u64) {
        self.advance(now_ms);
        self.slots[slot(self.second)] += amount;
    }

    /// Amount per second. A meter younger than the window divides by its age, so that the first seconds are not shown
    /// as slow.
    pub fn per_second(&mut self, now_ms: u64) -> u64 {
        self.advance(now_ms);
        let age = self.began.map_or(0, |began| self.second - began + 1);
        self.slots.iter().sum::<u64>() / age.clamp(1, WINDOW_SECONDS)
    }

    fn advance(&mut self, now_ms: u64) {
        let now = now_ms / 1000;
        if self.began.is_none() {
            (self.began, self.second) = (Some(now), now);
        }
        let from = self.second + 1;
        for second in from..=now.min(from + WINDOW_SECONDS) {
            self.slots[slot(second)] = 0;
        }
        self.second = self.second.max(now);
    }
}

fn slot(second: u64) -> usize {
    usize::try_from(second % WINDOW_SECONDS).expect("there are ten slots")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_young_meter_divides_by_its_age() {
        let mut young = Meter::default();
        young.add(100, 50_000);
        young.add(100, 51_000);
        assert_eq!(young.per_second(51_500), 100);
    }

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let mut meter = Meter::default();
        meter.add(1000, 1_000);
        assert_eq!(meter.per_second(10_999), 100);
        assert_eq!(meter.per_second(11_000), 0);
        meter.add(50, 1_000_000);
        assert_eq!(meter.per_second(1_000_000), 5);
    }

    #[test]
    fn time_that_goes_back_adds_to_the_newest_second() {
        let mut meter = Meter::default();
        meter.add(10, 5_000);
        meter.add(10, 3_000);
        assert_eq!(meter.per_second(5_000), 20);
    }

    #[test]
    fn counters_add_field_by_field() {
        let one = Counters { read_bytes: 1, skipped_bytes: 2, zero_bytes: 3, sent_bytes: 4, wire_bytes: 5 };
        let mut sum = one;
        sum.add(&one);
        assert_eq!(sum, Counters { read_bytes: 2, skipped_bytes: 4, zero_bytes: 6, sent_bytes: 8, wire_bytes: 10 });
    }

    proptest! {
        #[test]
        fn a_steady_rate_is_shown_as_it_is(rate in 1..1_000_000u64, seconds in 10..100u64) {
            let mut meter = Meter::default();
            for second in 0..seconds {
                meter.add(rate, second * 1000);
            }
            prop_assert_eq!(meter.per_second((seconds - 1) * 1000), rate);
        }
    }
}
