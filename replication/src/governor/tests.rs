//! A governor and what it is told, window by window. The disk behind it is as fast as the test says; for one with a queue
//! see `tests/governor.rs`.

use super::*;
use proptest::prelude::*;

/// Reads of ours in a second at full pace.
const OWN_READS: u64 = 100;

/// A disk of which everything is said by the test.
struct Bench {
    governor: Governor,
    now_ms: u64,
    counts: Counts,
    own_reads: u64,
    own_a_second: u64,
    under_way: u64,
    /// What a probe and a write take while we rest, and while we read.
    idle_us: u64,
    busy_us: u64,
    /// Of users, in a second.
    writes: u64,
    reads: u64,
    /// Whether the kernel counts.
    iostats: bool,
}

impl Bench {
    fn new(idle_us: u64, busy_us: u64) -> Self {
        Self {
            governor: Governor::new(1, 0),
            now_ms: 0,
            counts: Counts::default(),
            own_reads: 0,
            own_a_second: OWN_READS,
            under_way: 0,
            idle_us,
            busy_us,
            writes: 50,
            reads: 0,
            iostats: true,
        }
    }

    /// A second of reading, after the rest that may be due; the pace after it.
    fn window(&mut self) -> Pace {
        self.rest();
        self.step()
    }

    fn rest(&mut self) {
        while self.governor.window().rests {
            self.step();
        }
    }

    /// One window as the governor wants it.
    fn step(&mut self) -> Pace {
        let window = self.governor.window();
        let span_ms = window.part_ms * u64::from(window.parts);
        let share = |a_second: u64| a_second * span_ms / 1000;
        let own = if window.rests { 0 } else { share(self.own_a_second) };
        let us = if window.rests { self.idle_us } else { self.busy_us };
        let probes = if self.governor.wants_probe(0) { u64::from(window.parts) } else { 0 };
        self.own_reads += own + probes;
        if self.iostats {
            self.counts.reads += own + probes + share(self.reads);
            self.counts.writes += share(self.writes);
            self.counts.write_ms += share(self.writes) * us / 1000;
        }
        self.now_ms += span_ms;
        self.tell(Some(self.counts), probes, probes * us)
    }

    fn tell(&mut self, counts: Option<Counts>, probes: u64, probes_us: u64) -> Pace {
        let sample = Sample { counts, own_reads: self.own_reads, own_under_way: self.under_way, probes, probes_us };
        self.governor.ended(self.now_ms, &[sample]);
        self.governor.pace(0)
    }

    fn run(&mut self, windows: usize) -> Vec<Pace> {
        (0..windows).map(|_| self.window()).collect()
    }

    /// Until something is usual; at full pace.
    fn settled(mut self) -> Self {
        let (busy, idle) = (self.busy_us, self.idle_us);
        self.busy_us = idle;
        let paces = self.run(12);
        assert!(paces.iter().all(|pace| *pace == Pace::FULL), "{paces:?}");
        self.busy_us = busy;
        self
    }
}

#[test]
fn a_disk_that_becomes_slow_for_its_users_halves_us_from_the_second_slow_second_on() {
    let mut bench = Bench::new(6_000, 42_000).settled();
    assert_eq!(bench.window(), Pace::FULL, "one slow second may be an accident");
    assert_eq!(bench.governor.held(0), None);
    let percents: Vec<u64> = bench.run(4).into_iter().map(Pace::percent).collect();
    assert_eq!(percents, [50, 25, 12, 6]);
    let held = Held { answers_ms: 42, usually_ms: 6, percent: 6, recovers: false };
    assert_eq!(bench.governor.held(0), Some(held));
}

#[test]
fn one_slow_second_now_and_then_holds_nothing_back() {
    let mut bench = Bench::new(6_000, 42_000).settled();
    for _ in 0..10 {
        bench.busy_us = 42_000;
        assert_eq!(bench.window(), Pace::FULL);
        bench.busy_us = 6_000;
        bench.run(2);
    }
    assert_eq!(bench.governor.pace(0), Pace::FULL);
}

#[test]
fn a_disk_that_answers_again_is_read_faster_by_a_twentieth_each_second() {
    let mut bench = Bench::new(6_000, 42_000).settled();
    bench.run(3);
    bench.busy_us = 7_000;
    assert_eq!(bench.window().percent(), 30);
    assert!(bench.governor.held(0).unwrap().recovers);
    bench.run(20);
    assert_eq!((bench.governor.pace(0), bench.governor.held(0)), (Pace::FULL, None));
}

