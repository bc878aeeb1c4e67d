//! Ways around the two offices, tried on a real API server by people who want the machine moved. Each is refused by RBAC, by
//! the schema or by an admission policy, for the reason given here. What admission cannot know (the digest is old, the person
//! wrote the scheme, the person decided before, the subject lies elsewhere) is let through to the controller; the last test
//! pins that, and the controller's own tests judge it.

use crate::admit::audit_log::refused;
use crate::admit::objects::{self, DIGEST, NO_UID, OTHER_DIGEST, with};
use crate::admit::people::{CIVIL, WATER, person};
use crate::admit::{Cluster, SYSTEM, User};
use anyhow::Result;
use qianyun_tests::wait::{self, Look};
use serde_json::{Value, json};
use std::sync::LazyLock;
use std::time::Duration;

static WORLD: LazyLock<World> = LazyLock::new(|| World::make().expect("a control plane with the chart on it"));

/// The scheme that everybody is after.
const SCHEME: &str = "systemmigration/civil-registry";
const MGO: &str = "municipalGovernmentOffice";
const SCO: &str = "smartCityOffice";
/// A cache of the API server follows within a second.
const JUDGED_WITHIN: Duration = Duration::from_secs(30);

struct World {
    cluster: Cluster,
    /// UID of the scheme.
    uid: String,
}

impl World {
    fn make() -> Result<Self> {
        let cluster = Cluster::start("attacks")?;
        careless_grants(&cluster)?;
        let uid = cluster.write_scheme()?;
        let world = Self { cluster, uid };
        world.set_phase("civil-registry", "Review")?;
        Ok(world)
    }

    fn set_phase(&self, name: &str, phase: &str) -> Result<()> {
        let status = json!({"status": {"phase": phase, "digest": DIGEST}});
        self.cluster
            .patch(&self.cluster.controller()?, CIVIL, &format!("systemmigration/{name}"), &status, true)?
            .done()
    }

    fn person(&self, name: &str) -> Result<User> {
        person(&self.cluster, name)
    }

    fn approval(&self, name: &str, role: &str, by: &str) -> Value {
        objects::approval(name, role, by, &self.uid)
    }
}

