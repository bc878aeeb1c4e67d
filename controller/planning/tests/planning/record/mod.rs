//! An audit record in memory, kept as the controller keeps it in the cluster.
#![allow(clippy::unwrap_used)]

use jiff::Timestamp;
use qianyun_planning::audit::entry::{Entry, FORMAT, System, seal};
use qianyun_planning::audit::segment::{ENTRIES_ANNOTATION, HEAD_ANNOTATION, LABEL, key, name, number_of};
use qianyun_planning::audit::{Chain, Draft, Event, State};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) const NAMESPACE: &str = "minzheng";
pub(crate) const NAME: &str = "civil-registry";

#[derive(Clone)]
pub(crate) struct Record {
    pub(crate) chain: Chain,
    pub(crate) state: State,
    pub(crate) entries: Vec<Entry>,
    pub(crate) lines: Vec<String>,
}

impl Record {
    pub(crate) fn new() -> Self {
        Self::of(NAMESPACE, NAME)
    }

    pub(crate) fn of(namespace: &str, name: &str) -> Self {
        let (chain, state) = (Chain::of(namespace, name), State::default());
        Self { chain, state, entries: Vec::new(), lines: Vec::new() }
    }

    pub(crate) fn append(&mut self, drafts: Vec<Draft>, at: Timestamp, epoch: i64) {
        for draft in drafts {
            self.state.add(&draft);
            let entry = entry(&self.chain, draft, at, epoch);
            let sealed = seal(entry).unwrap();
            self.chain.take(&sealed.text).unwrap();
            self.entries.push(sealed.entry);
            self.lines.push(sealed.text);
        }
    }

    /// What a controller that starts anew knows.
    pub(crate) fn read_again(&self) -> State {
        let (mut chain, mut state) = (Chain::of(NAMESPACE, NAME), State::default());
        self.lines.iter().for_each(|line| state.add_value(chain.take(line).unwrap()));
        assert_eq!(chain, self.chain);
        state
    }

    pub(crate) fn events(&self) -> Vec<&Event> {
        self.entries.iter().map(|entry| &entry.event).collect()
    }

    /// As `audit export` prints it.
    pub(crate) fn as_lines(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// As kubectl prints the objects.
    pub(crate) fn as_objects(&self) -> Value {
        let mut objects: BTreeMap<u64, Value> = BTreeMap::new();
        for entry in &self.entries {
            let number = number_of(entry.sequence);
            let object = objects.entry(number).or_insert_with(|| {
                json!({
                    "apiVersion": "v1", "kind": "ConfigMap", "data": {},
                    "metadata": {"name": name(NAME, number), "namespace": NAMESPACE, "labels": {LABEL: NAME}}
                })
            });
            let at = usize::try_from(entry.sequence - 1).unwrap();
            object["data"][key(entry.sequence)] = json!(self.lines[at]);
            object["metadata"]["annotations"] =
                json!({ENTRIES_ANNOTATION: entry.sequence.to_string(), HEAD_ANNOTATION: entry.hash});
        }
        json!({"apiVersion": "v1", "kind": "List", "items": objects.into_values().collect::<Vec<_>>()})
    }
}

pub(crate) fn entry(chain: &Chain, draft: Draft, at: Timestamp, epoch: i64) -> Entry {
    let Draft { uid, actor, subject, scheme, event } = draft;
    let (namespace, name) = chain.system().split_once('/').unwrap();
    Entry {
        format: FORMAT,
        sequence: chain.next_number(),
        at,
        epoch,
        system: System { namespace: namespace.into(), name: name.into(), uid },
        actor,
        subject,
        scheme,
        event,
        previous: chain.head().to_owned(),
        hash: String::new(),
    }
}
