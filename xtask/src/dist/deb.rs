//! The agent's Debian package, staged file by file and packed by dpkg-deb. `agent/packaging/deb` says what it holds; this
//! only carries it out.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::{Run, say};
use crate::layout::Layout;

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Stands for the built agent in the list of files.
const BINARY: &str = "@BINARY@";
/// The list of files, beside the files that go to `DEBIAN/`.
const LIST: &str = "files";

/// Packs the agent and returns the package.
pub(super) fn build(layout: &Layout, agent: &Path) -> Result<PathBuf> {
    say("pack the agent's .deb");
    let description = layout.root.join("agent/packaging/deb");
    let stage = Stage::open(layout.dist.join("stage"))?;
    let list = read(&description.join(LIST))?;
    for entry in entries(&list)? {
        let from = if entry.from == BINARY { agent.to_path_buf() } else { layout.root.join(entry.from) };
        stage.put(&from, entry.to.trim_start_matches('/'), entry.mode)?;
    }
    for entry in fs::read_dir(&description).with_context(|| format!("reading {}", description.display()))? {
        let from = entry?.path();
        match from.file_name().and_then(|name| name.to_str()).unwrap_or_default() {
            // The list itself, and what it puts elsewhere.
            LIST | "copyright" => {}
            "control" => stage.write("DEBIAN/control", &read(&from)?.replace("@VERSION@", VERSION))?,
            name @ ("preinst" | "postinst" | "prerm" | "postrm") => {
                stage.put(&from, &format!("DEBIAN/{name}"), 0o755)?
            }
            name @ ("conffiles" | "triggers") => stage.put(&from, &format!("DEBIAN/{name}"), 0o644)?,
            _ => bail!("{}: dpkg knows no such file", from.display()),
        }
    }
    let package = layout.dist.join(format!("qianyun-agent_{VERSION}_amd64.deb"));
    Run::new("dpkg-deb").args(["--root-owner-group", "-Zxz", "--build"]).args([&stage.folder, &package]).output()?;
    Ok(package)
}

/// One line of the list.
struct Entry<'a> {
    mode: u32,
    from: &'a str,
    to: &'a str,
}

/// Lines of mode, path here, path on the server; `#` begins a comment line.
fn entries(list: &str) -> Result<Vec<Entry<'_>>> {
    let mut entries = Vec::new();
    for (number, line) in list.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let parts = line.split_whitespace().collect::<Vec<_>>();
        let [mode, from, to] = parts[..] else {
            bail!("{LIST}:{}: expected mode, path here, path on the server; found {line:?}", number + 1);
        };
        let mode = u32::from_str_radix(mode, 8).with_context(|| format!("{LIST}:{}: mode {mode:?}", number + 1))?;
        entries.push(Entry { mode, from, to });
    }
    Ok(entries)
}

/// The tree to be packed; removed when it is dropped.
struct Stage {
    folder: PathBuf,
}

impl Stage {
    fn open(folder: PathBuf) -> Result<Self> {
        // What an earlier run left when it was killed.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(Self { folder })
    }

    fn put(&self, from: &Path, to: &str, mode: u32) -> Result<()> {
        let to = self.make_place(to)?;
        fs::copy(from, &to).with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
        set_mode(&to, mode)
    }

    fn write(&self, to: &str, text: &str) -> Result<()> {
        let to = self.make_place(to)?;
        fs::write(&to, text).with_context(|| format!("writing {}", to.display()))?;
        set_mode(&to, 0o644)
    }

    /// Makes the folders above `to`, readable whatever the umask says, as they will be on the server.
    fn make_place(&self, to: &str) -> Result<PathBuf> {
        let place = self.folder.join(to);
        let parent = place.parent().context("a file has a folder")?;
        fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
        for folder in parent.ancestors().take_while(|folder| folder.starts_with(&self.folder)) {
            set_mode(folder, 0o755)?;
        }
        Ok(place)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    let permissions = fs::Permissions::from_mode(mode);
    fs::set_permissions(path, permissions).with_context(|| format!("setting the mode of {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_files_is_read_line_by_line() {
        let list = "# comment\n\n0755 @BINARY@   /usr/bin/a\n0644 agent/b /etc/b\n";
        let read = entries(list).unwrap().iter().map(|entry| (entry.mode, entry.from.to_owned())).collect::<Vec<_>>();
        assert_eq!(read, [(0o755, "@BINARY@".to_owned()), (0o644, "agent/b".to_owned())]);
        let broken = entries("0755 only-one\n").err().unwrap().to_string();
        assert!(broken.contains("files:1"), "{broken}");
    }
}
