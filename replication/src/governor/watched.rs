//! One disk as the governor sees it: what is usual, whether anybody else uses it, and the pace that follows. Never waits
//! for a number: a window that says nothing changes nothing.

use super::{Held, PROBES, Pace};

/// Fewer requests are no mean, and fewer users' requests in a second are no users who wait.
const LEAST_REQUESTS: u64 = 3;
/// More writes than this at the same time wait for each other, whatever we do: SATA disks take 32 at a time. So wait the
/// writes of a flush of the page cache, which nobody waits for.
const DEEPEST_WRITES: u64 = 32;
/// Slow is more than so many times what is usual: whoever shares a disk fairly with one more reader waits twice as long, and
/// beyond three times we take more than our share.
const SLOW_TIMES: u64 = 3;
/// And more by so much: kernels before 5.0 count in ticks of 1 to 10 ms, and nobody notices less.
const SLOW_BEYOND_US: u64 = 2000;
/// One slow window may be an accident, two in a row are not.
const SLOW_WINDOWS: u32 = 2;
/// Of our reads, so many may be counted by the kernel and not yet by us, or the other way round: one for each of eight lanes, and a probe.
const IN_FLIGHT: u64 = 9;

/// What the governor does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The copy reads at its pace.
    Reading,
    /// It rests, and what was begun ends.
    Draining,
    /// It rests, and what is usual is measured.
    Quiet,
}

/// What the kernel has counted of a disk since it is there, ours among it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Reads that have ended.
    pub reads: u64,
    /// Writes that have ended.
    pub writes: u64,
    /// For how long they were under way, all added up.
    pub write_ms: u64,
}

impl Counts {
    /// From `/sys/block/<disk>/stat`; later kernels have more numbers behind these.
    pub fn parse(text: &str) -> Option<Self> {
        let numbers = text.split_whitespace().take(8).map(str::parse).collect::<Result<Vec<u64>, _>>().ok()?;
        let &[reads, _, _, _, writes, _, _, write_ms] = numbers.as_slice() else { return None };
        Some(Self { reads, writes, write_ms })
    }
}

/// What was measured in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sample {
    /// At its end; `None` if the kernel does not tell.
    pub counts: Option<Counts>,
    /// Reads of our own that have ended, ever, probes among them.
    pub own_reads: u64,
    /// Reads of our own that have not.
    pub own_under_way: u64,
    /// Probes in this window.
    pub probes: u64,
    /// How long they took, all added up.
    pub probes_us: u64,
}

/// What happened between two samples.
struct Passed {
    reads: u64,
    writes: u64,
    write_ms: u64,
    own_reads: u64,
    probes: u64,
    probes_us: u64,
    span_ms: u64,
}

impl Passed {
    /// `None` if a counter went back: the disk was taken out and put in, or a 32-bit counter began anew.
    fn between((counts, own_reads): (Counts, u64), now: Counts, sample: &Sample, span_ms: u64) -> Option<Self> {
        Some(Self {
            reads: now.reads.checked_sub(counts.reads)?,
            writes: now.writes.checked_sub(counts.writes)?,
            write_ms: now.write_ms.checked_sub(counts.write_ms)?,
            own_reads: sample.own_reads.checked_sub(own_reads)?,
            probes: sample.probes,
            probes_us: sample.probes_us,
            span_ms,
        })
    }

    /// Nothing was read by us but probes.
    fn is_quiet(&self) -> bool {
        self.own_reads <= self.probes
    }

    /// We read less often than the probes would that judge it.
    fn is_light(&self) -> bool {
        self.own_reads.saturating_sub(self.probes) < u64::from(PROBES)
    }

    /// We have read, and the kernel has not counted.
    fn is_uncounted(&self) -> bool {
        self.own_reads > IN_FLIGHT && self.reads == 0
    }

    fn probe_us(&self) -> Option<u64> {
        self.probes_us.checked_div(self.probes)
    }

    fn write_us(&self) -> Option<u64> {
        let flush = self.write_ms > self.span_ms.saturating_mul(DEEPEST_WRITES);
        (self.writes >= LEAST_REQUESTS && !flush).then(|| self.write_ms.saturating_mul(1000) / self.writes)
    }
}

/// What is usual: the median of the last three measurements at rest, so that one that met a flush does not count.
#[derive(Debug, Clone, Default)]
struct Usual {
    last_us: [Option<u64>; 3],
}

impl Usual {
    fn learn(&mut self, measured_us: Option<u64>) {
        if measured_us.is_some() {
            self.last_us.rotate_left(1);
            self.last_us[2] = measured_us;
        }
    }

    /// Of two, the larger: in doubt the disk is slow by itself.
    fn us(&self) -> Option<u64> {
        let mut known: Vec<u64> = self.last_us.iter().flatten().copied().collect();
        known.sort_unstable();
        known.get(known.len() / 2).copied()
    }
}

