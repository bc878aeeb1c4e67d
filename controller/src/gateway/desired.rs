//! The long poll: what a host is to be, as soon as that differs from what it knows.
//!
//! Before a reconciler of this leadership has spoken, nothing is handed out: `Idle` out of ignorance would stop a copy.

use super::agents::{Agents, HostKey};
use super::refuse::Refused;
use qianyun_agent_api::desired::Desired;
use qianyun_agent_api::report::Role;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// What the agent knows: `(epoch, generation)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// Epoch; 0 before the first.
    pub(super) epoch: u64,
    /// Generation; 0 before the first.
    pub(super) generation: u64,
}

/// Waits until what `host` is to be in `role` differs from `known`, at most for `limit`.
pub(super) async fn wait(
    agents: &Agents,
    host: &HostKey,
    role: Role,
    known: Known,
    limit: Duration,
) -> Result<Desired, Refused> {
    let mut watched = agents.watch_desired(host, role);
    let deadline = Instant::now() + limit;
    loop {
        let desired = watched.borrow_and_update().clone();
        match desired {
            Some(desired) if (desired.epoch, desired.generation) != (known.epoch, known.generation) => {
                return Ok(desired);
            }
            Some(_) | None => {}
        }
        match timeout_at(deadline, watched.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return desired.ok_or(Refused::NotNow),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qianyun_agent_api::desired::Intent;
    use std::sync::Arc;

    const LONG: Duration = Duration::from_secs(600);
    const KNOWN: Known = Known { epoch: 3, generation: 1 };

    fn leading() -> Arc<Agents> {
        let agents = Arc::new(Agents::new());
        agents.lead(3);
        agents
    }

    #[tokio::test]
    async fn a_change_ends_the_wait_and_what_is_known_does_not() {
        let (agents, host) = (leading(), HostKey::new("civil", "db1"));
        agents.set_desired(&host, Role::Source, Intent::Idle {});
        let first = wait(&agents, &host, Role::Source, Known { epoch: 0, generation: 0 }, LONG).await.unwrap();
        assert_eq!((first.epoch, first.generation), (3, 1));
        let same = wait(&agents, &host, Role::Source, KNOWN, Duration::from_millis(1)).await.unwrap();
        assert_eq!(same, first);
        let waiting = tokio::spawn({
            let (agents, host) = (Arc::clone(&agents), host.clone());
            async move { wait(&agents, &host, Role::Source, KNOWN, LONG).await }
        });
        agents.set_desired(
            &host,
            Role::Source,
            Intent::Serve(qianyun_agent_api::desired::ServeIntent { units: vec![] }),
        );
        assert_eq!(waiting.await.unwrap().unwrap().generation, 2);
    }

    #[tokio::test]
    async fn an_agent_of_an_earlier_epoch_is_answered_at_once() {
        let (agents, host) = (leading(), HostKey::new("civil", "db1"));
        agents.set_desired(&host, Role::Source, Intent::Idle {});
        assert_eq!(wait(&agents, &host, Role::Source, Known { epoch: 2, generation: 1 }, LONG).await.unwrap().epoch, 3);
    }

    #[tokio::test]
    async fn nothing_is_handed_out_before_a_reconciler_has_spoken() {
        let (agents, host) = (leading(), HostKey::new("civil", "db1"));
        let answer = wait(&agents, &host, Role::Source, KNOWN, Duration::from_millis(1)).await;
        assert!(matches!(answer, Err(Refused::NotNow)));
    }
}