/// What an administrator in a hurry might grant: wildcards on approvals, and the right to write statuses.
fn careless_grants(cluster: &Cluster) -> Result<()> {
    let api = "rbac.authorization.k8s.io/v1";
    let group = "migration.qianyun.dev";
    let statuses = ["approvals/status", "systemmigrations/status", "hostmigrations/status"];
    let roles = [
        ("wild", json!([{"apiGroups": [group], "resources": ["approvals", "approvals/status"], "verbs": ["*"]}])),
        (
            "clerk",
            json!([
                {"apiGroups": [group], "resources": ["systemmigrations", "hostmigrations"], "verbs": ["get", "create", "update", "patch", "delete"]},
                {"apiGroups": [group], "resources": statuses, "verbs": ["get", "update", "patch"]},
            ]),
        ),
    ];
    for (name, rules) in roles {
        let role = json!({"apiVersion": api, "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules});
        cluster.create(&cluster.admin, &role)?.done()?;
        let arguments = ["create", "clusterrolebinding", name, "--clusterrole", name, "--user", name];
        cluster.kubectl(&cluster.admin, &arguments, None)?.done()?;
    }
    for role in [MGO, SCO] {
        let (binding, role) = (format!("two-hats-{role}").to_lowercase(), format!("qianyun-approver-{role}"));
        let arguments = ["create", "clusterrolebinding", &binding, "--clusterrole", &role, "--user", "two-hats"];
        cluster.kubectl(&cluster.admin, &arguments, None)?.done()?;
    }
    Ok(())
}

#[test]
fn control_a_person_without_rights_is_refused_everything() -> Result<()> {
    let world = &*WORLD;
    let nobody = world.person("nobody")?;
    for resource in ["approvals", "systemmigrations", "migrationplans", "secrets", "clusterroles"] {
        refused(
            &world.cluster.kubectl(&nobody, &["get", resource, "-n", CIVIL], None)?,
            "nobody\" cannot list resource",
        );
    }
    refused(&world.cluster.create(&nobody, &world.approval("nobody", MGO, "nobody"))?, "cannot create resource");
    assert!(!world.cluster.kubectl(&nobody, &["auth", "can-i", "approve", "approvalgates/x"], None)?.ok);
    Ok(())
}

#[test]
fn control_each_office_decides_in_its_own_name() -> Result<()> {
    let world = &*WORLD;
    for (user, role) in [("wang", MGO), ("zhao", SCO)] {
        world.cluster.create(&world.person(user)?, &world.approval(&format!("control-{user}"), role, user))?.done()?;
    }
    let confirmed =
        with(world.approval("control-chen", "department", "chen"), "/spec/gate", json!("DepartmentConfirmed"));
    world.cluster.create(&world.person("chen")?, &confirmed)?.done()
}

#[test]
fn nobody_approves_in_someone_elses_name() -> Result<()> {
    let world = &*WORLD;
    let said = world.cluster.create(&world.person("wang")?, &world.approval("name", MGO, "zhao"))?;
    refused(&said, "spec.approvedBy is zhao, expected wang: everyone decides in their own name");
    refused(
        &world.cluster.create(&world.cluster.admin, &world.approval("name", MGO, "wang"))?,
        "expected qianyun:admin",
    );
    Ok(())
}

#[test]
fn nobody_approves_without_the_role() -> Result<()> {
    let world = &*WORLD;
    let said = world.cluster.create(&world.person("wang")?, &world.approval("role", SCO, "wang"))?;
    refused(&said, "wang does not hold verb approve on approvalgates smartCityOffice in namespace civil-affairs");
    for user in ["li", "zhou"] {
        refused(
            &world.cluster.create(&world.person(user)?, &world.approval("role", MGO, user))?,
            "cannot create resource",
        );
    }
    Ok(())
}

#[test]
fn a_wildcard_on_approvals_is_no_role() -> Result<()> {
    let world = &*WORLD;
    let wild = world.cluster.user("wild", &[])?;
    let said = world.cluster.create(&wild, &world.approval("wild", MGO, "wild"))?;
    refused(&said, "wild does not hold verb approve on approvalgates");
    Ok(())
}

#[test]
fn a_role_held_in_one_namespace_issues_no_plan_and_decides_nowhere_else() -> Result<()> {
    let world = &*WORLD;
    let plan = world.approval("plan", "department", "chen");
    let plan = with(with(plan, "/spec/gate", json!("PlanIssued")), "/spec/subject/kind", json!("MigrationPlan"));
    let said = world.cluster.create(&world.person("chen")?, &plan)?;
    refused(&said, "chen does not hold verb approve on approvalgates department in the whole cluster");
    let sun = world.cluster.create(&world.person("sun")?, &world.approval("sun", "department", "sun"))?;
    refused(&sun, "cannot create resource");
    Ok(())
}

#[test]
fn the_gate_of_a_plan_does_not_open_a_scheme() -> Result<()> {
    let world = &*WORLD;
    let wang = world.person("wang")?;
    let wrong = with(world.approval("gate", MGO, "wang"), "/spec/gate", json!("PlanIssued"));
    refused(&world.cluster.create(&wang, &wrong)?, "spec.gate does not fit spec.subject.kind");
    let machine = with(world.approval("gate", MGO, "wang"), "/spec/gate", json!("RecordVerified"));
    refused(&world.cluster.create(&wang, &machine)?, "no person decides spec.gate");
    Ok(())
}

#[test]
fn a_decision_is_never_edited_annotated_or_deleted() -> Result<()> {
    let world = &*WORLD;
    let (wang, admin, wild) = (world.person("wang")?, &world.cluster.admin, world.cluster.user("wild", &[])?);
    let object = with(world.approval("kept", MGO, "wang"), "/spec/decision", json!("Return"));
    world.cluster.create(&wang, &with(object, "/spec/opinion", json!("the window is too short")))?.done()?;
    let changes = [
        json!({"spec": {"decision": "Approve"}}),
        json!({"metadata": {"annotations": {"a": "b"}}}),
        json!({"metadata": {"ownerReferences": [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": "mine", "uid": NO_UID}
        ]}}),
    ];
    for change in &changes {
        let patch = |user| world.cluster.patch(user, CIVIL, "approval/kept", change, false);
        refused(&patch(&wang)?, "cannot patch resource");
        for user in [admin, &wild] {
            refused(&patch(user)?, "never changed");
        }
    }
    let delete = ["delete", "approval/kept", "--namespace", CIVIL, "--wait=false"];
    refused(&world.cluster.kubectl(&wang, &delete, None)?, "cannot delete resource");
    for user in [admin, &wild] {
        refused(&world.cluster.kubectl(user, &delete, None)?, "an Approval is never deleted");
        let all = ["delete", "approvals", "--all", "--namespace", CIVIL, "--wait=false"];
        refused(&world.cluster.kubectl(user, &all, None)?, "an Approval is never deleted");
    }
    Ok(())
}

#[test]
fn a_decision_is_not_born_with_an_owner_that_takes_it_along() -> Result<()> {
    let world = &*WORLD;
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "mine", "uid": NO_UID}]);
    let object = with(world.approval("owned", MGO, "wang"), "/metadata/ownerReferences", owner);
    refused(&world.cluster.create(&world.person("wang")?, &object)?, "no owner and no finalizer");
    Ok(())
}

