//! Flags, and the only place where the environment is read.

use crate::screen::Language;
use clap::{Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;

/// The agent of a server that moves to the government cloud.
#[derive(Debug, Parser)]
#[command(name = "qianyun-agent", version, max_term_width = 100)]
pub(crate) struct Args {
    /// Language of the output; by default from the locale.
    #[arg(long, global = true, value_enum)]
    lang: Option<LanguageArg>,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LanguageArg {
    Zh,
    En,
}

/// What the agent can be asked to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Join: declare that the machine is non-classified, make a key, receive a certificate, start the service.
    Enroll(EnrollArgs),
    /// Show where the journey is and what to do now.
    Status,
    /// Check whether this machine is ready; works offline.
    Check {
        /// Also list the checks that passed.
        #[arg(long)]
        all: bool,
    },
    /// Print exactly what would be sent about this machine.
    Inventory,
    /// Verify a signed cutover record by itself, with nothing but the CA certificate.
    VerifyRecord {
        /// The record, as `record.json`.
        file: String,
        /// The CA certificate, PEM.
        #[arg(long)]
        ca: String,
    },
    /// Run as the service (started by systemd).
    Run,
    /// Guard and adapt early in the boot (started by systemd).
    Boot,
    /// Receive a copy (started by the hosting platform).
    Receive(ReceiveArgs),
}

/// Arguments of `enroll`.
#[derive(Debug, clap::Args)]
pub(crate) struct EnrollArgs {
    /// Address of the gateway, as `https://gateway.example:8443`.
    #[arg(long)]
    pub(crate) server: String,
    /// One-time token from the operator.
    #[arg(long)]
    pub(crate) token: String,
    /// SHA-256 of the platform CA's public key, as `sha256:<64 hex digits>`; from the operator, by another way than the token.
    #[arg(long)]
    pub(crate) ca_hash: String,
    /// The declaration, word for word, instead of typing it.
    #[arg(long)]
    pub(crate) statement: Option<String>,
    /// Name of the person who declares.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Telephone number of that person.
    #[arg(long)]
    pub(crate) phone: Option<String>,
}

/// Arguments of `receive`.
#[derive(Debug, clap::Args)]
pub(crate) struct ReceiveArgs {
    /// Where to listen.
    #[arg(long)]
    pub(crate) listen: SocketAddr,
    /// Folder of the ledger, the key and certificate (`key.pem`, `certificate.pem`) and `record.json`.
    #[arg(long)]
    pub(crate) dir: String,
    /// Replication session; connections of older ones are dropped.
    #[arg(long)]
    pub(crate) session: u64,
    /// The volumes and their disks: `[{"name": …, "path": …, "identity": …}]`.
    #[arg(long)]
    pub(crate) volumes_file: String,
    /// The one host that may send, `<namespace>/<name>`.
    #[arg(long)]
    pub(crate) host: String,
    /// The CA certificate, PEM.
    #[arg(long)]
    pub(crate) ca: String,
}

impl Args {
    /// The language of the output: as asked, else as the terminal can draw it.
    pub(crate) fn language(&self) -> Language {
        match self.lang {
            Some(LanguageArg::Zh) => Language::Zh,
            Some(LanguageArg::En) => Language::En,
            None => {
                let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
                let locale = variable("LC_ALL").or_else(|| variable("LC_CTYPE")).or_else(|| variable("LANG"));
                Language::of_terminal(&locale.unwrap_or_default(), &variable("TERM").unwrap_or_default())
            }
        }
    }
}
