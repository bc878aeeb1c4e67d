//! A Go that can build the control plane. Any Go since 1.21 fetches the version that `go.mod` names by itself; an older one,
//! such as Debian 12's, is used once to fetch it as a module, checked against the checksum database like any other.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::packages;
use crate::command::{Run, say};
use crate::layout::Layout;

/// The toolchain that an old Go fetches: a patch release of the version in `tests/controlplane/go.mod`.
const TOOLCHAIN: &str = "v0.0.1-go1.26.8.linux-amd64";
/// What that module must be, whatever a proxy says.
const TOOLCHAIN_SUM: &str = "h1:ZOmGe1OnfREDMIdb1Qi4G9JSuDPBLGExZMQ4nis1RXM=";
/// Where a Go may be that is not on the path.
const USUAL_PLACES: &[&str] = &["go", "/usr/local/go/bin/go"];

/// A Go that can build the control plane.
pub(crate) struct Go(PathBuf);

impl Go {
    /// A run of it in the control plane's module. Some distributions forbid fetching a newer version; here it is wanted.
    pub(crate) fn run(&self, layout: &Layout) -> Run {
        self.run_in(&layout.controlplane())
    }

    /// A run of it in the module at `folder`.
    pub(crate) fn run_in(&self, folder: &Path) -> Run {
        Run::new(&self.0).env("GOTOOLCHAIN", "auto").in_folder(folder)
    }
}

/// Finds it, or fetches it.
pub(crate) fn ensure(layout: &Layout) -> Result<Go> {
    let fetched = layout.cache.join("go").join(TOOLCHAIN);
    let mut places: Vec<PathBuf> = USUAL_PLACES.iter().map(PathBuf::from).collect();
    places.push(fetched.join("bin/go"));
    if let Some(go) = places.into_iter().find(|go| manages_toolchains(go)) {
        return Ok(Go(go));
    }
    if Run::new("go").args(["version"]).output().is_err() {
        packages::install(&["golang-go"])?;
    }
    fetch(&fetched)?;
    Ok(Go(fetched.join("bin/go")))
}

/// True for Go 1.21 and later.
fn manages_toolchains(go: &Path) -> bool {
    let Ok(version) = Run::new(go).args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local").output() else {
        return false;
    };
    let mut numbers = version.trim().trim_start_matches("go").split('.').map_while(|part| part.parse::<u32>().ok());
    matches!((numbers.next(), numbers.next()), (Some(major), Some(minor)) if (major, minor) >= (1, 21))
}

fn fetch(to: &Path) -> Result<()> {
    say(format!("fetch the Go toolchain {TOOLCHAIN}"));
    let module = format!("golang.org/toolchain@{TOOLCHAIN}");
    let answer = Run::new("go").args(["mod", "download", "-json", &module]).output()?;
    let answer: serde_json::Value = serde_json::from_str(&answer).context("go mod download: broken JSON")?;
    if answer["Sum"] != TOOLCHAIN_SUM {
        bail!("{module} has checksum {}, expected {TOOLCHAIN_SUM}", answer["Sum"]);
    }
    let from = answer["Dir"].as_str().context("go mod download: no Dir")?;
    let partial = to.with_extension(format!("partial-{}", std::process::id()));
    fs::create_dir_all(&partial).with_context(|| format!("making {}", partial.display()))?;
    Run::new("cp").args(["-r", "--no-preserve=mode", "-T", from]).args([&partial]).run()?;
    // A module carries no permissions, so the programs have to be made executable.
    make_executable(&partial.join("bin"))?;
    make_executable(&partial.join("pkg/tool/linux_amd64"))?;
    fs::rename(&partial, to).with_context(|| format!("putting {} in place", to.display()))
}

fn make_executable(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
            .with_context(|| format!("making {} executable", path.display()))?;
    }
    Ok(())
}
