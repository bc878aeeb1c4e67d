//! The control groups of a node: one of its own name at the top of every hierarchy, below which kubelet makes those of its Pods.
//! Named like the site, so that a later run knows whose they were. It never touches a group whose name it was not given.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::wait::{self, Look};

/// Processes that were killed leave their group when they are gone.
const EMPTY_WITHIN: Duration = Duration::from_secs(20);

/// Makes the group in every hierarchy.
pub(super) fn make(name: &str) -> Result<()> {
    for hierarchy in hierarchies()? {
        share_controllers(&hierarchy)?;
        let group = hierarchy.join(name);
        fs::create_dir_all(&group).with_context(|| format!("{}: cannot be made", group.display()))?;
    }
    Ok(())
}

/// Removes it everywhere, with all below it.
pub(crate) fn remove(name: &str) -> Result<()> {
    for hierarchy in hierarchies()? {
        let group = hierarchy.join(name);
        wait::until_even_if_interrupted("the node's control groups are empty", EMPTY_WITHIN, || {
            Ok(match remove_tree(&group) {
                Ok(()) => Look::Holds(()),
                Err(error) => Look::NotYet(format!("{}: {error}", group.display())),
            })
        })?;
    }
    Ok(())
}

/// Kills what runs in the group `part` somewhere below the group `name`; how many processes that were.
pub(super) fn kill(name: &str, part: &str) -> Result<usize> {
    let mut killed = 0;
    for pid in processes_below(&format!("{name}/"))? {
        if in_groups(pid).contains(&format!("/{part}/")) {
            kill_process(pid, Signal::KILL)?;
            killed += 1;
        }
    }
    Ok(killed)
}

/// Processes in groups whose path begins like this.
pub(super) fn processes_below(beginning: &str) -> Result<Vec<Pid>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let pid = entry?.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        found.extend(pid.filter(|&pid| in_groups(pid).contains(&format!(":/{beginning}"))));
    }
    Ok(found)
}

/// The groups that a process is in, a line for each hierarchy. One that has ended is in none.
fn in_groups(pid: Pid) -> String {
    fs::read_to_string(format!("/proc/{}/cgroup", pid.as_raw_nonzero())).unwrap_or_default()
}

/// Names of groups at the top of any hierarchy.
pub(crate) fn names() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for hierarchy in hierarchies()? {
        for entry in fs::read_dir(&hierarchy)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    names.dedup();
    Ok(names)
}

/// Where the hierarchies are mounted; of version 1, of version 2, or of both.
fn hierarchies() -> Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string("/proc/mounts").context("/proc/mounts: cannot be read")?;
    let lines = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let of_groups = lines.filter(|words| matches!(words.get(2), Some(&"cgroup" | &"cgroup2")));
    Ok(of_groups.filter_map(|words| words.get(1).map(PathBuf::from)).collect())
}

/// In version 2 a group has only the controllers that the one above shares with it.
fn share_controllers(hierarchy: &Path) -> Result<()> {
    let Ok(controllers) = fs::read_to_string(hierarchy.join("cgroup.controllers")) else { return Ok(()) };
    let shared = hierarchy.join("cgroup.subtree_control");
    for controller in controllers.split_whitespace() {
        fs::write(&shared, format!("+{controller}"))
            .with_context(|| format!("{}: {controller} cannot be shared with a node's groups", shared.display()))?;
    }
    Ok(())
}

/// Groups are folders whose files go with them.
fn remove_tree(group: &Path) -> std::io::Result<()> {
    if !group.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(group)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_tree(&path)?;
        }
    }
    fs::remove_dir(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_a_run_whose_process_is_gone_are_cleared_away_and_others_are_not() {
        // The largest process number of Linux is 2^22; this one never lives.
        let (mine, dead) = (format!("qy-{}-groups", std::process::id()), "qy-4194399-0");
        make(&mine).expect("made");
        make(dead).expect("made");
        make(&format!("{dead}/below")).expect("made");
        crate::site::clear_dead_runs().expect("cleared");
        let left = names().expect("names");
        remove(&mine).expect("removed");
        assert!(left.contains(&mine) && !left.iter().any(|name| name == dead), "{left:?}");
    }
}
