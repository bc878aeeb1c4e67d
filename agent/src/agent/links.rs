//! What connects the owner with the outside: the long poll, reports, signals. Each tells the owner by an event.

use super::{Agent, Event};
use crate::gateway::{Gateway, GatewayError};
use qianyun_agent_api::report::{Report, Role};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

/// First and longest pause after a failed poll. The longest is short: a decision during a freeze must come through.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// Connections for one report. Of two replicas one leads, and which of them a connection meets is chance: one connection misses the
/// leader every other time, and a server at rest would be heard of after 15 s, or 30, or 45; four miss it once in 16 times.
const CONNECTIONS: usize = 4;

/// Starts the long poll and listens for the order to stop.
pub(super) fn start(agent: &Agent, events: &mpsc::Sender<Event>) {
    tokio::spawn(poll(agent.role, agent.gateway.subscribe(), agent.highest.subscribe(), events.clone()));
    let events = events.clone();
    tokio::spawn(async move {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                terminate.recv().await;
                let _ = events.send(Event::Stop).await;
            }
            Err(error) => tracing::warn!(%error, "no signals: the service can only be killed"),
        }
    });
}

async fn poll(
    role: Role,
    gateway: watch::Receiver<Gateway>,
    highest: watch::Receiver<(u64, u64)>,
    events: mpsc::Sender<Event>,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        let client = gateway.borrow().clone();
        let (epoch, generation) = *highest.borrow();
        let event = match client.desired(role, epoch, generation).await {
            Ok(desired) => {
                pause = FIRST_PAUSE;
                Event::Desired(desired)
            }
            Err(error) => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                Event::PollFailed(sentence(&error))
            }
        };
        if events.send(event).await.is_err() {
            return;
        }
    }
}

/// Sends one report.
pub(super) fn report(gateway: Gateway, report: Report, fencing: bool, events: mpsc::Sender<Event>) {
    tokio::spawn(async move {
        let result = of_the_leader(|| gateway.report(&report)).await.map_err(|error| sentence(&error));
        let _ = events.send(Event::Reported { fencing, result }).await;
    });
}

/// Asks, and at once again where a replica answered that does not lead.
async fn of_the_leader<A, F: Future<Output = Result<A, GatewayError>>>(ask: impl Fn() -> F) -> Result<A, GatewayError> {
    for _ in 1..CONNECTIONS {
        match ask().await {
            Err(GatewayError::NotServing { .. }) => {}
            answer => return answer,
        }
    }
    ask().await
}

/// Asks for a new certificate.
pub(super) fn renew(gateway: Gateway, csr_pem: Option<String>, events: mpsc::Sender<Event>) {
    tokio::spawn(async move {
        let answer = match csr_pem {
            Some(csr) => gateway.renew(csr).await.map_err(|error| sentence(&error)),
            None => Err("the key cannot be used to ask for a certificate".into()),
        };
        let _ = events.send(Event::Renewed(answer)).await;
    });
}

/// The error with its cause, as one sentence.
fn sentence(error: &GatewayError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// How often is asked, and whether that came to something, where the answers are these.
    async fn asked(answers: &[u16]) -> (usize, bool) {
        let count = Cell::new(0);
        let told = of_the_leader(|| {
            let status = answers[count.replace(count.get() + 1)];
            let server = "gw".to_owned();
            async move {
                match status {
                    200 => Ok(()),
                    0 => Err(GatewayError::TimedOut { server, limit_s: 30 }),
                    status => Err(GatewayError::NotServing { server, status }),
                }
            }
        });
        let told = told.await.is_ok();
        (count.get(), told)
    }

    #[tokio::test]
    async fn a_report_goes_past_replicas_that_do_not_lead_and_does_not_press_a_gateway_that_ails() {
        assert_eq!(asked(&[200]).await, (1, true));
        assert_eq!(asked(&[503, 503, 200]).await, (3, true));
        assert_eq!(asked(&[503, 503, 503, 503, 200]).await, (4, false));
        assert_eq!(asked(&[0, 200]).await, (1, false), "who does not answer is not asked at once again");
    }
}
