//! Whether a lane's data is worth compressing now, and compressing it.
//!
//! While the socket takes all that is offered, the processor is the bottleneck and packing would only slow it; when
//! sending waits for the socket, packing makes the link wider. Data that did not shrink is not tried again for a while.
//! Never here: what to send.

use std::time::Duration;

/// zstd at its fastest regular level: about 0.5 GB/s per core, twice a gigabit.
const LEVEL: i32 = 1;
/// Looked at over this much work, so that one slow write does not turn packing on.
const SPAN: Duration = Duration::from_millis(500);
/// Extents that are sent as they are after one that did not shrink by a twentieth.
const REST: u32 = 16;

/// See the module's description.
pub(super) struct Packer {
    compressor: Option<zstd::bulk::Compressor<'static>>,
    on: bool,
    working: Duration,
    sending: Duration,
    resting: u32,
}

impl Packer {
    pub(super) fn new() -> Self {
        // Without memory for a compressor, everything is sent as it is.
        let compressor = zstd::bulk::Compressor::new(LEVEL).ok();
        Self { compressor, on: false, working: Duration::ZERO, sending: Duration::ZERO, resting: 0 }
    }

    /// Takes in how long a job took to make and to send.
    pub(super) fn measured(&mut self, working: Duration, sending: Duration) {
        self.working += working;
        self.sending += sending;
        if self.working + self.sending < SPAN {
            return;
        }
        // On above a half, off below a tenth: packing itself moves time from sending to working, so the two must differ.
        let all = self.working + self.sending;
        if self.sending > all / 2 {
            self.on = true;
        } else if self.sending < all / 10 {
            self.on = false;
        }
        (self.working, self.sending) = (Duration::ZERO, Duration::ZERO);
    }

    /// The packed extent, if packing is on and it shrinks.
    pub(super) fn pack(&mut self, raw: &[u8]) -> Option<Vec<u8>> {
        if !self.on {
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

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn packing_is_on_only_while_sending_is_what_takes_the_time() {
        let mut packer = Packer::new();
        let raw = vec![7; 65536];
        assert_eq!(packer.pack(&raw), None);
        packer.measured(SECOND, 3 * SECOND);
        let packed = packer.pack(&raw).unwrap();
        assert_eq!(zstd::bulk::decompress(&packed, raw.len()).unwrap(), raw);
        packer.measured(SECOND, SECOND / 2);
        assert!(packer.pack(&raw).is_some(), "in between it stays as it is");
        packer.measured(SECOND, SECOND / 20);
        assert_eq!(packer.pack(&raw), None);
    }

    #[test]
    fn what_does_not_shrink_is_not_tried_again_for_a_while() {
        let mut packer = Packer::new();
        packer.measured(SECOND, 3 * SECOND);
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
