//! `cargo xtask tidy`: the repository's own rules, as failures. Each rule says what is wrong, where, and what to do; STYLE.md
//! says why. Never changes a file.

mod calls;
mod manifests;
mod names;
mod places;
mod proportion;
mod sizes;
mod source;
mod vocabulary;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::{Run, say};
use crate::crds;
use crate::layout::Layout;

/// What the rules look at, read once.
struct Tree {
    /// Every text file of the repository with its path from the root.
    files: Vec<(PathBuf, String)>,
    /// The Rust ones, taken apart.
    rust: Vec<source::Source>,
}

impl Tree {
    fn read(root: &Path) -> Result<Self> {
        let listed = Run::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .in_folder(root)
            .output()?;
        let mut files = Vec::new();
        for name in listed.split('\0').filter(|name| !name.is_empty()) {
            let path = root.join(name);
            if !path.is_file() {
                continue; // deleted, or a link
            }
            let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            if let Ok(text) = String::from_utf8(bytes) {
                files.push((PathBuf::from(name), text));
            }
        }
        let rust = source::take_apart(&files);
        Ok(Self { files, rust })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.files.iter().find(|(path, _)| path == Path::new(name)).map(|(_, text)| text.as_str())
    }
}

/// One broken rule.
struct Complaint {
    place: String,
    what: String,
}

impl Complaint {
    fn file(path: &Path, what: impl Into<String>) -> Self {
        Self { place: path.display().to_string(), what: what.into() }
    }

    fn line(path: &Path, line: usize, what: impl Into<String>) -> Self {
        Self { place: format!("{}:{line}", path.display()), what: what.into() }
    }
}

pub(crate) fn run(layout: &Layout) -> Result<()> {
    say("tidy: the repository's own rules");
    let tree = Tree::read(&layout.root)?;
    let mut complaints = Vec::new();
    let rules = [
        sizes::check,
        calls::check,
        manifests::check,
        names::check,
        places::check,
        vocabulary::check,
        proportion::check,
    ];
    for rule in rules {
        complaints.extend(rule(&tree));
    }
    for file in crds::differences(layout)? {
        let path = Path::new("charts/qianyun/templates/crds").join(file);
        complaints.push(Complaint::file(&path, "differs from the Rust types: run cargo xtask crds"));
    }
    for complaint in &complaints {
        println!("  {}: {}", complaint.place, complaint.what);
    }
    if !complaints.is_empty() {
        bail!("{} places break the rules of STYLE.md", complaints.len());
    }
    Ok(())
}
