//! Where a run has its files: a folder below the build's own, made empty, and cleared away when nobody needs it any more. It never
//! touches a folder of a run that still lives.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// See the module's description.
#[derive(Clone, Debug)]
pub struct Place {
    /// All files of the run.
    pub folder: PathBuf,
    /// A program that becomes what runs in a Pod; see [`crate::controller::Controller::prepare`].
    pub entry: PathBuf,
}

impl Place {
    /// A folder below `target`, made empty.
    pub fn make(name: &str, entry: &Path) -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").join(name);
        if folder.exists() {
            remove(&folder)?;
        }
        std::fs::create_dir_all(&folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
        Ok(Self { folder: folder.canonicalize()?, entry: entry.to_owned() })
    }

    /// Removes all but these files; the whole folder where there is none of them.
    pub(super) fn keep_only(&self, files: &[&str]) -> Result<()> {
        if !files.iter().any(|file| self.folder.join(file).exists()) {
            return remove(&self.folder);
        }
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            let kept = files.iter().any(|file| entry.file_name() == *file);
            if !kept {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Removes what runs beside this one left behind that were killed or ended early. Their folders are named by process.
    pub(crate) fn clear_dead_runs(&self) -> Result<()> {
        let beside = self.folder.parent().context("a run's folder lies in another")?;
        for entry in std::fs::read_dir(beside)? {
            let path = entry?.path();
            let runner = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<u32>().ok());
            let dead = runner.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists());
            if dead && path.join("cluster").exists() {
                remove(&path)?;
            }
        }
        Ok(())
    }
}

fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    removed.with_context(|| format!("{}: cannot be removed", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(folder: &Path) -> Place {
        Place { folder: folder.to_owned(), entry: PathBuf::new() }
    }

    #[test]
    fn of_a_run_that_ended_well_only_its_record_stays() {
        let folder = tempfile::tempdir().expect("folder");
        for name in ["record.json", "disk.raw"] {
            std::fs::write(folder.path().join(name), name).expect("file");
        }
        std::fs::create_dir(folder.path().join("cluster")).expect("folder");
        place(folder.path()).keep_only(&["record.json", "ca.pem"]).expect("cleared");
        let left: Vec<_> = std::fs::read_dir(folder.path()).expect("folder").flatten().map(|e| e.file_name()).collect();
        assert_eq!(left, ["record.json"]);
    }

    #[test]
    fn only_runs_whose_process_is_gone_are_cleared_away() {
        let folder = tempfile::tempdir().expect("folder");
        // The largest process number of Linux is 2^22; this one never lives.
        let (mine, dead) = (std::process::id().to_string(), "4194399".to_owned());
        for name in [&mine, &dead, &"notes".to_owned()] {
            std::fs::create_dir_all(folder.path().join(name).join("cluster")).expect("folder");
        }
        place(&folder.path().join(&mine)).clear_dead_runs().expect("cleared");
        assert!(folder.path().join(&mine).exists() && folder.path().join("notes").exists());
        assert!(!folder.path().join(&dead).exists());
    }
}