#[test]
fn three_times_and_two_milliseconds_are_not_yet_slow() {
    for (idle_us, busy_us) in [(200, 2_600), (6_000, 20_000)] {
        let mut bench = Bench::new(idle_us, busy_us).settled();
        assert!(bench.run(30).iter().all(|pace| *pace == Pace::FULL));
        let mut bench = Bench::new(idle_us, busy_us + 1_000).settled();
        assert!(bench.run(30).iter().any(|pace| *pace < Pace::FULL));
    }
}

#[test]
fn a_disk_that_is_slow_by_itself_is_not_held_against_us() {
    let mut bench = Bench::new(80_000, 90_000).settled();
    assert!(bench.run(200).iter().all(|pace| *pace == Pace::FULL), "slow from the beginning");
    (bench.idle_us, bench.busy_us) = (600_000, 600_000);
    let paces = bench.run(120);
    assert!(paces.contains(&Pace::LEAST), "at first it seems to be us");
    assert_eq!(paces.last(), Some(&Pace::FULL), "two rests say that it is not");
}

#[test]
fn a_rest_that_meets_a_flush_does_not_change_what_is_usual() {
    let mut bench = Bench::new(6_000, 6_000).settled();
    bench.run(130);
    while bench.governor.stage != Stage::Quiet {
        bench.step();
    }
    bench.idle_us = 300_000;
    bench.step();
    bench.idle_us = 6_000;
    bench.busy_us = 42_000;
    bench.run(8);
    assert!(bench.governor.pace(0) < Pace::FULL);
    assert_eq!(bench.governor.held(0).unwrap().usually_ms, 6);
}

#[test]
fn where_nobody_else_uses_the_disk_nobody_is_waited_for() {
    let mut bench = Bench::new(1_000, 90_000);
    bench.writes = 2;
    assert!(bench.run(100).iter().all(|pace| *pace == Pace::FULL));
    assert!(!bench.governor.wants_probe(0), "nor is anything measured for nobody");
    bench.reads = 100;
    bench.run(150);
    assert!(bench.governor.pace(0) < Pace::FULL, "readers are seen while we rest");
}

#[test]
fn once_the_users_are_gone_or_we_hardly_read_nothing_is_held_against_us() {
    for (writes, own_a_second) in [(0, OWN_READS), (50, 3)] {
        let mut bench = Bench::new(6_000, 42_000).settled();
        bench.run(3);
        let held = bench.governor.pace(0);
        bench.rest();
        (bench.writes, bench.own_a_second) = (writes, own_a_second);
        assert!(bench.window() > held, "{writes} writes, {own_a_second} reads of ours");
        assert!(bench.window() > held);
    }
}

#[test]
fn writes_of_users_are_enough_where_a_probe_is_fast() {
    let mut bench = Bench::new(6_000, 6_000).settled();
    for _ in 0..4 {
        bench.rest();
        let probes = u64::from(PROBES);
        bench.own_reads += OWN_READS + probes;
        bench.counts.reads += OWN_READS + probes;
        bench.counts.writes += 50;
        bench.counts.write_ms += 50 * 60;
        bench.now_ms += WINDOW_MS;
        bench.tell(Some(bench.counts), probes, probes * 6_000);
    }
    assert_eq!(bench.governor.held(0).map(|held| (held.answers_ms, held.percent)), Some((60, 12)));
}

#[test]
fn a_flush_of_the_page_cache_waits_for_itself() {
    let mut bench = Bench::new(6_000, 6_000).settled();
    for _ in 0..4 {
        bench.rest();
        bench.own_reads += OWN_READS;
        bench.counts.reads += OWN_READS;
        bench.counts.writes += 400;
        bench.counts.write_ms += 400 * 120;
        bench.now_ms += WINDOW_MS;
        assert_eq!(bench.tell(Some(bench.counts), 0, 0), Pace::FULL);
    }
}

#[test]
fn the_first_rest_is_at_once_where_somebody_writes_and_after_ten_seconds_elsewhere() {
    let mut bench = Bench::new(1_000, 1_000);
    bench.run(2);
    assert!(bench.governor.window().rests);
    let mut bench = Bench::new(1_000, 1_000);
    bench.writes = 0;
    bench.run(10);
    assert!(!bench.governor.window().rests);
    bench.window();
    assert!(bench.governor.window().rests);
}

