//! Results by the hash of what they are made from: nothing is made twice, in this clone or in the next one on the same
//! machine. Never trusts a file time.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::command::say;
use crate::layout::Layout;

/// How many older results of one kind the cache keeps, for those who switch between branches.
const KEPT: usize = 3;

/// A hash over named inputs. Each input carries its length, so that no two lists of inputs give the same bytes.
pub(crate) struct Key(Sha256);

impl Key {
    pub(crate) fn new(kind: &str) -> Self {
        Self(Sha256::new()).text(kind)
    }

    pub(crate) fn text(mut self, text: &str) -> Self {
        self.part(text.as_bytes());
        self
    }

    pub(crate) fn file(mut self, path: &Path) -> Result<Self> {
        let content = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        self.part(path.file_name().unwrap_or_default().as_encoded_bytes());
        self.part(&content);
        Ok(self)
    }

    fn part(&mut self, bytes: &[u8]) {
        self.0.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
        self.0.update(bytes);
    }

    /// Sixteen bytes of it: enough to tell builds apart, short enough for a file name.
    pub(crate) fn finish(self) -> String {
        hex::encode(&self.0.finalize()[..16])
    }
}

/// Makes sure that `target/tools/<name>` is the result for `key`: left alone, copied from the cache, or made by `make`, which
/// is given the path to write.
pub(crate) fn ensure_tool(
    layout: &Layout,
    name: &str,
    key: &str,
    make: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let wanted = layout.tool(name);
    let note = layout.tool(&format!(".{name}.key"));
    if wanted.exists() && fs::read_to_string(&note).is_ok_and(|found| found == key) {
        return Ok(());
    }
    fs::create_dir_all(&layout.tools).with_context(|| format!("making {}", layout.tools.display()))?;
    let shelf = layout.cache.join("tools").join(name);
    let cached = shelf.join(key);
    let partial = layout.tool(&format!(".{name}.partial"));
    if cached.exists() {
        say(format!("take {name} from the cache"));
        copy(&cached, &partial)?;
    } else {
        make(&partial)?;
        if let Err(error) = keep(&partial, &shelf, key) {
            eprintln!("warning: {name} is not cached for other clones: {error:#}");
        }
    }
    // The note goes first and comes back last: whatever interrupts this, no note ever describes another binary.
    let _ = fs::remove_file(&note);
    fs::rename(&partial, &wanted).with_context(|| format!("putting {} in place", wanted.display()))?;
    fs::write(&note, key).with_context(|| format!("writing {}", note.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
    Ok(())
}

fn keep(made: &Path, shelf: &Path, key: &str) -> Result<()> {
    fs::create_dir_all(shelf).with_context(|| format!("making {}", shelf.display()))?;
    let partial = shelf.join(format!(".{key}.{}", std::process::id()));
    copy(made, &partial)?;
    fs::rename(&partial, shelf.join(key)).context("renaming within the cache")?;
    forget_oldest(shelf)
}

fn forget_oldest(shelf: &Path) -> Result<()> {
    let mut kept: Vec<(std::time::SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(shelf)? {
        let entry = entry?;
        kept.push((entry.metadata()?.modified()?, entry.path()));
    }
    kept.sort();
    kept.reverse();
    for (_, path) in kept.iter().skip(KEPT) {
        fs::remove_file(path).with_context(|| format!("removing {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_apart_what_concatenation_would_not() {
        let key = |parts: &[&str]| parts.iter().fold(Key::new("t"), |key, part| key.text(part)).finish();
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_ne!(key(&["a"]), key(&["a", ""]));
        assert_eq!(key(&["a", "b"]), key(&["a", "b"]));
    }
}