#[test]
fn a_forged_status_is_dropped_and_cannot_be_written_later() -> Result<()> {
    let world = &*WORLD;
    let wang = world.person("wang")?;
    let effective = json!({"conditions": [{
        "type": "Effective", "status": "True", "reason": "Accepted", "message": "", "lastTransitionTime": "2026-11-23T00:00:00Z"
    }]});
    let object = with(world.approval("forged", MGO, "wang"), "/status", effective.clone());
    let stored = world.cluster.create(&wang, &object)?.json()?;
    assert!(stored.get("status").is_none(), "a status came in with the object: {stored}");
    let change = json!({"status": effective});
    let patch = |user: &User| world.cluster.patch(user, CIVIL, "approval/forged", &change, true);
    refused(&patch(&wang)?, "resource \"approvals/status\"");
    for user in [&world.cluster.admin, &world.cluster.user("wild", &[])?] {
        refused(&patch(user)?, "approvals/status is written by the controller alone");
    }
    Ok(())
}

#[test]
fn nobody_writes_a_phase() -> Result<()> {
    let world = &*WORLD;
    let change = json!({"status": {"phase": "Approved", "approvals": "2/2"}});
    let patch = |user: &User| world.cluster.patch(user, CIVIL, SCHEME, &change, true);
    refused(&patch(&world.person("li")?)?, "resource \"systemmigrations/status\"");
    for user in [&world.cluster.admin, &world.cluster.user("clerk", &[])?] {
        refused(&patch(user)?, "systemmigrations/status is written by the controller alone");
    }
    Ok(())
}

#[test]
fn nobody_makes_a_journey_by_hand_or_writes_its_decision() -> Result<()> {
    let world = &*WORLD;
    let (li, clerk) = (world.person("li")?, world.cluster.user("clerk", &[])?);
    refused(&world.cluster.create(&li, &objects::journey("by-hand"))?, "cannot create resource");
    for user in [&world.cluster.admin, &clerk] {
        refused(
            &world.cluster.create(user, &objects::journey("by-hand"))?,
            "hostmigrations is written by the controller alone",
        );
    }
    world.cluster.create(&world.cluster.controller()?, &objects::journey("real"))?.done()?;
    let decision =
        json!({"kind": "Abort", "attempt": 1, "epoch": 1, "at": "2026-11-23T00:00:00Z", "reason": "because"});
    let decision = json!({"status": {"cutover": {"attempt": 1, "source": "Prepared", "decision": decision}}});
    let fence = json!({"spec": {"intent": "Fence"}});
    for user in [&world.cluster.admin, &clerk] {
        let patch = |change, status| world.cluster.patch(user, CIVIL, "hostmigration/real", change, status);
        refused(&patch(&decision, true)?, "hostmigrations/status is written by the controller alone");
        refused(&patch(&fence, false)?, "hostmigrations is written by the controller alone");
        let delete = ["delete", "hostmigration/real", "--namespace", CIVIL, "--wait=false"];
        refused(&world.cluster.kubectl(user, &delete, None)?, "hostmigrations is written by the controller alone");
    }
    refused(&world.cluster.patch(&li, CIVIL, "hostmigration/real", &fence, false)?, "cannot patch resource");
    refused(
        &world.cluster.create(&world.cluster.admin, &objects::host("by-hand"))?,
        "physicalhosts is written by the controller alone",
    );
    Ok(())
}

