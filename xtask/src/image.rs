//! `cargo xtask image`: the controller as an OCI image, `target/dist/qianyun-controller.oci.tar`, for a registry or for
//! `ctr images import`. It has no base: two static programs and the zones of the time zone database. No container tool is needed.

mod bundle;
mod tape;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::command::say;
use crate::dist;
use crate::layout::Layout;

pub(crate) use bundle::{Image, write};
pub(crate) use tape::Tape;

/// As the chart's `image.repository` and its appVersion name it.
const NAME: &str = concat!("qianyun.dev/qianyun-controller:", env!("CARGO_PKG_VERSION"));
/// Where programs look for the zones by which a city counts its days.
const ZONES: &str = "/usr/share/zoneinfo";
/// The areas of that folder. Beside them it has the same zones twice more (`posix`, `right`) and old names at its top.
const AREAS: &[&str] = &[
    "Africa",
    "America",
    "Antarctica",
    "Arctic",
    "Asia",
    "Atlantic",
    "Australia",
    "Etc",
    "Europe",
    "Indian",
    "Pacific",
];
/// What every file of a zone begins with (RFC 9636).
const ZONE_MAGIC: &[u8] = b"TZif";

pub(crate) fn run(layout: &Layout) -> Result<PathBuf> {
    dist::run(layout)?;
    pack(layout)
}

/// Packs what `dist` has built.
pub(crate) fn pack(layout: &Layout) -> Result<PathBuf> {
    say(format!("pack the image {NAME}"));
    let mut files = Tape::new();
    for program in ["qianyun-controller", "qianyun-agent"] {
        files.put(&format!("usr/bin/{program}"), 0o755, &read(&layout.dist.join(program))?)?;
    }
    for area in AREAS {
        put_zones(&mut files, &Path::new(ZONES).join(area))?;
    }
    let image = Image { name: NAME, entrypoint: "/usr/bin/qianyun-controller", user: "65532:65532", files };
    let path = layout.dist.join("qianyun-controller.oci.tar");
    let partial = path.with_extension("partial");
    write(image, &partial)?;
    fs::rename(&partial, &path).with_context(|| format!("putting {} in place", path.display()))?;
    say(format!("{} is ready", path.display()));
    Ok(path)
}

/// The zones of a folder and of those below it, in the order of their names, so that equal inputs give equal images.
fn put_zones(files: &mut Tape, folder: &Path) -> Result<()> {
    let listed = fs::read_dir(folder).with_context(|| format!("reading {}: is tzdata installed?", folder.display()))?;
    let mut paths = listed.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            put_zones(files, &path)?;
            continue;
        }
        let bytes = read(&path)?;
        ensure!(bytes.starts_with(ZONE_MAGIC), "{} is no zone: install the package tzdata again", path.display());
        files.put(path.to_str().context("a zone's name is ASCII")?.trim_start_matches('/'), 0o644, &bytes)?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}
