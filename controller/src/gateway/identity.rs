//! Who calls: the host that a client certificate names, if it is still enrolled with that key, and in which role.
//!
//! The certificate alone is never enough: deleting a `PhysicalHost` shuts its host out within [`FRESH`].

use super::agents::HostKey;
use super::refuse::Refused;
use crate::ca::{Authority, HOST_LIFE, Verified};
use jiff::{SignedDuration, Timestamp};
use kube::{Api, Client};
use qianyun_agent_api::inventory::Fingerprint;
use qianyun_agent_api::report::Role;
use qianyun_crds::{DecisionKind, HardwareIdentity, HostMigration, PhysicalHost};
use rustls_pki_types::CertificateDer;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a `PhysicalHost` that was read is taken as it was. While the API server cannot be reached, longer: a
/// cutover must not fail because a host that was known a minute ago cannot be looked up.
const FRESH: Duration = Duration::from_secs(10);

/// The client certificate of a connection, if it showed one. Chain and key were checked by TLS, the time was not.
#[derive(Clone)]
pub(super) struct Peer(pub(super) Option<CertificateDer<'static>>);

/// What a call does with a certificate whose time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expired {
    /// Refuse it.
    Refuse,
    /// Let it in: a server that was off for a long weekend can still ask for a new one. It proves the same key.
    Accept,
}

/// A host that calls.
pub(super) struct Caller {
    /// Its name.
    pub(super) key: HostKey,
    /// What it was enrolled as.
    pub(super) enrolled: Arc<PhysicalHost>,
}

/// The enrolled hosts.
pub(super) struct Directory {
    client: Client,
    known: Mutex<HashMap<HostKey, (Arc<PhysicalHost>, Instant)>>,
    /// Hosts with a decision `Commit`. A decision is never changed, so this is never forgotten.
    committed: Mutex<HashSet<HostKey>>,
}

impl Directory {
    /// A directory that has read nothing yet.
    pub(super) fn new(client: Client) -> Self {
        Self { client, known: Mutex::default(), committed: Mutex::default() }
    }

    /// The host that `peer` is.
    pub(super) async fn caller(&self, authority: &Authority, peer: &Peer, expired: Expired) -> Result<Caller, Refused> {
        let Some(der) = &peer.0 else { return Err(Refused::certificate_unknown("none was shown")) };
        let verified = verify(authority, der, expired)?;
        let key =
            host_of(&verified.common_name).ok_or_else(|| Refused::certificate_unknown("it does not name a host"))?;
        let enrolled = self.host(&key).await?;
        if enrolled.spec.public_key_digest != verified.public_key_digest {
            return Err(Refused::certificate_unknown("the host was enrolled with another key"));
        }
        Ok(Caller { key, enrolled })
    }

    /// Checks that `caller` may speak as `role` from hardware `print`.
    pub(super) async fn check_role(&self, caller: &Caller, print: &Fingerprint, role: Role) -> Result<(), Refused> {
        match (role, same_machine(&caller.enrolled.spec.hardware, &hardware(print))) {
            (Role::Source, true) => Ok(()),
            (Role::Source, false) => Err(Refused::role_not_allowed(
                "The report says that it comes from the enrolled machine, but the hardware is another.",
            )),
            (Role::Arrival, true) => Err(Refused::role_not_allowed(
                "The report says that it comes from the target machine, but the hardware is the enrolled one.",
            )),
            (Role::Arrival, false) if self.is_committed(&caller.key).await? => Ok(()),
            (Role::Arrival, false) => Err(Refused::role_not_allowed(
                "The report comes from other hardware than the enrolled one, and no cutover of this host was committed.",
            )),
        }
    }

