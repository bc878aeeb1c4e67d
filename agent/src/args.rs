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
    /// Copy disks from one machine to another by itself, without a platform.
    #[command(subcommand)]
    Replicate(ReplicateCommand),
}

/// The two ends of a plain copy.
#[derive(Debug, Subcommand)]
pub(crate) enum ReplicateCommand {
    /// Here arrives the copy. Shows the pairing code that the other end asks for.
    Receive(ReplicateReceiveArgs),
    /// From here disks are copied while they are in use; ends when both ends are proved equal. Run again, it goes on.
    Send(ReplicateSendArgs),
}

/// Arguments of `replicate receive`.
#[derive(Debug, clap::Args)]
pub(crate) struct ReplicateReceiveArgs {
    /// Where to listen.
    #[arg(long, default_value = "0.0.0.0:7443")]
    pub(crate) listen: SocketAddr,
    /// Folder of this copy: its pairing code, what is known of the disks, the record; disks without a place of their own.
    #[arg(long)]
    pub(crate) dir: String,
    /// Where a disk goes, as `sda=/dev/vdb`; may be repeated. By default to a sparse file in the folder, `sda.raw`.
    #[arg(long = "volume", value_name = "DISK=PATH")]
    pub(crate) volume: Vec<String>,
    /// What is in these places already may be lost.
    #[arg(long)]
    pub(crate) overwrite: bool,
}

/// Arguments of `replicate send`.
#[derive(Debug, clap::Args)]
pub(crate) struct ReplicateSendArgs {
    /// The receiving end, `address:port`.
    #[arg(long)]
    pub(crate) to: String,
    /// A whole disk, as `/dev/sda`; may be repeated: all are one consistent set.
    #[arg(long = "disk", required = true, value_name = "NODE")]
    pub(crate) disk: Vec<String>,
    /// File with the pairing code; by default it is asked for.
    #[arg(long, value_name = "FILE")]
    pub(crate) code_file: Option<String>,
    /// Keep following the changes; Enter freezes and finishes.
    #[arg(long)]
    pub(crate) follow: bool,
    /// Bound for reading and sending while the machine works, MiB per second; 0 is none. Does not hold in the freeze.
    #[arg(long, default_value_t = 0)]
    pub(crate) max_mib_per_second: u64,
    /// Do not hold back where a disk gets slow for its users. Else the copy rests for a moment now and then, compares how the disk
    /// answers with and without it, and reads less where users wait more than three times as long.
    #[arg(long)]
    pub(crate) full_speed: bool,
    /// Connections to the other end, 1 to 8.
    #[arg(long, default_value_t = 4)]
    pub(crate) connections: u16,
    /// The longest freeze, seconds; at its end everything is thawed, whatever has become of the copy.
    #[arg(long, default_value_t = 30)]
    pub(crate) freeze_seconds: u64,
    /// A program to run before the freeze, for instance to stop a database; with the standard PATH and no other variables.
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) before_freeze: Option<String>,
    /// A program to run after the thaw, also if the copy was not finished. If it fails, the copy is complete all the same.
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) after_thaw: Option<String>,
    /// What to do once the copy is proved: go on, or switch this machine off at once so that only the copy goes on.
    #[arg(long, value_enum, default_value_t = Then::Thaw)]
    pub(crate) then: Then,
    /// Where the signed record goes.
    #[arg(long, default_value = "record.json")]
    pub(crate) record: String,
}

/// What becomes of the machine that was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Then {
    /// Thaw; the machine goes on, and the copy is of that moment.
    Thaw,
    /// Switch off while frozen: nothing is written after the proof.
    PowerOff,
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