#[test]
fn a_server_that_a_journey_has_in_hand_is_not_deleted() -> Result<()> {
    let world = &*WORLD;
    let (li, controller) = (world.person("li")?, world.cluster.controller()?);
    world.cluster.create(&world.cluster.gateway()?, &objects::host("in-hand"))?.done()?;
    let journey = with(objects::journey("in-hand"), "/spec/hostRef", json!("in-hand"));
    world.cluster.create(&controller, &journey)?.done()?;
    // Which journeys there are the API server reads from a cache that follows what is written.
    let deletion = |allowed: bool| {
        wait::until("the deletion is judged by the journey as it is", JUDGED_WITHIN, || {
            let delete = ["delete", "physicalhost/in-hand", "--namespace", CIVIL, "--dry-run=server"];
            let said = world.cluster.kubectl(&li, &delete, None)?;
            // Nor does it know the kind of the journeys at once, and refuses every deletion until it does.
            let judged = said.ok == allowed && !said.err.contains("failed to configure policy");
            Ok(if judged { Look::Holds(said) } else { Look::NotYet(said.out + &said.err) })
        })
    };
    refused(
        &deletion(false)?,
        "server in-hand is in hand (HostMigration in-hand, intent Replicate): suspend SystemMigration civil-registry",
    );
    let idle = json!({"spec": {"intent": "Idle"}});
    world.cluster.patch(&controller, CIVIL, "hostmigration/in-hand", &idle, false)?.done()?;
    deletion(true).map(drop)
}

#[test]
fn the_gateway_enrols_servers_and_can_do_nothing_else() -> Result<()> {
    let world = &*WORLD;
    let (gateway, controller) = (world.cluster.gateway()?, world.cluster.controller()?);
    world.cluster.create(&gateway, &objects::host("joined"))?.done()?;
    let seen = json!({"status": {"seen": "1m"}});
    refused(&world.cluster.patch(&gateway, CIVIL, "physicalhost/joined", &seen, true)?, "cannot get resource");
    refused(&world.cluster.create(&gateway, &objects::journey("joined"))?, "cannot create resource");
    refused(&world.cluster.create(&controller, &objects::host("by-itself"))?, "cannot create resource");
    Ok(())
}

#[test]
fn whoever_edits_a_scheme_is_its_author() -> Result<()> {
    let world = &*WORLD;
    let (li, he, chen) = (world.person("li")?, world.person("he")?, world.person("chen")?);
    world.cluster.create(&li, &objects::scheme("edited", "li"))?.done()?;
    let edit = json!({"spec": {"scheme": {"summary": "Move something else."}}});
    let patch = |user: &User, change: &Value| world.cluster.patch(user, CIVIL, "systemmigration/edited", change, false);
    refused(&patch(&chen, &edit)?, "cannot patch resource");
    refused(&patch(&he, &edit)?, "spec.author is li, expected he: whoever writes or edits a scheme is its author");
    refused(&patch(&he, &json!({"spec": {"author": "zhao"}}))?, "spec.author is zhao, expected he");
    refused(&patch(&li, &json!({"spec": {"author": "he"}}))?, "spec.author is he, expected li");
    patch(&he, &json!({"spec": {"suspend": true}}))?.done()?;
    refused(&world.cluster.create(&li, &objects::plan("plan-2026-2", "he"))?, "spec.author is he, expected li");
    Ok(())
}