#[test]
fn a_rest_drains_measures_and_comes_again_after_a_minute_of_reading_or_ten_seconds_of_being_held_back() {
    let mut bench = Bench::new(6_000, 6_000).settled();
    let rests = |bench: &mut Bench, windows: usize| {
        let resting = (0..windows).filter(|_| {
            let rests = bench.governor.window().rests;
            bench.step();
            rests
        });
        resting.count()
    };
    assert_eq!(rests(&mut bench, 186), 6, "three rests of two windows in 180 s");
    bench.busy_us = 42_000;
    bench.run(2);
    assert_eq!(rests(&mut bench, 36), 6, "three in 30 s");
}

#[test]
fn a_rest_in_which_we_read_says_nothing() {
    let mut bench = Bench::new(6_000, 42_000);
    while bench.governor.stage != Stage::Quiet {
        bench.step();
    }
    bench.own_reads += 5;
    bench.counts.reads += 5;
    bench.step();
    assert!(!bench.governor.wants_probe(0), "nothing is usual yet");
    assert_eq!(bench.run(9), [Pace::FULL; 9]);
    bench.run(1);
    assert!(bench.governor.window().rests, "it is tried again after ten seconds");
}

#[test]
fn a_rest_measures_when_what_was_begun_has_ended_and_waits_a_second_for_it() {
    let mut bench = Bench::new(6_000, 42_000);
    bench.under_way = 2;
    bench.run(2);
    for _ in 0..2 {
        bench.step();
        assert_eq!(bench.governor.stage, Stage::Draining);
    }
    bench.under_way = 0;
    bench.step();
    assert_eq!(bench.governor.stage, Stage::Quiet);
    bench.under_way = 1;
    bench.run(2);
    let draining = |bench: &mut Bench| {
        while bench.governor.stage == Stage::Reading {
            bench.step();
        }
        let began_ms = bench.now_ms;
        while bench.governor.stage == Stage::Draining {
            bench.step();
        }
        bench.now_ms - began_ms
    };
    assert_eq!(draining(&mut bench), 1_000, "a disk that hangs is not waited for");
}

#[test]
fn an_attempt_under_a_freeze_ends_a_rest_and_is_not_judged() {
    let mut bench = Bench::new(6_000, 42_000).settled();
    bench.run(2);
    bench.step();
    assert_eq!(bench.governor.stage, Stage::Quiet);
    let held = bench.governor.pace(0);
    bench.governor.interrupted(bench.now_ms);
    assert!(!bench.governor.window().rests);
    assert_eq!(bench.window(), held, "what was read meanwhile is nobody's second");
    assert_eq!(bench.window(), held, "and one slow second may be an accident");
    assert!(bench.window() < held);
}

#[test]
fn without_statistics_nothing_is_held_back_and_nothing_rests() {
    let mut bench = Bench::new(6_000, 42_000).settled();
    bench.run(4);
    assert!(bench.governor.pace(0) < Pace::FULL);
    bench.iostats = false;
    bench.run(3);
    for _ in 0..200 {
        assert!(!bench.governor.window().rests);
        assert_eq!(bench.step(), Pace::FULL);
    }
    bench.iostats = true;
    bench.run(10);
    assert!(bench.governor.pace(0) < Pace::FULL, "switched on again, with what was usual");
    bench.own_reads += OWN_READS;
    bench.now_ms += WINDOW_MS;
    assert_eq!(bench.tell(None, 0, 0), Pace::FULL, "a file that cannot be read is the same");
}

#[test]
fn counters_and_clocks_that_go_back_and_long_gaps_are_not_judged() {
    let mut bench = Bench::new(6_000, 42_000).settled();
    bench.run(3);
    let held = bench.governor.pace(0);
    let began_anew: [fn(&mut Bench); 4] = [
        |bench| bench.counts.reads = 0,
        |bench| bench.counts.writes = 0,
        |bench| bench.own_reads = 0,
        |bench| bench.counts.write_ms = 0,
    ];
    for begin_anew in began_anew {
        begin_anew(&mut bench);
        assert_eq!(bench.window(), held, "a counter began anew");
    }
    assert_eq!(bench.window(), held, "and one slow second may be an accident");
    bench.now_ms += 10 * LONGEST_WINDOW_MS;
    assert_eq!(bench.window(), held, "the machine slept");
    bench.now_ms = 5;
    assert_eq!(bench.window(), held, "the clock went back");
    bench.run(3);
    assert!(bench.governor.pace(0) < held, "and then it goes on");
}

