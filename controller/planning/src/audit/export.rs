//! Files that were taken out of the cluster, verified without it: entries one a line, or the ConfigMaps as
//! `kubectl get configmaps -o json` prints them. The files come from anywhere; what is not understood is an error.

use super::chain::{Break, Chain};
use super::segment::{ENTRIES_ANNOTATION, HEAD_ANNOTATION, Segment, parse_name};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Longest file. A city of 1,000 systems with 250 entries each, at 700 bytes, as ConfigMaps with their escapes.
pub const MAX_FILE_BYTES: usize = 256 << 20;

/// Why a file is no export.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// It is too long.
    #[error("{place}: {found} bytes or more, expected at most {MAX_FILE_BYTES}")]
    TooLong {
        /// Which file.
        place: String,
        /// Its length.
        found: usize,
    },
    /// It is not text.
    #[error("{place}: expected text in utf-8")]
    NotText {
        /// Which file.
        place: String,
        /// Why.
        #[source]
        source: std::str::Utf8Error,
    },
    /// It holds objects that are no ConfigMaps.
    #[error("{place}: expected ConfigMaps as `kubectl get configmaps -o json` prints them")]
    NotConfigMaps {
        /// Which file.
        place: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// It holds a ConfigMap that is none of a record.
    #[error(
        "{place}: the ConfigMap {name} is no part of an audit record: select by the label migration.qianyun.dev/audit-of"
    )]
    NotASegment {
        /// Which file.
        place: String,
        /// Which object.
        name: String,
    },
    /// The same object twice.
    #[error("{place}: the ConfigMap {name} is there twice")]
    Twice {
        /// Which file.
        place: String,
        /// Which object.
        name: String,
    },
    /// There is nothing in it.
    #[error("{place}: expected entries, found none")]
    Empty {
        /// Which file.
        place: String,
    },
}

/// A record that is unbroken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whose, `namespace/name`.
    pub system: String,
    /// How many entries.
    pub entries: u64,
    /// When the first and the last were recorded.
    pub times: Option<(Timestamp, Timestamp)>,
    /// Hash of the last.
    pub head: String,
}

/// A record that is not.
#[derive(Debug, thiserror::Error)]
#[error("the record of {system} is broken after {unbroken} unbroken entries")]
pub struct Broken {
    /// Whose, as far as that is known.
    pub system: String,
    /// How many entries before are unbroken.
    pub unbroken: u64,
    /// Where and how.
    #[source]
    pub source: Break,
}

