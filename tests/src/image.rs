//! Disks that are built from a recipe: once per content of it, and then kept in the cache. Runs never write what is kept: each
//! takes a copy of its own, a plain sparse file, because the disk of a physical server is no overlay on anything.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::site::run;

/// The Debian suites that servers are made from, where the machine's sources name them.
const SUITES: [&str; 3] = ["bookworm", "bookworm-updates", "bookworm-security"];

/// What every recipe leaves out of a server.
const LEFT_OUT: &str = include_str!("image/left_out.sh");

/// A file put on a server: its path, its mode and its text.
pub(crate) type ServerFile = (&'static str, u32, &'static str);

/// What a disk is built from.
pub(crate) struct Recipe {
    /// The first part of its name in the cache.
    pub(crate) name: &'static str,
    /// What is done, by bash.
    pub(crate) script: &'static str,
    /// What is put on it. Named one by one, so that the content hash covers them and a build from any directory finds them.
    pub(crate) files: &'static [ServerFile],
}

/// The folder of one build, with the recipe's files in it. Whatever lies in it is gone when the build is over.
pub(crate) struct Workshop {
    folder: TempDir,
}

impl Recipe {
    /// Returns what is cached under this recipe's name with `ending`, and has it made at [`Workshop::result`] if this recipe
    /// has never been built here.
    pub(crate) fn ensure_built(&self, ending: &str, build: impl FnOnce(&Workshop) -> Result<()>) -> Result<PathBuf> {
        let cache = cache_folder()?;
        fs::create_dir_all(&cache).with_context(|| format!("{}: cannot be made", cache.display()))?;
        // Two tests that start together build once: the second waits here and then finds the image.
        let lock = fs::File::create(cache.join(format!("{}.lock", self.name))).context("the cache cannot be locked")?;
        lock.lock().context("the cache cannot be locked")?;
        let built = cache.join(format!("{}-{}{ending}", self.name, self.content_hash()));
        if !built.exists() {
            let workshop = self.open_workshop(&cache)?;
            build(&workshop)?;
            fs::rename(workshop.result(), &built)
                .with_context(|| format!("{}: cannot be put in place", built.display()))?;
        }
        Ok(built)
    }

    fn content_hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.script.as_bytes()).update(LEFT_OUT.as_bytes());
        for (path, mode, text) in self.files {
            hasher.update(path.as_bytes()).update(&mode.to_le_bytes()).update(text.as_bytes());
        }
        hasher.finalize().to_hex()[..16].to_owned()
    }

    fn open_workshop(&self, cache: &Path) -> Result<Workshop> {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::Builder::new().prefix(&format!("{}-build-", self.name)).tempdir_in(cache)?;
        let workshop = Workshop { folder };
        fs::write(workshop.file("recipe.sh"), self.script)?;
        fs::write(workshop.file("left_out.sh"), LEFT_OUT)?;
        for (path, mode, text) in self.files {
            let file = workshop.file("server").join(path);
            fs::create_dir_all(file.parent().expect("every path has a folder"))?;
            fs::write(&file, text)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(*mode))?;
        }
        fs::write(workshop.file("debian.sources"), debian_sources(Path::new("/etc/apt"))?)?;
        Ok(workshop)
    }
}

impl Workshop {
    /// A file or folder in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What is to be cached.
    pub(crate) fn result(&self) -> PathBuf {
        self.file("result")
    }

    /// Runs the recipe with these arguments, and behind them the folder of the server's files and the package sources. In a
    /// mount namespace of its own, so that every mount ends with it.
    pub(crate) fn follow_recipe(&self, arguments: &[&Path]) -> Result<()> {
        run(Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child", "--", "bash"])
            .arg(self.file("recipe.sh"))
            .args(arguments)
            .args([self.file("server"), self.file("debian.sources")]))
    }
}

/// A run's own copy of an image: sparse, and sharing blocks where the file system can.
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
