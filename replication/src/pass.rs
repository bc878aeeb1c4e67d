//! Forecasts: how long a freeze would take now, and when the copy will be in sync.
//!
//! A freeze sends what is left plus what changes meanwhile, and proves by reading what is not proved yet. Never here:
//! measuring, and freezing.

use crate::progress::ReplicationState;

/// What a freeze costs whatever is left: draining, two syncs, the exchange of roots and of the record.
const FREEZE_FLOOR_MS: u64 = 500;
/// Disks in scope read no slower than this, in bytes per second, whatever was ever sent: a 2.5 inch disk with bad seeks.
const SLOWEST_READING: u64 = 20 << 20;
/// No estimate is longer than this: 30 days. What takes longer does not converge for any practical purpose.
const ETA_LIMIT_SECONDS: u64 = 30 * 24 * 3600;

/// What is known about a disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct PassInput {
    /// Still to be sent or not yet durable.
    pub remaining_bytes: u64,
    /// Still to be compared by hash.
    pub unverified_bytes: u64,
    /// To be read again on the source before its root is known.
    pub unproved_bytes: u64,
    /// To be read back on the target before its root is known.
    pub target_unproved_bytes: u64,
    /// Changing now, bytes per second.
    pub change_rate: u64,
    /// Sending now, bytes per second.
    pub send_rate: u64,
    /// The best sending rate seen; 0 if nothing was sent yet.
    pub best_send_rate: u64,
    /// Whether some block has never been copied.
    pub first_copy: bool,
    /// Whether the tracker was doubted and the rescan is not over.
    pub doubted: bool,
    /// The longest freeze that is called short, milliseconds.
    pub freeze_budget_ms: u64,
}

/// What follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forecast {
    /// `InitialCopy`, `CatchingUp`, `InSync` or `Suspect`.
    pub state: ReplicationState,
    /// How long a freeze would take, milliseconds; `None` if nothing was measured or it would not converge.
    pub freeze_ms: Option<u64>,
    /// Seconds until in sync, low and high; `None` if not known or not converging.
    pub eta_seconds: Option<(u64, u64)>,
}

/// See the module's description.
pub fn forecast(input: &PassInput) -> Forecast {
    let freeze_ms = freeze_ms(input);
    let short = freeze_ms.is_some_and(|ms| ms <= input.freeze_budget_ms);
    let state = if input.doubted {
        ReplicationState::Suspect
    } else if input.first_copy {
        ReplicationState::InitialCopy
    } else if short && input.unverified_bytes == 0 {
        ReplicationState::InSync
    } else {
        ReplicationState::CatchingUp
    };
    let eta_seconds = if state == ReplicationState::InSync { Some((0, 0)) } else { eta_seconds(input) };
    Forecast { state, freeze_ms, eta_seconds }
}

/// Changes stop at the freeze, but what changed until the tracker was drained is still to be sent: one second's worth.
/// Reading for proof runs at both ends at the same time, at least as fast as sending ever did: but a process that had little to
/// send has not seen how fast it could.
fn freeze_ms(input: &PassInput) -> Option<u64> {
    let nothing_left = input.remaining_bytes == 0 && input.unproved_bytes == 0 && input.target_unproved_bytes == 0;
    if input.best_send_rate == 0 {
        return nothing_left.then_some(FREEZE_FLOOR_MS);
    }
    let to_send = input.remaining_bytes.saturating_add(input.change_rate);
    let to_read = input.unproved_bytes.max(input.target_unproved_bytes).saturating_add(input.unverified_bytes);
    let time = |bytes: u64, rate: u64| u128::from(bytes) * 1000 / u128::from(rate);
    let ms = time(to_send, input.best_send_rate) + time(to_read, input.best_send_rate.max(SLOWEST_READING));
    u64::try_from(ms).ok().map(|ms| ms.saturating_add(FREEZE_FLOOR_MS))
}

/// Low: at the best rate seen, with no further change. High: at the present rate, with changes going on as now.
fn eta_seconds(input: &PassInput) -> Option<(u64, u64)> {
    let left = input.remaining_bytes.saturating_add(input.unverified_bytes);
    let gain = input.send_rate.saturating_sub(input.change_rate);
    if input.best_send_rate == 0 || gain == 0 {
        return None;
    }
    let low = left / input.best_send_rate;
    let high = left.div_ceil(gain);
    (high <= ETA_LIMIT_SECONDS).then_some((low.min(high), high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    fn following() -> PassInput {
        PassInput { best_send_rate: 100 * MIB, send_rate: 50 * MIB, freeze_budget_ms: 5_000, ..PassInput::default() }
    }

    #[test]
    fn nothing_measured_is_not_in_sync_unless_nothing_is_left() {
        let unknown = PassInput { remaining_bytes: 1, freeze_budget_ms: 5_000, ..PassInput::default() };
        assert_eq!(
            forecast(&unknown),
            Forecast { state: ReplicationState::CatchingUp, freeze_ms: None, eta_seconds: None }
        );
        let empty = PassInput { freeze_budget_ms: 5_000, ..PassInput::default() };
        assert_eq!(forecast(&empty).state, ReplicationState::InSync);
    }

    #[test]
    fn in_sync_means_that_a_freeze_would_be_short() {
        let near = PassInput { remaining_bytes: 400 * MIB, ..following() };
        assert_eq!(forecast(&near).state, ReplicationState::InSync);
        assert_eq!(forecast(&near).freeze_ms, Some(4_500));
        let far = PassInput { remaining_bytes: 500 * MIB, ..following() };
        assert_eq!(forecast(&far).state, ReplicationState::CatchingUp);
        assert_eq!(forecast(&far).eta_seconds, Some((5, 10)));
    }

    #[test]
    fn proof_that_is_missing_at_either_end_counts() {
        for input in [
            PassInput { unproved_bytes: 600 * MIB, ..following() },
            PassInput { target_unproved_bytes: 600 * MIB, ..following() },
            PassInput { unverified_bytes: 1, ..following() },
        ] {
            assert_eq!(forecast(&input).state, ReplicationState::CatchingUp, "{input:?}");
        }
    }

    #[test]
    fn who_has_sent_little_is_not_held_to_read_slowly() {
        let trickle = PassInput { best_send_rate: 400, target_unproved_bytes: 20 * MIB, ..following() };
        assert_eq!(forecast(&trickle).freeze_ms, Some(1_500));
    }

    #[test]
    fn doubt_and_first_copy_go_before_everything_else() {
        let first = PassInput { first_copy: true, ..following() };
        assert_eq!(forecast(&first).state, ReplicationState::InitialCopy);
        assert_eq!(forecast(&PassInput { doubted: true, ..first }).state, ReplicationState::Suspect);
    }

    #[test]
    fn a_disk_that_changes_faster_than_it_is_sent_has_no_estimate() {
        let diverging = PassInput { remaining_bytes: 1 << 40, change_rate: 60 * MIB, ..following() };
        assert_eq!(forecast(&diverging).eta_seconds, None);
    }

    proptest! {
        #[test]
        fn the_low_end_is_never_above_the_high_end(left: u64, change in 0..1u64 << 40, send in 0..1u64 << 40, best in 0..1u64 << 40) {
            let input = PassInput { remaining_bytes: left, change_rate: change, send_rate: send, best_send_rate: best, ..following() };
            if let Some((low, high)) = forecast(&input).eta_seconds {
                prop_assert!(low <= high);
            }
        }
    }
}