    async fn host(&self, key: &HostKey) -> Result<Arc<PhysicalHost>, Refused> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        if let Some((host, _)) = known.as_ref().filter(|(_, at)| at.elapsed() < FRESH) {
            return Ok(Arc::clone(host));
        }
        match Api::<PhysicalHost>::namespaced(self.client.clone(), &key.namespace).get_opt(&key.name).await {
            Ok(Some(host)) => {
                let host = Arc::new(host);
                let entry = (Arc::clone(&host), Instant::now());
                self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), entry);
                Ok(host)
            }
            Ok(None) => {
                self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
                Err(Refused::certificate_unknown("its PhysicalHost does not exist"))
            }
            Err(error) => {
                tracing::warn!(host = %key, %error, "the host cannot be looked up");
                known.map(|(host, _)| host).ok_or(Refused::NotNow)
            }
        }
    }

    async fn is_committed(&self, key: &HostKey) -> Result<bool, Refused> {
        if self.committed.lock().unwrap_or_else(PoisonError::into_inner).contains(key) {
            return Ok(true);
        }
        let migrations = Api::<HostMigration>::namespaced(self.client.clone(), &key.namespace);
        let list = migrations.list(&kube::api::ListParams::default()).await.map_err(|error| {
            tracing::warn!(host = %key, %error, "the decision on the host cannot be looked up");
            Refused::NotNow
        })?;
        let committed = list.items.iter().filter(|migration| migration.spec.host_ref == key.name).any(is_commit);
        if committed {
            self.committed.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        }
        Ok(committed)
    }
}

fn verify(authority: &Authority, der: &[u8], expired: Expired) -> Result<Verified, Refused> {
    let now = Timestamp::now();
    let unknown = |error: crate::ca::CaError| Refused::certificate_unknown(&error.to_string());
    match (authority.verify(der, now), expired) {
        (Ok(verified), _) => Ok(verified),
        (Err(error), Expired::Refuse) => Err(unknown(error)),
        (Err(error), Expired::Accept) => {
            let valid_until = Authority::valid_until(der).map_err(unknown)?;
            let life = SignedDuration::try_from(HOST_LIFE).unwrap_or(SignedDuration::ZERO);
            // Only one that is over: its signature still has to be right at a time when it was valid.
            let past =
                valid_until.checked_sub(life / 2).ok().filter(|_| valid_until < now).ok_or_else(|| unknown(error))?;
            authority.verify(der, past).map_err(unknown)
        }
    }
}

fn is_commit(migration: &HostMigration) -> bool {
    let decision = migration.status.as_ref().and_then(|s| s.cutover.as_ref()).and_then(|c| c.decision.as_ref());
    decision.is_some_and(|decision| decision.kind == DecisionKind::Commit)
}

/// The host of common name `host:<namespace>/<name>`.
fn host_of(common_name: &str) -> Option<HostKey> {
    let (namespace, name) = common_name.strip_prefix("host:")?.split_once('/')?;
    (!namespace.is_empty() && !name.is_empty() && !name.contains('/')).then(|| HostKey::new(namespace, name))
}

/// The hardware identity that a fingerprint is stored as.
pub(super) fn hardware(print: &Fingerprint) -> HardwareIdentity {
    HardwareIdentity {
        system_uuid: print.system_uuid.trim().to_lowercase(),
        system_serial: print.system_serial.trim().to_owned(),
        board_serial: print.board_serial.trim().to_owned(),
    }
}

/// Whether two identities are of one machine: at least one field that both have is equal, and none differs. A field
/// that either leaves empty says nothing.
pub(super) fn same_machine(one: &HardwareIdentity, other: &HardwareIdentity) -> bool {
    let fields = [
        (&one.system_uuid, &other.system_uuid),
        (&one.system_serial, &other.system_serial),
        (&one.board_serial, &other.board_serial),
    ];
    let mut both = fields.into_iter().filter(|(a, b)| !a.is_empty() && !b.is_empty()).peekable();
    both.peek().is_some() && both.all(|(a, b)| a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(uuid: &str, serial: &str, board: &str) -> HardwareIdentity {
        HardwareIdentity { system_uuid: uuid.into(), system_serial: serial.into(), board_serial: board.into() }
    }

    #[test]
    fn empty_fields_neither_match_nor_differ() {
        assert!(same_machine(&machine("u", "s", ""), &machine("u", "s", "b")));
        assert!(!same_machine(&machine("", "", ""), &machine("", "", "")));
        assert!(!same_machine(&machine("u", "", ""), &machine("", "s", "")));
        assert!(!same_machine(&machine("u", "s", ""), &machine("u", "t", "")));
    }

    #[test]
    fn only_a_whole_host_name_is_taken_from_a_certificate() {
        assert_eq!(host_of("host:civil/db1"), Some(HostKey::new("civil", "db1")));
        for other in ["civil/db1", "host:civil", "host:/db1", "host:civil/", "host:a/b/c", "s1-00.receiver.qianyun.dev"]
        {
            assert_eq!(host_of(other), None, "{other}");
        }
    }
}
