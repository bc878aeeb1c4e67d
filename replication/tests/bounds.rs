//! Places, rates and forecasts at their edges: the last block of a device, the last millisecond of a debt, the longest
//! estimate that is one.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use qianyun_replication::budget::Budget;
use qianyun_replication::digest::{hash_bytes, zero_hash};
use qianyun_replication::geometry::{
    BLOCK_BYTES, BlockIndex, CHUNK_BYTES, ChunkIndex, ChunkMask, DeviceSize, GeometryError, MAX_DEVICE_BYTES,
    MAX_EXTENT_BYTES, SECTOR_BYTES,
};
use qianyun_replication::pass::{PassInput, forecast};
use qianyun_replication::progress::{Meter, Progress, ReplicationState};

const MIB: u64 = 1 << 20;

fn size(bytes: u64) -> DeviceSize {
    DeviceSize::from_bytes(bytes).unwrap()
}

#[test]
fn the_largest_device_is_one_sector_below_the_bound() {
    let largest = MAX_DEVICE_BYTES - SECTOR_BYTES;
    assert_eq!(size(largest).bytes(), largest);
    assert_eq!(size(largest).chunks(), MAX_DEVICE_BYTES / CHUNK_BYTES);
    assert!(DeviceSize::from_bytes(MAX_DEVICE_BYTES + SECTOR_BYTES).is_err());
    assert!(DeviceSize::from_bytes(u64::MAX).is_err());
}

#[test]
fn blocks_and_chunks_begin_where_the_ones_before_end() {
    assert_eq!((BlockIndex(255).chunk(), BlockIndex(256).chunk()), (ChunkIndex(0), ChunkIndex(1)));
    assert_eq!(ChunkIndex(2).blocks(), 512..768);
    assert_eq!(ChunkIndex(2).offset_bytes(), 2 * CHUNK_BYTES);
    let device = size(CHUNK_BYTES);
    assert_eq!((device.chunks(), device.blocks()), (1, 256));
    assert_eq!(size(CHUNK_BYTES + SECTOR_BYTES).chunks(), 2);
    assert_eq!(size(CHUNK_BYTES + SECTOR_BYTES).chunk_len(ChunkIndex(1)), SECTOR_BYTES);
    assert_eq!(device.chunk_len(ChunkIndex(u64::MAX)), 0);
    assert!(device.blocks_of_chunk(ChunkIndex(1)).is_empty());
    assert_eq!(device.bytes_of_blocks(&(u64::MAX - 1..u64::MAX)), (CHUNK_BYTES, 0));
}

#[test]
fn an_extent_may_end_where_its_chunk_or_its_device_does_and_not_a_block_later() {
    let device = size(3 * CHUNK_BYTES);
    assert_eq!(device.blocks_of_extent(CHUNK_BYTES, CHUNK_BYTES), Ok(256..512));
    assert_eq!(device.blocks_of_extent(2 * CHUNK_BYTES - BLOCK_BYTES, BLOCK_BYTES), Ok(511..512));
    let refused = |offset, len| GeometryError::Extent { offset, len, size: 3 * CHUNK_BYTES };
    for (offset, len) in [
        (CHUNK_BYTES, CHUNK_BYTES + BLOCK_BYTES),
        (2 * CHUNK_BYTES - BLOCK_BYTES, 2 * BLOCK_BYTES),
        (3 * CHUNK_BYTES, BLOCK_BYTES),
        (3 * CHUNK_BYTES - BLOCK_BYTES, BLOCK_BYTES + SECTOR_BYTES),
        (u64::MAX, 1),
    ] {
        assert_eq!(device.blocks_of_extent(offset, len), Err(refused(offset, len)));
    }
    assert_eq!(MAX_EXTENT_BYTES % BLOCK_BYTES, 0);
}

#[test]
#[should_panic(expected = "a chunk has 256 blocks")]
fn a_chunk_has_no_block_of_number_256() {
    ChunkMask::default().insert(256);
}

#[test]
fn zeros_of_different_lengths_have_different_hashes() {
    assert_eq!(zero_hash(0), hash_bytes(&[]));
    assert_ne!(zero_hash(512), zero_hash(4096));
}