#[test]
fn a_pace_is_a_share_of_time_and_of_a_budget() {
    let half = Pace::FULL.halved();
    assert_eq!((half.pause_us(700), half.charge(700)), (700, 1400));
    assert_eq!((Pace::FULL.pause_us(700), Pace::FULL.charge(700)), (0, 700));
    assert_eq!(Pace::LEAST.pause_us(1_000), 19_000);
    assert_eq!(Pace::LEAST.pause_us(u64::MAX), Pace::LONGEST_PAUSE_US, "a disk that hung for an hour is read again");
}

#[test]
fn the_kernels_line_is_read_at_its_three_places_whatever_follows() {
    let expected = Some(Counts { reads: 3446926, writes: 10444399, write_ms: 2521869 });
    let old = " 3446926 3895 1172940763 4208753 10444399 706812 179781915 2521869 0 1491028 7109939\n";
    assert_eq!(Counts::parse(old), expected);
    assert_eq!(Counts::parse(&format!("{} 15829 426 154001540 5758", old.trim())), expected);
    for broken in ["", "1 2 3", "a b c d e f g h", "1 2 3 4 5 6 7 -8"] {
        assert_eq!(Counts::parse(broken), None, "{broken:?}");
    }
}

fn sample() -> impl Strategy<Value = Sample> {
    let number = || prop_oneof![0..2_000u64, any::<u64>()];
    let counts = proptest::option::weighted(0.9, (number(), number(), number()));
    (counts, number(), 0..6u64, number()).prop_map(|(counts, own_reads, probes, probes_us)| Sample {
        counts: counts.map(|(reads, writes, write_ms)| Counts { reads, writes, write_ms }),
        own_reads,
        own_under_way: own_reads % 3,
        probes,
        probes_us,
    })
}

proptest! {
    #[test]
    fn whatever_is_measured_the_pace_stays_between_a_twentieth_and_all(
        steps in prop::collection::vec((prop_oneof![0..100_000u64, any::<u64>()], [sample(), sample()]), 1..80),
    ) {
        let mut governor = Governor::new(2, 1_000);
        for (now_ms, samples) in steps {
            governor.ended(now_ms, &samples);
            for disk in 0..3 {
                prop_assert!((Pace::LEAST..=Pace::FULL).contains(&governor.pace(disk)));
                prop_assert!(governor.held(disk).is_none_or(|held| held.percent < 100));
            }
            prop_assert!(governor.window().part_ms > 0);
        }
    }

    #[test]
    fn growing_counts_of_any_kind_never_leave_the_bounds_and_never_rest_twice_in_ten_seconds(
        steps in prop::collection::vec((0..200u64, 0..200u64, 0..200_000u64, 0..2_000_000u64), 1..300),
    ) {
        let (mut governor, mut counts, mut own_reads) = (Governor::new(1, 0), Counts::default(), 0);
        let (mut now_ms, mut last_rest_ms) = (0, None);
        for (own, writes, write_ms, probes_us) in steps {
            let window = governor.window();
            now_ms += window.part_ms * u64::from(window.parts);
            let own = if window.rests { 4 } else { own };
            own_reads += own;
            counts = Counts {
                reads: counts.reads + own,
                writes: counts.writes + writes,
                write_ms: counts.write_ms + write_ms,
            };
            let was_quiet = governor.stage == Stage::Quiet;
            governor.ended(now_ms, &[Sample { counts: Some(counts), own_reads, own_under_way: 0, probes: 4.min(own), probes_us }]);
            prop_assert!((Pace::LEAST..=Pace::FULL).contains(&governor.pace(0)));
            if was_quiet {
                prop_assert!(last_rest_ms.is_none_or(|last| now_ms - last >= REST_AFTER_HELD_MS), "at {now_ms} ms");
                last_rest_ms = Some(now_ms);
            }
        }
    }

    #[test]
    fn a_faster_disk_is_never_read_slower(idle_us in 100..50_000u64, busy_us in 100..400_000u64, faster in 1..20u64) {
        let mut slow = Bench::new(idle_us, busy_us).settled();
        let mut fast = Bench::new(idle_us, busy_us / faster).settled();
        for (slow, fast) in slow.run(60).into_iter().zip(fast.run(60)) {
            prop_assert!(fast >= slow);
        }
    }
}
