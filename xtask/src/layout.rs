//! Where things are: the workspace, what is built into it, and the cache that outlives a clone. Never creates anything
//! outside these three.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The folders that the verbs work in.
pub(crate) struct Layout {
    /// The root of the workspace.
    pub(crate) root: PathBuf,
    /// Where cargo builds: `CARGO_TARGET_DIR`, or `target/` in the root.
    pub(crate) cargo_target: PathBuf,
    /// Built tools that tests run: control plane, kubectl, helm. Always in the root, so that tests find them.
    pub(crate) tools: PathBuf,
    /// What a site installs: agent, package, controller.
    pub(crate) dist: PathBuf,
    /// Results that are dear to make, by content hash; shared by every clone on this machine.
    pub(crate) cache: PathBuf,
}

impl Layout {
    pub(crate) fn find() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.parent().context("xtask has no folder above it")?.to_path_buf();
        if !root.join("Cargo.lock").exists() {
            bail!("{} is not the workspace any more: it was moved after xtask was built, build again", root.display());
        }
        let target = root.join("target");
        let cargo_target = match env::var_os("CARGO_TARGET_DIR") {
            Some(dir) => root.join(dir),
            None => target.clone(),
        };
        Ok(Self { cargo_target, tools: target.join("tools"), dist: target.join("dist"), cache: cache_folder()?, root })
    }

    pub(crate) fn controlplane(&self) -> PathBuf {
        self.root.join("tests/controlplane")
    }

    pub(crate) fn node(&self) -> PathBuf {
        self.root.join("tests/node")
    }

    pub(crate) fn chart(&self) -> PathBuf {
        self.root.join("charts/qianyun")
    }

    pub(crate) fn tool(&self, name: &str) -> PathBuf {
        self.tools.join(name)
    }
}

fn cache_folder() -> Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from(env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?).join(".cache"),
    };
    Ok(base.join("qianyun"))
}
