//! The lanes of one link: what is on its way on each, how much more may be, and which barriers came back.
//!
//! Never here: what a block is; the disk is told by chunk and ticket.

use crate::geometry::DeviceId;
use std::collections::BTreeMap;

/// What a lane's sequence number stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InFlight {
    pub(super) device: DeviceId,
    pub(super) chunk: u64,
    pub(super) ticket: u64,
    pub(super) bytes: u64,
}

#[derive(Debug, Default)]
struct Lane {
    last_seq: u64,
    copies: BTreeMap<u64, InFlight>,
    compares: BTreeMap<u64, InFlight>,
    copy_bytes: u64,
    barrier_reached: u64,
}

/// The most comparisons that a lane has asked for and not heard of: a few disk reads of the receiver ahead.
const MAX_COMPARES: usize = 16;

#[derive(Debug)]
pub(super) struct Link {
    pub(super) epoch: u32,
    pub(super) window_bytes: u64,
    lanes: Vec<Lane>,
    barrier: u64,
    /// Chunks the receiver still has to read back, by the newest acknowledgement.
    pub(super) target_unproved_chunks: u64,
}

impl Link {
    pub(super) fn new(epoch: u32, window_bytes: u64, lanes: u16) -> Self {
        let lanes = (0..lanes).map(|_| Lane::default()).collect();
        Self { epoch, window_bytes, lanes, barrier: 0, target_unproved_chunks: 0 }
    }

    pub(super) fn lanes(&self) -> u16 {
        u16::try_from(self.lanes.len()).expect("made from a u16")
    }

    /// The number that the next job on `lane` will have.
    pub(super) fn next_seq(&self, lane: u16) -> Option<u64> {
        self.lanes.get(usize::from(lane)).map(|lane| lane.last_seq + 1)
    }

    /// Whether the window lets another copy go. One always may, so that a window below a chunk does not stand still.
    pub(super) fn may_copy(&self, lane: u16) -> bool {
        self.lanes
            .get(usize::from(lane))
            .is_some_and(|lane| lane.copy_bytes < self.window_bytes || lane.copies.is_empty())
    }

    pub(super) fn may_compare(&self, lane: u16) -> bool {
        self.lanes.get(usize::from(lane)).is_some_and(|lane| lane.compares.len() < MAX_COMPARES)
    }

    pub(super) fn copy_sent(&mut self, lane: u16, in_flight: InFlight) {
        if let Some(lane) = self.lanes.get_mut(usize::from(lane)) {
            lane.last_seq += 1;
            lane.copy_bytes += in_flight.bytes;
            lane.copies.insert(lane.last_seq, in_flight);
        }
    }

    pub(super) fn compare_sent(&mut self, lane: u16, in_flight: InFlight) {
        if let Some(lane) = self.lanes.get_mut(usize::from(lane)) {
            lane.last_seq += 1;
            lane.compares.insert(lane.last_seq, in_flight);
        }
    }

    /// Copies up to `seq` are durable.
    pub(super) fn acked(&mut self, lane: u16, seq: u64) -> Vec<InFlight> {
        let Some(lane) = self.lanes.get_mut(usize::from(lane)) else { return Vec::new() };
        let left = lane.copies.split_off(&seq.saturating_add(1));
        let done: Vec<InFlight> = std::mem::replace(&mut lane.copies, left).into_values().collect();
        lane.copy_bytes -= done.iter().map(|d| d.bytes).sum::<u64>();
        done
    }

    /// Copy `seq` will not be acknowledged.
    pub(super) fn take_copy(&mut self, lane: u16, seq: u64) -> Option<InFlight> {
        let lane = self.lanes.get_mut(usize::from(lane))?;
        let taken = lane.copies.remove(&seq)?;
        lane.copy_bytes -= taken.bytes;
        Some(taken)
    }

    /// Comparison `seq` was answered or given up.
    pub(super) fn take_compare(&mut self, lane: u16, seq: u64) -> Option<InFlight> {
        self.lanes.get_mut(usize::from(lane))?.compares.remove(&seq)
    }

    /// How many copies and comparisons were answered; `None` if none is on its way.
    pub(super) fn awaited_after(&self) -> Option<u64> {
        let on_the_way = |lane: &Lane| (lane.copies.len() + lane.compares.len()) as u64;
        let begun: u64 = self.lanes.iter().map(|lane| lane.last_seq).sum();
        let left: u64 = self.lanes.iter().map(on_the_way).sum();
        (left > 0).then_some(begun - left)
    }

    pub(super) fn begin_barrier(&mut self) -> u64 {
        self.barrier += 1;
        self.barrier
    }

    pub(super) fn barrier_reached(&mut self, lane: u16, seq: u64) {
        if let Some(lane) = self.lanes.get_mut(usize::from(lane)) {
            lane.barrier_reached = lane.barrier_reached.max(seq);
        }
    }

    /// Whether every lane has reached the newest barrier, and there was one.
    pub(super) fn barrier_passed(&self) -> bool {
        self.barrier > 0 && self.lanes.iter().all(|lane| lane.barrier_reached >= self.barrier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_flight(chunk: u64, bytes: u64) -> InFlight {
        InFlight { device: DeviceId(0), chunk, ticket: chunk, bytes }
    }

    #[test]
    fn an_acknowledgement_covers_all_before_it_and_opens_the_window() {
        let mut link = Link::new(1, 100, 2);
        link.copy_sent(0, in_flight(1, 60));
        assert!(link.may_copy(0));
        link.compare_sent(0, in_flight(2, 0));
        link.copy_sent(0, in_flight(3, 60));
        assert!(!link.may_copy(0) && link.may_copy(1));
        assert_eq!(link.next_seq(0), Some(4));
        assert_eq!(link.acked(0, 2), vec![in_flight(1, 60)]);
        assert!(link.may_copy(0));
        assert_eq!(link.take_compare(0, 2), Some(in_flight(2, 0)));
        assert_eq!((link.take_copy(0, 3), link.take_copy(0, 3)), (Some(in_flight(3, 60)), None));
    }

    #[test]
    fn a_window_below_a_chunk_does_not_stand_still() {
        assert!(Link::new(1, 0, 1).may_copy(0));
    }

    #[test]
    fn a_barrier_is_passed_when_every_lane_has_reached_the_newest() {
        let mut link = Link::new(1, 100, 2);
        assert!(!link.barrier_passed());
        let first = link.begin_barrier();
        link.barrier_reached(0, first);
        assert!(!link.barrier_passed());
        link.barrier_reached(1, first);
        assert!(link.barrier_passed());
        link.begin_barrier();
        assert!(!link.barrier_passed());
    }

    #[test]
    fn a_lane_that_does_not_exist_is_nobody() {
        let mut link = Link::new(1, 100, 1);
        link.copy_sent(9, in_flight(1, 1));
        assert!(link.acked(9, 9).is_empty() && !link.may_copy(9) && !link.may_compare(9) && link.next_seq(9).is_none());
    }
}
