//! One client's journal: a line per commit whose fate is known or will never be. A line is written with one `write` before
//! the client goes on, so it outlives the witness's own death; it is not synced, because the host's own power is not part
//! of any test and a sync per commit would slow the server's disk, which is on the same host.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// What is known about a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The server said that it is committed.
    Acknowledged,
    /// It was sent, and no answer came.
    InDoubt,
}

/// An open journal, written by one client.
pub(super) struct Journal {
    file: File,
}

/// Where a client's journal is.
pub(super) fn path(folder: &Path, worker: u32) -> PathBuf {
    folder.join(format!("worker-{worker}.journal"))
}

impl Journal {
    pub(super) fn append_to(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        Ok(Self { file: file.with_context(|| format!("{}: cannot be opened", path.display()))? })
    }

    pub(super) fn note(&mut self, n: i64, fate: Fate) -> Result<()> {
        let word = match fate {
            Fate::Acknowledged => "acknowledged",
            Fate::InDoubt => "in-doubt",
        };
        self.file.write_all(format!("{word} {n}\n").as_bytes()).context("the witness cannot write its journal")
    }
}

/// The first number that no line of the journal has.
pub(super) fn next(path: &Path) -> Result<i64> {
    let noted = read(path)?;
    Ok(noted.acknowledged.union(&noted.in_doubt).max().map_or(0, |last| last + 1))
}

/// A journal read back.
#[derive(Debug, Default)]
pub(super) struct Noted {
    pub(super) acknowledged: BTreeSet<i64>,
    pub(super) in_doubt: BTreeSet<i64>,
}

/// Reads a journal. A line cut in the middle is an error: the client writes whole lines.
pub(super) fn read(path: &Path) -> Result<Noted> {
    let text = fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let mut noted = Noted::default();
    for (at, line) in text.lines().enumerate() {
        let fresh = match line.split_once(' ').and_then(|(word, n)| Some((word, n.parse::<i64>().ok()?))) {
            Some(("acknowledged", n)) => noted.acknowledged.insert(n),
            Some(("in-doubt", n)) => noted.in_doubt.insert(n),
            Some(_) | None => bail!("{}:{}: expected `<fate> <n>`, found {line:?}", path.display(), at + 1),
        };
        if !fresh {
            bail!("{}:{}: noted twice: {line:?}", path.display(), at + 1);
        }
    }
    Ok(noted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_read_back() {
        let folder = tempfile::tempdir().expect("folder");
        let path = path(folder.path(), 3);
        let mut journal = Journal::append_to(&path).expect("journal");
        journal.note(0, Fate::Acknowledged).expect("note");
        journal.note(1, Fate::InDoubt).expect("note");
        journal.note(2, Fate::Acknowledged).expect("note");
        let noted = read(&path).expect("read");
        assert_eq!(noted.acknowledged, BTreeSet::from([0, 2]));
        assert_eq!(noted.in_doubt, BTreeSet::from([1]));
        assert_eq!(next(&path).expect("next"), 3);
    }

    #[test]
    fn a_line_that_is_no_note_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let path = path(folder.path(), 0);
        for text in ["acknowledged", "acknowledged x\n", "perhaps 1\n", "acknowledged 1\nacknowledged 1\n"] {
            fs::write(&path, text).expect("file");
            assert!(read(&path).is_err(), "{text:?}");
        }
    }
}
