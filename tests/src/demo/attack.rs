//! Ways around the two offices that only the controller can stop, and some that it never hears of, tried on the running site
//! by people who want this machine moved. Each is without effect, and the machine stays where it is. Not part of the demo;
//! the end-to-end test puts it into the same story. What the API server refuses by itself has tests of its own.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::city::CIVIL;
use super::papers::{self, approval, with};
use super::stage::{SCHEME, SOON, Stage};
use crate::cluster::User;
use crate::wait::{self, Look};

const MGO: &str = "municipalGovernmentOffice";
const SCO: &str = "smartCityOffice";
const OLD_DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

impl Stage {
    /// All of them. The department has not confirmed and no office has decided before; at the end the scheme is another, so
    /// that nothing of this counts any more.
    pub(crate) fn attack(&mut self) -> Result<()> {
        let two_hats = self.cluster.user("two-hats", &[])?;
        self.bind("hats-mgo", MGO, "two-hats")?;
        self.bind("hats-sco", SCO, "two-hats")?;
        self.bind("author-mgo", MGO, "li")?;
        self.refused_at_the_door()?;
        self.let_in_without_effect(&two_hats)?;
        self.permission_withdrawn()?;
        self.edited_after_approval()?;
        for binding in ["hats-mgo", "hats-sco", "author-mgo"] {
            self.unbind(binding)?;
        }
        self.assert_nothing_touched()?;
        self.teller.tell(
            "fourteen ways around the two offices: none moved the machine",
            "绕过两办的十四种办法:均未能移动机器",
        );
        Ok(())
    }

    fn refused_at_the_door(&self) -> Result<()> {
        let scheme = self.scheme()?;
        let (li, wang) = (&self.city.operator, &self.city.government_office);
        let zhao = &self.city.smart_city_office;
        let named = |name: &str, object: Value| with(object, "/metadata/name", json!(name));
        let of = |role: &str, by: &User| approval("DualApproved", role, by, "SystemMigration", &scheme, CIVIL);
        let journey = json!({
            "apiVersion": "migration.qianyun.dev/v1alpha1", "kind": "HostMigration",
            "metadata": {"name": "by-hand", "namespace": CIVIL},
            "spec": {"migrationRef": papers::SYSTEM_NAME, "hostRef": self.host, "schemeDigest": scheme["status"]["digest"],
                "intent": "Replicate", "session": 1, "attempt": 0}
        });
        let refused = [
            (li, named("for-wang", of(MGO, wang)), "everyone decides in their own name"),
            (wang, named("for-zhao", of(SCO, zhao)), "everyone decides in their own name"),
            (wang, named("other-role", of(SCO, wang)), "does not hold verb approve"),
            (li, named("no-role", of(SCO, li)), "does not hold verb approve"),
            (li, journey.clone(), "cannot create resource"),
            (self.cluster.admin(), journey, "written by the controller alone"),
        ];
        for (who, object, reason) in refused {
            let said = self.cluster.apply(who, &object).err().map(|error| format!("{error:#}")).unwrap_or_default();
            ensure!(said.contains(reason), "expected a refusal with {reason:?}, found {said:?} for {object}");
        }
        let phase = json!({"status": {"phase": "Approved", "approvals": "2/2"}}).to_string();
        let patch = [&["patch"], &SCHEME[..], &["--subresource=status", "--type=merge", "-p", &phase]].concat();
        for who in [li, self.cluster.admin()] {
            ensure!(self.cluster.ask(who, &patch).is_err(), "{} wrote a phase", who.name);
        }
        Ok(())
    }

    fn let_in_without_effect(&self, two_hats: &User) -> Result<()> {
        let scheme = self.scheme()?;
        let (li, wang, chen) = (&self.city.operator, &self.city.government_office, &self.city.department);
        let of = |role: &str, by: &User| approval("DualApproved", role, by, "SystemMigration", &scheme, CIVIL);
        let old = with(of(MGO, wang), "/spec/digest", json!(OLD_DIGEST));
        self.decide(wang, "old-digest", old, "DigestMismatch")?;
        let other = with(of(MGO, wang), "/spec/subject/uid", json!("00000000-0000-0000-0000-000000000000"));
        self.decide(wang, "other-object", other, "SubjectNotFound")?;
        self.decide(li, "own-scheme", of(MGO, li), "SelfApproval")?;
        self.decide(chen, "not-asked", of("department", chen), "RoleNotRequired")?;
        let confirmed = approval("DepartmentConfirmed", "department", chen, "SystemMigration", &scheme, CIVIL);
        self.decide(chen, "confirmed-first", confirmed, "Accepted")?;
        self.decide(two_hats, "first-hat", of(MGO, two_hats), "Accepted")?;
        self.decide(two_hats, "second-hat", of(SCO, two_hats), "SamePersonTwice")?;
        self.await_gate("DualApproved", "1 of 2")?;
        self.assert_no_journey()
    }

    /// The second office approves, and loses its role before anything has begun.
    fn permission_withdrawn(&self) -> Result<()> {
        let zhao = &self.city.smart_city_office;
        let scheme = self.scheme()?;
        self.suspend(true)?;
        let second = approval("DualApproved", SCO, zhao, "SystemMigration", &scheme, CIVIL);
        self.decide(zhao, "second-office", second, "Accepted")?;
        let binding = format!("qianyun-approver-{SCO}");
        self.unbind(&binding)?;
        self.suspend(false)?;
        self.await_gate("DualApproved", "1 of 2")?;
        self.assert_no_journey()?;
        self.suspend(true)?;
        self.bind(&binding, SCO, &zhao.name)
    }

    /// Both offices have approved; then the operator changes what they have approved.
    fn edited_after_approval(&self) -> Result<()> {
        self.await_condition(&SCHEME, "DualApproved", SOON)?;
        let summary = "Move it, and something else that nobody has read.";
        self.patch_scheme(&json!({"spec": {"scheme": {"summary": summary}}}))?;
        self.suspend(false)?;
        self.await_gate("DualApproved", "0 of 2")?;
        self.assert_no_journey()
    }

    /// Makes a decision that the API server takes, and waits for what the controller thinks of it.
    fn decide(&self, by: &User, name: &str, object: Value, effect: &str) -> Result<()> {
        self.cluster.apply(by, &with(object, "/metadata/name", json!(name)))?;
        wait::until(&format!("decision {name} is judged {effect}"), SOON, || {
            let found = self.cluster.get(&self.city.operator, &["approval", name, "-n", CIVIL])?;
            let judged = &found["status"]["conditions"][0];
            let right =
                judged["reason"] == effect && judged["status"] == if effect == "Accepted" { "True" } else { "False" };
            Ok(if right { Look::Holds(()) } else { Look::NotYet(judged.to_string()) })
        })
    }

    fn assert_no_journey(&self) -> Result<()> {
        let journeys = self.cluster.get(&self.city.operator, &["hostmigrations", "-n", CIVIL])?;
        ensure!(journeys["items"].as_array().is_some_and(Vec::is_empty), "a journey has begun: {journeys}");
        Ok(())
    }

    /// What an administrator in a hurry might grant.
    fn bind(&self, name: &str, role: &str, person: &str) -> Result<()> {
        let role = format!("qianyun-approver-{role}");
        let arguments = ["create", "clusterrolebinding", name, "--clusterrole", &role, "--user", person];
        self.cluster.ask(self.cluster.admin(), &arguments).map(drop)
    }

    fn unbind(&self, name: &str) -> Result<()> {
        self.cluster.ask(self.cluster.admin(), &["delete", "clusterrolebinding", name]).map(drop)
    }
}
