//! Leader election on one `Lease`, and the epoch that fences whoever led before.
//!
//! Another holder's time is over when its lease has not changed for [`LEASE`] on this process's own monotonic clock; no
//! clock of another machine is ever compared. A leader that cannot renew within [`RENEW_WITHIN`] has lost, and its
//! process must end: nothing here steps down and goes on. What excludes a paused leader in the end is the epoch, which
//! agents remember; it grows with every new process that takes over.

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client, Config};
use std::time::{Duration, Instant};

/// client-go's defaults: a holder that has been silent this long is taken over from.
const LEASE: Duration = Duration::from_secs(15);
/// A leader that could not renew for this long has lost: 5 s before anyone can take over.
const RENEW_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks at the lease.
const RETRY: Duration = Duration::from_secs(2);
/// One call to the API server; four fit in [`RENEW_WITHIN`].
const CALL: Duration = Duration::from_secs(2);

// Who follows a leader that died has to lead within 20 s: it may just have looked when the lease ran out.
const _: () = assert!(LEASE.as_secs() + RETRY.as_secs() + CALL.as_secs() < 20);

/// Why there is no leadership.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeaseError {
    /// It was lost: end the process.
    #[error("leadership of lease {lease} was lost: {why}")]
    Lost {
        /// Name of the lease.
        lease: String,
        /// What was seen.
        why: String,
    },
    /// The API server could not be talked to at all.
    #[error("no client for the lease can be made")]
    Client(#[source] Box<kube::Error>),
}

/// What to do about the lease as it was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// There is none: create it with epoch 1.
    Create,
    /// It is free, or its holder is silent for too long: take it over with this epoch.
    Take {
        /// `leaseTransitions` to write.
        epoch: i32,
    },
    /// It is ours: write the time.
    Renew,
    /// Someone else holds it.
    Wait,
}

/// The newest change of the lease that was seen, and when.
#[derive(Debug, Default)]
pub(crate) struct Seen(Option<(String, Instant)>);

/// Decides on the lease as read at `now`. `me` names this process, so a restarted one is another.
pub(crate) fn decide(me: &str, lease: Option<&Lease>, seen: &mut Seen, now: Instant) -> Move {
    let Some(lease) = lease else { return Move::Create };
    let spec = lease.spec.clone().unwrap_or_default();
    let holder = spec.holder_identity.as_deref().unwrap_or_default();
    if holder == me {
        return Move::Renew;
    }
    let take = Move::Take { epoch: spec.lease_transitions.unwrap_or(0).max(0).saturating_add(1) };
    if holder.is_empty() {
        return take;
    }
    let version = lease.metadata.resource_version.clone().unwrap_or_default();
    match &seen.0 {
        Some((last, since)) if *last == version => {
            if now.saturating_duration_since(*since) < LEASE {
                Move::Wait
            } else {
                take
            }
        }
        Some(_) | None => {
            seen.0 = Some((version, now));
            Move::Wait
        }
    }
}

/// The elector of one process.
pub(crate) struct Elector {
    leases: Api<Lease>,
    name: String,
    me: String,
}

/// Leadership that was won. Renew it with [`Elector::hold`] or end.
pub(crate) struct Leadership {
    /// Grows with every process that takes over; at least 1.
    pub(crate) epoch: u64,
    renewed: Instant,
}

impl Elector {
    /// An elector for lease `name`; `identity` is made unique for this process.
    pub(crate) fn new(client: Client, namespace: &str, name: &str, identity: &str) -> Self {
        let me = format!("{identity}_{}_{}", std::process::id(), Timestamp::now().as_microsecond());
        Self { leases: Api::namespaced(client, namespace), name: name.to_owned(), me }
    }

    /// A client of its own: without the retry layer, which can hold one call for minutes.
    pub(crate) fn client(config: &Config) -> Result<Client, LeaseError> {
        let mut config = config.clone();
        config.default_retry = false;
        config.connect_timeout = Some(CALL);
        config.read_timeout = Some(CALL);
        config.write_timeout = Some(CALL);
        Client::try_from(config).map_err(|error| LeaseError::Client(Box::new(error)))
    }

