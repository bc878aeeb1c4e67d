//! Names: a file is called by the noun it is about, and ARCHITECTURE.md knows every crate.

use super::{Complaint, Tree};

/// Names that say nothing and so collect everything.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager", "misc"];

pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
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

fn crate_name(manifest: &str) -> Option<String> {
    let table = manifest.parse::<toml::Table>().ok()?;
    Some(table.get("package")?.get("name")?.as_str()?.to_owned())
}
