//! A recorded machine for tests: files, links and answers of commands, with every change kept in order.
//!
//! It can fail at the n-th change, as a full disk or a kill would. It exists in tests only.

use super::{Entry, EntryKind, Host, HostError, Output, Space};
use qianyun_agent_api::inventory::DiskIdentity;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

type Act = Box<dyn Fn(&Fake, &[&str]) -> Output + Send + Sync>;

/// The recorded machine.
#[derive(Default)]
pub(crate) struct Fake {
    state: Mutex<State>,
    programs: BTreeMap<String, Act>,
    /// Release and machine.
    pub(crate) kernel: (String, String),
    /// Space of every filesystem.
    pub(crate) space: Space,
    /// The clock.
    pub(crate) now: i64,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    links: BTreeMap<String, String>,
    entries: BTreeMap<String, Entry>,
    changes: Vec<String>,
    fail_at: Option<usize>,
    full: String,
}

fn absent(path: &str) -> HostError {
    HostError::Read { path: path.to_owned(), source: std::io::ErrorKind::NotFound.into() }
}

impl Fake {
    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        self.state.lock().unwrap().files.insert(path.to_owned(), text.as_bytes().to_vec());
        self
    }

    pub(crate) fn symlink(self, path: &str, to: &str) -> Self {
        self.state.lock().unwrap().links.insert(path.to_owned(), to.to_owned());
        self
    }

    /// Another owner, mode or kind of what lies at `path`; without it a file is root's and executable, a folder root's.
    pub(crate) fn is(&self, path: &str, entry: Entry) {
        self.state.lock().unwrap().entries.insert(path.to_owned(), entry);
    }

    /// What `program` does; keyed by the program's name alone.
    pub(crate) fn program(
        mut self,
        name: &str,
        act: impl Fn(&Fake, &[&str]) -> Output + Send + Sync + 'static,
    ) -> Self {
        self.programs.insert(name.to_owned(), Box::new(act));
        self
    }

    /// A program that always prints `stdout`.
    pub(crate) fn prints(self, name: &str, stdout: &str) -> Self {
        let stdout = stdout.to_owned();
        self.program(name, move |_, _| Output { stdout: stdout.clone(), ..Output::default() })
    }

    /// The `n`-th change from now on fails, and every one after it, as if the process had been killed.
    pub(crate) fn fail_at(&self, n: Option<usize>) {
        let mut state = self.state.lock().unwrap();
        let done = state.changes.len();
        state.fail_at = n.map(|n| done + n);
    }

    /// Nothing more can be written below `folder`; empty, there is room everywhere.
    pub(crate) fn is_full(&self, folder: &str) {
        self.state.lock().unwrap().full = folder.to_owned();
    }

    /// Everything that was changed, in order.
    pub(crate) fn changes(&self) -> Vec<String> {
        self.state.lock().unwrap().changes.clone()
    }

    /// All files, to compare before and after.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.state.lock().unwrap().files.clone()
    }

    /// A change made by a program in the test's own script.
    pub(crate) fn put(&self, path: &str, text: &str) {
        self.state.lock().unwrap().files.insert(path.to_owned(), text.as_bytes().to_vec());
    }

    fn change(&self, what: String) -> Result<std::sync::MutexGuard<'_, State>, HostError> {
        let mut state = self.state.lock().unwrap();
        if state.fail_at.is_some_and(|n| state.changes.len() >= n) {
            return Err(HostError::Write { path: what, source: std::io::ErrorKind::StorageFull.into() });
        }
        state.changes.push(what);
        Ok(state)
    }
}

impl Host for Fake {
    fn read(&self, path: &str) -> Result<Vec<u8>, HostError> {
        self.state.lock().unwrap().files.get(path).cloned().ok_or_else(|| absent(path))
    }

    fn list(&self, path: &str) -> Result<Vec<String>, HostError> {
        let state = self.state.lock().unwrap();
        let prefix = format!("{}/", path.trim_end_matches('/'));
        let names: BTreeSet<String> = (state.files.keys().chain(state.links.keys()))
            .filter_map(|p| p.strip_prefix(&prefix))
            .filter_map(|rest| rest.split('/').next())
            .map(str::to_owned)
            .collect();
        if names.is_empty() { Err(absent(path)) } else { Ok(names.into_iter().collect()) }
    }

    fn link(&self, path: &str) -> Result<String, HostError> {
        self.state.lock().unwrap().links.get(path).cloned().ok_or_else(|| absent(path))
    }

    fn exists(&self, path: &str) -> bool {
        self.state.lock().unwrap().files.contains_key(path) || self.link(path).is_ok() || self.list(path).is_ok()
    }

    fn entry(&self, path: &str) -> Result<Entry, HostError> {
        if let Some(entry) = self.state.lock().unwrap().entries.get(path) {
            return Ok(*entry);
        }
        let kind = match self.read(path) {
            Ok(_) => EntryKind::File,
            Err(_) if path == "/" || self.list(path).is_ok() => EntryKind::Folder,
            Err(error) => return Err(error),
        };
        Ok(Entry { kind, owner: 0, mode: 0o755 })
    }

    fn write(&self, path: &str, bytes: &[u8], _mode: u32) -> Result<(), HostError> {
        let full = self.state.lock().unwrap().full.clone();
        if !full.is_empty() && path.starts_with(&full) {
            return Err(HostError::Write { path: path.to_owned(), source: std::io::ErrorKind::StorageFull.into() });
        }
        self.change(format!("write {path}"))?.files.insert(path.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), HostError> {
        let mut state = self.change(format!("rename {from} {to}"))?;
        let bytes = state.files.remove(from).ok_or_else(|| absent(from))?;
        state.files.insert(to.to_owned(), bytes);
        Ok(())
    }

    fn remove(&self, path: &str) -> Result<(), HostError> {
        if self.state.lock().unwrap().files.contains_key(path) {
            self.change(format!("remove {path}"))?.files.remove(path);
        }
        Ok(())
    }

    fn space(&self, _path: &str) -> Result<Space, HostError> {
        Ok(self.space)
    }

    fn run(&self, program: &str, args: &[&str], _limit: Duration) -> Result<Output, HostError> {
        drop(self.change(format!("run {program} {}", args.join(" ")))?);
        match self.programs.get(program) {
            Some(act) => Ok(act(self, args)),
            None => Err(HostError::Start { program: program.to_owned(), source: std::io::ErrorKind::NotFound.into() }),
        }
    }

    fn run_alone(&self, program: &str, variables: &[(&str, &str)], limit: Duration) -> Result<i32, HostError> {
        let variables: Vec<String> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let args: Vec<&str> = variables.iter().map(String::as_str).collect();
        Ok(self.run(program, &args, limit)?.status)
    }

    fn disk_identity(&self, name: &str) -> Option<DiskIdentity> {
        self.text(&format!("/dev/{name}")).and_then(|text| serde_json::from_str(&text).ok())
    }

    fn now_unix_ms(&self) -> i64 {
        self.now
    }

    fn kernel(&self) -> (String, String) {
        self.kernel.clone()
    }
}
