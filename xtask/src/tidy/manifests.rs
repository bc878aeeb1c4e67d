//! Manifests: dependencies point one way, pure crates have no runtime, and every crate obeys the shared lints.

use std::path::Path;

use toml::Table;

use super::{Complaint, Tree};

/// Crates whose manifest may not name any of [`RUNTIMES`].
const PURE: &[&str] = &["replication/Cargo.toml", "controller/planning/Cargo.toml", "agent/api/Cargo.toml"];
const RUNTIMES: &[&str] = &[
    "tokio",
    "async-std",
    "smol",
    "futures",
    "kube",
    "rand",
    "getrandom",
    "fastrand",
    "rustix",
    "libc",
    "nix",
    "socket2",
    "reqwest",
    "hyper",
    "axum",
    "rustls",
    "tokio-rustls",
    "tempfile",
    "uuid",
];
/// The direction of dependencies: a manifest and what it must never depend on.
const NEVER: &[(&str, &[&str])] = &[
    ("agent/Cargo.toml", &["kube", "k8s-openapi", "qianyun-crds", "qianyun-planning"]),
    ("controller/Cargo.toml", &["qianyun-replication", "qianyun-replication-io"]),
    ("crds/Cargo.toml", &["tokio", "qianyun-planning", "qianyun-agent-api"]),
    ("controller/planning/Cargo.toml", &["qianyun-replication", "qianyun-replication-io"]),
    ("agent/api/Cargo.toml", &["qianyun-crds", "qianyun-planning"]),
    ("replication/io/Cargo.toml", &["kube", "k8s-openapi", "qianyun-crds", "qianyun-planning", "qianyun-agent-api"]),
];
/// The crate with `unsafe` cannot inherit `unsafe_code = "forbid"`, so it repeats the rest.
const OWN_LINTS: &str = "replication/io/Cargo.toml";

pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut shared = None;
    let mut manifests = Vec::new();
    for (path, text) in tree.files.iter().filter(|(path, _)| path.file_name().is_some_and(|name| name == "Cargo.toml"))
    {
        match text.parse::<Table>() {
            Ok(table) if path == Path::new("Cargo.toml") => shared = Some(table),
            Ok(table) => manifests.push((path, table)),
            Err(error) => complaints.push(Complaint::file(path, format!("is not TOML: {error}"))),
        }
    }
    let shared = shared.as_ref().and_then(|table| table.get("workspace")?.get("lints"));
    for (path, table) in &manifests {
        complaints.extend(dependencies(path, table));
        complaints.extend(lints(path, table, shared));
    }
    complaints
}

fn dependencies(path: &Path, table: &Table) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let names = table.get("dependencies").and_then(toml::Value::as_table).map(|table| table.keys().collect::<Vec<_>>());
    for name in names.unwrap_or_default() {
        let is = |manifest: &&str| path == Path::new(manifest);
        if PURE.iter().any(is) && RUNTIMES.contains(&name.as_str()) {
            complaints.push(Complaint::file(
                path,
                format!("{name} in a pure crate: take time, seeds and bytes as arguments"),
            ));
        }
        for (_, never) in NEVER.iter().filter(|(manifest, _)| is(manifest)) {
            if never.contains(&name.as_str()) {
                complaints.push(Complaint::file(path, format!("must not depend on {name}: see ARCHITECTURE.md")));
            }
        }
    }
    complaints
}

fn lints(path: &Path, table: &Table, shared: Option<&toml::Value>) -> Option<Complaint> {
    let own = table.get("lints");
    if own.and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool) == Some(true) {
        return None;
    }
    if path != Path::new(OWN_LINTS) {
        return Some(Complaint::file(path, "must say [lints] workspace = true"));
    }
    let without_unsafe = |lints: Option<&toml::Value>| -> Option<Table> {
        let mut lints = lints?.as_table()?.clone();
        lints.get_mut("rust")?.as_table_mut()?.remove("unsafe_code");
        Some(lints)
    };
    (without_unsafe(own) != without_unsafe(shared))
        .then(|| Complaint::file(path, "its [lints] must be those of the workspace, except for unsafe_code"))
}