proptest! {
    #[test]
    fn what_is_accepted_as_an_extent_lies_in_one_chunk_of_the_device_byte_for_byte(
        sectors in 1..6000u64, block in 0..800u64, blocks in 0..300u64, off in 0..3u64
    ) {
        let device = size(sectors * SECTOR_BYTES);
        let (offset, len) = (block * BLOCK_BYTES + off % 2 * SECTOR_BYTES, blocks * BLOCK_BYTES + off / 2 * SECTOR_BYTES);
        let reaches_end = offset < device.bytes() && offset + len == device.bytes();
        if let Ok(range) = device.blocks_of_extent(offset, len) {
            prop_assert_eq!(device.bytes_of_blocks(&range), (offset, len));
            prop_assert!(range.end <= device.blocks());
            prop_assert_eq!(BlockIndex(range.start).chunk(), BlockIndex(range.end - 1).chunk());
        } else {
            let fits = offset % BLOCK_BYTES == 0 && len > 0 && offset + len <= device.bytes()
                && (len % BLOCK_BYTES == 0 || reaches_end) && offset / CHUNK_BYTES == (offset + len - 1) / CHUNK_BYTES;
            prop_assert!(!fits, "{offset}+{len} of {}", device.bytes());
        }
    }

    #[test]
    fn sectors_are_in_exactly_the_blocks_that_are_named(sectors in 1..600u64, first in 0..700u64, count in 1..40u64) {
        let device = size(sectors * SECTOR_BYTES);
        let named = device.blocks_of_sectors(first, count);
        for block in 0..device.blocks() {
            let touched = (first..first + count).any(|sector| sector / 8 == block);
            prop_assert_eq!(named.contains(&block), touched, "block {}", block);
        }
    }

    #[test]
    fn the_wait_that_a_budget_names_is_enough_and_not_a_millisecond_more(rate in 1..10_000_000u64, bytes in 1..100_000_000u64) {
        let mut budget = Budget::new(rate, 0);
        let wait = budget.spend(bytes, 0);
        prop_assert_eq!(budget.clone().spend(0, wait), 0);
        if wait > 0 {
            prop_assert_eq!(budget.spend(0, wait - 1), 1);
        }
    }

    #[test]
    fn a_forecast_survives_every_number(values in prop::array::uniform8(any::<u64>()), first_copy: bool, doubted: bool) {
        let [remaining_bytes, unverified_bytes, unproved_bytes, target_unproved_bytes, change_rate, send_rate, best, budget] = values;
        let input = PassInput {
            remaining_bytes, unverified_bytes, unproved_bytes, target_unproved_bytes, change_rate, send_rate,
            best_send_rate: best, first_copy, doubted, freeze_budget_ms: budget,
        };
        let found = forecast(&input);
        if found.state == ReplicationState::InSync {
            prop_assert!(!first_copy && !doubted && unverified_bytes == 0);
            prop_assert!(found.freeze_ms.is_some_and(|ms| ms <= budget));
        }
    }
}

#[test]
fn a_budget_saves_half_a_second_and_no_more() {
    let mut budget = Budget::new(1000, 0);
    assert_eq!(budget.spend(501, 1 << 40), 1);
    let mut budget = Budget::new(1000, 0);
    assert_eq!(budget.spend(1000, 0), 500);
    assert_eq!(budget.spend(0, 499), 1);
    assert_eq!(budget.spend(0, 500), 0);
    assert_eq!(budget.spend(1, 500), 1);
}

#[test]
fn a_clock_that_goes_back_gives_nothing_twice() {
    let mut budget = Budget::new(1000, 1000);
    budget.spend(1000, 1000);
    assert_eq!(budget.spend(0, 500), 500);
    assert_eq!(budget.spend(0, 1000), 500);
    assert_eq!(budget.spend(0, 1500), 0);
}

#[test]
fn a_slower_rate_takes_what_was_saved_and_a_bound_after_none_begins_empty() {
    let mut budget = Budget::new(1000, 0);
    budget.set_rate(100, 0);
    assert_eq!(budget.spend(51, 0), 10);
    let mut unbounded = Budget::new(0, 0);
    assert_eq!(unbounded.spend(1 << 40, 0), 0);
    unbounded.set_rate(1000, 0);
    assert_eq!(unbounded.spend(100, 0), 100);
}

