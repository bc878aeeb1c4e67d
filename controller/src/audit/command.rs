//! `qianyun-controller audit`: takes a record out of the cluster, and verifies one without it. Never writes to the cluster.

use super::{AuditError, log};
use clap::{Parser, Subcommand};
use kube::Client;
use qianyun_planning::audit::export::{Broken, ExportError, MAX_FILE_BYTES};
use qianyun_planning::audit::{Export, Verified};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Take the audit record of a system out of the cluster, or verify one without it.
#[derive(Debug, Parser)]
#[command(name = "audit", max_term_width = 100)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Verify exported files. Needs no cluster. Ends with 1 if a record is broken, and says where.
    Verify {
        /// Files as `audit export` or `kubectl get configmaps -l migration.qianyun.dev/audit-of -o json` write them; standard
        /// input if there is none.
        files: Vec<PathBuf>,
        /// Hash of an entry that was noted elsewhere, as sha256:…; without it, a record that was cut off at its end is unbroken.
        #[arg(long, value_name = "HASH")]
        head: Option<String>,
    },
    /// Print the record of a system, one entry a line.
    Export {
        /// Namespace of the SystemMigration.
        #[arg(long)]
        namespace: String,
        /// Name of the SystemMigration.
        #[arg(long)]
        name: String,
        /// Kubeconfig; by default the service account of the pod.
        #[arg(long)]
        kubeconfig: Option<PathBuf>,
    },
}

/// Why it was not done, or what was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CommandError {
    /// A file cannot be read.
    #[error("{place} cannot be read")]
    Read {
        /// Which.
        place: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is no export.
    #[error("not an export")]
    Export(#[from] ExportError),
    /// A record is broken.
    #[error("不完整 BROKEN")]
    Broken(#[from] Broken),
    /// The cluster cannot be asked.
    #[error("the record cannot be read")]
    Cluster(#[from] AuditError),
    /// There is no record.
    #[error("there is no audit record of {system}")]
    Missing {
        /// Whose.
        system: String,
    },
    /// Nothing can be printed.
    #[error("standard output cannot be written")]
    Print(#[source] io::Error),
}

/// What is asked of the cluster.
pub(crate) struct Wanted {
    namespace: String,
    name: String,
    /// How to reach it.
    pub(crate) kubeconfig: Option<PathBuf>,
}

impl AuditArgs {
    /// Does what needs no cluster; gives what does.
    pub(crate) fn run_offline(self, out: &mut impl Write) -> Result<Option<Wanted>, CommandError> {
        match self.what {
            What::Verify { files, head } => verify(&files, head.as_deref(), out).map(|()| None),
            What::Export { namespace, name, kubeconfig } => Ok(Some(Wanted { namespace, name, kubeconfig })),
        }
    }
}

fn verify(files: &[PathBuf], head: Option<&str>, out: &mut impl Write) -> Result<(), CommandError> {
    let mut export = Export::default();
    if files.is_empty() {
        export.add("standard input", &read("standard input", io::stdin().lock())?)?;
    }
    for path in files {
        let place = path.display().to_string();
        export.add(&place, &read_file(&place, path)?)?;
    }
    for Verified { system, entries, times, head } in export.verify(head)? {
        let times = times.map(|(first, last)| format!(", {first} – {last}")).unwrap_or_default();
        writeln!(out, "{system}: 完整,{entries} 条 / unbroken, {entries} entries{times}\n  {entries} {head}")
            .map_err(CommandError::Print)?;
    }
    Ok(())
}

fn read_file(place: &str, path: &Path) -> Result<Vec<u8>, CommandError> {
    let file = File::open(path).map_err(|source| CommandError::Read { place: place.to_owned(), source })?;
    read(place, file)
}

/// One byte more than is allowed is enough to refuse it.
fn read(place: &str, source: impl Read) -> Result<Vec<u8>, CommandError> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_FILE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    match source.take(limit).read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(source) => Err(CommandError::Read { place: place.to_owned(), source }),
    }
}

/// Prints a record as it lies in the cluster, also a broken one: then it is evidence. Says at the end whether it is.
pub(crate) async fn export(client: Client, wanted: &Wanted, out: &mut impl Write) -> Result<(), CommandError> {
    let lines = log::lines(client, &wanted.namespace, &wanted.name).await?;
    if lines.is_empty() {
        return Err(CommandError::Missing { system: format!("{}/{}", wanted.namespace, wanted.name) });
    }
    for line in &lines {
        writeln!(out, "{line}").map_err(CommandError::Print)?;
    }
    out.flush().map_err(CommandError::Print)?;
    let mut export = Export::default();
    export.add("the record", lines.join("\n").as_bytes())?;
    export.verify(None)?;
    Ok(())
}
