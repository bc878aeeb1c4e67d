//! A bound on reading and sending: a token bucket whose clock is an argument.
//!
//! Never here: waiting. The caller is told how long.

/// See the module's description. A rate of 0 is no bound.
#[derive(Debug, Clone)]
pub struct Budget {
    bytes_per_second: u64,
    /// What may be spent now; negative after a spending that was larger than what was there.
    tokens: i128,
    last_ms: u64,
}

/// How much may be spent at once after a pause: half a second's worth, so that a second never sees more than 1.5 times
/// its share.
const BURST_MS: u64 = 500;

impl Budget {
    /// A full bucket.
    pub fn new(bytes_per_second: u64, now_ms: u64) -> Self {
        let mut budget = Self { bytes_per_second, tokens: 0, last_ms: now_ms };
        budget.tokens = budget.burst();
        budget
    }

    /// Changes the rate; what was spent stays spent.
    pub fn set_rate(&mut self, bytes_per_second: u64, now_ms: u64) {
        self.refill(now_ms);
        self.bytes_per_second = bytes_per_second;
        self.tokens = self.tokens.min(self.burst());
    }

    /// Spends `bytes` and says how many milliseconds to wait before going on.
    pub fn spend(&mut self, bytes: u64, now_ms: u64) -> u64 {
        self.refill(now_ms);
        if self.bytes_per_second == 0 {
            return 0;
        }
        self.tokens -= i128::from(bytes) * 1000;
        let missing = u128::try_from(-self.tokens).unwrap_or(0);
        u64::try_from(missing.div_ceil(u128::from(self.bytes_per_second))).unwrap_or(u64::MAX)
    }

    /// Tokens are thousandths of a byte, so that a rate times milliseconds is exact.
    fn burst(&self) -> i128 {
        i128::from(self.bytes_per_second) * i128::from(BURST_MS)
    }

    fn refill(&mut self, now_ms: u64) {
        let passed = now_ms.saturating_sub(self.last_ms);
        self.last_ms = self.last_ms.max(now_ms);
        self.tokens = (self.tokens + i128::from(passed) * i128::from(self.bytes_per_second)).min(self.burst());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_rate_of_zero_never_waits() {
        let mut budget = Budget::new(0, 0);
        assert_eq!(budget.spend(u64::MAX, 0), 0);
    }

    #[test]
    fn a_spending_beyond_the_burst_waits_for_its_share() {
        let mut budget = Budget::new(1000, 0);
        assert_eq!(budget.spend(500, 0), 0);
        assert_eq!(budget.spend(100, 0), 100);
        assert_eq!(budget.spend(0, 100), 0);
        assert_eq!(budget.spend(1500, 10_000), 1000);
    }

    #[test]
    fn a_new_rate_keeps_the_debt() {
        let mut budget = Budget::new(1000, 0);
        budget.spend(1500, 0);
        budget.set_rate(2000, 0);
        assert_eq!(budget.spend(0, 0), 500);
        budget.set_rate(0, 0);
        assert_eq!(budget.spend(1 << 40, 0), 0);
    }

    proptest! {
        #[test]
        fn nobody_gets_more_than_rate_and_burst(rate in 1..1_000_000u64, sizes in prop::collection::vec(1..300_000u64, 1..50)) {
            let mut budget = Budget::new(rate, 0);
            let (mut now, mut spent) = (0, 0u64);
            for size in sizes {
                now += budget.spend(size, now);
                spent += size;
            }
            let allowed = u128::from(rate) * u128::from(now + 500 + 1);
            prop_assert!(u128::from(spent) * 1000 <= allowed, "{spent} in {now} ms at {rate}/s");
        }
    }
}
