//! The office server's disk: Debian 12 from the machine's own package sources, with GRUB on an MBR disk, PostgreSQL and the
//! registry application. `recipe.sh` is what is done, `server/` is what is put on it.
//!
//! It is built once per content of the recipe and kept in the cache. Runs never write the cached image: each takes a copy of
//! its own, a plain sparse file, because the disk of a physical server is no overlay on anything.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::site::run;

const RECIPE: &str = include_str!("office_image/recipe.sh");

/// The files put on the server, by path. Named one by one, so that the content hash covers them and a build from any
/// directory finds them.
const SERVER_FILES: [(&str, u32, &str); 8] = [
    ("etc/network/interfaces", 0o644, include_str!("office_image/server/etc/network/interfaces")),
    ("etc/initramfs-tools/conf.d/office", 0o644, include_str!("office_image/server/etc/initramfs-tools/conf.d/office")),
    ("etc/initramfs-tools/modules", 0o644, include_str!("office_image/server/etc/initramfs-tools/modules")),
    ("etc/default/grub.d/office.cfg", 0o644, include_str!("office_image/server/etc/default/grub.d/office.cfg")),
    (
        "etc/systemd/system/serial-getty@ttyS0.service.d/office.conf",
        0o644,
        include_str!("office_image/server/etc/systemd/system/serial-getty@ttyS0.service.d/office.conf"),
    ),
    (
        "etc/systemd/system/registry-app.service",
        0o644,
        include_str!("office_image/server/etc/systemd/system/registry-app.service"),
    ),
    (
        "etc/systemd/journald.conf.d/office.conf",
        0o644,
        include_str!("office_image/server/etc/systemd/journald.conf.d/office.conf"),
    ),
    ("usr/local/sbin/registry-app", 0o755, include_str!("office_image/server/usr/local/sbin/registry-app")),
];

/// The Debian suites the server is made from, where the machine's sources name them.
const SUITES: [&str; 3] = ["bookworm", "bookworm-updates", "bookworm-security"];

/// Returns the cached image, and builds it first if this recipe has never been built here.
pub fn ensure_built() -> Result<PathBuf> {
    let cache = cache_folder()?;
    fs::create_dir_all(&cache).with_context(|| format!("{}: cannot be made", cache.display()))?;
    // Two tests that start together build once: the second waits here and then finds the image.
    let lock = fs::File::create(cache.join("office.lock")).context("the cache cannot be locked")?;
    lock.lock().context("the cache cannot be locked")?;
    let image = cache.join(format!("office-{}.raw", content_hash()));
    if !image.exists() {
        build(&cache, &image)?;
    }
    Ok(image)
}

/// A run's own copy of the image: sparse, and sharing blocks where the file system can.
pub fn copy_to(image: &Path, disk: &Path) -> Result<()> {
    run(Command::new("cp").args(["--sparse=always", "--reflink=auto"]).arg(image).arg(disk))
}

/// Where built images are kept between runs.
pub(crate) fn cache_folder() -> Result<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME") {
        Some(cache) if !cache.is_empty() => PathBuf::from(cache),
        Some(_) | None => PathBuf::from(
            std::env::var_os("HOME")
                .context("neither XDG_CACHE_HOME nor HOME is set: set one, images are kept there")?,
        )
        .join(".cache"),
    };
    Ok(base.join("qianyun"))
}

fn content_hash() -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(RECIPE.as_bytes());
    for (path, mode, text) in SERVER_FILES {
        hasher.update(path.as_bytes()).update(&mode.to_le_bytes()).update(text.as_bytes());
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

fn build(cache: &Path, image: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let workshop = tempfile::Builder::new().prefix("office-build-").tempdir_in(cache)?;
    let (recipe, server) = (workshop.path().join("recipe.sh"), workshop.path().join("server"));
    fs::write(&recipe, RECIPE)?;
    for (path, mode, text) in SERVER_FILES {
        let file = server.join(path);
        fs::create_dir_all(file.parent().expect("every path has a folder"))?;
        fs::write(&file, text)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(mode))?;
    }
    let sources = workshop.path().join("debian.sources");
    fs::write(&sources, debian_sources(Path::new("/etc/apt"))?)?;
    let unfinished = workshop.path().join("disk.raw");
    run(Command::new("unshare").args(["--mount", "--pid", "--fork", "--kill-child", "--", "bash"]).args([
        &recipe,
        &unfinished,
        &server,
        &sources,
    ]))
    .context("the office server's disk cannot be built")?;
    fs::rename(&unfinished, image).with_context(|| format!("{}: cannot be put in place", image.display()))
}

/// The machine's own sources, less everything that is not Debian 12: a stanza or line counts if it names one of its suites
/// and its component `main`.
fn debian_sources(apt: &Path) -> Result<String> {
    let mut stanzas = Vec::new();
    let mut files = vec![apt.join("sources.list")];
    if let Ok(entries) = fs::read_dir(apt.join("sources.list.d")) {
        files.extend(entries.flatten().map(|entry| entry.path()));
    }
    files.sort();
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        match file.extension().and_then(std::ffi::OsStr::to_str) {
            Some("sources") => stanzas.extend(text.split("\n\n").filter(|s| is_debian_stanza(s)).map(str::to_owned)),
            Some("list") => stanzas.extend(text.lines().filter(|l| is_debian_line(l)).map(str::to_owned)),
            Some(_) | None => {}
        }
    }
    ensure!(
        !stanzas.is_empty(),
        "{}: expected a package source for Debian bookworm with component main, found none: add one and run `apt-get update`",
        apt.display()
    );
    Ok(stanzas.join("\n\n") + "\n")
}

fn is_debian_stanza(stanza: &str) -> bool {
    let field = |name: &str| {
        stanza
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .unwrap_or_default()
            .split_whitespace()
    };
    field("Enabled").next() != Some("no")
        && field("Types").any(|t| t == "deb")
        && field("Suites").any(|suite| SUITES.contains(&suite))
        && field("Components").any(|component| component == "main")
}

fn is_debian_line(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.first() == Some(&"deb") && words.contains(&"main") && words.iter().any(|word| SUITES.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_debian_sources_of_the_machine_are_used() {
        let apt = tempfile::tempdir().expect("folder");
        let more = apt.path().join("sources.list.d");
        fs::create_dir(&more).expect("folder");
        fs::write(
            apt.path().join("sources.list"),
            "deb http://debian.example/debian bookworm main contrib\ndeb-src http://debian.example/debian bookworm main\n",
        )
        .expect("file");
        fs::write(more.join("other.list"), "deb http://other.example/apt bookworm stable\n").expect("file");
        fs::write(
            more.join("debian.sources"),
            "Types: deb\nURIs: http://security.example\nSuites: bookworm-security\nComponents: main\n\nTypes: deb\nEnabled: no\nURIs: http://off.example\nSuites: bookworm\nComponents: main\n",
        )
        .expect("file");
        let sources = debian_sources(apt.path()).expect("sources");
        assert!(sources.contains("security.example") && sources.contains("debian.example"), "{sources}");
        assert!(!sources.contains("off.example") && !sources.contains("other.example"), "{sources}");
        assert!(!sources.contains("deb-src"), "{sources}");
    }

    #[test]
    fn a_machine_without_debian_sources_is_told_what_to_add() {
        let apt = tempfile::tempdir().expect("folder");
        let error = debian_sources(apt.path()).expect_err("nothing to build from").to_string();
        assert!(error.contains("found none: add one"), "{error}");
    }
}