/// Whoever wrote it would approve it, once a colleague is its author by an edit that changes nothing.
#[test]
fn who_wrote_a_scheme_or_a_plan_stays_named_when_another_takes_it_over() -> Result<()> {
    let world = &*WORLD;
    let (li, he) = (world.person("li")?, world.person("he")?);
    let lacks = |name: &str| format!("spec.formerAuthors lacks {name}: whoever wrote a");
    for (object, what) in [
        (objects::scheme("handed-over", "li"), "systemmigration/handed-over"),
        (objects::plan("plan-2026-3", "li"), "migrationplan/plan-2026-3"),
    ] {
        let born = with(object.clone(), "/spec/formerAuthors", json!(["wang"]));
        refused(&world.cluster.create(&li, &born)?, "names wang, who never was the author: leave wang out");
        world.cluster.create(&li, &with(object, "/spec/formerAuthors", json!([])))?.done()?;
        let patch = |user: &User, spec: Value| world.cluster.patch(user, CIVIL, what, &json!({"spec": spec}), false);
        let taken = |by: &str, former: &[&str]| json!({"author": by, "formerAuthors": former});
        refused(&patch(&he, json!({"author": "he"}))?, &lacks("li"));
        refused(&patch(&he, taken("he", &["zhao"]))?, &lacks("li"));
        refused(&patch(&he, taken("he", &["li", "zhao"]))?, "names zhao, who never was the author");
        refused(&patch(&he, json!({"formerAuthors": ["li"]}))?, "spec.author is li, expected he");
        patch(&he, taken("he", &["li"]))?.done()?;
        refused(&patch(&he, json!({"formerAuthors": null}))?, &lacks("li"));
        refused(&patch(&he, json!({"formerAuthors": []}))?, "; add li to spec.formerAuthors");
        refused(&patch(&li, taken("li", &["li"]))?, &lacks("he"));
        refused(&patch(&li, taken("li", &["he"]))?, &lacks("li"));
        patch(&li, taken("li", &["li", "he"]))?.done()?;
        refused(&patch(&he, taken("he", &[]))?, &lacks("li, he"));
    }
    Ok(())
}

#[test]
fn what_is_under_way_is_neither_edited_nor_deleted() -> Result<()> {
    let world = &*WORLD;
    let li = world.person("li")?;
    world.cluster.create(&li, &objects::scheme("under-way", "li"))?.done()?;
    let object = "systemmigration/under-way";
    let delete = ["delete", object, "--namespace", CIVIL, "--wait=false"];
    let owner = json!({"metadata": {"ownerReferences": [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "mine", "uid": NO_UID}
    ]}});
    refused(&world.cluster.patch(&li, CIVIL, object, &owner, false)?, "a SystemMigration has no owner");
    world.set_phase("under-way", "Replicating")?;
    for user in [&li, &world.cluster.admin] {
        refused(&world.cluster.kubectl(user, &delete, None)?, "the migration is under way (phase Replicating)");
    }
    world.set_phase("under-way", "CuttingOver")?;
    let edit = json!({"spec": {"scheme": {"downtimeBudgetMinutes": 600}}});
    refused(
        &world.cluster.patch(&li, CIVIL, object, &edit, false)?,
        "the scheme is being carried out (phase CuttingOver)",
    );
    world.set_phase("under-way", "Review")?;
    world.cluster.kubectl(&li, &delete, None)?.done()
}

