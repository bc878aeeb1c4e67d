//! The governor at a disk with a queue: users who want something of it now and then, a copy with two lanes that always wants
//! more, one arm that serves whoever came first. No clock: an hour is a fraction of a second.
#![allow(clippy::unwrap_used)]

use qianyun_replication::governor::{Counts, Governor, Pace, Sample};

/// As many as the agent opens.
const LANES: usize = 2;
/// What our reads of a MiB, a user's write and a probe take of the arm: a disk of spinning platters.
const READ_US: u64 = 10_000;
const SMALL_US: u64 = 4_000;
/// Between two reads of a lane, for hashing and sending.
const THINK_US: u64 = 2_000;

/// The disk and all who use it. Times are microseconds.
struct World {
    governor: Option<Governor>,
    /// How much slower than new it is, for everybody.
    worn: u64,
    free_at: u64,
    lanes: [u64; LANES],
    user: u64,
    user_every: u64,
    counts: Counts,
    own_reads: u64,
    /// What users waited for, and how many, since somebody asked.
    waited: (u64, u64),
    copied: u64,
    window_at: u64,
}

impl World {
    fn new(governed: bool, user_every: u64) -> Self {
        Self {
            governor: governed.then(|| Governor::new(1, 0)),
            worn: 1,
            free_at: 0,
            lanes: [0; LANES],
            user: 0,
            user_every,
            counts: Counts::default(),
            own_reads: 0,
            waited: (0, 0),
            copied: 0,
            window_at: 0,
        }
    }

    /// Whoever comes at `at` is served after all who came before; when it is done.
    fn serve(&mut self, at: u64, takes: u64) -> u64 {
        self.free_at = self.free_at.max(at) + takes * self.worn;
        self.free_at
    }

    fn pace(&self) -> Pace {
        self.governor.as_ref().map_or(Pace::FULL, |governor| governor.pace(0))
    }

    /// All who come before `end`, in the order in which they come.
    fn until(&mut self, end: u64, rests: bool) {
        loop {
            let lane = (0..LANES).min_by_key(|lane| self.lanes[*lane]).unwrap();
            let lane_at = if rests { u64::MAX } else { self.lanes[lane] };
            let at = lane_at.min(self.user);
            if at >= end {
                break;
            }
            if at == self.user {
                let done = self.serve(at, SMALL_US);
                self.waited = (self.waited.0 + done - at, self.waited.1 + 1);
                self.counts.writes += 1;
                self.counts.write_ms += (done - at) / 1000;
                self.user += self.user_every;
            } else {
                let done = self.serve(at, READ_US) + THINK_US;
                self.lanes[lane] = done + self.pace().pause_us(done - at);
                self.counts.reads += 1;
                self.own_reads += 1;
                self.copied += 1;
            }
        }
    }

    /// One window.
    fn window(&mut self) {
        let window = self.governor.clone().unwrap_or_else(|| Governor::new(1, 0)).window();
        let (mut probes, mut probes_us) = (0, 0);
        for _ in 0..window.parts {
            let end = self.window_at + window.part_ms * 1000;
            self.until(end, window.rests);
            self.window_at = end;
            if self.governor.as_ref().is_some_and(|governor| governor.wants_probe(0)) {
                probes_us += self.serve(end, SMALL_US) - end;
                probes += 1;
                self.counts.reads += 1;
                self.own_reads += 1;
            }
        }
        if window.rests {
            self.lanes = self.lanes.map(|at| at.max(self.window_at));
        }
        let sample =
            Sample { counts: Some(self.counts), own_reads: self.own_reads, own_under_way: 0, probes, probes_us };
        if let Some(governor) = &mut self.governor {
            governor.ended(self.window_at / 1000, &[sample]);
        }
    }

    /// Goes on for `seconds`; what users waited in the mean, microseconds, and MiB copied in a second.
    fn run(&mut self, seconds: u64) -> (u64, u64) {
        (self.waited, self.copied) = ((0, 0), 0);
        let end = self.window_at + seconds * 1_000_000;
        while self.window_at < end {
            self.window();
        }
        (self.waited.0 / self.waited.1.max(1), self.copied / seconds)
    }
}

const NOBODY: u64 = u64::MAX / 2;

#[test]
fn users_wait_less_and_the_copy_goes_on() {
    let every = 25_000;
    let (without, at_most) = World::new(false, every).run(300);
    let mut world = World::new(true, every);
    world.run(60);
    let (with, copied) = world.run(300);
    println!("users wait {without} us beside a copy of {at_most} MiB/s, {with} us beside one of {copied} MiB/s");
    assert!(without > 3 * SMALL_US + 2000, "without a governor they suffer: {without} us");
    assert!(with < 3 * SMALL_US + 2000, "with it they do not: {with} us");
    assert!(copied * 4 > at_most, "{copied} of {at_most} MiB/s");
}

#[test]
fn a_disk_without_users_is_copied_as_fast_as_without_a_governor() {
    let mut alone = World::new(true, NOBODY);
    alone.user = NOBODY;
    let mut ungoverned = World::new(false, NOBODY);
    ungoverned.user = NOBODY;
    let (copied, at_most) = (alone.run(600).1, ungoverned.run(600).1);
    assert!(copied * 100 >= at_most * 98, "{copied} of {at_most} MiB/s: rests take a hundredth");
}

#[test]
fn when_users_go_home_the_copy_is_fast_again_within_half_a_minute() {
    let mut world = World::new(true, 25_000);
    world.run(120);
    assert!(world.pace() < Pace::FULL);
    world.user = NOBODY;
    world.run(30);
    assert_eq!(world.pace(), Pace::FULL);
}

#[test]
fn a_disk_that_wears_out_takes_the_copy_down_with_it_and_not_to_nothing() {
    let mut world = World::new(true, 100_000);
    let (_, before) = world.run(300);
    world.worn = 4;
    world.run(60);
    let (_, after) = world.run(600);
    println!("{before} MiB/s, and {after} MiB/s of a disk that takes four times as long");
    assert!(after * 8 > before, "{after} MiB/s of {before}: a quarter, less what users now need more");
}

#[test]
fn a_disk_that_is_drowned_by_its_users_is_still_copied() {
    // They want more than the arm has.
    let mut world = World::new(true, 3_900);
    world.run(60);
    world.run(600);
    assert!(world.copied > 100, "{} MiB in 600 s", world.copied);
}
