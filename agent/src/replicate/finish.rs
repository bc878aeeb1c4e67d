//! One attempt at the end of a plain copy: hooks, freeze, proof, record, and thaw or power off.
//!
//! Between freeze and thaw nothing is printed or written here. An attempt that fails leaves the filesystems thawed and the
//! copy following, as if it had not been.

use super::SESSION;
use super::pairing::NAMESPACE;
use crate::host::{Host, HostError};
use crate::identity::Identity;
use crate::logging::Log;
use qianyun_replication::record::{CutoverRecord, RECORD_VERSION, SignedRecord};
use qianyun_replication_io::device::{DeviceError, DeviceNumber};
use qianyun_replication_io::freezer::{self, FreezeError, Freezer, Frozen, power_off_now};
use qianyun_replication_io::mounts::Everywhere;
use qianyun_replication_io::source::{FinishError, Replication};
use std::time::{Duration, Instant};
use tokio::task::block_in_place;

/// How long a program of the admin may take before or after a freeze: a database's checkpoint takes minutes.
const HOOK_LIMIT: Duration = Duration::from_secs(600);

/// What an attempt needs to know.
pub(super) struct Attempt<'a> {
    pub(super) host: &'a dyn Host,
    pub(super) identity: &'a Identity,
    pub(super) log: &'a Log,
    pub(super) name: &'a str,
    pub(super) disks: &'a [DeviceNumber],
    pub(super) limit: Duration,
    pub(super) before_freeze: Option<&'a str>,
    pub(super) after_thaw: Option<&'a str>,
    pub(super) power_off: bool,
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttemptError {
    /// A program of the admin's.
    #[error("the program of --{hook} failed")]
    Hook {
        hook: &'static str,
        #[source]
        source: HostError,
    },
    /// A program of the admin's said that it failed.
    #[error("the program of --{hook} ended with status {status}")]
    HookFailed { hook: &'static str, status: i32 },
    /// What is mounted cannot be read.
    #[error("what is mounted cannot be read")]
    Mounts(#[source] DeviceError),
    /// Filesystems could not be held still.
    #[error("the filesystems cannot be frozen")]
    Freeze(#[from] FreezeError),
    /// No proof in time.
    #[error("the copy is not proved")]
    Proof(#[from] FinishError),
    /// The machine is still on.
    #[error("the machine cannot be switched off")]
    PowerOff(#[source] std::io::Error),
}

/// A copy that is proved.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) record: SignedRecord,
    pub(super) text: CutoverRecord,
    pub(super) frozen_for: Duration,
    /// Why the admin's program failed that was to run afterwards: the proof stands all the same.
    pub(super) after_failed: Option<AttemptError>,
}

impl Attempt<'_> {
    /// Makes attempt `number`.
    pub(super) async fn make(&self, replication: &Replication, number: u32) -> Result<Finished, AttemptError> {
        // Nothing is stopped for an attempt that cannot come to its end.
        replication.check_all_read()?;
        block_in_place(|| freezer::check(&self.mounts()?.held_on(self.disks)).map_err(AttemptError::Freeze))?;
        let result = match self.hook("before-freeze", self.before_freeze) {
            Ok(()) => self.held(replication, number).await,
            Err(error) => Err(error),
        };
        // Whatever the outcome: what the first program stopped, also one that failed halfway, must run again.
        let after = self.hook("after-thaw", self.after_thaw);
        match (result, after) {
            (Ok(finished), after) => Ok(Finished { after_failed: after.err(), ..finished }),
            (Err(failed), after) => {
                if let Err(error) = after {
                    tracing::error!(error = &error as &dyn std::error::Error, "what was to run after the thaw");
                }
                Err(failed)
            }
        }
    }

    /// What on the disks is written to, and cannot be frozen. Mounts that cannot be read fail the attempt itself.
    pub(super) fn not_frozen(&self) -> Vec<String> {
        self.mounts().map(|everywhere| everywhere.not_frozen(self.disks)).unwrap_or_default()
    }

    fn mounts(&self) -> Result<Everywhere, AttemptError> {
        Everywhere::look().map_err(AttemptError::Mounts)
    }

    /// The part in which nothing may be logged.
    async fn held(&self, replication: &Replication, number: u32) -> Result<Finished, AttemptError> {
        self.log.hold();
        let result = self.under_freeze(replication, number).await;
        self.log.release();
        replication.resume();
        result
    }

    fn hook(&self, hook: &'static str, program: Option<&str>) -> Result<(), AttemptError> {
        let Some(program) = program else { return Ok(()) };
        // Waited for is the program alone: a database that it starts keeps what it inherits open for as long as it runs.
        match block_in_place(|| self.host.run_alone(program, &[], HOOK_LIMIT)) {
            Ok(0) => Ok(()),
            Ok(status) => Err(AttemptError::HookFailed { hook, status }),
            Err(source) => Err(AttemptError::Hook { hook, source }),
        }
    }

    async fn under_freeze(&self, replication: &Replication, number: u32) -> Result<Finished, AttemptError> {
        // First of all: until then the follower may freeze for a moment itself, and unlock this process's memory afterwards.
        replication.prepare_final()?;
        let mounts = self.mounts()?.held_on(self.disks);
        let prepared = block_in_place(|| Freezer::new().prepare(&mounts, self.limit))?;
        let frozen_unix_ms = self.host.now_unix_ms();
        let frozen = block_in_place(|| prepared.freeze())?;
        let (text, record) = self.prove(replication, number, frozen_unix_ms, &frozen).await?;
        if self.power_off {
            return Err(AttemptError::PowerOff(power_off_now()));
        }
        let frozen_for = block_in_place(|| frozen.thaw())?.frozen_for;
        Ok(Finished { record, text, frozen_for, after_failed: None })
    }

    async fn prove(
        &self,
        replication: &Replication,
        attempt: u32,
        frozen_unix_ms: i64,
        frozen: &Frozen,
    ) -> Result<(CutoverRecord, SignedRecord), AttemptError> {
        let deadline = Instant::now() + frozen.remaining();
        let text = CutoverRecord {
            attempt,
            disks: replication.finalise(deadline).await?,
            epoch: 0,
            frozen_unix_ms,
            host: format!("{NAMESPACE}/{}", self.name),
            scheme_digest: String::new(),
            session: SESSION,
            verified_unix_ms: self.host.now_unix_ms(),
            version: RECORD_VERSION,
        };
        let record = replication.sign_record(&text, self.identity, deadline).await?;
        // What was read is what is on the disk only if nothing could write in between.
        frozen.check()?;
        Ok((text, record))
    }
}