/// What the files hold, not yet believed.
#[derive(Clone, Debug, Default)]
pub struct Export {
    segments: BTreeMap<(String, String), BTreeMap<u64, Segment>>,
    lines: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Objects {
    List { items: Vec<ConfigMap> },
    One(ConfigMap),
}

#[derive(Deserialize)]
struct ConfigMap {
    metadata: Metadata,
    #[serde(default)]
    data: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    namespace: String,
    name: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl Export {
    /// Adds a file; `place` is its name, for people.
    pub fn add(&mut self, place: &str, bytes: &[u8]) -> Result<(), ExportError> {
        let place = place.to_owned();
        if bytes.len() > MAX_FILE_BYTES {
            return Err(ExportError::TooLong { place, found: bytes.len() });
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.trim_end(),
            Err(source) => return Err(ExportError::NotText { place, source }),
        };
        if text.is_empty() {
            return Err(ExportError::Empty { place });
        }
        match serde_json::from_str::<Value>(text) {
            Ok(value) if value.get("kind").is_some() => self.add_objects(place, value),
            Ok(_) | Err(_) => {
                self.lines.extend(text.split('\n').map(str::to_owned));
                Ok(())
            }
        }
    }

    fn add_objects(&mut self, place: String, value: Value) -> Result<(), ExportError> {
        let objects = match serde_json::from_value(value) {
            Ok(Objects::List { items }) => items,
            Ok(Objects::One(object)) => vec![object],
            Err(source) => return Err(ExportError::NotConfigMaps { place, source }),
        };
        if objects.is_empty() {
            return Err(ExportError::Empty { place });
        }
        for ConfigMap { metadata, data } in objects {
            let Metadata { namespace, name, mut annotations } = metadata;
            let Some((migration, number)) = parse_name(&name) else {
                return Err(ExportError::NotASegment { place, name });
            };
            let mut says = |annotation| annotations.remove(annotation).unwrap_or_default();
            let head = (says(ENTRIES_ANNOTATION), says(HEAD_ANNOTATION));
            let record = self.segments.entry((namespace, migration.to_owned())).or_default();
            let segment = Segment { name: name.clone(), number, data, head };
            if record.insert(number, segment).is_some() {
                return Err(ExportError::Twice { place, name });
            }
        }
        Ok(())
    }

    /// Verifies all of it. `noted` is the hash of an entry that was noted elsewhere: it must be one of these.
    pub fn verify(&self, noted: Option<&str>) -> Result<Vec<Verified>, Broken> {
        let mut reader = Reader { noted, ..Reader::default() };
        for ((namespace, migration), segments) in &self.segments {
            reader.chain = Chain::of(namespace, migration);
            for segment in segments.values() {
                reader.segment(segment)?;
            }
            reader.end()?;
        }
        for line in &self.lines {
            reader.line(line)?;
        }
        reader.end()?;
        match noted {
            Some(noted) if !reader.seen_noted => {
                let system =
                    if reader.verified.len() == 1 { reader.verified[0].system.clone() } else { "all".to_owned() };
                let unbroken = reader.verified.iter().map(|v| v.entries).sum();
                Err(Broken { system, unbroken, source: Break::NotedHead { noted: noted.to_owned() } })
            }
            Some(_) | None => Ok(reader.verified),
        }
    }
}

/// Reads records one after the other.
#[derive(Default)]
struct Reader<'a> {
    noted: Option<&'a str>,
    seen_noted: bool,
    chain: Chain,
    systems: BTreeSet<String>,
    verified: Vec<Verified>,
}

impl Reader<'_> {
    fn segment(&mut self, segment: &Segment) -> Result<(), Broken> {
        let mut chain = self.chain.clone();
        let read = segment.read_into(&mut chain);
        let entries = match read {
            Ok(entries) => entries,
            Err(source) => {
                self.chain = chain;
                return Err(self.broken(source));
            }
        };
        self.chain = chain;
        for entry in entries {
            self.note(entry.get("hash").and_then(Value::as_str));
        }
        Ok(())
    }

    /// A line with entry 1 begins the record of another system.
    fn line(&mut self, line: &str) -> Result<(), Broken> {
        let is_first = |line: &str| line.contains("\"sequence\":1,") && line.contains(super::entry::GENESIS);
        if self.chain.entries() > 0 && is_first(line) {
            self.end()?;
        }
        let taken = self.chain.take(line).map_err(|source| self.broken(source));
        let hash = taken?.get("hash").and_then(Value::as_str).map(str::to_owned);
        self.note(hash.as_deref());
        Ok(())
    }

    fn note(&mut self, hash: Option<&str>) {
        self.seen_noted |= self.noted.is_some() && self.noted == hash;
    }

    /// The record that was read ends here.
    fn end(&mut self) -> Result<(), Broken> {
        let chain = std::mem::take(&mut self.chain);
        if chain.entries() == 0 {
            return Ok(());
        }
        let system = chain.system().to_owned();
        if !self.systems.insert(system.clone()) {
            return Err(Broken { system: system.clone(), unbroken: chain.entries(), source: Break::Twice { system } });
        }
        let (entries, times, head) = (chain.entries(), chain.times(), chain.head().to_owned());
        self.verified.push(Verified { system, entries, times, head });
        Ok(())
    }

    fn broken(&self, source: Break) -> Broken {
        let system = match self.chain.system() {
            "" => "an unknown system".to_owned(),
            system => system.to_owned(),
        };
        Broken { system, unbroken: self.chain.entries(), source }
    }
}
