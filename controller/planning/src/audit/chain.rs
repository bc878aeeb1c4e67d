//! Whether entries follow each other unbroken. It knows the frame of an entry and not its events, so that it also verifies
//! what a later version recorded. It reads bytes that anyone may have changed, and believes none of them.

use super::entry::{FORMAT, GENESIS, MAX_ENTRY_BYTES, hash_of};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// Where and how a record is broken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Break {
    /// An entry is longer than any that is ever written.
    #[error("entry {at}: {found} bytes, expected at most {MAX_ENTRY_BYTES}")]
    TooLong {
        /// Which.
        at: u64,
        /// Its length.
        found: usize,
    },
    /// Something that is no entry.
    #[error("entry {at}: expected an entry as json, found something else")]
    NotAnEntry {
        /// Where it should be.
        at: u64,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// An entry is written in other bytes than those that were hashed.
    #[error("entry {at}: expected its canonical form, found other bytes: it was written anew or edited")]
    NotCanonical {
        /// Which.
        at: u64,
    },
    /// A format that this version does not know.
    #[error("entry {at}: format {found}, expected {FORMAT}: verify it with the version that wrote it")]
    Format {
        /// Which.
        at: u64,
        /// What it says.
        found: u32,
    },
    /// An entry is missing, twice there, or in another's place.
    #[error("expected entry {expected}, found entry {found}: entries were removed, put in, or moved")]
    Sequence {
        /// Which should follow.
        expected: u64,
        /// Which does.
        found: u64,
    },
    /// An entry of another record.
    #[error("entry {at}: expected the record of {expected}, found an entry of {found}")]
    System {
        /// Which.
        at: u64,
        /// Whose record it is, `namespace/name`.
        expected: String,
        /// Whose entry it is.
        found: String,
    },
    /// An entry does not follow the one before it.
    #[error("entry {at}: names {found} as the entry before it, expected {expected}: one of the two was changed")]
    Previous {
        /// Which.
        at: u64,
        /// Hash of the entry before.
        expected: String,
        /// What the entry says.
        found: String,
    },
    /// An entry was changed.
    #[error("entry {at}: its hash is {expected}, found {found} in it: it was changed")]
    Hash {
        /// Which.
        at: u64,
        /// The hash of what it says.
        expected: String,
        /// The hash that it says it has.
        found: String,
    },
    /// A controller that had lost its leadership wrote on.
    #[error("entry {at}: epoch {found} after epoch {before}: a controller that no longer led wrote it")]
    Epoch {
        /// Which.
        at: u64,
        /// Epoch of the entry before.
        before: i64,
        /// Its own.
        found: i64,
    },
    /// Kept under a key or in an object that is not its own.
    #[error("expected {expected}, found {found}")]
    Place {
        /// Where the next entry should be.
        expected: String,
        /// Where it is.
        found: String,
    },
    /// An object says that its record ends elsewhere than it does.
    #[error("{object} says that the record ends with entry {expected}, found entry {found} last: entries were removed")]
    Head {
        /// Which object.
        object: String,
        /// Number and hash that its annotations name.
        expected: String,
        /// Number and hash of its last entry.
        found: String,
    },
    /// The head that was noted elsewhere is in none of the records.
    #[error(
        "no entry has the hash {noted}, which was noted elsewhere: entries were removed, or the record was written anew"
    )]
    NotedHead {
        /// The hash.
        noted: String,
    },
    /// Two records of one system.
    #[error("a second record of {system} begins: expected one")]
    Twice {
        /// Whose.
        system: String,
    },
}

/// What a chain reads of an entry.
#[derive(Deserialize)]
struct Frame {
    format: u32,
    sequence: u64,
    at: Timestamp,
    epoch: i64,
    system: Whose,
    previous: String,
    hash: String,
}

#[derive(Deserialize)]
struct Whose {
    namespace: String,
    name: String,
}

/// A record as far as it was read, unbroken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    system: Option<String>,
    entries: u64,
    head: Option<String>,
    epoch: i64,
    first_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
}

impl Chain {
    /// The record of a system, before its first entry.
    pub fn of(namespace: &str, name: &str) -> Self {
        Self { system: Some(format!("{namespace}/{name}")), ..Self::default() }
    }

    /// Takes the next entry, if it is the next one, and gives it as a value.
    pub fn take(&mut self, text: &str) -> Result<Value, Break> {
        let at = self.next_number();
        if text.len() > MAX_ENTRY_BYTES {
            return Err(Break::TooLong { at, found: text.len() });
        }
        let not_an_entry = |source| Break::NotAnEntry { at, source };
        let value: Value = serde_json::from_str(text).map_err(not_an_entry)?;
        let frame = Frame::deserialize(&value).map_err(not_an_entry)?;
        if qianyun_crds::canonical_json(&value).ok().as_deref() != Some(text) {
            return Err(Break::NotCanonical { at });
        }
        self.follows(&frame)?;
        match hash_of(value.clone()) {
            Ok(hash) if hash == frame.hash => {}
            Ok(hash) => return Err(Break::Hash { at, expected: hash, found: frame.hash }),
            Err(_) => return Err(Break::NotCanonical { at }),
        }
        self.system = Some(frame.system.to_string());
        (self.entries, self.head, self.epoch) = (at, Some(frame.hash), frame.epoch);
        self.first_at = self.first_at.or(Some(frame.at));
        self.last_at = Some(frame.at);
        Ok(value)
    }

    fn follows(&self, frame: &Frame) -> Result<(), Break> {
        let at = self.next_number();
        if frame.format != FORMAT {
            return Err(Break::Format { at, found: frame.format });
        }
        if frame.sequence != at {
            return Err(Break::Sequence { expected: at, found: frame.sequence });
        }
        let found = frame.system.to_string();
        if let Some(expected) = self.system.clone().filter(|system| *system != found) {
            return Err(Break::System { at, expected, found });
        }
        if frame.previous != self.head() {
            return Err(Break::Previous { at, expected: self.head().to_owned(), found: frame.previous.clone() });
        }
        if frame.epoch < self.epoch {
            return Err(Break::Epoch { at, before: self.epoch, found: frame.epoch });
        }
        Ok(())
    }

    /// Number of the entry that comes next.
    pub fn next_number(&self) -> u64 {
        self.entries + 1
    }

    /// How many entries it has.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Hash of the last entry, [`GENESIS`] if there is none.
    pub fn head(&self) -> &str {
        self.head.as_deref().unwrap_or(GENESIS)
    }

    /// Epoch of the last entry, 0 if there is none.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Whose record it is, `namespace/name`; empty while that is not known.
    pub fn system(&self) -> &str {
        self.system.as_deref().unwrap_or_default()
    }

    /// When the first and the last entry were recorded.
    pub fn times(&self) -> Option<(Timestamp, Timestamp)> {
        self.first_at.zip(self.last_at)
    }
}

impl std::fmt::Display for Whose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
