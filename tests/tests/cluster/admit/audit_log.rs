//! The API server's own audit log, which has what the controller never hears of: who tried what on which object, and why it was
//! refused. It writes an event after its answer, so whoever looks for one waits for it.

use super::Said;
use anyhow::Result;
use qianyun_tests::wait::{self, Look};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An event follows its answer in milliseconds, unless the machine is building something else.
const WRITTEN_WITHIN: Duration = Duration::from_secs(30);

/// Where the log ended when something was tried.
#[derive(Debug)]
pub(crate) struct Place {
    file: PathBuf,
    offset: usize,
}

impl Place {
    pub(super) fn end_of(file: &Path) -> Self {
        let offset = std::fs::metadata(file).map_or(0, |m| usize::try_from(m.len()).unwrap_or(usize::MAX));
        Self { file: file.to_owned(), offset }
    }

    /// What was written since; a line that is being written is none yet.
    fn events_since(&self) -> Result<Vec<Value>> {
        let text = std::fs::read(&self.file)?;
        let new = String::from_utf8_lossy(text.get(self.offset..).unwrap_or_default());
        let (lines, _) = new.rsplit_once('\n').unwrap_or_default();
        lines.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }
}

/// What was tried was refused for this reason, and the log names the person, the object and the reason: its event.
#[track_caller]
pub(crate) fn refused(said: &Said, reason: &str) -> Value {
    assert!(!said.ok, "it was let through: {}", said.out);
    assert!(said.err.contains(reason), "refused for another reason than {reason:?}: {}", said.err);
    event_of(said, reason).unwrap_or_else(|error| panic!("{} was refused: {}, but {error:#}", said.by, said.err))
}

fn event_of(said: &Said, reason: &str) -> Result<Value> {
    let is_theirs = |event: &&Value| event["user"]["username"] == *said.by;
    let is_it = |event: &&Value| {
        let (object, answer) = (&event["objectRef"], &event["responseStatus"]);
        object["resource"].is_string()
            && answer["code"].as_u64().is_some_and(|code| (400..500).contains(&code))
            && answer["message"].as_str().is_some_and(|message| message.contains(reason))
    };
    wait::until("the refusal is in the audit log", WRITTEN_WITHIN, || {
        let events = said.log.events_since()?;
        let theirs: Vec<&Value> = events.iter().filter(is_theirs).collect();
        let found = theirs.iter().rfind(|event| is_it(event)).map(|event| (*event).clone());
        Ok(found.map_or_else(|| Look::NotYet(format!("of {}: {theirs:?}", said.by)), Look::Holds))
    })
}
