//! What people get wrong, on the real path: a wrong token, a wrong hash, an enrolment that is over, a declaration that is none,
//! schemes that do not fit. Each is answered with what to do, and leaves nothing behind. Not part of the demo; the end-to-end
//! test puts it into the same story.

use anyhow::{Result, ensure};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::city::CIVIL;
use super::papers::{self, instant, with};
use super::server::{AT_THE_CONSOLE, DECLARATION, Invitation};
use super::stage::{SOON, Stage};
use crate::wait::{self, Look};

/// Long enough for the controller to make the secret of an enrolment, short enough to wait for.
const SHORT: SignedDuration = SignedDuration::from_secs(15);

impl Stage {
    /// The admin types the wrong things at the console. The package is installed.
    pub(crate) fn refuse_wrong_enrolments(&mut self) -> Result<()> {
        let right = self.invitation(papers::SYSTEM_NAME)?;
        let over = self.expired_invitation()?;
        let wrong_token = Invitation { token: "0".repeat(right.token.len()), ..right.clone() };
        let wrong_hash = Invitation { ca_hash: format!("sha256:{}", "0".repeat(64)), ..right.clone() };
        let no_hash = Invitation { ca_hash: "sha256:0".into(), ..right.clone() };
        let attempts = [
            (&no_hash, DECLARATION, 2, "expected --ca-hash as sha256:<64 hex digits>"),
            (&wrong_hash, DECLARATION, 3, "the gateway's CA is not the one you pinned"),
            (&wrong_token, DECLARATION, 3, "token"),
            (&over, DECLARATION, 3, "expired"),
            (&right, "This machine stores state secrets", 3, "only non-classified systems may join"),
        ];
        let mut console = self.server.console()?;
        for (invitation, statement, status, words) in attempts {
            let said = console.run(&invitation.line(statement), AT_THE_CONSOLE)?;
            ensure!(said.status == status, "expected exit code {status}, found {}: {}", said.status, said.text);
            ensure!(said.text.contains(words), "expected {words:?}, found {}", said.text);
        }
        let hosts = self.cluster.get(&self.city.operator, &["physicalhosts", "-n", CIVIL])?;
        ensure!(hosts["items"].as_array().is_some_and(Vec::is_empty), "a refused machine was stored: {hosts}");
        self.teller.tell(
            "wrong token, hash, time and declaration: refused, nothing stored",
            "错误的令牌、指纹、期限与声明:均被拒绝",
        );
        Ok(())
    }

    fn expired_invitation(&mut self) -> Result<Invitation> {
        let name = "yesterdays-batch";
        let mut enrolment = papers::enrollment(Timestamp::now() + SHORT);
        enrolment["metadata"]["name"] = json!(name);
        self.cluster.apply(&self.city.operator, &enrolment)?;
        let invitation = self.invitation(name)?;
        wait::until("the enrolment is over", SOON, || {
            let found = self.cluster.get(&self.city.operator, &["hostenrollment", name, "-n", CIVIL])?;
            let reason = found["status"]["conditions"][0]["reason"].clone();
            Ok(if reason == "Expired" { Look::Holds(()) } else { Look::NotYet(reason.to_string()) })
        })?;
        Ok(invitation)
    }

    /// Schemes that do not fit the server; the right one stands at the end again.
    pub(crate) fn refuse_wrong_schemes(&mut self) -> Result<()> {
        let operator = &self.city.operator;
        let host = self.cluster.get(operator, &["physicalhost", &self.host, "-n", CIVIL])?;
        let right = papers::scheme(operator, &host);
        let ago = |hours| instant(Timestamp::now() - SignedDuration::from_hours(hours));
        let window = json!({"start": ago(28), "end": ago(24)});
        let disk = "/spec/scheme/hosts/0/disks/0";
        let small = with(right.clone(), &format!("{disk}/volumeBytes"), json!(1 << 30));
        let refused = self.cluster.apply(operator, &small).err().map(|error| format!("{error:#}")).unwrap_or_default();
        ensure!(refused.contains("the whole disk must fit in the volume"), "a volume that is too small: {refused:?}");
        let mistakes = [
            (with(right.clone(), "/spec/scheme/hosts/0/hostRef", json!("office-99")), "office-99"),
            (with(right.clone(), &format!("{disk}/serial"), json!("S-0815")), "S-0815"),
            (with(small, &format!("{disk}/sizeBytes"), json!(1 << 30)), "1073741824"),
            (with(right.clone(), "/spec/scheme/window", window), "the window was over"),
        ];
        for (wrong, words) in mistakes {
            self.cluster.apply(operator, &wrong)?;
            self.await_gate("SchemeValid", words)?;
        }
        self.cluster.apply(operator, &right)?;
        self.teller.tell(
            "schemes with an unknown host or disk, too small a volume, a window that is over: each named, none begun",
            "方案主机或磁盘不存在、云盘过小、窗口已过:逐一指出,均未执行",
        );
        Ok(())
    }

    /// Waits until a gate is closed for a reason, for the scheme as it is now.
    pub(crate) fn await_gate(&self, gate: &str, words: &str) -> Result<()> {
        wait::until(&format!("{gate} is closed: {words}"), SOON, || {
            let found = self.scheme()?;
            let gates = found["status"]["gates"].as_array().cloned().unwrap_or_default();
            let closed = |one: &Value| {
                let said = one["message"].as_str().unwrap_or_default();
                one["name"] == gate && one["verdict"] == "Closed" && said.contains(words)
            };
            let new = found["status"]["observedGeneration"] == found["metadata"]["generation"];
            Ok(if new && gates.iter().any(closed) { Look::Holds(()) } else { Look::NotYet(json!(gates).to_string()) })
        })
    }
}
