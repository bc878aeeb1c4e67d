//! The engine over real disks: replication sessions, and the freeze that goes with their end.
//!
//! It owns what dies with the process: the session and the freeze. It decides nothing; the agent's loop does.

use super::{Bounds, Engine, EngineError, Following, Frozen, RecordContext, SourceDisk};
use crate::host::Host;
use crate::identity::Identity;
use crate::own_load;
use crate::paths::Paths;
use crate::receive::engine_identity;
use crate::screen::Language;
use crate::tls;
use qianyun_agent_api::desired::ReplicateIntent;
use qianyun_agent_api::record::{Signature, SignedRecord};
use qianyun_agent_api::report::{DiskProgress, ReplicationState};
use qianyun_replication::progress::ReplicationState as EngineState;
use qianyun_replication::record::{self as engine_record, CutoverRecord, RECORD_VERSION};
use qianyun_replication_io::device::LeafDisk;
use qianyun_replication_io::freezer::{self, Freezer, power_off_now};
use qianyun_replication_io::mounts::{Everywhere, Mount};
use qianyun_replication_io::source::{self, Replication, SourceConfig};
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// Connections to the receiver. Two fill a gigabit on two cores, but each reads one place at a time: with four, scattered changes are
/// sent in two thirds of the time, which is time of a freeze. What is too much for the server's users, the governor holds back.
const LANES: u16 = 4;

/// Sessions and freezes of this process.
pub(crate) struct Disks {
    host: Arc<dyn Host>,
    paths: Paths,
    runtime: Handle,
    session: Mutex<Option<Session>>,
    frozen: Mutex<Option<Held>>,
}

struct Session {
    number: u64,
    replication: Arc<Replication>,
}

struct Held {
    since: Instant,
    freeze: freezer::Frozen,
    /// Who signs what is proved.
    identity: Arc<Identity>,
}

fn held<T>(lock: &Mutex<Option<T>>) -> MutexGuard<'_, Option<T>> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The error and its causes, as one sentence.
pub(crate) fn sentence(error: &dyn Error) -> EngineError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    EngineError(text)
}

fn state(state: EngineState) -> ReplicationState {
    match state {
        EngineState::Idle => ReplicationState::Idle,
        EngineState::InitialCopy => ReplicationState::InitialCopy,
        EngineState::CatchingUp => ReplicationState::CatchingUp,
        EngineState::InSync => ReplicationState::InSync,
        EngineState::Suspect => ReplicationState::Suspect,
        EngineState::Verifying => ReplicationState::Verifying,
        EngineState::Final => ReplicationState::Final,
        EngineState::Committed => ReplicationState::Committed,
    }
}

fn progress(disk: &source::DiskProgress) -> DiskProgress {
    let found = &disk.progress;
    DiskProgress {
        volume: disk.volume.clone(),
        state: state(found.state),
        size_bytes: found.size_bytes,
        read_bytes: found.counters.read_bytes,
        skipped_bytes: found.counters.skipped_bytes,
        zero_bytes: found.counters.zero_bytes,
        sent_bytes: found.counters.sent_bytes,
        wire_bytes: found.counters.wire_bytes,
        remaining_bytes: found.remaining_bytes,
        send_bytes_per_second: found.send_bytes_per_second,
        change_bytes_per_second: found.change_bytes_per_second,
        lag_ms: found.lag_ms,
        eta_low_seconds: found.eta_seconds.map(|(low, _)| low),
        eta_high_seconds: found.eta_seconds.map(|(_, high)| high),
        message: message(disk),
    }
}

