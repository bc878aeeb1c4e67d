//! What drives every reconciler: one look at a time for each object, a limit on each, and patience after failures.
//!
//! A failure is never the end: the object is looked at again, later each time, until it works.

use super::Context;
use futures::StreamExt;
use kube::Resource;
use kube::runtime::Controller;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::ObjectRef;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A look that takes longer hangs: probes are limited to 2 s, calls to the API server end within seconds, and a receiver
/// or a machine starts within half a minute.
const LOOK_LIMIT: Duration = Duration::from_secs(60);
/// Wait after the first failure, doubled after each further one.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// The longest wait: people who repaired something should not wait longer for it to show.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
/// How long a watch is usually behind.
const BEHIND: Duration = Duration::from_millis(150);
/// Several changes within this time are one wake-up.
const DEBOUNCE: Duration = Duration::from_millis(100);
/// Before the watches are ready, what is not urgent is looked at again after this.
const NOT_READY: Duration = Duration::from_secs(1);
/// Looks of one kind at the same time. Each is a handful of calls; 16 keep a plan of 200 hosts within seconds.
const CONCURRENCY: u16 = 16;

/// When to look again if nothing wakes before.
pub(super) struct Later(pub(super) Duration);

/// Why a look failed. It is tried again in any case.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookError {
    /// The API server did not do what was asked.
    #[error("{what} failed")]
    Api {
        /// What was asked.
        what: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// The watch is behind the server: what was read was old.
    #[error("{what} was changed meanwhile")]
    Behind {
        /// What.
        what: String,
    },
    /// It took too long.
    #[error("the look took longer than {} s", LOOK_LIMIT.as_secs())]
    TimedOut,
    /// A subject has no digest.
    #[error("no digest of {what}")]
    Digest {
        /// Of what.
        what: String,
        /// Why.
        #[source]
        source: qianyun_crds::DigestError,
    },
    /// A plan would break a rule of the planner's own lint.
    #[error("the plan for {what} breaks a rule and is not carried out: {rule:?}")]
    Refused {
        /// For what.
        what: String,
        /// The rule.
        rule: qianyun_planning::lint::Violation,
    },
    /// An object of the name exists and is not ours.
    #[error("{what} exists and belongs to something else; remove or rename it")]
    Taken {
        /// What.
        what: String,
    },
    /// The site did not do what was asked.
    #[error("{what} failed")]
    Hosting {
        /// What was asked.
        what: String,
        /// Why.
        #[source]
        source: crate::hosting::HostingError,
    },
    /// What cannot be undone is not on record, so it is not done.
    #[error("the audit record cannot be appended to")]
    Audit {
        /// Why.
        #[source]
        source: crate::audit::AuditError,
    },
    /// Something that a look needs is not there.
    #[error("{what} is not there")]
    Missing {
        /// What.
        what: String,
    },
}

impl LookError {
    /// A failed call.
    pub(crate) fn api(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        move |source| Self::Api { what, source: Box::new(source) }
    }
}

/// Drives one kind until its watch ends, which it does not. Looks begin once the watches have seen everything; at what
/// `is_urgent` calls so they begin at once, by the server's word, and the rest does not stand in their way meanwhile.
pub(super) fn drive<K, F, Fut>(
    controller: Controller<K>,
    kind: &'static str,
    ctx: &Arc<Context>,
    look: F,
    is_urgent: Option<fn(&K) -> bool>,
) -> impl Future<Output = ()> + Send + use<K, F, Fut>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    K::DynamicType: Eq + Hash + Clone + Default + Debug + Unpin,
    F: Fn(Arc<K>, Arc<Context>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Later, LookError>> + Send + 'static,
{
    let failures: Arc<Mutex<HashMap<ObjectRef<K>, u32>>> = Arc::default();
    let forget = Arc::clone(&failures);
    let reconcile = move |object: Arc<K>, ctx: Arc<Context>| {
        let (look, forget) = (look.clone(), Arc::clone(&forget));
        async move {
            let key = ObjectRef::from_obj(&*object);
            match is_urgent {
                None => ctx.stores().wait_until_ready().await,
                Some(is_urgent) if is_urgent(&object) || ctx.stores().are_ready() => {}
                Some(_) => return Ok(Action::requeue(NOT_READY)),
            }
            let found = tokio::time::timeout(LOOK_LIMIT, look(object, ctx)).await;
            let Later(after) = found.unwrap_or(Err(LookError::TimedOut))?;
            forget.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            Ok::<_, LookError>(Action::requeue(after))
        }
    };
    let patience = move |object: Arc<K>, error: &LookError, _: Arc<Context>| {
        let key = ObjectRef::from_obj(&*object);
        if let LookError::Behind { what } = error {
            tracing::debug!(kind, object = %key, what, "read too early");
            return Action::requeue(BEHIND);
        }
        let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(key.clone()).and_modify(|n| *n = n.saturating_add(1)).or_insert(1);
        let wait = FIRST_BACKOFF.saturating_mul(1 << (*count - 1).min(5)).min(LONGEST_BACKOFF);
        tracing::warn!(kind, object = %key, failures = *count, error = %chain(error), "the look failed");
        Action::requeue(wait)
    };
    let config = Config::default().concurrency(CONCURRENCY).debounce(DEBOUNCE);
    controller.with_config(config).run(reconcile, patience, Arc::clone(ctx)).for_each(move |result| async move {
        if let Err(error) = result {
            tracing::debug!(kind, %error, "controller");
        }
    })
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
