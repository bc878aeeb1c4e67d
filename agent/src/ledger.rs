//! The small durable state of a host: what must survive a power cut and travel with the disk.
//!
//! Two copies, each with a number and a checksum, written in turn by atomic rename: a torn or rotten copy never hides
//! the other. It is never written while filesystems are frozen; what is learnt then waits in [`crate::run_state`].

use crate::host::{Host, HostError};
use crate::paths::Paths;
use qianyun_agent_api::canonical::digest_of_bytes;
use qianyun_agent_api::desired::{ArrivalPlan, Hook, QuiesceUnit};
use qianyun_agent_api::inventory::Fingerprint;
use serde::{Deserialize, Serialize};

/// What the host must not forget.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Ledger {
    /// Highest controller epoch accepted.
    pub(crate) epoch: u64,
    /// Highest generation accepted in that epoch.
    pub(crate) generation: u64,
    /// Newest replication session.
    pub(crate) session: u64,
    /// The enrolled hardware. On any other this is the arrival.
    pub(crate) fingerprint: Fingerprint,
    /// Highest attempt ever begun: none is run twice.
    pub(crate) last_attempt: u32,
    /// The attempt that may have stopped services. Written before anything is stopped.
    pub(crate) armed: Option<Armed>,
    /// How the last attempt ended on this side.
    pub(crate) outcome: Option<Outcome>,
}

/// An attempt under way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Armed {
    /// Which attempt.
    pub(crate) attempt: u32,
    /// The epoch that asked for it.
    pub(crate) epoch: u64,
    /// The boot in which it was armed. In another boot, whether it voted is not known here.
    pub(crate) boot_id: String,
    /// Services to stop, in order.
    pub(crate) units: Vec<QuiesceUnit>,
    /// Those that ran, with what is part of them: they are started again, in reverse order.
    pub(crate) stopped: Vec<String>,
    /// Hooks to run, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) hooks: Vec<Hook>,
    /// NICs of the target.
    pub(crate) arrival: ArrivalPlan,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outcome {
    /// Which attempt.
    pub(crate) attempt: u32,
    /// Whether the controller aborted it; else the agent gave up.
    pub(crate) resumed: bool,
    /// Why; empty if it was the controller's decision.
    pub(crate) message: String,
}

/// Why the ledger could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    /// Both copies exist and neither is whole: guessing could put two machines in service.
    #[error(
        "both copies of the ledger are damaged ({first}, {second}): expected one whole copy; restore them from a backup, or enrol again"
    )]
    Damaged { first: String, second: String },
    /// The operating system refused.
    #[error("the ledger cannot be kept")]
    Host(#[from] HostError),
    /// It could not be put into words.
    #[error("the ledger cannot be written as json")]
    Json(#[source] serde_json::Error),
}

/// A ledger and where its next copy goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LedgerFile {
    paths: Paths,
    number: u64,
    /// What was last stored.
    pub(crate) ledger: Ledger,
}

impl LedgerFile {
    /// The newest whole copy; an empty ledger if there is none at all.
    pub(crate) fn load(host: &dyn Host, paths: &Paths) -> Result<Self, LedgerError> {
        let copies: Vec<Result<Option<(u64, Ledger)>, String>> =
            (0..2).map(|copy| read_copy(host, &paths.ledger(copy))).collect();
        let newest = copies.iter().flatten().flatten().max_by_key(|(number, _)| *number).cloned();
        match (newest, copies.iter().all(|copy| matches!(copy, Ok(None)))) {
            (Some((number, ledger)), _) => Ok(Self { paths: paths.clone(), number, ledger }),
            (None, true) => Ok(Self { paths: paths.clone(), number: 0, ledger: Ledger::default() }),
            (None, false) => {
                let say = |copy: &Result<_, String>| copy.as_ref().err().cloned().unwrap_or_else(|| "absent".into());
                Err(LedgerError::Damaged { first: say(&copies[0]), second: say(&copies[1]) })
            }
        }
    }

    /// Makes `next` durable; on an error the last stored state still stands.
    pub(crate) fn store(&mut self, host: &dyn Host, next: Ledger) -> Result<(), LedgerError> {
        if next == self.ledger && self.number > 0 {
            return Ok(());
        }
        let number = self.number + 1;
        let body = serde_json::to_string(&(number, &next)).map_err(LedgerError::Json)?;
        let text = format!("{}\n{body}\n", digest_of_bytes(body.as_bytes()));
        host.write(&self.paths.ledger(usize::from(number.is_multiple_of(2))), text.as_bytes(), 0o600)?;
        self.number = number;
        self.ledger = next;
        Ok(())
    }
}

/// `Ok(None)` where there is no file, `Err` with the reason where it is not whole.
fn read_copy(host: &dyn Host, path: &str) -> Result<Option<(u64, Ledger)>, String> {
    if !host.exists(path) {
        return Ok(None);
    }
    let bytes = host.read(path).map_err(|error| error.to_string())?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{path} is not text"))?;
    let (checksum, body) = text.split_once('\n').ok_or_else(|| format!("{path} is cut short"))?;
    let body = body.trim_end_matches('\n');
    if digest_of_bytes(body.as_bytes()) != checksum {
        return Err(format!("{path} does not match its checksum"));
    }
    serde_json::from_str(body).map(Some).map_err(|error| format!("{path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::Fake;

    fn at(epoch: u64) -> Ledger {
        Ledger { epoch, ..Ledger::default() }
    }

    #[test]
    fn a_kill_during_any_write_leaves_the_last_stored_state() {
        let host = Fake::default();
        let mut file = LedgerFile::load(&host, &Paths::default()).unwrap();
        for epoch in 1..6 {
            host.fail_at(Some(0));
            assert!(file.store(&host, at(epoch)).is_err());
            assert_eq!(LedgerFile::load(&host, &Paths::default()).unwrap().ledger.epoch, epoch - 1);
            host.fail_at(None);
            file.store(&host, at(epoch)).unwrap();
            assert_eq!(LedgerFile::load(&host, &Paths::default()).unwrap(), file);
        }
    }

    #[test]
    fn one_damaged_copy_is_replaced_by_the_other_and_two_are_an_error() {
        let host = Fake::default();
        let mut file = LedgerFile::load(&host, &Paths::default()).unwrap();
        file.store(&host, at(1)).unwrap();
        file.store(&host, at(2)).unwrap();
        let newest = Paths::default().ledger(1);
        let text = host.text(&newest).unwrap().replace("\"epoch\":2", "\"epoch\":9");
        host.put(&newest, &text);
        assert_eq!(LedgerFile::load(&host, &Paths::default()).unwrap().ledger.epoch, 1);
        host.put(&Paths::default().ledger(0), "sha256:00\n");
        let error = LedgerFile::load(&host, &Paths::default()).unwrap_err().to_string();
        assert!(error.contains("ledger.1 does not match its checksum"), "{error}");
    }

    #[test]
    fn a_ledger_of_a_newer_agent_is_read_and_fields_it_lacks_have_defaults() {
        let ledger: Ledger = serde_json::from_str(r#"{"epoch":3,"colour":"red"}"#).unwrap();
        assert_eq!(ledger, at(3));
    }
}
