//! What is remembered between two looks. Nothing that safety rests on: a new leader begins with none of it.

use crate::gateway::agents::HostKey;
use crate::hosting::MigrationKey;
use jiff::Timestamp;
use qianyun_crds::{DigestError, MigrationPlan};
use qianyun_planning::calendar::Calendar;
use qianyun_planning::facts::{Authorisation, ProbeFact};
use qianyun_planning::report::notice::Notice;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long an answer about a permission is taken as it was, where nothing irreversible rests on it.
const PERMISSION_FRESH: Duration = Duration::from_secs(15);

/// How long the API server's list of a namespace's journeys serves for all its hosts. Only this leader makes journeys, and what it
/// has made it has also handed out, so an old list can miss nothing that runs: this is for who was leader a moment ago.
const JOURNEYS_FRESH: Duration = Duration::from_secs(5);

/// A clock that differs less from the time that has passed was not set.
const CLOCK_IS_STEADY: Duration = Duration::from_secs(1);

/// How long an attempt that was written is counted although no watch shows it: after a minute, it was not written.
const BEGUN_UNSEEN: Duration = Duration::from_secs(60);

/// Whose permission.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Holder {
    pub(super) namespace: String,
    pub(super) person: String,
    pub(super) role: String,
}

/// The memory of one leadership.
#[derive(Default)]
pub(crate) struct Memory {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    permissions: HashMap<Holder, (Authorisation, Instant)>,
    travellers: HashMap<String, (HashSet<String>, Instant)>,
    volumes: HashMap<MigrationKey, String>,
    trouble: HashMap<MigrationKey, String>,
    probes: HashMap<MigrationKey, Vec<ProbeFact>>,
    silent: HashMap<HostKey, Silent>,
    written: HashMap<MigrationKey, Instant>,
    handed_out: HashMap<MigrationKey, i64>,
    begun: HashMap<MigrationKey, (i32, Instant)>,
    told: HashMap<(String, &'static str), Notice>,
    plan_digests: HashMap<String, (i64, String)>,
    calendar: Option<(Versions, Arc<Calendar>)>,
}

/// Since when nothing of a source answers.
struct Silent {
    since: Instant,
    /// The same by the clock. Kept from look to look, since a status shows it to the second.
    shown: Timestamp,
}

impl Silent {
    /// Since when by the clock as it is now: one that was set forwards must not end a silence before its time, nor one that was
    /// set back draw it out.
    fn by(&mut self, now: Timestamp, elapsed: Duration) -> Timestamp {
        let since = now.checked_sub(elapsed).unwrap_or(now);
        if since.duration_since(self.shown).unsigned_abs() > CLOCK_IS_STEADY {
            self.shown = since;
        }
        self.shown
    }
}

/// UID and version of each object that something was made of.
type Versions = Vec<(Option<String>, Option<String>)>;

impl Memory {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was answered about a permission a moment ago.
    pub(super) fn permission(&self, holder: &Holder) -> Option<Authorisation> {
        let inner = self.inner();
        inner.permissions.get(holder).filter(|(_, at)| at.elapsed() < PERMISSION_FRESH).map(|(answer, _)| *answer)
    }

    /// Keeps an answer. What is not known is asked again next time.
    pub(super) fn keep_permission(&self, holder: Holder, answer: Authorisation) {
        let mut inner = self.inner();
        inner.permissions.retain(|_, (_, at)| at.elapsed() < PERMISSION_FRESH);
        match answer {
            Authorisation::Allowed | Authorisation::Denied => {
                inner.permissions.insert(holder, (answer, Instant::now()));
            }
            Authorisation::Unknown => {}
        }
    }

    /// Whether this was not the last thing told of the object and its topic.
    pub(super) fn is_news(&self, uid: &str, notice: &Notice) -> bool {
        let before = self.inner().told.insert((uid.to_owned(), notice.topic), notice.clone());
        before.is_none_or(|before| (before.reason, before.note) != (notice.reason.clone(), notice.note.clone()))
    }

    /// Digest of a plan as it is in this generation, which no other state of it has. A plan lists all systems of a city, and each
    /// look at any of them needs its digest.
    pub(crate) fn plan_digest(&self, plan: &MigrationPlan) -> Result<String, DigestError> {
        let compute = || qianyun_crds::plan_digest(plan.metadata.uid.as_deref().unwrap_or_default(), &plan.spec);
        let (Some(uid), Some(generation)) = (&plan.metadata.uid, plan.metadata.generation) else { return compute() };
        let kept =
            self.inner().plan_digests.get(uid).filter(|(of, _)| *of == generation).map(|(_, digest)| digest.clone());
        if let Some(digest) = kept {
            return Ok(digest);
        }
        let digest = compute()?;
        self.inner().plan_digests.insert(uid.clone(), (generation, digest.clone()));
        Ok(digest)
    }

    /// Whether the host has a journey, by what the API server listed a moment ago; `None` if that is too long ago.
    pub(super) fn travels(&self, host: &HostKey) -> Option<bool> {
        let inner = self.inner();
        let (travellers, at) = inner.travellers.get(&host.namespace)?;
        (at.elapsed() < JOURNEYS_FRESH).then(|| travellers.contains(&host.name))
    }

