//! Whether a lane's data is worth compressing now, and compressing it.
//!
//! Nothing is guessed from where the time goes: on a busy processor a socket that waits looks like a narrow link. Instead
//! both ways are tried, and the one that brings more of the disk across in a second is kept, until the next trial. Data
//! that did not shrink is not tried again for a while. Never here: what to send.

use std::time::Duration;

/// zstd at its fastest regular level: about 0.5 GB/s per core, twice a gigabit.
const LEVEL: i32 = 1;
/// A speed is taken over this much work: many extents, and long enough to fill what the kernel buffers at a gigabit.
const SPAN: Duration = Duration::from_millis(500);
/// The first way is kept for this many spans before the other is tried, so that on a slow link the kernel's buffers (4 MiB)
/// are full and the speed is the link's.
const SETTLED: u32 = 4;
/// Spans between two trials: a wrong choice costs at most a twentieth of the time.
const BETWEEN_TRIALS: u32 = 20;
/// Extents that are sent as they are after one that did not shrink by a twentieth.
const REST: u32 = 16;

/// See the module's description.
pub(super) struct Packer {
    compressor: Option<zstd::bulk::Compressor<'static>>,
    choice: Choice,
    resting: u32,
}

/// Which way is faster, from measurements alone.
#[derive(Debug, Default)]
struct Choice {
    on: bool,
    /// Bytes of the disk per second, with packing off and on; none before its first span.
    speeds: [Option<u64>; 2],
    /// Spans since the last trial began.
    spans: u32,
    bytes: u64,
    took: Duration,
}

impl Choice {
    /// Takes in that so much of the disk went across in so much time.
    fn measured(&mut self, bytes: u64, took: Duration) {
        self.bytes += bytes;
        self.took += took;
        if self.took < SPAN {
            return;
        }
        let per_second = u128::from(self.bytes) * 1000 / self.took.as_millis().max(1);
        self.speeds[usize::from(self.on)] = Some(u64::try_from(per_second).unwrap_or(u64::MAX));
        (self.bytes, self.took) = (0, Duration::ZERO);
        self.spans += 1;
        self.choose();
    }

    fn choose(&mut self) {
        let [off, on] = self.speeds;
        let due = if on.is_none() { SETTLED } else { BETWEEN_TRIALS };
        let trial_ended = self.spans == 1 && on.is_some();
        if self.spans >= due {
            // The other way, for one span.
            self.on = !self.on;
            self.spans = 0;
        } else if trial_ended {
            self.on = on > off;
        }
    }
}

impl Packer {
    pub(super) fn new() -> Self {
        // Without memory for a compressor, everything is sent as it is.
        let compressor = zstd::bulk::Compressor::new(LEVEL).ok();
        Self { compressor, choice: Choice::default(), resting: 0 }
    }

    /// Takes in how much of the disk a job brought across and how long it took, from reading to the socket.
    pub(super) fn measured(&mut self, bytes: u64, took: Duration) {
        self.choice.measured(bytes, took);
    }

    /// The packed extent, if packing is on and it shrinks.
    pub(super) fn pack(&mut self, raw: &[u8]) -> Option<Vec<u8>> {
        if !self.choice.on {
            return None;
        }
        if self.resting > 0 {
            self.resting -= 1;
            return None;
        }
        let packed = self.compressor.as_mut()?.compress(raw).ok()?;
        if packed.len() > raw.len() / 20 * 19 {
            self.resting = REST;
            return None;
        }
        Some(packed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes per second over `spans` spans on a link where packing off and on bring so much; how many spans were packed.
    fn packed_spans(choice: &mut Choice, spans: u32, off: u64, on: u64) -> u32 {
        let mut packed = 0;
        for _ in 0..spans {
            packed += u32::from(choice.on);
            choice.measured(if choice.on { on } else { off } / 2, SPAN);
        }
        packed
    }

    #[test]
    fn the_faster_way_is_kept_and_the_other_is_tried_now_and_then() {
        let mut narrow = Choice::default();
        let packed = packed_spans(&mut narrow, 100, 12_000_000, 30_000_000);
        assert!((90..100).contains(&packed), "{packed}");
        let mut busy_processor = Choice::default();
        let packed = packed_spans(&mut busy_processor, 100, 20_000_000, 5_000_000);
        assert!((1..=6).contains(&packed), "{packed}");
    }

    #[test]
    fn a_link_that_becomes_narrow_is_noticed_at_the_next_trial() {
        let mut choice = Choice::default();
        packed_spans(&mut choice, 50, 100_000_000, 40_000_000);
        assert!(!choice.on);
        packed_spans(&mut choice, BETWEEN_TRIALS + 1, 1_000_000, 3_000_000);
        assert!(choice.on);
    }

    #[test]
    fn packed_data_is_what_it_was() {
        let mut packer = Packer::new();
        let raw = vec![7; 65536];
        assert_eq!(packer.pack(&raw), None, "off at first");
        packer.choice.on = true;
        assert_eq!(zstd::bulk::decompress(&packer.pack(&raw).unwrap(), raw.len()).unwrap(), raw);
    }

    #[test]
    fn what_does_not_shrink_is_not_tried_again_for_a_while() {
        let mut packer = Packer::new();
        packer.choice.on = true;
        let mut seed = 1u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed.to_be_bytes()[0]
        })
        .take(65536)
        .collect();
        assert_eq!(packer.pack(&noise), None);
        let zeros = vec![0; 65536];
        let skipped = (0..REST).filter(|_| packer.pack(&zeros).is_none()).count();
        assert_eq!(skipped, usize::try_from(REST).unwrap());
        assert!(packer.pack(&zeros).is_some());
    }
}