    /// Waits until this process leads.
    pub(crate) async fn acquire(&self) -> Leadership {
        let mut seen = Seen::default();
        loop {
            let before = Instant::now();
            match self.attempt(&mut seen).await {
                Ok(Some(epoch)) => return Leadership { epoch, renewed: before },
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(error = %describe(&error), lease = self.name, "the lease cannot be read or written")
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Renews until leadership is lost, and says why. Runs beside everything that needs leadership.
    pub(crate) async fn hold(&self, leadership: &Leadership) -> LeaseError {
        let mut renewed = leadership.renewed;
        let mut trouble = String::from("it was not renewed in time");
        loop {
            tokio::time::sleep(RETRY).await;
            let before = Instant::now();
            if before.saturating_duration_since(renewed) >= RENEW_WITHIN {
                return self.lost(trouble);
            }
            let left = RENEW_WITHIN.saturating_sub(before.saturating_duration_since(renewed));
            match tokio::time::timeout(left, self.renew(leadership.epoch)).await {
                Ok(Ok(true)) => renewed = before,
                Ok(Ok(false)) => return self.lost("another process holds it".to_owned()),
                Ok(Err(error)) => trouble = describe(&error),
                Err(_) => trouble = "the api server did not answer".to_owned(),
            }
        }
    }

    /// Gives the lease back, so that the next leader need not wait. Only after everything that needs it has ended.
    pub(crate) async fn release(&self) {
        let Ok(Some(mut lease)) = timed(self.leases.get_opt(&self.name)).await else { return };
        let Some(spec) = lease.spec.as_mut().filter(|s| s.holder_identity.as_deref() == Some(&self.me)) else { return };
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        if let Err(error) = timed(self.leases.replace(&self.name, &PostParams::default(), &lease)).await {
            tracing::info!(error = %describe(&error), lease = self.name, "the lease was not released; it will expire");
        }
    }

    /// One look, and one move. The epoch if this process leads now.
    async fn attempt(&self, seen: &mut Seen) -> Result<Option<u64>, kube::Error> {
        let lease = timed(self.leases.get_opt(&self.name)).await?;
        let written = match decide(&self.me, lease.as_ref(), seen, Instant::now()) {
            Move::Wait => return Ok(None),
            Move::Create => timed(self.leases.create(&PostParams::default(), &self.fresh())).await,
            Move::Take { epoch } => self.write(lease.unwrap_or_default(), Some(epoch)).await,
            Move::Renew => self.write(lease.unwrap_or_default(), None).await,
        };
        match written {
            Ok(lease) => Ok(epoch_of(&lease)),
            // Another process was faster; what it wrote is looked at next time.
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the lease is still ours, in the same epoch, and was written again.
    async fn renew(&self, epoch: u64) -> Result<bool, kube::Error> {
        let Some(lease) = timed(self.leases.get_opt(&self.name)).await? else { return Ok(false) };
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref());
        if holder != Some(&self.me) || epoch_of(&lease) != Some(epoch) {
            return Ok(false);
        }
        self.write(lease, None).await.map(|_| true)
    }

    async fn write(&self, mut lease: Lease, new_epoch: Option<i32>) -> Result<Lease, kube::Error> {
        let spec = lease.spec.get_or_insert_default();
        let now = MicroTime(Timestamp::now());
        if let Some(epoch) = new_epoch {
            spec.lease_transitions = Some(epoch);
            spec.acquire_time = Some(now.clone());
        }
        spec.holder_identity = Some(self.me.clone());
        spec.lease_duration_seconds = Some(seconds(LEASE));
        spec.renew_time = Some(now);
        timed(self.leases.replace(&self.name, &PostParams::default(), &lease)).await
    }

    fn fresh(&self) -> Lease {
        let now = MicroTime(Timestamp::now());
        Lease {
            metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.me.clone()),
                lease_transitions: Some(1),
                lease_duration_seconds: Some(seconds(LEASE)),
                acquire_time: Some(now.clone()),
                renew_time: Some(now),
                ..LeaseSpec::default()
            }),
        }
    }

    fn lost(&self, why: String) -> LeaseError {
        LeaseError::Lost { lease: self.name.clone(), why }
    }
}

fn epoch_of(lease: &Lease) -> Option<u64> {
    let transitions = lease.spec.as_ref()?.lease_transitions?;
    u64::try_from(transitions).ok().filter(|epoch| *epoch >= 1)
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

/// One call with a limit: the connection may be dead without saying so.
async fn timed<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
    match tokio::time::timeout(CALL, call).await {
        Ok(result) => result,
        Err(_) => Err(kube::Error::Service(format!("no answer within {} s", CALL.as_secs()).into())),
    }
}

fn describe(error: &kube::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
