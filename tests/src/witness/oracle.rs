//! The oracle: journals against database. It never takes a number for a proof: every row and every note is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use postgres::fallible_iterator::FallibleIterator;

use super::journal::{self, Noted};
use super::writer;
use crate::wait::{self, Look};

/// The database has been seen to listen before the oracle asks; it may still be busy with its recovery.
const ANSWERS_WITHIN: Duration = Duration::from_secs(120);

/// A row's key: the client and its number.
type Key = (u32, i64);

/// What the comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Commits in the journals that were acknowledged.
    pub acknowledged: u64,
    /// Of these, found exactly once and whole.
    pub found: u64,
    /// Commits in the journals that were in doubt.
    pub in_doubt: u64,
    /// Of these, found exactly once and whole; any number is right.
    pub in_doubt_found: u64,
    /// Acknowledged and not there. One is too many.
    pub lost: BTreeSet<Key>,
    /// There more than once.
    pub repeated: BTreeSet<Key>,
    /// There with other bytes than were sent.
    pub damaged: BTreeSet<Key>,
    /// There, and no journal knows it.
    pub unknown: BTreeSet<Key>,
}

impl Verdict {
    /// Whether every acknowledged commit is there exactly once and whole, and nothing else is.
    pub fn is_clean(&self) -> bool {
        self.lost.is_empty() && self.repeated.is_empty() && self.damaged.is_empty() && self.unknown.is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} of {} acknowledged commits found", self.found, self.acknowledged)?;
        write!(out, "; {} of {} in doubt are there", self.in_doubt_found, self.in_doubt)?;
        let wrong = [
            ("lost", &self.lost),
            ("repeated", &self.repeated),
            ("damaged", &self.damaged),
            ("unknown", &self.unknown),
        ];
        for (what, keys) in wrong {
            if let Some((worker, n)) = keys.first() {
                write!(out, "; {what}: {}, the first is row {n} of client {worker}", keys.len())?;
            }
        }
        Ok(())
    }
}

/// Reads the journals in `folder` and the database at the office's address.
pub(super) fn verify(folder: &Path, namespace: &Path) -> Result<Verdict> {
    let noted = read_journals(folder)?;
    let rows = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            crate::site::enter_thread(namespace)?;
            read_rows()
        });
        reader.join().map_err(|_| anyhow!("reading the registry panicked"))?
    })?;
    Ok(compare(&noted, &rows))
}

fn read_journals(folder: &Path) -> Result<BTreeMap<u32, Noted>> {
    let mut noted = BTreeMap::new();
    let mut worker = 0;
    while journal::path(folder, worker).exists() {
        noted.insert(worker, journal::read(&journal::path(folder, worker))?);
        worker += 1;
    }
    Ok(noted)
}

/// Every row's key, with how often it is there and whether each was whole.
fn read_rows() -> Result<BTreeMap<Key, (u64, bool)>> {
    let mut client = wait::until("the registry answers", ANSWERS_WITHIN, || {
        Ok(match writer::connect() {
            Ok(client) => Look::Holds(client),
            Err(error) => Look::NotYet(format!("{:#}", anyhow::Error::new(error))),
        })
    })?;
    let mut rows = BTreeMap::new();
    let none: [&str; 0] = [];
    let mut cursor =
        client.query_raw("select worker, n, payload from marriages", none).context("the registry cannot be read")?;
    while let Some(row) = cursor.next().context("the registry cannot be read to its end")? {
        let key: Key = (u32::try_from(row.try_get::<_, i32>(0)?)?, row.try_get(1)?);
        let whole = row.try_get::<_, &str>(2)? == writer::payload(key.0, key.1);
        let (times, all_whole) = rows.entry(key).or_insert((0, true));
        *times += 1;
        *all_whole &= whole;
    }
    Ok(rows)
}

fn compare(noted: &BTreeMap<u32, Noted>, rows: &BTreeMap<Key, (u64, bool)>) -> Verdict {
    let mut verdict = Verdict::default();
    for (&key, &(times, whole)) in rows {
        let notes = noted.get(&key.0);
        let acknowledged = notes.is_some_and(|notes| notes.acknowledged.contains(&key.1));
        let in_doubt = notes.is_some_and(|notes| notes.in_doubt.contains(&key.1));
        if times > 1 {
            verdict.repeated.insert(key);
        } else if !whole {
            verdict.damaged.insert(key);
        } else if acknowledged {
            verdict.found += 1;
        } else if in_doubt {
            verdict.in_doubt_found += 1;
        } else {
            verdict.unknown.insert(key);
        }
    }
    for (&worker, notes) in noted {
        verdict.acknowledged += notes.acknowledged.len() as u64;
        verdict.in_doubt += notes.in_doubt.len() as u64;
        let missing = notes.acknowledged.iter().map(|&n| (worker, n)).filter(|key| !rows.contains_key(key));
        verdict.lost.extend(missing);
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(acknowledged: &[i64], in_doubt: &[i64]) -> BTreeMap<u32, Noted> {
        let notes = Noted {
            acknowledged: acknowledged.iter().copied().collect(),
            in_doubt: in_doubt.iter().copied().collect(),
        };
        BTreeMap::from([(0, notes)])
    }

    fn rows(rows: &[(i64, u64, bool)]) -> BTreeMap<Key, (u64, bool)> {
        rows.iter().map(|&(n, times, whole)| ((0, n), (times, whole))).collect()
    }

    #[test]
    fn a_commit_in_doubt_may_be_there_or_not() {
        for there in [&[(0, 1, true), (1, 1, true)][..], &[(0, 1, true)]] {
            let verdict = compare(&noted(&[0], &[1]), &rows(there));
            assert!(verdict.is_clean(), "{verdict}");
            assert_eq!((verdict.acknowledged, verdict.found, verdict.in_doubt), (1, 1, 1));
        }
    }

    #[test]
    fn every_way_to_be_wrong_is_seen() {
        let lost = compare(&noted(&[0, 1], &[]), &rows(&[(0, 1, true)]));
        assert_eq!((lost.is_clean(), lost.lost), (false, BTreeSet::from([(0, 1)])));
        let repeated = compare(&noted(&[0], &[]), &rows(&[(0, 2, true)]));
        assert_eq!((repeated.is_clean(), repeated.found, repeated.repeated), (false, 0, BTreeSet::from([(0, 0)])));
        let damaged = compare(&noted(&[0], &[]), &rows(&[(0, 1, false)]));
        assert_eq!((damaged.is_clean(), damaged.found, damaged.damaged), (false, 0, BTreeSet::from([(0, 0)])));
        let unknown = compare(&noted(&[0], &[]), &rows(&[(0, 1, true), (7, 1, true)]));
        assert_eq!((unknown.is_clean(), unknown.unknown), (false, BTreeSet::from([(0, 7)])));
    }
}
