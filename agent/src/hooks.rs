//! Hooks: programs of this machine's own admin, listed by name in the admin's file. The platform says which name is run when;
//! what it stands for is said here alone, and nobody but root could have written it. No command ever comes over the wire.

use crate::host::{EntryKind, Host, HostError};
use crate::steps::with_cause;
use qianyun_agent_api::desired::{Hook, HookMoment};
use qianyun_agent_api::inventory::{MAX_HOOKS, is_hook_name};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// What the section `[hooks]` lists: names, each with the path of a program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Hooks(BTreeMap<String, String>);

/// Why a hook is not one, was not run, or failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HookError {
    /// The file lists too many.
    #[error("expected at most {MAX_HOOKS} hooks, found {found}")]
    TooMany { found: usize },
    /// A name that no scheme could say.
    #[error("expected names of hooks with small letters, digits and \"-\", at most 63 of them, found {name:?}")]
    Name { name: String },
    /// A path that depends on where the agent stands.
    #[error("hook {name}: expected an absolute path, found {path:?}")]
    NotAbsolute { name: String, path: String },
    /// The path, or a folder above it, is something else, as a link that somebody could turn.
    #[error("hook {name}: expected {path} to be a {expected}, found {found:?}")]
    Kind { name: String, path: String, expected: &'static str, found: EntryKind },
    /// Somebody else could put another program there.
    #[error("hook {name}: expected {path} to belong to root, found user {owner}")]
    Owner { name: String, path: String, owner: u32 },
    /// Somebody else could write it.
    #[error("hook {name}: expected {path} to be writable by root alone, found mode {mode:04o}")]
    Writable { name: String, path: String, mode: u32 },
    /// It is no program.
    #[error("hook {name}: expected {path} to be executable, found mode {mode:04o}")]
    NotExecutable { name: String, path: String, mode: u32 },
    /// The scheme names one that the admin does not list.
    #[error("hook {name} is not listed in this machine's own file")]
    NotListed { name: String },
    /// The operating system refused, or its deadline passed.
    #[error("hook {name}: {}", with_cause(.source))]
    Host { name: String, source: HostError },
    /// It ran, and says that it failed.
    #[error("hook {name} ended with status {status}")]
    Failed { name: String, status: i32 },
}

/// A folder in which nobody may rename what is not theirs, as `/tmp`.
const STICKY: u32 = 0o1000;

impl Hooks {
    /// What the platform may know of them.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// Whether each is a program that only root could have put there.
    pub(crate) fn check(&self, host: &dyn Host) -> Result<(), HookError> {
        if self.0.len() > MAX_HOOKS {
            return Err(HookError::TooMany { found: self.0.len() });
        }
        self.0.iter().try_for_each(|(name, path)| check(host, name, path))
    }

    /// Runs those of one moment in their order. The first that fails ends it; after an attempt that came to nothing all the
    /// others are run as well. Gives what ran, with its time, in words.
    pub(crate) fn run(
        &self,
        host: &dyn Host,
        moment: HookMoment,
        hooks: &[Hook],
        of: &Occasion<'_>,
    ) -> Result<String, HookError> {
        let (mut ran, mut failed) = (Vec::new(), None);
        for hook in hooks.iter().filter(|hook| hook.at == moment) {
            let begun = host.now_unix_ms();
            match self.run_one(host, hook, of) {
                Ok(()) => ran.push(format!("{} in {} ms", hook.name, host.now_unix_ms().saturating_sub(begun))),
                Err(error) if moment == HookMoment::AfterResume => failed = failed.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        failed.map_or_else(|| Ok(ran.join(", ")), Err)
    }

    fn run_one(&self, host: &dyn Host, hook: &Hook, of: &Occasion<'_>) -> Result<(), HookError> {
        let name = || hook.name.clone();
        let path = self.0.get(&hook.name).ok_or_else(|| HookError::NotListed { name: name() })?;
        check(host, &hook.name, path)?;
        let attempt = of.attempt.to_string();
        let variables =
            [("QIANYUN_HOST", of.host), ("QIANYUN_ATTEMPT", &attempt), ("QIANYUN_MOMENT", in_words(hook.at))];
        let status = host
            .run_alone(path, &variables, Duration::from_millis(hook.deadline_ms))
            .map_err(|source| HookError::Host { name: name(), source })?;
        if status == 0 { Ok(()) } else { Err(HookError::Failed { name: name(), status }) }
    }
}

/// What a hook is told about why it runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Occasion<'a> {
    /// `<namespace>/<name>`.
    pub(crate) host: &'a str,
    pub(crate) attempt: u32,
}

fn in_words(moment: HookMoment) -> &'static str {
    match moment {
        HookMoment::BeforeStop => "before-stop",
        HookMoment::BeforeFreeze => "before-freeze",
        HookMoment::AfterResume => "after-resume",
    }
}

/// The program and every folder above it: who may write one of these, says what root runs.
fn check(host: &dyn Host, name: &str, path: &str) -> Result<(), HookError> {
    if !is_hook_name(name) {
        return Err(HookError::Name { name: name.to_owned() });
    }
    let hook = || name.to_owned();
    if !path.starts_with('/') {
        return Err(HookError::NotAbsolute { name: hook(), path: path.to_owned() });
    }
    for (depth, part) in Path::new(path).ancestors().enumerate() {
        let path = part.display().to_string();
        let entry = host.entry(&path).map_err(|source| HookError::Host { name: hook(), source })?;
        let (wanted, expected) = if depth == 0 { (EntryKind::File, "file") } else { (EntryKind::Folder, "folder") };
        if entry.kind != wanted {
            return Err(HookError::Kind { name: hook(), path, expected, found: entry.kind });
        }
        if entry.owner != 0 {
            return Err(HookError::Owner { name: hook(), path, owner: entry.owner });
        }
        let keeps_names = entry.kind == EntryKind::Folder && entry.mode & STICKY != 0;
        if entry.mode & 0o022 != 0 && !keeps_names {
            return Err(HookError::Writable { name: hook(), path, mode: entry.mode });
        }
        if depth == 0 && entry.mode & 0o111 == 0 {
            return Err(HookError::NotExecutable { name: hook(), path, mode: entry.mode });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
