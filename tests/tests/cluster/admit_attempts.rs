//! Ways around the two offices once more, for what is left of them: each is refused by the API server, so the controller never hears
//! of it, and `golden/attempts.txt` is what the API server's own audit log says about it: who tried what on which object, and why
//! not. `BLESS=1` writes it anew, to be read as whoever investigates would.

use crate::admit::audit_log::refused;
use crate::admit::objects::{self, DIGEST, NO_UID, OTHER_DIGEST, with};
use crate::admit::people::{CIVIL, person};
use crate::admit::{Cluster, SYSTEM, User, golden};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fmt::Write as _;

const MGO: &str = "municipalGovernmentOffice";
const SCO: &str = "smartCityOffice";
/// The decision that everybody is after, and what it is about.
const DECISION: &str = "approval/mgo-1";
/// Where kubectl goes if it does not look first.
const API: &str = "/apis/migration.qianyun.dev/v1alpha1/namespaces/civil-affairs";
const RBAC: &str = "rbac.authorization.k8s.io/v1";
/// Someone whom an administrator in a hurry gave every verb on approvals, a machine with the same, and the administrator of the
/// department's namespace.
const CARELESS: &str = "careless";
const ROBOT: &str = "robot";
const LANDLORD: &str = "landlord";

/// What somebody tries: in words, who, and kubectl's arguments and input.
type Attempt = (&'static str, &'static str, Vec<String>, Option<Value>);

struct City {
    cluster: Cluster,
    uid: String,
    robot: User,
}

impl City {
    fn found() -> Result<Self> {
        let cluster = Cluster::start("attempts")?;
        let uid = cluster.write_scheme()?;
        let admin = |arguments: &[&str]| cluster.kubectl(&cluster.admin, arguments, None)?.done();
        let rules = json!([
            {"apiGroups": ["migration.qianyun.dev"], "resources": ["approvals", "approvals/status"], "verbs": ["*"]}
        ]);
        let role = json!({"apiVersion": RBAC, "kind": "ClusterRole", "metadata": {"name": CARELESS}, "rules": rules});
        cluster.create(&cluster.admin, &role)?.done()?;
        admin(&["create", "serviceaccount", ROBOT, "-n", CIVIL])?;
        let robot = format!("--serviceaccount={CIVIL}:{ROBOT}");
        admin(&["create", "clusterrolebinding", CARELESS, "--clusterrole", CARELESS, "--user", CARELESS, &robot])?;
        admin(&["create", "rolebinding", LANDLORD, "-n", CIVIL, "--clusterrole", "admin", "--user", LANDLORD])?;
        let robot = cluster.service_account(CIVIL, ROBOT)?;
        let city = Self { cluster, uid, robot };
        let wang = person(&city.cluster, "wang")?;
        city.cluster.create(&wang, &city.approval("mgo-1", MGO, "wang"))?.done()?;
        Ok(city)
    }

    fn approval(&self, name: &str, role: &str, by: &str) -> Value {
        objects::approval(name, role, by, &self.uid)
    }

    fn user(&self, name: &str) -> Result<User> {
        match name {
            ROBOT => Ok(self.robot.clone()),
            CARELESS | LANDLORD => self.cluster.user(name, &[]),
            name => person(&self.cluster, name),
        }
    }

    /// The decision and the scheme as they are stored.
    fn stored(&self) -> Result<Value> {
        self.cluster
            .kubectl(&person(&self.cluster, "li")?, &["get", "approvals,sysmig", "-n", CIVIL, "-o", "json"], None)?
            .json()
    }

