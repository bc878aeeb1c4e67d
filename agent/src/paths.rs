//! Where the agent keeps its things on a server. It names paths and never touches them.

/// The folders; other than the standard ones only in tests and by hidden flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paths {
    /// Durable state, travels with the disk.
    pub(crate) state: String,
    /// State of this boot, in memory.
    pub(crate) run: String,
    /// The admin's own file.
    pub(crate) config: String,
}

impl Default for Paths {
    fn default() -> Self {
        Self { state: "/var/lib/qianyun".into(), run: "/run/qianyun".into(), config: "/etc/qianyun/agent.toml".into() }
    }
}

impl Paths {
    /// The private key; made on this machine, never leaves it.
    pub(crate) fn key(&self) -> String {
        format!("{}/key.pem", self.state)
    }

    /// The certificate for it.
    pub(crate) fn certificate(&self) -> String {
        format!("{}/certificate.pem", self.state)
    }

    /// The CA that was pinned at enrolment.
    pub(crate) fn ca(&self) -> String {
        format!("{}/ca.pem", self.state)
    }

    /// Who this host is, and who declared what.
    pub(crate) fn enrolled(&self) -> String {
        format!("{}/enrolled.json", self.state)
    }

    /// One of the two copies of the ledger.
    pub(crate) fn ledger(&self, copy: usize) -> String {
        format!("{}/ledger.{copy}", self.state)
    }

    /// Vote and freeze of this boot.
    pub(crate) fn run_state(&self) -> String {
        format!("{}/state.json", self.run)
    }

    /// The map of changes of the replication that the platform asked for.
    pub(crate) fn replication(&self) -> String {
        format!("{}/replication", self.run)
    }

    /// The map of changes of a plain copy, by a name of what is copied to whom.
    pub(crate) fn plain_copy(&self, name: &str) -> String {
        format!("{}/replicate-{name}", self.run)
    }

    /// What `status` shows.
    pub(crate) fn status(&self) -> String {
        format!("{}/status.json", self.run)
    }
}
