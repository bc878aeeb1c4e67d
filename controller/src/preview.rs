//! `qianyun-controller preview`: what will happen to a system's migration, in plain words, before it does. Reads with the rights
//! of whoever asks, and never writes.

mod observe;
#[cfg(test)]
mod tests;

use clap::{Parser, ValueEnum};
use jiff::Timestamp;
use kube::Client;
use qianyun_planning::preview::{Language, preview};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Say what will happen to a system's migration, before it does. Reads only.
#[derive(Debug, Parser)]
#[command(name = PreviewArgs::NAME, max_term_width = 100)]
pub(crate) struct PreviewArgs {
    /// The SystemMigration, as <namespace>/<name>.
    migration: Asked,
    /// Language.
    #[arg(long, value_enum, default_value_t = Lang::En)]
    lang: Lang,
    /// Kubeconfig; by default that of kubectl.
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
}

/// A language, as it is asked for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Lang {
    /// English.
    En,
    /// Chinese.
    Zh,
}

/// Which migration.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    namespace: String,
    name: String,
}

impl FromStr for Asked {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Asked { namespace: namespace.into(), name: name.into() })
            }
            Some(_) | None => Err("expected <namespace>/<name>, as minzheng/civil-registry"),
        }
    }
}

/// Why there is no preview.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum PreviewError {
    /// The migration cannot be read.
    #[error("the migration {migration} cannot be read")]
    Unreadable {
        /// Which.
        migration: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// There is none.
    #[error("there is no SystemMigration {migration}; kubectl get sysmig -A lists them")]
    Missing {
        /// Which.
        migration: String,
    },
    /// A subject has no digest.
    #[error("no digest of {what}")]
    Digest {
        /// Of what.
        what: &'static str,
        /// Why.
        #[source]
        source: qianyun_crds::DigestError,
    },
    /// Nothing can be printed.
    #[error("standard output cannot be written")]
    Print(#[source] io::Error),
}

impl PreviewArgs {
    /// How the subcommand is called.
    pub(crate) const NAME: &str = "preview";

    /// The kubeconfig that was asked for.
    pub(crate) fn kubeconfig(&self) -> Option<&Path> {
        self.kubeconfig.as_deref()
    }
}

/// Prints the preview of an instant.
pub(crate) async fn print(
    client: Client,
    args: &PreviewArgs,
    now: Timestamp,
    out: &mut impl Write,
) -> Result<(), PreviewError> {
    let facts = observe::facts(client, &args.migration, now).await?;
    let language = match args.lang {
        Lang::En => Language::English,
        Lang::Zh => Language::Chinese,
    };
    let text = preview(&facts, now).read_by_a_person().text(language);
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(PreviewError::Print)
}