fn following() -> PassInput {
    PassInput { best_send_rate: 100 * MIB, send_rate: 50 * MIB, freeze_budget_ms: 5_000, ..PassInput::default() }
}

#[test]
fn a_freeze_of_exactly_the_budget_is_short_and_one_millisecond_more_is_not() {
    let input = PassInput { remaining_bytes: 450 * MIB, ..following() };
    assert_eq!(forecast(&input).freeze_ms, Some(5_000));
    assert_eq!(forecast(&input).state, ReplicationState::InSync);
    assert_eq!(forecast(&input).eta_seconds, Some((0, 0)));
    let tighter = PassInput { freeze_budget_ms: 4_999, ..input };
    assert_eq!(forecast(&tighter).state, ReplicationState::CatchingUp);
}

#[test]
fn a_freeze_sends_a_second_of_changes_and_proves_at_both_ends_at_the_same_time() {
    let ms = |input: PassInput| forecast(&input).freeze_ms;
    assert_eq!(ms(following()), Some(500));
    assert_eq!(ms(PassInput { change_rate: 10 * MIB, ..following() }), Some(600));
    let (unproved_bytes, target_unproved_bytes) = (100 * MIB, 300 * MIB);
    assert_eq!(ms(PassInput { unproved_bytes, target_unproved_bytes, ..following() }), Some(3_500));
    assert_eq!(ms(PassInput { unproved_bytes, unverified_bytes: 100 * MIB, ..following() }), Some(2_500));
    for nothing_measured in [
        PassInput { unproved_bytes: 1, ..PassInput::default() },
        PassInput { target_unproved_bytes: 1, ..PassInput::default() },
        PassInput { remaining_bytes: 1, ..PassInput::default() },
    ] {
        assert_eq!(ms(nothing_measured), None);
    }
}

#[test]
fn an_estimate_is_at_best_the_best_rate_without_changes_and_at_worst_the_present_rate_with_them() {
    let input =
        PassInput { remaining_bytes: 1000 * MIB, unverified_bytes: 1000 * MIB, change_rate: 10 * MIB, ..following() };
    assert_eq!(forecast(&input).eta_seconds, Some((20, 50)));
    // Faster now than ever before: the low end is not above the high one.
    let input = PassInput { best_send_rate: MIB, change_rate: 0, ..input };
    assert_eq!(forecast(&input).eta_seconds, Some((40, 40)));
    assert_eq!(forecast(&PassInput { best_send_rate: 0, ..input }).eta_seconds, None);
    assert_eq!(forecast(&PassInput { change_rate: 50 * MIB, ..input }).eta_seconds, None);
}

#[test]
fn the_longest_estimate_is_thirty_days() {
    let days_30 = 30 * 24 * 3600;
    let input = PassInput { remaining_bytes: days_30, send_rate: 1, best_send_rate: 1, ..PassInput::default() };
    assert_eq!(forecast(&input).eta_seconds, Some((days_30, days_30)));
    let input = PassInput { remaining_bytes: days_30 + 1, ..input };
    assert_eq!(forecast(&input).eta_seconds, None);
}

#[test]
fn a_meter_forgets_second_by_second() {
    let mut meter = Meter::default();
    assert_eq!(meter.per_second(0), 0);
    for second in 0..10 {
        meter.add(100 * (second + 1), second * 1000 + 999);
    }
    assert_eq!(meter.per_second(9_999), 550);
    assert_eq!(meter.per_second(10_000), 540, "the first hundred");
    assert_eq!(meter.per_second(14_000), 400, "up to the fifth");
    assert_eq!(meter.per_second(18_999), 100);
    assert_eq!(meter.per_second(19_000), 0);
}

#[test]
fn a_disk_of_which_nothing_is_known_has_everything_left_and_no_estimate() {
    let idle = Progress::idle(4096);
    assert_eq!((idle.state, idle.size_bytes, idle.remaining_bytes), (ReplicationState::Idle, 4096, 4096));
    assert_eq!((idle.eta_seconds, idle.freeze_forecast_ms, idle.counters.sent_bytes), (None, None, 0));
}
