//! The audit record of each system, as it lies in the cluster: appends what `qianyun_planning::audit` calls for, and reads what is
//! there. It decides nothing about a journey, and it never changes or removes an entry.

pub(crate) mod command;
mod log;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use kube::Client;
use log::Log;
use qianyun_crds::AuditHead;
use qianyun_planning::audit::entry::SealError;
use qianyun_planning::audit::{Break, Draft, State};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Why nothing could be recorded or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum AuditError {
    /// The API server did not do what was asked.
    #[error("{what} failed")]
    Api {
        /// What was asked.
        what: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// It did not answer.
    #[error("{what}: the api server did not answer in {} s", log::CALL.as_secs())]
    TimedOut {
        /// What was asked.
        what: String,
    },
    /// The record in the cluster is not as it was written.
    #[error(
        "the audit record of {system} is broken: export it, keep the file as evidence, and find out who changed it; nothing \
         that cannot be undone is done until it is whole again"
    )]
    Broken {
        /// Whose.
        system: String,
        /// Where and how.
        #[source]
        source: Break,
    },
    /// The record in the cluster ends before, or goes another way than, what this controller saw of it.
    #[error("the audit record of {system} was cut off or written anew: expected entry {expected}, found {found}")]
    Rewritten {
        /// Whose.
        system: String,
        /// Number and hash of the last entry that was seen.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A later controller recorded something already.
    #[error(
        "epoch {epoch} records nothing in the audit record of {system} after epoch {newest}: another controller leads, or the \
         Lease was deleted: set its spec.leaseTransitions to {newest} or more"
    )]
    Fenced {
        /// Whose.
        system: String,
        /// Of this leadership.
        epoch: i64,
        /// Of the newest entry.
        newest: i64,
    },
    /// Someone else appended at the same time.
    #[error("the audit record of {system} was appended to by another at the same time")]
    Overtaken {
        /// Whose.
        system: String,
    },
    /// An entry cannot be written.
    #[error("an entry of the audit record of {system} cannot be written")]
    Seal {
        /// Whose.
        system: String,
        /// Why.
        #[source]
        source: SealError,
    },
}

/// A record that the looks at a system and at its hosts append to in turn.
type SharedLog = Arc<tokio::sync::Mutex<Log>>;

/// The records of one leadership.
pub(crate) struct Audit {
    client: Client,
    epoch: i64,
    logs: Mutex<HashMap<(String, String), SharedLog>>,
}

impl Audit {
    /// Nothing read yet.
    pub(crate) fn new(client: Client, epoch: i64) -> Self {
        Self { client, epoch, logs: Mutex::default() }
    }

    /// Appends what `decide` finds missing in the record of a migration. It is asked again if someone else was faster. Of a
    /// record that this leadership has not read yet, `noted` is the least that it has to hold.
    pub(crate) async fn record(
        &self,
        (namespace, migration): (&str, &str),
        noted: Option<&AuditHead>,
        at: Timestamp,
        decide: impl Fn(&State) -> Vec<Draft>,
    ) -> Result<(), AuditError> {
        let log = {
            let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
            let log = logs.entry((namespace.to_owned(), migration.to_owned()));
            let new = || Log::new(self.client.clone(), namespace, migration, noted);
            Arc::clone(log.or_insert_with(|| Arc::new(new().into())))
        };
        // Boxed: whoever looks at a host carries it along at each step.
        Box::pin(async move { log.lock().await.record(self.epoch, at, decide).await }).await
    }

    /// The end of a record, as this leadership last saw it.
    pub(crate) async fn head(&self, namespace: &str, migration: &str) -> Option<AuditHead> {
        let log = {
            let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
            logs.get(&(namespace.to_owned(), migration.to_owned())).map(Arc::clone)
        };
        log?.lock().await.head()
    }
}
