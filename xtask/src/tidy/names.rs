//! Names: a file is called by the noun it is about, every reconciler has the same files, and ARCHITECTURE.md knows every crate.

use std::path::PathBuf;

use super::{Complaint, Tree};

/// Names that say nothing and so collect everything.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager", "misc"];

/// The folder with a folder for each kind, and what each of them has: what is read, what it comes to, what is done.
const RECONCILERS: &str = "controller/src/reconcile";
const OF_A_RECONCILER: &[&str] = &["observe.rs", "status.rs", "apply.rs"];

pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = incomplete_reconcilers(tree);
    for (path, _) in &tree.files {
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let mut parts = name.split(['_', '-', '.']);
        if let Some(word) = parts.find(|part| EMPTY_NAMES.contains(part)) {
            complaints.push(Complaint::file(path, format!("{word} says nothing: name it by what it is about")));
        }
    }
    let architecture = tree.text("ARCHITECTURE.md").unwrap_or_default();
    for (path, text) in tree.files.iter().filter(|(path, _)| path.file_name().is_some_and(|name| name == "Cargo.toml"))
    {
        let Some(name) = crate_name(text) else { continue };
        if !architecture.contains(&format!("`{name}`")) {
            complaints.push(Complaint::file(path, format!("ARCHITECTURE.md does not name the crate `{name}`")));
        }
    }
    complaints
}

/// Folders of a kind without one of the files that each has.
fn incomplete_reconcilers(tree: &Tree) -> Vec<Complaint> {
    let is_kind = |path: &&PathBuf| path.starts_with(RECONCILERS) && path.ends_with("mod.rs");
    let kinds = tree.files.iter().map(|(path, _)| path).filter(is_kind);
    let missing = kinds.flat_map(|kind| {
        let absent =
            OF_A_RECONCILER.iter().filter(|name| tree.text(&kind.with_file_name(name).to_string_lossy()).is_none());
        absent.map(|name| Complaint::file(kind, format!("this reconciler has no {name}, as the others have")))
    });
    missing.collect()
}

fn crate_name(manifest: &str) -> Option<String> {
    let table = manifest.parse::<toml::Table>().ok()?;
    Some(table.get("package")?.get("name")?.as_str()?.to_owned())
}
