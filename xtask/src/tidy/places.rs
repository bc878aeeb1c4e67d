//! Places: nothing in the tree says on whose machine it was written or from which registry it was built.

use super::source::line_of;
use super::{Complaint, Tree};

/// Beginnings of absolute paths of a person's machine. Written in two parts, so that this file does not find itself.
const PERSONAL: &[(&str, &str)] = &[("/wo", "rk/"), ("/ho", "me/"), ("/Us", "ers/")];
/// Hosts of registries and proxies; which one is used is a setting of the machine, not of the tree.
const HOSTS: &[(&str, &str)] = &[
    ("docker", ".io"),
    ("ghcr", ".io"),
    ("quay", ".io"),
    ("gcr", ".io"),
    ("registry.k8s", ".io"),
    ("index.crates", ".io"),
    ("proxy.golang", ".org"),
    ("arti", "factory"),
];
/// Written by cargo and go, which name the source of each package.
const LOCK_FILES: &[&str] = &["Cargo.lock", "go.sum", "go.mod"];

pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (path, text) in &tree.files {
        if path.file_name().is_some_and(|name| LOCK_FILES.iter().any(|lock| name == *lock)) {
            continue;
        }
        for (head, tail) in PERSONAL {
            let found = text.match_indices(&format!("{head}{tail}")).map(|(at, _)| at).collect::<Vec<_>>();
            // `a/b/work/` and `$X/home/` are parts of a path, not its beginning.
            let begins = |at: &usize| {
                text[..*at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && !"._-/}$".contains(c))
            };
            for at in found.into_iter().filter(begins) {
                complaints.push(Complaint::line(
                    path,
                    line_of(text, at),
                    format!("{head}{tail}… is a path of one machine"),
                ));
            }
        }
        for (head, tail) in HOSTS {
            for (at, _) in text.match_indices(&format!("{head}{tail}")) {
                complaints.push(Complaint::line(path, line_of(text, at), format!("names the registry {head}{tail}")));
            }
        }
    }
    complaints
}