    /// With a decision of one's own making.
    fn forged(&self) -> Vec<Attempt> {
        let create = || words("create -f -");
        let of_wang = |name| self.approval(name, MGO, "wang");
        let copied =
            with(of_wang("copied"), "/metadata/annotations", json!({"migration.qianyun.dev/created-by": "wang"}));
        let kept = with(self.approval("kept", SCO, "zhao"), "/metadata/finalizers", json!(["example.org/never"]));
        let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "mine", "uid": NO_UID}]);
        let owned = with(self.approval("owned", SCO, "zhao"), "/metadata/ownerReferences", owner);
        let returned = with(with(of_wang("mgo-1"), "/spec/decision", json!("Return")), "/spec/opinion", json!("太急"));
        let robot = self.robot.name.clone();
        vec![
            ("replays a colleague's decision under another name", "zhao", create(), Some(of_wang("replayed"))),
            ("and forges who made it", "zhao", create(), Some(copied)),
            ("decides for the other office", "zhao", create(), Some(self.approval("both", MGO, "zhao"))),
            ("decides as a colleague, by a header", "li", words(&by_header("wang")), Some(of_wang("header"))),
            ("and as a master", "li", words(&by_header("wang --as-group system:masters")), Some(of_wang("master"))),
            ("has a machine decide as a person", ROBOT, create(), Some(of_wang("machine"))),
            ("has a machine decide as itself", ROBOT, create(), Some(self.approval("itself", MGO, &robot))),
            ("decides so that it goes with its owner", "zhao", create(), Some(owned)),
            ("decides so that it can never go", "zhao", create(), Some(kept)),
            ("decides for another department", "sun", create(), Some(self.approval("guest", "department", "sun"))),
            ("makes a decision again under its name", "wang", create(), Some(returned)),
        ]
    }

    /// With a decision that is there.
    fn altered(&self) -> Vec<Attempt> {
        let other = with(self.approval("mgo-1", MGO, "wang"), "/spec/digest", json!(OTHER_DIGEST));
        let owner = json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "mine", "uid": NO_UID}]}});
        let effective = json!({"status": {"conditions": [{
            "type": "Effective", "status": "True", "reason": "Accepted", "message": "", "lastTransitionTime": "2026-11-23T00:00:00Z"
        }]}});
        vec![
            (
                "turns it to another object",
                CARELESS,
                patch(DECISION, &json!({"spec": {"subject": {"uid": NO_UID}}})),
                None,
            ),
            (
                "takes it over by force",
                CARELESS,
                words("apply --server-side --force-conflicts -f -"),
                Some(other.clone()),
            ),
            ("replaces it", CARELESS, words("replace -f -"), Some(other.clone())),
            ("replaces it by force", CARELESS, words("replace --force --grace-period=0 -f -"), Some(other)),
            ("has it collected with an owner", CARELESS, patch(DECISION, &owner), None),
            (
                "deletes it with all others",
                CARELESS,
                words("delete approvals --all --wait=false -n civil-affairs"),
                None,
            ),
            ("says that it counts", CARELESS, of_status(patch(DECISION, &effective)), None),
        ]
    }

    /// With what decisions are judged by.
    fn undermined(&self) -> Vec<Attempt> {
        let create = || words("create -f -");
        let approved = json!({"status": {"phase": "Approved", "approvals": "2/2", "digest": DIGEST}});
        let rules =
            json!([{"apiGroups": ["migration.qianyun.dev"], "resources": ["approvalgates"], "verbs": ["approve"]}]);
        let role = json!({"apiVersion": RBAC, "kind": "Role", "metadata": {"name": "mine", "namespace": CIVIL}, "rules": rules});
        let replace = format!("replace --raw {API}/systemmigrations/civil-registry/status -f -");
        let bind = format!("create rolebinding mine -n {CIVIL} --clusterrole qianyun-approver-{MGO} --user {LANDLORD}");
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "mine", "namespace": SYSTEM},
            "spec": {"serviceAccountName": "qianyun-controller", "containers": [{"name": "mine", "image": "mine"}]}
        });
        let token = format!("create token qianyun-controller -n {SYSTEM}");
        vec![
            ("counts the approvals herself", "li", words(&replace), Some(approved)),
            ("gives herself an office's role", LANDLORD, words(&bind), None),
            ("writes a role that decides", LANDLORD, create(), Some(role)),
            ("acts as the controller, by its token", LANDLORD, words(&token), None),
            ("acts as the controller, in a Pod", LANDLORD, create(), Some(pod)),
            (
                "has the policy judge nobody",
                "li",
                words("delete validatingadmissionpolicybinding qianyun-approvals"),
                None,
            ),
            ("takes the kind away", "li", words("delete crd approvals.migration.qianyun.dev --wait=false"), None),
        ]
    }
}

/// kubectl asks for the kinds first, as whom it is told to be; without that it tries what it is told to.
fn by_header(whom: &str) -> String {
    format!("create --raw {API}/approvals -f - --as {whom}")
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn patch(object: &str, change: &Value) -> Vec<String> {
    let mut arguments = words(&format!("patch {object} -n {CIVIL} --type=merge -p"));
    arguments.push(change.to_string());
    arguments
}

fn of_status(mut arguments: Vec<String>) -> Vec<String> {
    arguments.push("--subresource=status".to_owned());
    arguments
}

/// What the log says of an attempt, for a reader.
fn told(event: &Value) -> Result<String> {
    let text = |place: &str| event.pointer(place).and_then(Value::as_str);
    let joined = |places: [&str; 2]| places.into_iter().filter_map(text).collect::<Vec<_>>().join("/");
    let what = joined(["/objectRef/resource", "/objectRef/subresource"]);
    let which = joined(["/objectRef/namespace", "/objectRef/name"]);
    let (who, verb) = (text("/user/username").context("who")?, text("/verb").context("what")?);
    let why = text("/responseStatus/message").context("why not")?;
    Ok(format!("{who}: {verb} {what} {which}: {}\n    {why}\n", event["responseStatus"]["code"]))
}

#[test]
fn whoever_investigates_finds_every_attempt_that_the_api_server_refused() -> Result<()> {
    let city = City::found()?;
    let before = city.stored()?;
    let mut log = String::new();
    let attempts = [city.forged(), city.altered(), city.undermined()].concat();
    for (what, by, arguments, input) in &attempts {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let said = city.cluster.kubectl(&city.user(by)?, &arguments, input.as_ref())?;
        let _ = write!(log, "# {by} {what}\n{}\n", told(&refused(&said, ""))?);
    }
    ensure!(attempts.len() >= 15, "only {} attempts", attempts.len());
    let after = city.stored()?;
    ensure!(before == after, "something was changed: {after}");
    golden::is_as_it_was("attempts.txt", &log);
    Ok(())
}