/// Why it waits or doubts, and why it is held back: one English sentence, as everything that is reported.
fn message(disk: &source::DiskProgress) -> String {
    let held = disk.held.map(|held| own_load::held_back(Language::En, &held));
    let all = [Some(disk.message.clone()).filter(|message| !message.is_empty()), held];
    all.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn signed(record: engine_record::SignedRecord) -> SignedRecord {
    let signature =
        |made: engine_record::Signature| Signature { signature: made.signature, certificate_pem: made.certificate_pem };
    SignedRecord { record: record.record, source: signature(record.source), target: signature(record.target) }
}

impl Disks {
    /// Sessions run on `runtime`, which must have several threads.
    pub(crate) fn new(host: Arc<dyn Host>, paths: Paths, runtime: Handle) -> Self {
        Self { host, paths, runtime, session: Mutex::default(), frozen: Mutex::default() }
    }

    fn replication(&self) -> Result<Arc<Replication>, EngineError> {
        match held(&self.session).as_ref() {
            Some(session) => Ok(session.replication.clone()),
            None => Err(EngineError("no replication session runs".into())),
        }
    }

    fn end_session<F: Future<Output = ()>>(&self, how: impl FnOnce(Replication) -> F) {
        let session = held(&self.session).take();
        if let Some(replication) = session.and_then(|session| Arc::into_inner(session.replication)) {
            self.runtime.block_on(how(replication));
        }
    }

    /// When the watchdog thaws.
    fn deadline(&self) -> Result<Instant, EngineError> {
        self.still_frozen()?;
        let remaining = held(&self.frozen).as_ref().map(|held| held.freeze.remaining()).unwrap_or_default();
        Ok(Instant::now() + remaining)
    }

    fn everywhere(&self) -> Result<Everywhere, EngineError> {
        Everywhere::look().map_err(|error| sentence(&error))
    }

    /// Whether the kernel still holds every filesystem: asked before anything is built on it.
    fn still_frozen(&self) -> Result<(), EngineError> {
        match held(&self.frozen).as_ref() {
            Some(held) => held.freeze.check().map_err(|error| sentence(&error)),
            None => Err(EngineError("the filesystems are not frozen".into())),
        }
    }
}

impl Engine for Disks {
    fn start(&self, intent: &ReplicateIntent, disks: &[SourceDisk], bounds: Bounds) -> Result<(), EngineError> {
        // The same session goes on with the map that is kept; for another one it is worth nothing, and is ended by it.
        self.end_session(Replication::stop);
        let identity = Identity::load(self.host.as_ref(), &self.paths).map_err(|error| sentence(&error))?;
        let open = |disk: &SourceDisk| {
            let leaf = LeafDisk::find(&engine_identity(&disk.identity)).map_err(|error| sentence(&error))?;
            Ok(source::SourceDisk { volume: disk.volume.clone(), disk: leaf })
        };
        let config = SourceConfig {
            session: intent.session,
            receiver_address: intent.receiver_address.clone(),
            receiver_name: intent.receiver_name.clone(),
            tls: tls::mutual(&identity).map_err(|error| sentence(&error))?,
            disks: disks.iter().map(open).collect::<Result<Vec<_>, EngineError>>()?,
            lanes: LANES,
            max_bytes_per_second: bounds.max_bytes_per_second,
            yields: bounds.yields,
            keep: Some(self.paths.replication().into()),
            ring_bytes: None,
        };
        let replication = Replication::start(config).map_err(|error| sentence(&error))?;
        *held(&self.session) = Some(Session { number: intent.session, replication: Arc::new(replication) });
        Ok(())
    }

    fn limit(&self, bounds: Bounds) {
        if let Some(session) = held(&self.session).as_ref() {
            session.replication.set_max_bytes_per_second(bounds.max_bytes_per_second);
            session.replication.set_yields(bounds.yields);
        }
    }

    fn stop(&self) -> Result<(), EngineError> {
        // Nobody asks for it any more: nothing is kept either.
        self.end_session(Replication::end);
        Ok(())
    }

    fn following(&self) -> Option<Following> {
        let lock = held(&self.session);
        let session = lock.as_ref()?;
        let disks: Vec<DiskProgress> = session.replication.progress().iter().map(progress).collect();
        let in_sync = disks.iter().all(|disk| disk.state == ReplicationState::InSync);
        Some(Following { session: session.number, in_sync, disks, load: session.replication.own_load() })
    }

    fn unfit(&self) -> Option<String> {
        let replication = self.replication().ok()?;
        let lost = replication.check_all_read().map_err(|error| sentence(&error));
        let held = lost.and_then(|()| Ok(self.everywhere()?.held_on(&replication.disks())));
        let fit = held.and_then(|mounts| freezer::check(&mounts).map_err(|error| sentence(&error)));
        fit.err().map(|error| error.to_string())
    }

    fn freeze(&self, limit: Duration) -> Result<String, EngineError> {
        let replication = self.replication()?;
        replication.prepare_final().map_err(|error| sentence(&error))?;
        let disks = replication.disks();
        // Read now: under the freeze an open may wait for whoever watches it and writes a log.
        let identity = Identity::load(self.host.as_ref(), &self.paths).map_err(|error| sentence(&error))?;
        let identity = Arc::new(identity);
        let everywhere = self.everywhere()?;
        let unfrozen = not_frozen(&everywhere.not_frozen(&disks));
        let mounts = everywhere.held_on(&disks);
        let prepared = Freezer::new().prepare(&mounts, limit).map_err(|error| sentence(&error))?;
        let since = Instant::now();
        let freeze = prepared.freeze().map_err(|error| sentence(&error))?;
        *held(&self.frozen) = Some(Held { since, freeze, identity });
        Ok(unfrozen)
    }

    fn frozen(&self) -> Option<Frozen> {
        let lock = held(&self.frozen);
        let held = lock.as_ref()?;
        let remaining = held.freeze.remaining();
        // At the deadline the watchdog thaws; from then on this is no freeze to build on.
        (!remaining.is_zero())
            .then(|| Frozen { elapsed_ms: millis(held.since.elapsed()), remaining_ms: millis(remaining) })
    }

    fn finalise(&self, context: &RecordContext) -> Result<SignedRecord, EngineError> {
        let replication = self.replication()?;
        let deadline = self.deadline()?;
        let identity = held(&self.frozen).as_ref().map(|held| Arc::clone(&held.identity));
        let identity = identity.ok_or_else(|| EngineError("the filesystems are not frozen".into()))?;
        let disks = self.runtime.block_on(replication.finalise(deadline)).map_err(|error| sentence(&error))?;
        let record = CutoverRecord {
            attempt: context.attempt,
            disks,
            epoch: context.epoch,
            frozen_unix_ms: context.frozen_unix_ms,
            host: context.host.clone(),
            scheme_digest: context.scheme_digest.clone(),
            session: context.session,
            verified_unix_ms: self.host.now_unix_ms(),
            version: RECORD_VERSION,
        };
        let signing = replication.sign_record(&record, identity.as_ref(), deadline);
        let record = self.runtime.block_on(signing).map_err(|error| sentence(&error))?;
        // What was read is what is on the disk only if nothing could write in between.
        self.still_frozen()?;
        Ok(signed(record))
    }

    fn thaw(&self) -> Result<(), EngineError> {
        match held(&self.frozen).take() {
            Some(held) => held.freeze.thaw().map(drop).map_err(|error| sentence(&error)),
            None => Ok(()),
        }
    }

    fn thaw_left_frozen(&self) -> Result<(), EngineError> {
        let mut mounts = self.everywhere()?.mounts;
        mounts.retain(Mount::is_freezable);
        freezer::thaw_left_frozen(&mounts).map_err(|error| sentence(&error))
    }

    fn resume(&self) -> Result<(), EngineError> {
        if let Some(session) = held(&self.session).as_ref() {
            session.replication.resume();
        }
        Ok(())
    }

    fn power_off(&self) -> Result<(), EngineError> {
        Err(sentence(&power_off_now()))
    }
}

/// Which of the filesystems stay open to writers, in one sentence; empty if none does.
fn not_frozen(unfrozen: &[String]) -> String {
    if unfrozen.is_empty() {
        return String::new();
    }
    let words = format!("flushed and not frozen, as they cannot be: {}", unfrozen.join(", "));
    tracing::warn!("{words}");
    words
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use qianyun_replication::governor::Held;
    use qianyun_replication::identity::DeviceIdentity;
    use qianyun_replication::progress::Progress;

    #[test]
    fn what_is_flushed_and_not_frozen_is_said_if_there_is_any() {
        let named = ["/boot/efi (vfat)".to_owned(), "/data (exfat)".to_owned()];
        assert_eq!(not_frozen(&named), "flushed and not frozen, as they cannot be: /boot/efi (vfat), /data (exfat)");
        assert_eq!(not_frozen(&[]), "");
    }

    #[test]
    fn a_report_says_why_a_disk_waits_and_why_it_is_held_back() {
        let identity = DeviceIdentity {
            logical_block_bytes: 512,
            serial: String::new(),
            size_bytes: 1 << 30,
            table_id: String::new(),
            wwn: String::new(),
        };
        let (volume, found) = ("sda".to_owned(), Progress::idle(1 << 30));
        let free = source::DiskProgress { volume, identity, progress: found, message: String::new(), held: None };
        assert_eq!(progress(&free).message, "");
        let held = Held { answers_ms: 42, usually_ms: 6, percent: 25, recovers: false };
        let slow = source::DiskProgress { held: Some(held), ..free.clone() };
        assert!(progress(&slow).message.starts_with("held back: the disk answers its users in 42 ms"));
        let both = source::DiskProgress { message: "no link".to_owned(), ..slow };
        assert!(progress(&both).message.starts_with("no link; held back"));
    }
}
