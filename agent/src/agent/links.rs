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
        let result = gateway.report(&report).await.map_err(|error| sentence(&error));
        let _ = events.send(Event::Reported { fencing, result }).await;
    });
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
