//! The objects in the cluster that hold the entries: ConfigMaps of a hundred entries, each entry under a key of its own, so that
//! an admission policy can see that an update only adds. A full one is immutable.

use super::chain::{Break, Chain};
use serde_json::Value;
use std::collections::BTreeMap;

/// Entries of one object. At their longest of 8 KiB they take 800 KiB; etcd and the API server refuse 1 MiB.
pub const SEGMENT_ENTRIES: u64 = 100;
/// Label with the name of the `SystemMigration`: `kubectl get configmaps -l migration.qianyun.dev/audit-of=NAME`.
pub const LABEL: &str = "migration.qianyun.dev/audit-of";
/// Annotation: number of the last entry in the object.
pub const ENTRIES_ANNOTATION: &str = "migration.qianyun.dev/audit-entries";
/// Annotation: hash of that entry.
pub const HEAD_ANNOTATION: &str = "migration.qianyun.dev/audit-head";
/// Between the name of the `SystemMigration` and the number; the admission policy knows the objects by it.
const INFIX: &str = "-audit-";
/// Digits of the number: more entries than a system could make in a lifetime.
const NUMBER_DIGITS: usize = 5;

/// The number of the object that holds an entry, from 1.
pub fn number_of(sequence: u64) -> u64 {
    sequence.saturating_sub(1) / SEGMENT_ENTRIES + 1
}

/// Name of an object of a migration's record.
pub fn name(migration: &str, number: u64) -> String {
    format!("{migration}{INFIX}{number:0NUMBER_DIGITS$}")
}

/// The migration and the number that a name stands for; `None` if it is not the name of such an object.
pub fn parse_name(name: &str) -> Option<(&str, u64)> {
    let (migration, number) = name.rsplit_once(INFIX)?;
    let well_formed = number.len() == NUMBER_DIGITS && number.bytes().all(|b| b.is_ascii_digit());
    let number = number.parse().ok().filter(|n| well_formed && *n > 0)?;
    Some((migration, number)).filter(|(migration, _)| !migration.is_empty())
}

/// The key of an entry.
pub fn key(sequence: u64) -> String {
    format!("{sequence:08}")
}

/// One object, as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Its name.
    pub name: String,
    /// Its number.
    pub number: u64,
    /// Its entries by their keys.
    pub data: BTreeMap<String, String>,
    /// What its annotations say: number and hash of its last entry.
    pub head: (String, String),
}

impl Segment {
    /// Takes its entries into the chain, each from its own place, and gives them as values.
    pub fn read_into(&self, chain: &mut Chain) -> Result<Vec<Value>, Break> {
        let mut entries = Vec::new();
        for (found, text) in &self.data {
            let next = chain.next_number();
            if number_of(next) != self.number || *found != key(next) {
                let found = format!("entry {found} in segment {}", self.number);
                let expected = format!("entry {} in segment {}", key(next), number_of(next));
                return Err(Break::Place { expected, found });
            }
            entries.push(chain.take(text)?);
        }
        let says = (chain.entries().to_string(), chain.head().to_owned());
        if self.head != says {
            let words = |(number, hash): &(String, String)| format!("{number} ({hash})");
            return Err(Break::Head { object: self.name.clone(), expected: words(&self.head), found: words(&says) });
        }
        Ok(entries)
    }

    /// Whether no further entry belongs into it.
    pub fn is_full(&self) -> bool {
        self.data.contains_key(&key(self.number * SEGMENT_ENTRIES))
    }
}
