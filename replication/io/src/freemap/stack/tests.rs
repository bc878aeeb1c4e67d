//! Stacks in memory: the server of the issue, every doubt one by one, and any stack at all against a count byte by byte.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Who is built from what; `None` is a device that is not understood, with what it lies on.
#[derive(Debug, Default)]
struct World {
    built: BTreeMap<DeviceNumber, Option<Vec<Segment>>>,
    below: BTreeMap<DeviceNumber, Vec<DeviceNumber>>,
}

impl World {
    fn with(mut self, device: DeviceNumber, pieces: &[(DeviceNumber, Range<u64>)]) -> Self {
        let (mut segments, mut at) = (Vec::new(), 0);
        for (below, lower) in pieces {
            let len = lower.end - lower.start;
            // Halves of a mirror hold the same bytes of it; everything else goes on where the last piece ended.
            let first = if device.major == MIRROR { 0 } else { at };
            segments.push(Segment { upper: first..first + len, device: *below, lower: lower.clone() });
            at += len;
        }
        self.below.insert(device, pieces.iter().map(|(below, _)| *below).collect());
        self.built.insert(device, Some(segments));
        self
    }

    fn unknown(mut self, device: DeviceNumber, below: &[DeviceNumber]) -> Self {
        self.below.insert(device, below.to_vec());
        self.built.insert(device, None);
        self
    }
}

impl Layers for World {
    fn holders(&self, device: DeviceNumber) -> Option<Vec<DeviceNumber>> {
        Some(self.below.iter().filter(|(_, below)| below.contains(&device)).map(|(holder, _)| *holder).collect())
    }

    fn build(&self, device: DeviceNumber) -> Option<Vec<Segment>> {
        self.built.get(&device)?.clone()
    }
}

const MIRROR: u32 = 9;

fn one(start: u64, end: u64) -> Vec<Range<u64>> {
    vec![Range { start, end }]
}

fn sda(minor: u32) -> DeviceNumber {
    DeviceNumber { major: 8, minor }
}

fn md(minor: u32) -> DeviceNumber {
    DeviceNumber { major: MIRROR, minor }
}

fn dm(minor: u32) -> DeviceNumber {
    DeviceNumber { major: 254, minor }
}

/// One of two disks: a mirror for `/boot`; a mirror, LUKS, and on it two volumes, the first in two pieces.
fn server() -> (Vec<(DeviceNumber, Range<u64>)>, World) {
    let world = World::default()
        .with(md(0), &[(sda(2), 10..90), (sda(18), 10..90)])
        .with(md(1), &[(sda(3), 20..1000), (sda(19), 20..1000)])
        .with(dm(0), &[(md(1), 100..980)])
        .with(dm(1), &[(dm(0), 10..310), (dm(0), 610..710)])
        .with(dm(2), &[(dm(0), 310..510)]);
    (vec![(sda(1), 0..100), (sda(2), 100..200), (sda(3), 1000..2000)], world)
}

#[test]
fn a_root_on_lvm_on_luks_on_a_mirror_is_found_through_all_of_them() {
    let (plain, world) = server();
    let tops = tops(&plain, &world);
    assert_eq!(tops.keys().copied().collect::<Vec<_>>(), [sda(1), md(0), dm(1), dm(2)]);
    assert_eq!(tops[&md(0)].on_disk(one(0, 8)), [Range { start: 110, end: 118 }]);
    assert_eq!(tops[&dm(1)].on_disk(one(290, 310)), [1420..1430, 1730..1740]);
    assert_eq!(tops[&dm(2)].on_disk(one(0, u64::MAX)), [Range { start: 1430, end: 1630 }]);
}

#[test]
fn both_halves_of_a_mirror_on_one_disk_are_found() {
    let world = World::default().with(md(0), &[(sda(1), 0..50), (sda(2), 0..50)]);
    let tops = tops(&[(sda(1), 0..50), (sda(2), 50..100)], &world);
    assert_eq!(tops[&md(0)].on_disk(one(10, 20)), [10..20, 60..70]);
}

#[test]
fn a_holder_that_is_not_understood_takes_all_it_lies_on_and_nothing_else() {
    // A thin pool in the volume that is not the root's: the root is found all the same.
    let (plain, world) = server();
    let thin = tops(&plain, &world.unknown(dm(3), &[dm(2)]));
    assert_eq!(thin.keys().copied().collect::<Vec<_>>(), [sda(1), md(0), dm(1)]);
    // A striped volume beside them, right in what LUKS opens: nobody knows where.
    let (plain, world) = server();
    let striped = tops(&plain, &world.unknown(dm(3), &[dm(0)]));
    assert_eq!(striped.keys().copied().collect::<Vec<_>>(), [sda(1), md(0)]);
}

#[test]
fn two_volumes_that_hold_the_same_bytes_are_both_refused() {
    let (plain, world) = server();
    let tops = tops(&plain, &world.with(dm(3), &[(dm(0), 509..520)]));
    assert_eq!(tops.keys().copied().collect::<Vec<_>>(), [sda(1), md(0)]);
}

