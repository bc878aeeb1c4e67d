//! The agent's Debian package, staged file by file and packed by dpkg-deb. What goes where is said here; what the files say
//! is in `agent/packaging`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::{Run, say};
use crate::layout::Layout;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const SCRIPTS: &[&str] = &["preinst", "postinst", "prerm", "postrm"];
/// The admin's own file: dpkg never replaces what was edited there.
const CONFIGURATION: &str = "etc/qianyun/agent.toml";

/// Packs the agent and returns the package.
pub(super) fn build(layout: &Layout, agent: &Path) -> Result<PathBuf> {
    say("pack the agent's .deb");
    let stage = layout.dist.join("stage");
    let _ = fs::remove_dir_all(&stage);
    put(agent, &stage.join("usr/bin/qianyun-agent"), 0o755)?;
    let packaging = layout.root.join("agent/packaging");
    for entry in fs::read_dir(&packaging).with_context(|| format!("reading {}", packaging.display()))? {
        let from = entry?.path();
        let (to, mode) = destination(&from)?;
        put(&from, &stage.join(to), mode)?;
    }
    write(&stage.join("DEBIAN/conffiles"), &format!("/{CONFIGURATION}\n"))?;
    write(&stage.join("DEBIAN/control"), &control(installed_kibibytes(&stage)?))?;
    put(&layout.root.join("LICENSE"), &stage.join("usr/share/doc/qianyun-agent/copyright"), 0o644)?;
    let package = layout.dist.join(format!("qianyun-agent_{VERSION}_amd64.deb"));
    Run::new("dpkg-deb").args(["--root-owner-group", "-Zxz", "--build"]).args([&stage, &package]).output()?;
    fs::remove_dir_all(&stage).with_context(|| format!("removing {}", stage.display()))?;
    Ok(package)
}

/// Where a file of `agent/packaging` goes, and with which mode.
fn destination(from: &Path) -> Result<(PathBuf, u32)> {
    let name = from.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if SCRIPTS.contains(&name) {
        return Ok((Path::new("DEBIAN").join(name), 0o755));
    }
    match Path::new(name).extension().and_then(|extension| extension.to_str()) {
        Some("service" | "socket" | "timer" | "path") => Ok((Path::new("lib/systemd/system").join(name), 0o644)),
        _ if name == "agent.toml" => Ok((PathBuf::from(CONFIGURATION), 0o644)),
        _ => bail!("{}: no place is known for it in the package: say it in {}", from.display(), file!()),
    }
}

fn control(kibibytes: u64) -> String {
    format!(
        "Package: qianyun-agent\n\
         Version: {VERSION}\n\
         Architecture: amd64\n\
         Maintainer: Qianyun maintainers <maintainers@qianyun.dev>\n\
         Section: admin\n\
         Priority: optional\n\
         Installed-Size: {kibibytes}\n\
         Homepage: https://qianyun.dev\n\
         Description: moves this server to the government cloud, under approval\n \
         Inventories the server, says what stands in the way of its migration, copies\n \
         its disks while it works, and carries out its part of the cutover. One static\n \
         program without dependencies. Does nothing until it is enrolled.\n"
    )
}

fn put(from: &Path, to: &Path, mode: u32) -> Result<()> {
    make_parent(to)?;
    fs::copy(from, to).with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode))
        .with_context(|| format!("setting the mode of {}", to.display()))
}

fn write(to: &Path, text: &str) -> Result<()> {
    make_parent(to)?;
    fs::write(to, text).with_context(|| format!("writing {}", to.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o644))
        .with_context(|| format!("setting the mode of {}", to.display()))
}

/// Folders are readable whatever the umask says, as they will be on the server.
fn make_parent(path: &Path) -> Result<()> {
    let parent = path.parent().context("a file has a folder")?;
    fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
    for folder in parent.ancestors().take_while(|folder| folder.file_name().is_some_and(|name| name != "dist")) {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

fn installed_kibibytes(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += if metadata.is_dir() { installed_kibibytes(&entry.path())? } else { metadata.len().div_ceil(1024) };
    }
    Ok(sum)
}