#[test]
fn the_cluster_still_cleans_up_after_a_deleted_namespace_or_owner() -> Result<()> {
    let world = &*WORLD;
    let (admin, controller, li) = (&world.cluster.admin, world.cluster.controller()?, world.person("li")?);
    let gone = |deadline: &str, object: &str, namespace: &str| {
        let timeout = format!("--timeout={deadline}");
        world.cluster.kubectl(admin, &["wait", "--for=delete", object, "--namespace", namespace, &timeout], None)
    };
    let owner = world.cluster.create(&li, &objects::scheme("dropped", "li"))?.json()?;
    let owner = json!([{
        "apiVersion": owner["apiVersion"], "kind": "SystemMigration", "name": "dropped", "uid": owner["metadata"]["uid"],
        "blockOwnerDeletion": true
    }]);
    let journey = with(objects::journey("dropped"), "/metadata/ownerReferences", owner);
    world.cluster.create(&controller, &journey)?.done()?;
    let delete = ["delete", "systemmigration/dropped", "--namespace", CIVIL, "--cascade=foreground", "--timeout=60s"];
    world.cluster.kubectl(&li, &delete, None)?.done()?;
    gone("60s", "hostmigration/dropped", CIVIL)?.done()?;

    world.cluster.kubectl(admin, &["create", "namespace", "closed"], None)?.done()?;
    let there = |object: Value| with(object, "/metadata/namespace", json!("closed"));
    world.cluster.create(&controller, &there(objects::journey("last")))?.done()?;
    world.cluster.create(&world.cluster.gateway()?, &there(objects::host("last")))?.done()?;
    world.cluster.create(&world.person("wang")?, &there(world.approval("last", MGO, "wang")))?.done()?;
    let delete = ["delete", "namespace", "closed", "--timeout=60s"];
    world.cluster.kubectl(admin, &delete, None)?.done()
}

#[test]
fn a_cutover_is_confirmed_after_it_by_the_operator_in_person() -> Result<()> {
    let world = &*WORLD;
    let (li, he, clerk) = (world.person("li")?, world.person("he")?, world.cluster.user("clerk", &[])?);
    world.cluster.create(&li, &objects::scheme("confirmed", "li"))?.done()?;
    let confirm = |user: &User, by: &str, digest: &str| {
        let change = json!({"spec": {"confirmation": {"by": by, "digest": digest}}});
        world.cluster.patch(user, CIVIL, "systemmigration/confirmed", &change, false)
    };
    world.set_phase("confirmed", "InitialReview").expect_err("a phase that does not exist");
    world.set_phase("confirmed", "Review")?;
    refused(&confirm(&he, "he", DIGEST)?, "phase is Review, expected Provisional");
    world.set_phase("confirmed", "Provisional")?;
    refused(&confirm(&he, "li", DIGEST)?, "spec.confirmation.by is li, expected he");
    refused(&confirm(&he, "he", OTHER_DIGEST)?, "spec.confirmation.digest is not status.digest");
    refused(&confirm(&clerk, "clerk", DIGEST)?, "clerk does not hold verb confirm on cutovers");
    confirm(&he, "he", DIGEST)?.done()?;
    let change = json!({"spec": {"confirmation": null}});
    let said = world.cluster.patch(&he, CIVIL, "systemmigration/confirmed", &change, false)?;
    refused(&said, "spec.confirmation was given and is never taken back");
    let born = with(objects::scheme("born", "li"), "/spec/confirmation", json!({"by": "li", "digest": DIGEST}));
    refused(&world.cluster.create(&li, &born)?, "expected Provisional");
    Ok(())
}

#[test]
fn nobody_becomes_someone_else() -> Result<()> {
    let world = &*WORLD;
    for user in ["li", "chen", "nobody"] {
        let user = world.person(user)?;
        let said = world.cluster.kubectl(&user, &["get", "approvals", "-n", CIVIL, "--as", "wang"], None)?;
        refused(&said, "cannot impersonate");
        let token = ["create", "token", "qianyun-controller", "--namespace", SYSTEM];
        refused(&world.cluster.kubectl(&user, &token, None)?, "cannot create resource \"serviceaccounts/token\"");
    }
    Ok(())
}

