//! One system's record: read whole once, then appended to. Every write names the version that was read and is checked against
//! what was read before, so that two writers can never both follow one entry.

use super::AuditError;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use qianyun_crds::AuditHead;
use qianyun_planning::audit::entry::{Entry, FORMAT, Sealed, System, seal};
use qianyun_planning::audit::segment::{ENTRIES_ANNOTATION, HEAD_ANNOTATION, LABEL, Segment, key, name, number_of};
use qianyun_planning::audit::{Break, Chain, Draft, State};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// One call to the API server, which takes tens of milliseconds: two of them are made between the vote and the commit.
pub(super) const CALL: Duration = Duration::from_secs(3);
/// Another leader, or a person who may not: nobody else writes. Whoever is overtaken more often has lost the lease.
const ATTEMPTS: u32 = 3;

/// The record of one migration.
pub(super) struct Log {
    maps: Api<ConfigMap>,
    namespace: String,
    migration: String,
    read: Option<Read>,
    /// Number and hash of the last entry that was ever seen, by this leadership or the one that noted it: a record only grows.
    seen: Option<(u64, String)>,
}

/// A record as it was read.
#[derive(Clone)]
struct Read {
    chain: Chain,
    state: State,
    /// The chain before the first entry of the newest object.
    start: Chain,
}

impl Log {
    pub(super) fn new(client: Client, namespace: &str, migration: &str, noted: Option<&AuditHead>) -> Self {
        let maps = Api::namespaced(client, namespace);
        let seen = noted.and_then(|noted| Some((u64::try_from(noted.entries).ok()?, noted.head.clone())));
        Self { maps, namespace: namespace.to_owned(), migration: migration.to_owned(), read: None, seen }
    }

    /// Number and hash of the last entry, once it was read.
    pub(super) fn head(&self) -> Option<AuditHead> {
        let chain = &self.read.as_ref()?.chain;
        let entries = i64::try_from(chain.entries()).ok().filter(|entries| *entries > 0)?;
        Some(AuditHead { entries, head: chain.head().to_owned() })
    }

    fn system(&self) -> String {
        format!("{}/{}", self.namespace, self.migration)
    }

    /// Appends what `decide` finds missing.
    pub(super) async fn record(
        &mut self,
        epoch: i64,
        at: Timestamp,
        decide: impl Fn(&State) -> Vec<Draft>,
    ) -> Result<(), AuditError> {
        for _ in 0..ATTEMPTS {
            // Put back only after it succeeded: whoever is cut off in the middle reads again.
            let mut read = match self.read.take() {
                Some(read) => read,
                None => self.read_all().await?,
            };
            let drafts = decide(&read.state);
            if !drafts.is_empty() {
                if read.chain.epoch() > epoch {
                    return Err(AuditError::Fenced { system: self.system(), epoch, newest: read.chain.epoch() });
                }
                match self.append(&mut read, drafts, epoch, at).await {
                    Ok(()) => {}
                    Err(AuditError::Overtaken { .. }) => continue,
                    Err(error) => return Err(error),
                }
            }
            self.read = Some(read);
            return Ok(());
        }
        Err(AuditError::Overtaken { system: self.system() })
    }

    /// Reads and verifies all of it.
    async fn read_all(&mut self) -> Result<Read, AuditError> {
        let chain = Chain::of(&self.namespace, &self.migration);
        let mut read = Read { start: chain.clone(), chain, state: State::default() };
        loop {
            let Some(map) = self.get(number_of(read.chain.next_number())).await? else { break };
            let segment = segment_of(&map, number_of(read.chain.next_number()));
            let entries = segment.read_into(&mut read.chain).map_err(|source| self.broken(source))?;
            self.expect_seen(&entries)?;
            entries.into_iter().for_each(|entry| read.state.add_value(entry));
            if !segment.is_full() {
                break;
            }
            read.start = read.chain.clone();
        }
        if let Some((entries, head)) = self.seen.as_ref().filter(|(entries, _)| *entries > read.chain.entries()) {
            let (system, expected) = (self.system(), format!("{entries} ({head})"));
            return Err(AuditError::Rewritten {
                system,
                expected,
                found: format!("the end after {}", read.chain.entries()),
            });
        }
        self.expect_no_gap(&read.chain).await?;
        self.seen = Some((read.chain.entries(), read.chain.head().to_owned())).filter(|(entries, _)| *entries > 0);
        Ok(read)
    }