    /// Keeps which hosts of a namespace have journeys, as the API server just said.
    pub(super) fn keep_travellers(&self, namespace: &str, hosts: HashSet<String>) {
        self.inner().travellers.insert(namespace.to_string(), (hosts, Instant::now()));
    }

    /// The calendar that was made of these objects, or is made now.
    pub(crate) fn calendar(&self, of: Versions, make: impl FnOnce() -> Calendar) -> Arc<Calendar> {
        let mut inner = self.inner();
        match &inner.calendar {
            Some((made_of, calendar)) if *made_of == of => Arc::clone(calendar),
            Some(_) | None => {
                let calendar = Arc::new(make());
                inner.calendar = Some((of, Arc::clone(&calendar)));
                calendar
            }
        }
    }

    /// Whether the volumes of a journey were made for this digest.
    pub(super) fn has_volumes(&self, journey: &MigrationKey, digest: &str) -> bool {
        self.inner().volumes.get(journey).is_some_and(|made| made == digest)
    }

    /// The volumes of a journey were made for this digest.
    pub(super) fn keep_volumes(&self, journey: MigrationKey, digest: String) {
        self.inner().volumes.insert(journey, digest);
    }

    /// Why the site last refused or failed for a journey.
    pub(super) fn trouble(&self, journey: &MigrationKey) -> Option<String> {
        self.inner().trouble.get(journey).cloned()
    }

    /// The site refused or failed; `None` once it worked.
    pub(super) fn keep_trouble(&self, journey: &MigrationKey, trouble: Option<String>) {
        match trouble {
            Some(text) => self.inner().trouble.insert(journey.clone(), text),
            None => self.inner().trouble.remove(journey),
        };
    }

    /// The newest probe results.
    pub(super) fn probes(&self, journey: &MigrationKey) -> Vec<ProbeFact> {
        self.inner().probes.get(journey).cloned().unwrap_or_default()
    }

    /// New probe results.
    pub(super) fn keep_probes(&self, journey: MigrationKey, probes: Vec<ProbeFact>) {
        self.inner().probes.insert(journey, probes);
    }

    /// Nothing of a source answered just now, and its agent was last heard then; returns since when nothing of it is.
    pub(super) fn silent(&self, host: &HostKey, heard: Option<Instant>, now: Timestamp) -> Timestamp {
        let begin = || Silent { since: Instant::now(), shown: now };
        let mut inner = self.inner();
        let silent = inner.silent.entry(host.clone()).or_insert_with(begin);
        if heard.is_some_and(|at| at > silent.since) {
            *silent = begin();
        }
        silent.by(now, silent.since.elapsed())
    }

    /// Something of a source answered.
    pub(super) fn not_silent(&self, host: &HostKey) {
        self.inner().silent.remove(host);
    }

    /// Whether a journey of this generation is the newest that was seen: a watch that is behind must not take back what
    /// an agent was told.
    pub(super) fn is_newest(&self, journey: &MigrationKey, generation: i64) -> bool {
        let mut inner = self.inner();
        let newest = inner.handed_out.entry(journey.clone()).or_insert(generation);
        let is_newest = generation >= *newest;
        *newest = generation.max(*newest);
        is_newest
    }

    /// Keeps that an attempt of a journey is being written. Whether it was, the watch shows later.
    pub(super) fn keep_begun(&self, journey: MigrationKey, attempt: i32) {
        let mut inner = self.inner();
        inner.begun.retain(|_, (_, at)| at.elapsed() < BEGUN_UNSEEN);
        inner.begun.insert(journey, (attempt, Instant::now()));
    }

    /// Attempts that this leader wrote so short a time ago that a watch may not show them yet.
    pub(super) fn begun(&self) -> Vec<(MigrationKey, i32)> {
        let inner = self.inner();
        let fresh = inner.begun.iter().filter(|(_, (_, at))| at.elapsed() < BEGUN_UNSEEN);
        fresh.map(|(journey, (attempt, _))| (journey.clone(), *attempt)).collect()
    }

    /// How long ago the status of a journey was written.
    pub(super) fn written_ago(&self, journey: &MigrationKey) -> Duration {
        self.inner().written.get(journey).map_or(Duration::MAX, Instant::elapsed)
    }

    /// The status of a journey was written.
    pub(super) fn keep_written(&self, journey: MigrationKey) {
        self.inner().written.insert(journey, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan;

    #[test]
    fn a_silence_is_as_long_as_it_lasts_however_the_clock_is_set() {
        let nine: Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
        let mut silent = Silent { since: Instant::now(), shown: nine };
        let mut by = |now: Timestamp, seconds: u64| {
            let since = silent.by(now, Duration::from_secs(seconds));
            now.duration_since(since).as_secs()
        };
        let after = |span: jiff::Span| nine.checked_add(span).unwrap();
        assert_eq!(by(after(2.seconds()), 2), 2);
        assert_eq!(by(after(1.hour()), 3), 3, "the clock was set forwards");
        assert_eq!(by(after(1.hour().seconds(2)), 5), 5);
        assert_eq!(by(after(6.seconds()), 6), 6, "and back");
        let steady = silent.by(after(7.seconds().milliseconds(400)), Duration::from_secs(7));
        assert_eq!(steady, silent.by(after(8.seconds().milliseconds(900)), Duration::from_millis(8100)), "no jitter");
    }
}