#[test]
fn nobody_switches_the_policies_off_or_takes_a_role() -> Result<()> {
    let world = &*WORLD;
    let li = world.person("li")?;
    let policy = ["delete", "validatingadmissionpolicybinding", "qianyun-approvals"];
    refused(&world.cluster.kubectl(&li, &policy, None)?, "cannot delete resource");
    let role =
        ["create", "clusterrolebinding", "li", "--clusterrole", "qianyun-approver-smartCityOffice", "--user", "li"];
    refused(&world.cluster.kubectl(&li, &role, None)?, "cannot create resource");
    refused(&world.cluster.kubectl(&li, &["get", "secrets", "-n", SYSTEM], None)?, "cannot list resource");
    refused(&world.cluster.kubectl(&li, &["get", "secret", "x", "-n", CIVIL], None)?, "cannot get resource");
    Ok(())
}

#[test]
fn only_the_department_or_its_paper_declares() -> Result<()> {
    let world = &*WORLD;
    let (li, chen) = (world.person("li")?, world.person("chen")?);
    let said = world.cluster.create(&chen, &objects::system("declared", "sun"))?;
    refused(&said, "chen cannot declare for sun");
    let classified = with(objects::system("declared", "chen"), "/spec/declaration/classification", json!("Classified"));
    refused(&world.cluster.create(&chen, &classified)?, "supported values: \"NonClassified\"");
    world.cluster.create(&li, &objects::system("declared", "chen"))?.done()
}

#[test]
fn the_controller_itself_decides_nothing_and_reads_no_list_of_secrets() -> Result<()> {
    let world = &*WORLD;
    let controller = world.cluster.controller()?;
    let name = controller.name.as_str();
    refused(
        &world.cluster.create(&controller, &world.approval("machine", MGO, name))?,
        "cannot create resource \"approvals\"",
    );
    refused(
        &world.cluster.kubectl(&controller, &["get", "secrets", "-n", CIVIL], None)?,
        "cannot list resource \"secrets\"",
    );
    let delete = ["delete", SCHEME, "--namespace", CIVIL, "--wait=false"];
    refused(&world.cluster.kubectl(&controller, &delete, None)?, "cannot delete resource");
    let owner = world.cluster.create(&world.person("chen")?, &objects::enrollment("batch-one"))?.json()?;
    let owner = json!([{
        "apiVersion": owner["apiVersion"], "kind": "HostEnrollment", "name": "batch-one", "uid": owner["metadata"]["uid"]
    }]);
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "batch-one-token", "namespace": CIVIL},
        "stringData": {"token": "t"}
    });
    refused(&world.cluster.create(&controller, &secret)?, "only Secrets that a HostEnrollment owns");
    world.cluster.create(&controller, &with(secret, "/metadata/ownerReferences", owner))?.done()
}

#[test]
fn what_only_the_controller_can_judge_reaches_it_without_effect() -> Result<()> {
    let world = &*WORLD;
    let two_hats = world.cluster.user("two-hats", &[])?;
    let mut stored = Vec::new();
    // The same person twice, in two roles.
    for role in [MGO, SCO] {
        let name = format!("twice-{}", role.to_lowercase());
        stored.push(world.cluster.create(&two_hats, &world.approval(&name, role, "two-hats"))?.json()?);
    }
    // For an old digest.
    let old = with(world.approval("old", MGO, "wang"), "/spec/digest", json!(OTHER_DIGEST));
    stored.push(world.cluster.create(&world.person("wang")?, &old)?.json()?);
    // By the author: an administrator who wrote a scheme holds every verb.
    let admin = &world.cluster.admin;
    let own = world.cluster.create(admin, &objects::scheme("own", &admin.name))?.json()?;
    let uid = own["metadata"]["uid"].as_str().unwrap_or_default();
    let own = with(objects::approval("own", MGO, &admin.name, uid), "/spec/subject/name", json!("own"));
    stored.push(world.cluster.create(admin, &own)?.json()?);
    // From another namespace, with the right UID.
    let elsewhere = with(world.approval("elsewhere", "department", "sun"), "/metadata/namespace", json!(WATER));
    stored.push(world.cluster.create(&world.person("sun")?, &elsewhere)?.json()?);
    for object in stored {
        assert!(object.get("status").is_none(), "admission gave it an effect: {object}");
    }
    Ok(())
}