    /// The last entry that was seen before must be the same now.
    fn expect_seen(&self, entries: &[Value]) -> Result<(), AuditError> {
        let Some((number, hash)) = &self.seen else { return Ok(()) };
        let same = entries.iter().find(|entry| entry["sequence"] == *number);
        match same.map(|entry| entry["hash"].as_str().unwrap_or_default()) {
            Some(found) if found != hash => Err(AuditError::Rewritten {
                system: self.system(),
                expected: format!("{number} ({hash})"),
                found: found.to_owned(),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Where the record seems to end, another object of it must not follow: then one was taken out.
    async fn expect_no_gap(&self, chain: &Chain) -> Result<(), AuditError> {
        let next = number_of(chain.next_number());
        match self.get(next + 1).await? {
            None => Ok(()),
            Some(_) => {
                let expected = format!("the ConfigMap {}", name(&self.migration, next));
                let found = format!("{} without it", name(&self.migration, next + 1));
                Err(self.broken(Break::Place { expected, found }))
            }
        }
    }

    async fn append(
        &mut self,
        read: &mut Read,
        drafts: Vec<Draft>,
        epoch: i64,
        at: Timestamp,
    ) -> Result<(), AuditError> {
        let mut drafts = drafts.into_iter().peekable();
        while drafts.peek().is_some() {
            let number = number_of(read.chain.next_number());
            let map = self.get(number).await?;
            let mut segment = map.as_ref().map_or_else(Segment::default, |map| segment_of(map, number));
            let mut found = read.start.clone();
            if map.is_some() {
                segment.read_into(&mut found).map_err(|source| self.broken(source))?;
            }
            if found != read.chain {
                return Err(AuditError::Overtaken { system: self.system() });
            }
            let mut next = read.clone();
            while number_of(next.chain.next_number()) == number
                && let Some(draft) = drafts.next()
            {
                next.state.add(&draft);
                let Sealed { entry, text } = self.seal(&next.chain, draft, epoch, at)?;
                next.chain.take(&text).map_err(|source| self.broken(source))?;
                segment.data.insert(key(entry.sequence), text);
            }
            let is_full = number_of(next.chain.next_number()) != number;
            self.write(map, number, segment.data, &next.chain, is_full).await?;
            self.seen = Some((next.chain.entries(), next.chain.head().to_owned()));
            if is_full {
                next.start = next.chain.clone();
            }
            *read = next;
        }
        Ok(())
    }

    fn seal(&self, chain: &Chain, draft: Draft, epoch: i64, at: Timestamp) -> Result<Sealed, AuditError> {
        let Draft { uid, actor, subject, scheme, event } = draft;
        let system = System { namespace: self.namespace.clone(), name: self.migration.clone(), uid };
        let (sequence, previous) = (chain.next_number(), chain.head().to_owned());
        let entry = Entry {
            format: FORMAT,
            sequence,
            at,
            epoch,
            system,
            actor,
            subject,
            scheme,
            event,
            previous,
            hash: String::new(),
        };
        seal(entry).map_err(|source| AuditError::Seal { system: self.system(), source })
    }

    /// Writes an object: a new one, or the one that was read and nobody changed since.
    async fn write(
        &self,
        before: Option<ConfigMap>,
        number: u64,
        data: BTreeMap<String, String>,
        chain: &Chain,
        is_full: bool,
    ) -> Result<(), AuditError> {
        let name = name(&self.migration, number);
        let is_new = before.is_none();
        let mut map = before.unwrap_or_else(|| ConfigMap {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                namespace: Some(self.namespace.clone()),
                labels: Some([(LABEL.to_owned(), self.migration.clone())].into()),
                ..ObjectMeta::default()
            },
            ..ConfigMap::default()
        });
        let annotations = map.metadata.annotations.get_or_insert_default();
        annotations.insert(ENTRIES_ANNOTATION.to_owned(), chain.entries().to_string());
        annotations.insert(HEAD_ANNOTATION.to_owned(), chain.head().to_owned());
        map.data = Some(data);
        map.immutable = is_full.then_some(true);
        let params = PostParams { field_manager: Some(crate::reconcile::MANAGER.to_owned()), ..PostParams::default() };
        let what = format!("writing the audit record {}/{name}", self.namespace);
        let written = if is_new {
            tokio::time::timeout(CALL, self.maps.create(&params, &map)).await
        } else {
            tokio::time::timeout(CALL, self.maps.replace(&name, &params, &map)).await
        };
        match written {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(kube::Error::Api(status))) if status.is_conflict() || status.is_already_exists() => {
                Err(AuditError::Overtaken { system: self.system() })
            }
            Ok(Err(source)) => Err(AuditError::Api { what, source: Box::new(source) }),
            Err(_) => Err(AuditError::TimedOut { what }),
        }
    }

    async fn get(&self, number: u64) -> Result<Option<ConfigMap>, AuditError> {
        get(&self.maps, &name(&self.migration, number)).await
    }

    fn broken(&self, source: Break) -> AuditError {
        AuditError::Broken { system: self.system(), source }
    }
}

/// An object of a record, if it is there.
async fn get(maps: &Api<ConfigMap>, name: &str) -> Result<Option<ConfigMap>, AuditError> {
    let what = || format!("reading the audit record {name}");
    match tokio::time::timeout(CALL, maps.get_opt(name)).await {
        Ok(Ok(map)) => Ok(map),
        Ok(Err(source)) => Err(AuditError::Api { what: what(), source: Box::new(source) }),
        Err(_) => Err(AuditError::TimedOut { what: what() }),
    }
}

fn segment_of(map: &ConfigMap, number: u64) -> Segment {
    let says =
        |annotation| map.metadata.annotations.as_ref().and_then(|a| a.get(annotation)).cloned().unwrap_or_default();
    Segment {
        name: map.metadata.name.clone().unwrap_or_default(),
        number,
        data: map.data.clone().unwrap_or_default(),
        head: (says(ENTRIES_ANNOTATION), says(HEAD_ANNOTATION)),
    }
}

/// All entries of a record as they lie in the cluster, in their order, believed or not.
pub(super) async fn lines(client: Client, namespace: &str, migration: &str) -> Result<Vec<String>, AuditError> {
    let maps = Api::namespaced(client, namespace);
    let mut lines = Vec::new();
    for number in 1.. {
        let Some(map) = get(&maps, &name(migration, number)).await? else { break };
        lines.extend(map.data.unwrap_or_default().into_values());
    }
    Ok(lines)
}