/// How a disk answered, and how it usually does.
#[derive(Debug, Clone, Copy)]
struct Answer {
    us: u64,
    usual_us: u64,
}

impl Answer {
    /// How far it is beyond what is slow; `None` if it is not.
    fn excess_us(&self) -> Option<u64> {
        let limit_us = self.usual_us.saturating_mul(SLOW_TIMES).saturating_add(SLOW_BEYOND_US);
        self.us.checked_sub(limit_us).filter(|excess| *excess > 0)
    }
}

/// See the module's description.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    pub(super) pace: Pace,
    last: Option<(Counts, u64)>,
    probe: Usual,
    write: Usual,
    /// Somebody else read when this could be told from our reading, at rest.
    others_read: bool,
    is_used: bool,
    is_read: bool,
    slow_windows: u32,
    /// When it was last slow.
    slow: Option<Answer>,
}

impl Default for Watched {
    fn default() -> Self {
        Self {
            pace: Pace::FULL,
            last: None,
            probe: Usual::default(),
            write: Usual::default(),
            others_read: false,
            is_used: false,
            is_read: false,
            slow_windows: 0,
            slow: None,
        }
    }
}

impl Watched {
    /// Whether somebody else uses it.
    pub(super) fn is_used(&self) -> bool {
        self.is_used
    }

    /// Whether we read it in earnest.
    pub(super) fn is_read(&self) -> bool {
        self.is_read
    }

    /// Whether we read it and do not know what is usual.
    pub(super) fn is_unknown(&self) -> bool {
        self.is_read && self.probe.us().is_none()
    }

    pub(super) fn wants_probe(&self, stage: Stage) -> bool {
        match stage {
            Stage::Reading => self.is_read && self.is_used && self.probe.us().is_some(),
            Stage::Draining => false,
            Stage::Quiet => self.is_read,
        }
    }

    pub(super) fn ended(&mut self, stage: Stage, span_ms: Option<u64>, sample: &Sample) {
        let Some(counts) = sample.counts else { return self.stop_watching() };
        let before = self.last.replace((counts, sample.own_reads));
        let passed = before.zip(span_ms).and_then(|(before, span)| Passed::between(before, counts, sample, span));
        match (passed, stage) {
            (None, _) => self.slow_windows = 0,
            (Some(passed), _) if passed.is_uncounted() => self.stop_watching(),
            (Some(passed), Stage::Reading) => self.judge(&passed),
            (Some(passed), Stage::Quiet) if passed.is_quiet() => self.learn(&passed),
            (Some(_), Stage::Draining | Stage::Quiet) => {}
        }
    }

    pub(super) fn interrupted(&mut self) {
        (self.last, self.slow_windows) = (None, 0);
    }

    pub(super) fn held(&self) -> Option<Held> {
        let answer = self.slow.filter(|_| self.pace < Pace::FULL)?;
        // Less than a millisecond is said as one.
        let ms = |us: u64| us.saturating_add(500) / 1000;
        Some(Held {
            answers_ms: ms(answer.us).max(1),
            usually_ms: ms(answer.usual_us).max(1),
            percent: self.pace.percent(),
            recovers: self.slow_windows == 0,
        })
    }

    /// Nobody counts: nobody is known to wait.
    fn stop_watching(&mut self) {
        *self = Self { probe: self.probe.clone(), write: self.write.clone(), ..Self::default() };
    }

    fn learn(&mut self, quiet: &Passed) {
        self.others_read = quiet.reads.saturating_sub(quiet.own_reads) >= LEAST_REQUESTS;
        self.note_users(quiet);
        self.probe.learn(quiet.probe_us());
        self.write.learn(quiet.write_us());
    }

    fn note_users(&mut self, passed: &Passed) {
        self.is_used = self.others_read || passed.writes >= LEAST_REQUESTS;
    }

    fn judge(&mut self, passed: &Passed) {
        self.note_users(passed);
        self.is_read = !passed.is_light();
        if passed.is_quiet() {
            self.learn(passed);
        }
        match self.slowest(passed).filter(|_| self.is_used && self.is_read) {
            Some(answer) => {
                self.slow = Some(answer);
                self.slow_windows = self.slow_windows.saturating_add(1);
                if self.slow_windows >= SLOW_WINDOWS {
                    self.pace = self.pace.halved();
                }
            }
            None => {
                self.slow_windows = 0;
                self.pace = self.pace.raised();
            }
        }
    }

    /// The answer that is farthest beyond what is slow; `None` if none is.
    fn slowest(&self, passed: &Passed) -> Option<Answer> {
        let compared = [(passed.probe_us(), self.probe.us()), (passed.write_us(), self.write.us())];
        let answers = compared.into_iter().filter_map(|(us, usual)| Some(Answer { us: us?, usual_us: usual? }));
        answers.filter(|answer| answer.excess_us().is_some()).max_by_key(Answer::excess_us)
    }
}