#[test]
fn a_holder_whose_table_does_not_name_the_device_is_in_doubt() {
    // As while a volume is being extended onto this device: held already, and not yet mapped.
    let mut world = World::default().with(dm(0), &[(sda(2), 0..10)]);
    world.below.insert(dm(0), vec![sda(1), sda(2)]);
    let tops = tops(&[(sda(1), 0..50), (sda(2), 50..100)], &world);
    assert_eq!(tops[&dm(0)].on_disk(one(0, u64::MAX)), [Range { start: 50, end: 60 }]);
    assert_eq!(tops.len(), 1);
}

#[test]
fn layers_without_end_are_not_followed() {
    let mut world = World::default();
    for layer in 0..20 {
        let below = if layer == 0 { sda(1) } else { dm(layer - 1) };
        world = world.with(dm(layer), &[(below, 0..10)]);
    }
    assert!(tops(&[(sda(1), 0..50)], &world).is_empty());
    // The kernel allows no circle; if its texts said so, it would end too.
    let circle = World::default().with(dm(0), &[(dm(1), 0..10), (sda(1), 0..10)]).with(dm(1), &[(dm(0), 0..10)]);
    assert!(tops(&[(sda(1), 0..50)], &circle).is_empty());
}

/// The bytes of a device with their bytes on the disk, one by one.
fn bytes_of(world: &World, plain: &[(DeviceNumber, Range<u64>)], device: DeviceNumber) -> Vec<(u64, u64)> {
    if let Some((_, part)) = plain.iter().find(|(number, _)| *number == device) {
        return (0..).zip(part.clone()).collect();
    }
    let Some(segments) = world.build(device) else { return Vec::new() };
    let through = |segment: Segment| {
        let below = bytes_of(world, plain, segment.device);
        let lower = segment.lower.clone();
        let here = below.into_iter().filter(move |(byte, _)| lower.contains(byte));
        here.map(move |(byte, disk)| (segment.upper.start + (byte - segment.lower.start), disk))
    };
    segments.into_iter().flat_map(through).collect()
}

/// What a device may hold of the disk, however it is built.
fn may_hold(world: &World, plain: &[(DeviceNumber, Range<u64>)], device: DeviceNumber) -> BTreeSet<u64> {
    let mut held: BTreeSet<u64> = bytes_of(world, plain, device).into_iter().map(|(_, disk)| disk).collect();
    for below in world.below.get(&device).into_iter().flatten() {
        if world.build(device).is_none() || world.build(*below).is_none() && world.below.contains_key(below) {
            held.extend(may_hold(world, plain, *below));
        }
    }
    held
}

/// Stacks over three partitions of this disk and one of another: each device on any that were there before.
fn stacks() -> impl Strategy<Value = (Vec<(DeviceNumber, Range<u64>)>, World)> {
    let piece = (any::<prop::sample::Index>(), 0u64..20, 1u64..12);
    let device = (0u8..8, prop::collection::vec(piece, 1..4));
    prop::collection::vec(device, 0..6).prop_map(|devices| {
        let mut there = vec![sda(1), sda(2), sda(3), sda(17)];
        let mut world = World::default();
        for (number, (kind, pieces)) in (0..).zip(devices) {
            let below = |index: prop::sample::Index| *index.get(&there);
            let device = if kind == 1 { md(number) } else { dm(number) };
            world = match kind {
                0 => world.unknown(device, &pieces.iter().map(|piece| below(piece.0)).collect::<Vec<_>>()),
                1 => {
                    let len = pieces[0].2;
                    let halves: Vec<_> = pieces.iter().map(|(index, at, _)| (below(*index), *at..at + len)).collect();
                    world.with(device, &halves)
                }
                _ => {
                    let parts: Vec<_> = pieces.iter().map(|(index, at, len)| (below(*index), *at..at + len)).collect();
                    world.with(device, &parts)
                }
            };
            there.push(device);
        }
        (vec![(sda(1), 4..24), (sda(2), 24..44), (sda(3), 50..60)], world)
    })
}

proptest! {
    #[test]
    fn every_byte_of_the_disk_has_one_owner_at_most_and_nobody_else_can_hold_it((plain, world) in stacks()) {
        let found = tops(&plain, &world);
        let mut owned = BTreeSet::new();
        for (device, place) in &found {
            let expected = bytes_of(&world, &plain, *device);
            for byte in 0..200 {
                for disk in place.on_disk(one(byte, byte + 1)) {
                    prop_assert_eq!(disk.end - disk.start, 1);
                    prop_assert!(expected.contains(&(byte, disk.start)), "{} at {}", byte, disk.start);
                    prop_assert!(owned.insert(disk.start), "{} has two owners", disk.start);
                }
            }
            prop_assert!(place.on_disk(one(200, u64::MAX)).is_empty());
        }
        let is_top = |device: &DeviceNumber| world.holders(*device).is_some_and(|holders| holders.is_empty());
        for other in world.built.keys().filter(|device| is_top(device)) {
            let others = may_hold(&world, &plain, *other);
            for (_, place) in found.iter().filter(|(device, _)| *device != other) {
                let theirs = place.on_disk(one(0, u64::MAX));
                prop_assert!(!theirs.iter().any(|range| others.range(range.clone()).next().is_some()));
            }
        }
    }
}
