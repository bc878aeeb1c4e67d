//! Flags, and the only place where the environment is read.

use crate::audit::command::AuditArgs;
use crate::preview::PreviewArgs;
use clap::{Command, CommandFactory, FromArgMatches, Parser};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The controller of Qianyun: reconcilers, the agents' gateway, and the hosting backend.
#[derive(Debug, Parser)]
#[command(name = "qianyun-controller", version, max_term_width = 100)]
pub(crate) struct Args {
    /// Address that agents connect to.
    #[arg(long, default_value = "[::]:8443")]
    pub(crate) gateway_listen: SocketAddr,
    /// The same as agents know it, as https://gateway.example:8443; goes into the certificate and the enrolment command.
    #[arg(long)]
    pub(crate) gateway_url: String,
    /// User that the gateway acts as towards the API server, which may do less; by default the controller itself.
    #[arg(long)]
    pub(crate) gateway_user: Option<String>,
    /// Directory for volumes and machines; must outlive the controller.
    #[arg(long)]
    pub(crate) state_dir: PathBuf,
    /// Namespace of the lease and of the authority's secret.
    #[arg(long, env = "POD_NAMESPACE")]
    pub(crate) namespace: String,
    /// Name of the lease; the authority's secret is <lease-name>-ca.
    #[arg(long, default_value = "qianyun-controller")]
    pub(crate) lease_name: String,
    /// Program that receivers are started from.
    #[arg(long, default_value = "/usr/bin/qianyun-agent")]
    pub(crate) agent_binary: PathBuf,
    /// Address of /livez and /readyz.
    #[arg(long, default_value = "[::]:8081")]
    pub(crate) health_listen: SocketAddr,
    /// Kubeconfig; by default the service account of the pod.
    #[arg(long)]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// What is logged, as info or info,qianyun_controller=debug.
    #[arg(long, env = "QIANYUN_LOG", default_value = "info")]
    pub(crate) log: String,
    /// Who this replica is in the lease; by default the host name.
    #[arg(long, env = "POD_NAME")]
    identity: Option<String>,
}

/// What the process is to do.
pub(crate) enum Invocation {
    /// Control.
    Control(Box<Args>),
    /// Look at audit records.
    Audit(AuditArgs),
    /// Look ahead.
    Preview(PreviewArgs),
}

impl Invocation {
    /// From the command line. Ends the process where it is wrong, or asks for help.
    pub(crate) fn read() -> Self {
        Self::read_from(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    fn read_from<T: Into<OsString> + Clone>(words: impl IntoIterator<Item = T>) -> Result<Self, clap::Error> {
        // Without a subcommand it controls, as its Pods have always been started.
        let command = Self::subcommands(Args::command().subcommand_negates_reqs(true));
        let mut found = command.try_get_matches_from(words)?;
        match found.remove_subcommand() {
            Some((name, mut preview)) if name == PreviewArgs::NAME => {
                PreviewArgs::from_arg_matches_mut(&mut preview).map(Self::Preview)
            }
            Some((_, mut audit)) => AuditArgs::from_arg_matches_mut(&mut audit).map(Self::Audit),
            None => Args::from_arg_matches_mut(&mut found).map(|args| Self::Control(Box::new(args))),
        }
    }

    fn subcommands(command: Command) -> Command {
        command.subcommand(AuditArgs::command()).subcommand(PreviewArgs::command())
    }
}

impl Args {
    /// Who this replica is in the lease.
    pub(crate) fn identity(&self) -> String {
        let hostname = || rustix::system::uname().nodename().to_string_lossy().into_owned();
        self.identity.clone().unwrap_or_else(hostname)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn the_flags_are_consistent() {
        Invocation::subcommands(Args::command()).debug_assert();
    }

    #[test]
    fn audit_needs_none_of_the_flags_that_control_needs() {
        let asks = |words: &[&str]| Invocation::read_from(words.iter().copied());
        assert!(matches!(asks(&["x", "audit", "verify", "a.jsonl"]), Ok(Invocation::Audit(_))));
        assert!(asks(&["x", "--state-dir", "/s"]).is_err(), "it was to control without a gateway");
        assert!(asks(&["x", "audit", "export", "--namespace", "n"]).is_err(), "it was to export nothing in particular");
        let flags = ["x", "--gateway-url", "https://gw:8443", "--state-dir", "/s", "--namespace", "n"];
        assert!(matches!(asks(&flags), Ok(Invocation::Control(_))));
    }

    #[test]
    fn a_preview_is_asked_for_by_namespace_and_name() {
        let asks = |words: &[&str]| Invocation::read_from(words.iter().copied());
        assert!(matches!(
            asks(&["x", "preview", "minzheng/civil-registry", "--lang", "zh"]),
            Ok(Invocation::Preview(_))
        ));
        for wrong in [&["x", "preview"][..], &["x", "preview", "civil-registry"], &["x", "preview", "a/b/c"]] {
            assert!(asks(wrong).is_err(), "{wrong:?}");
        }
        assert!(asks(&["x", "preview", "a/b", "--lang", "fr"]).is_err(), "it was to speak French");
    }

    #[test]
    fn an_identity_is_never_empty() {
        let flags = ["x", "--gateway-url", "https://gw:8443", "--state-dir", "/s", "--namespace", "n"];
        assert!(!Args::parse_from(flags).identity().is_empty());
    }
}
