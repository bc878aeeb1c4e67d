//! What one object can say about itself, judged by a real API server: each row makes a right object wrong in one respect and
//! pins the message, because the message is what tells people how to fix it.

use crate::admit::objects::{self, DIGEST, NO_UID, OTHER_DIGEST, with};
use crate::admit::people::{CIVIL, person};
use crate::admit::{Cluster, Said, User};
use anyhow::Result;
use serde_json::{Value, json};
use std::sync::LazyLock;

static CLUSTER: LazyLock<Cluster> =
    LazyLock::new(|| Cluster::start("objects").expect("a control plane with the chart on it"));

/// A pointer into an object, what to put there, and what the API server must say.
type Row = (&'static str, Value, &'static str);

/// Asks the API server without storing anything.
fn ask(user: &User, object: &Value) -> Result<Said> {
    CLUSTER.kubectl(user, &["create", "--dry-run=server", "-f", "-"], Some(object))
}

/// The right object is let through; each wrong one is refused for the reason of its row.
fn judge(user: &User, right: &Value, rows: Vec<Row>) -> Result<()> {
    let said = ask(user, right)?;
    assert!(said.ok, "the right object is refused: {}", said.err);
    let mut failures = Vec::new();
    for (pointer, value, reason) in rows {
        let said = ask(user, &with(right.clone(), pointer, value.clone()))?;
        if said.ok || !said.err.contains(reason) {
            failures.push(format!("{pointer} = {value}: expected {reason:?}, found {said:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

fn long(length: usize) -> Value {
    json!("x".repeat(length))
}

#[test]
fn a_policy_is_consistent() -> Result<()> {
    judge(
        &person(&CLUSTER, "li")?,
        &objects::policy("p"),
        vec![
            ("/spec/effectiveUntil", json!("2018-03-15"), "spec.effectiveUntil is before spec.effectiveFrom"),
            ("/spec/effectiveFrom", json!("2018-02-30"), "must be of type date"),
            ("/spec/planIssuers/0", json!("mayor"), "spec.planIssuers names a role that is not in spec.roles"),
            ("/spec/schemeConfirmer", json!("mayor"), "spec.schemeConfirmer names a role that is not in spec.roles"),
            ("/spec/schemeApprovers/0", json!("mayor"), "spec.schemeApprovers names a role that is not in spec.roles"),
            ("/spec/schemeApprovers", json!(["smartCityOffice"]), "needs at least two roles"),
            ("/spec/schemeApprovers/0", json!("smartCityOffice"), "Duplicate value: \"smartCityOffice\""),
            ("/spec/schemeApprovers/0", json!("department"), "is also in spec.schemeApprovers"),
            ("/spec/gates/0/name", json!("DualApproved"), "switches off a gate that always holds"),
            ("/spec/gates/0/name", json!("NoSuchGate"), "Unsupported value: \"NoSuchGate\""),
            ("/spec/roles/0/name", json!("smartCityOffice"), "Duplicate value"),
            ("/spec/roles", json!([]), "should have at least 1 items"),
            ("/spec/numbers/trialMonths", json!(-1), "should be greater than or equal to 0"),
            ("/spec/numbers/freezeLimitSeconds", json!(61), "should be less than or equal to 60"),
            ("/spec/title", json!(""), "should be at least 1 chars long"),
            ("/spec/title", long(257), "may not be more than 256"),
            ("/metadata/name", long(64), "metadata.name is longer than 63 characters"),
        ],
    )
}

#[test]
fn a_platform_has_networks_that_exist() -> Result<()> {
    judge(
        &person(&CLUSTER, "li")?,
        &objects::platform("p"),
        vec![
            ("/spec/backend", json!({}), "spec.backend"),
            ("/spec/backend/qemu/receiverAddress", json!("10.77.0"), "must be an ip address, as 10.77.0.1"),
            ("/spec/networks/0/cidr", json!("10.77.0.0"), "must be a range of addresses"),
            ("/spec/networks/0/cidr", json!("10.77.0.9/24"), "with all host bits zero"),
            ("/spec/networks/0/bridge", json!("br-office-network"), "Too long: may not be more than 15"),
            ("/spec/networks/0/name", json!("Office"), "should match"),
            ("/spec/networks", json!([]), "should have at least 1 items"),
            ("/spec/rehearsalNetwork", json!("office"), "rehearsalNetwork is one of networks"),
            ("/spec/mlps/level", json!(6), "should be less than or equal to 5"),
            ("/spec/mlps/nextDue", json!("2026-02-01"), "mlps.nextDue must be after mlps.lastAssessedAt"),
            ("/spec/capacity/cpus", json!(0), "should be greater than or equal to 1"),
        ],
    )
}

#[test]
fn a_department_and_its_system_are_who_they_say() -> Result<()> {
    let li = person(&CLUSTER, "li")?;
    judge(
        &li,
        &objects::department("d"),
        vec![
            ("/spec/creditCode", json!("11510900MB1234567O"), "must be a unified social credit code"),
            ("/spec/jurisdiction", json!("5109"), "must be a division code of six digits"),
            ("/spec/namespace", json!("Civil_Affairs"), "should match"),
            ("/spec/contacts/0/phone", json!("call me"), "must be a telephone number"),
            ("/spec/kind", json!("Ministry"), "Unsupported value: \"Ministry\""),
        ],
    )?;
    judge(
        &li,
        &objects::system("s", "chen"),
        vec![
            ("/spec/declaration/classification", json!("Secret"), "supported values: \"NonClassified\""),
            ("/spec/declaration", Value::Null, "spec.declaration: Required value"),
            ("/spec/declaration/declaredOn", json!("yesterday"), "must be of type date"),
            ("/spec/mlps/level", json!(0), "should be greater than or equal to 1"),
        ],
    )
}

#[test]
fn a_plan_and_an_enrolment_are_bounded() -> Result<()> {
    let li = person(&CLUSTER, "li")?;
    let twice = json!([
        {"namespace": CIVIL, "name": "a", "dueDate": "2026-12-31"}, {"namespace": CIVIL, "name": "a", "dueDate": "2026-12-30"}
    ]);
    judge(
        &li,
        &objects::plan("p", "li"),
        vec![
            ("/spec/year", json!(1999), "should be greater than or equal to 2018"),
            ("/spec/systems", twice, "Duplicate value"),
            ("/spec/systems", json!([]), "should have at least 1 items"),
            ("/spec/systems/0/dueDate", json!("2026-12-32"), "must be of type date"),
            ("/spec/author", json!("two words"), "should match"),
        ],
    )?;
    judge(
        &li,
        &objects::enrollment("e"),
        vec![
            ("/spec/maxHosts", json!(0), "should be greater than or equal to 1"),
            ("/spec/maxHosts", json!(201), "should be less than or equal to 200"),
            ("/spec/expiresAt", json!("soon"), "must be of type date-time"),
            ("/spec/systemRef", json!("A B"), "should match"),
        ],
    )
}

#[test]
fn a_work_calendar_is_one_notice_without_contradictions() -> Result<()> {
    let holiday = |name: &str, from: &str, until: &str| json!({"name": name, "from": from, "until": until});
    judge(
        &person(&CLUSTER, "li")?,
        &objects::calendar(),
        vec![
            ("/metadata/name", json!("twenty-six"), "metadata.name is twenty-six, expected year-2026"),
            ("/spec/year", json!(1999), "should be greater than or equal to 2018"),
            ("/spec/documentNo", json!("国办发明电[2025]7号"), "must be a document number"),
            ("/spec/documentNo", Value::Null, "spec.documentNo: Required value"),
            ("/spec/source", json!("the newspaper"), "should match"),
            ("/spec/holidays", json!([]), "should have at least 1 items"),
            ("/spec/holidays/1", holiday("春节", "2026-02-23", "2026-02-15"), "a holiday's until is before its from"),
            ("/spec/holidays/1", holiday("春节", "2026-02-15", "2026-03-02"), "a holiday has more than 15 days"),
            ("/spec/holidays/1", holiday("春节", "2026-02-30", "2026-03-02"), "must be of type date"),
            (
                "/spec/holidays/1",
                holiday("春节", "2027-02-15", "2027-02-20"),
                "spec.holidays has a day of another year than spec.year",
            ),
            (
                "/spec/holidays/1",
                holiday("春节", "2026-01-03", "2026-01-05"),
                "two of spec.holidays have a day in common",
            ),
            ("/spec/holidays/1", holiday("元旦", "2026-02-15", "2026-02-23"), "Duplicate value"),
            ("/spec/makeUpDays/0", json!("2026-01-05"), "spec.makeUpDays has a day from Monday to Friday"),
            ("/spec/makeUpDays/0", json!("2027-01-03"), "spec.makeUpDays has a day of another year than spec.year"),
            ("/spec/makeUpDays/0", json!("2026-01-03"), "a day of spec.makeUpDays lies in one of spec.holidays"),
            ("/spec/makeUpDays/0", json!("2026-02-14"), "Duplicate value"),
        ],
    )
}

/// The notice of 2019 gave Monday 2018-12-31 off, and had Saturday 2018-12-29 worked for it.
#[test]
fn a_notice_may_rule_the_december_before_its_year() -> Result<()> {
    let mut notice = with(objects::calendar(), "/metadata/name", json!("year-2019"));
    notice["spec"]["year"] = json!(2019);
    notice["spec"]["holidays"] = json!([{"name": "元旦", "from": "2018-12-30", "until": "2019-01-01"}]);
    notice["spec"]["makeUpDays"] = json!(["2018-12-29"]);
    let li = person(&CLUSTER, "li")?;
    ask(&li, &notice)?.done()?;
    let said = ask(&li, &with(notice, "/spec/makeUpDays/0", json!("2018-11-24")))?;
    assert!(said.err.contains("only the December before may be named"), "{said:?}");
    Ok(())
}

#[test]
fn a_freeze_period_says_when_and_whom() -> Result<()> {
    let li = person(&CLUSTER, "li")?;
    let right = objects::freeze("f", "li");
    let (department, nobody) = (json!(["civil-affairs"]), json!({"kind": "Departments", "departments": []}));
    let systems = json!([{"namespace": CIVIL, "name": "a"}]);
    judge(
        &li,
        &right,
        vec![
            ("/spec/until", json!("2026-03-03T00:00:00+08:00"), "spec.until is not after spec.from"),
            ("/spec/until", json!("2027-03-13T00:00:00+08:00"), "the period is longer than 366 days"),
            ("/spec/until", json!("2026-03-13"), "must be of type date-time"),
            ("/spec/from", Value::Null, "spec.from: Required value"),
            ("/spec/mode", json!("Ignore"), "Unsupported value: \"Ignore\""),
            ("/spec/occasion", json!("Birthday"), "Unsupported value: \"Birthday\""),
            ("/spec/scope", json!({}), "spec.scope.kind: Required value"),
            ("/spec/scope", nobody, "scope.departments does not fit scope.kind"),
            (
                "/spec/scope",
                json!({"kind": "Everything", "departments": department}),
                "scope.departments does not fit scope.kind",
            ),
            ("/spec/scope", json!({"kind": "Systems"}), "scope.systems does not fit scope.kind"),
            ("/spec/scope", json!({"kind": "Everything", "systems": systems}), "scope.systems does not fit scope.kind"),
            ("/spec/scope", json!({"kind": "Systems", "systems": [systems[0], systems[0]]}), "Duplicate value"),
            ("/spec/title", long(129), "may not be more than 128"),
            ("/spec/enteredBy", json!("he"), "spec.enteredBy is he, expected li: whoever enters or changes"),
            ("/metadata/name", long(64), "metadata.name is longer than 63 characters"),
        ],
    )?;
    for scope in
        [json!({"kind": "Departments", "departments": department}), json!({"kind": "Systems", "systems": systems})]
    {
        ask(&li, &with(right.clone(), "/spec/scope", scope))?.done()?;
    }
    Ok(())
}

#[test]
fn a_scheme_says_all_that_is_approved() -> Result<()> {
    let right = objects::scheme("s", "li");
    let twice = |pointer: &str| {
        let one = right.pointer(pointer).expect("it is in the scheme")[0].clone();
        json!([one.clone(), one])
    };
    let (hosts, disks) = (twice("/spec/scheme/hosts"), twice("/spec/scheme/hosts/0/disks"));
    let hook = json!({"name": "dump-database", "at": "BeforeStop", "deadlineSeconds": 600});
    let hook_with = |field: &str, value: Value| {
        let mut wrong = hook.clone();
        wrong[field] = value;
        json!([wrong])
    };
    let (probes, units) = (twice("/spec/scheme/probes"), twice("/spec/scheme/hosts/0/quiesce"));
    judge(
        &person(&CLUSTER, "li")?,
        &right,
        vec![
            ("/spec/scheme/hosts", json!([]), "a scheme needs at least one host"),
            ("/spec/scheme/hosts", hosts, "Duplicate value"),
            ("/spec/scheme/hosts/0/disks", json!([]), "a host needs at least one disk"),
            ("/spec/scheme/hosts/0/disks", disks, "Duplicate value"),
            (
                "/spec/scheme/hosts/0/disks/0/volumeBytes",
                json!(8_589_934_591_i64),
                "volumeBytes is smaller than sizeBytes",
            ),
            ("/spec/scheme/hosts/0/disks/0/serial", json!(""), "a disk needs its serial or its wwn"),
            ("/spec/scheme/hosts/0/quiesce", units, "Duplicate value"),
            ("/spec/scheme/hosts/0/quiesce/0/unit", json!("rm -rf /"), "should match"),
            ("/spec/scheme/hosts/0/quiesce/0/deadlineSeconds", json!(0), "should be greater than or equal to 1"),
            (
                "/spec/scheme/hosts/0/dependsOn",
                json!([right["spec"]["scheme"]["hosts"][0]["hostRef"]]),
                "depends on itself",
            ),
            (
                "/spec/scheme/hosts/0/dependsOn",
                json!(["elsewhere"]),
                "dependsOn names a host that is not in scheme.hosts",
            ),
            ("/spec/scheme/hosts/0/dependsOn", json!(["elsewhere", "elsewhere"]), "Duplicate value"),
            ("/spec/scheme/hosts/0/hooks", json!([hook, hook]), "Duplicate value"),
            ("/spec/scheme/hosts/0/hooks", hook_with("name", json!("/bin/sh -c reboot")), "should match"),
            (
                "/spec/scheme/hosts/0/hooks",
                hook_with("at", json!("DuringFreeze")),
                "Unsupported value: \"DuringFreeze\"",
            ),
            (
                "/spec/scheme/hosts/0/hooks",
                hook_with("deadlineSeconds", json!(1801)),
                "should be less than or equal to 1800",
            ),
            (
                "/spec/scheme/hosts/0/hooks",
                hook_with("deadlineSeconds", json!(0)),
                "should be greater than or equal to 1",
            ),
            ("/spec/scheme/hosts/0/target/nics", json!([]), "should have at least 1 items"),
            ("/spec/scheme/hosts/0/target/memoryMib", json!(64), "should be greater than or equal to 256"),
            ("/spec/scheme/window/end", json!("2026-11-28T22:00:00+08:00"), "window.end is not after window.start"),
            (
                "/spec/scheme/rollback/latestAt",
                json!("2026-11-28T12:00:00+08:00"),
                "rollback.latestAt is not after window.start",
            ),
            ("/spec/scheme/probes", json!([]), "a scheme needs at least one probe"),
            ("/spec/scheme/probes", probes, "Duplicate value"),
            ("/spec/scheme/probes/0/address", json!("http://10.77.0.20"), "must be an ip address or a host name"),
            ("/spec/scheme/probes/0/tcpPort", json!(65_536), "should be less than or equal to 65535"),
            ("/spec/scheme/evidence/0/digest", json!("sha256:abc"), "should match"),
            ("/spec/scheme/summary", json!(""), "should be at least 1 chars long"),
            ("/spec/scheme/rollback", Value::Null, "spec.scheme.rollback: Required value"),
            ("/metadata/name", long(64), "metadata.name is longer than 63 characters"),
        ],
    )
}

#[test]
fn a_decision_says_what_on_what_and_why() -> Result<()> {
    judge(
        &person(&CLUSTER, "wang")?,
        &objects::approval("a", "municipalGovernmentOffice", "wang", NO_UID),
        vec![
            ("/spec/decision", json!("Return"), "a Return needs spec.opinion"),
            ("/spec/gate", json!("InWindow"), "no person decides spec.gate"),
            ("/spec/gate", json!("PlanIssued"), "spec.gate does not fit spec.subject.kind"),
            ("/spec/subject/kind", json!("MigrationPlan"), "spec.gate does not fit spec.subject.kind"),
            ("/spec/digest", json!("sha256:123"), "should match"),
            ("/spec/digest", json!(DIGEST.to_uppercase()), "should match"),
            ("/spec/subject/uid", json!("1"), "should match"),
            ("/spec/opinion", json!(""), "should be at least 1 chars long"),
        ],
    )
}

#[test]
fn a_waiver_is_one_persons_word_on_one_check_for_a_time() -> Result<()> {
    let li = person(&CLUSTER, "li")?;
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": NO_UID}]);
    judge(
        &li,
        &objects::waiver("w", "li"),
        vec![
            ("/spec/acceptedBy", json!("he"), "spec.acceptedBy is he, expected li: everyone accepts a risk"),
            ("/spec/until", json!(objects::day_from_today(-2)), "which has passed: enter the last day"),
            ("/spec/until", json!(objects::day_from_today(368)), "more than 366 days ahead"),
            ("/spec/until", json!("2027-02-29"), "must be of type date"),
            ("/spec/until", Value::Null, "spec.until: Required value"),
            ("/spec/checkId", json!("everything"), "spec.checkId"),
            ("/spec/checkId", json!("st-2"), "should match"),
            ("/spec/reason", json!("   old disk   "), "spec.reason is shorter than 10 characters"),
            ("/spec/reason", long(2001), "may not be more than 2000"),
            ("/spec/hostUid", json!("registry-db"), "should match"),
            ("/spec/hostRef", json!(""), "should be at least 1 chars long"),
            ("/metadata/ownerReferences", owner, "a CheckWaiver has no owner and no finalizer"),
            ("/metadata/finalizers", json!(["a.example.com/b"]), "a CheckWaiver has no owner and no finalizer"),
            ("/metadata/name", long(64), "metadata.name is longer than 63 characters"),
        ],
    )?;
    for days in [0, 365] {
        ask(&li, &with(objects::waiver("w", "li"), "/spec/until", json!(objects::day_from_today(days))))?.done()?;
    }
    Ok(())
}

#[test]
fn a_waiver_is_withdrawn_but_never_changed() -> Result<()> {
    let li = person(&CLUSTER, "li")?;
    CLUSTER.create(&li, &objects::waiver("kept", "li"))?.done()?;
    let change = json!({"spec": {"reason": "for no reason at all"}});
    let said = CLUSTER.patch(&li, CIVIL, "checkwaiver/kept", &change, false)?;
    assert!(!said.ok && said.err.contains("cannot patch resource \"checkwaivers\""), "{said:?}");
    // Nor does it help to hold every right.
    let said = CLUSTER.patch(&CLUSTER.admin, CIVIL, "checkwaiver/kept", &change, false)?;
    assert!(!said.ok && said.err.contains("a waiver is never changed"), "{said:?}");
    let finalizer = json!({"metadata": {"finalizers": ["a.example.com/b"]}});
    let said = CLUSTER.patch(&CLUSTER.admin, CIVIL, "checkwaiver/kept", &finalizer, false)?;
    assert!(!said.ok && said.err.contains("a CheckWaiver is never changed"), "{said:?}");
    CLUSTER.kubectl(&li, &["delete", "checkwaiver/kept", "--namespace", CIVIL], None)?.done()
}

#[test]
fn a_custody_record_accounts_for_the_device_and_each_disk() -> Result<()> {
    let right = objects::custody("c", "li");
    let erasure = right["spec"]["media"][0]["erasure"].clone();
    let (handed, received) = (&right["spec"]["handover"]["handedBy"], &right["spec"]["handover"]["receivedBy"]);
    let basis = json!({"documentNo": "遂国资〔2026〕12号", "digest": DIGEST});
    let twice = json!([right["spec"]["media"][0], right["spec"]["media"][0]]);
    let disk = |handling: &str| json!({"serial": "S3YJNX0K", "handling": handling});
    judge(
        &person(&CLUSTER, "li")?,
        &right,
        vec![
            ("/spec/disposition", json!("Sold"), "Unsupported value: \"Sold\""),
            ("/spec/disposition", json!("RetainedInPlace"), "spec.handover does not fit spec.disposition"),
            ("/spec/disposition", json!("Scrapped"), "spec.basis does not fit spec.disposition"),
            ("/spec/basis", basis, "spec.basis does not fit spec.disposition"),
            ("/spec/handover", Value::Null, "spec.handover does not fit spec.disposition"),
            ("/spec/placement", Value::Null, "spec.placement does not fit spec.disposition"),
            ("/spec/placement/rackUnit", json!(0), "should be greater than or equal to 1"),
            ("/spec/handover/receivedBy", handed.clone(), "handedBy and handover.receivedBy are the same person"),
            ("/spec/handover/witness", received.clone(), "handover.witness is one of the two parties"),
            ("/spec/handover/sheetDigest", json!("sheet.pdf"), "should match"),
            ("/spec/handover/date", json!(objects::day_from_today(2)), "lies in the future: record what has happened"),
            ("/spec/media", json!([]), "should have at least 1 items"),
            ("/spec/media", twice, "Duplicate value"),
            ("/spec/media/0", disk("Kept"), "a device that is Reused or Scrapped keeps no data"),
            ("/spec/media/0", disk("Wiped"), "erasure does not fit handling"),
            ("/spec/media/0/handling", json!("Returned"), "erasure does not fit handling"),
            ("/spec/media/0/handling", json!("Destroyed"), "a disk is Destroyed by method Degauss or Shred"),
            ("/spec/media/0/erasure/method", json!("Shred"), "its handling is Destroyed, not Wiped"),
            ("/spec/media/0/erasure/date", json!(objects::day_from_today(2)), "lies in the future"),
            (
                "/spec/media/0/erasure",
                with(json!({"e": erasure}), "/e/proofDigest", Value::Null)["e"].clone(),
                "proofDigest: Required value",
            ),
            ("/spec/hostUid", json!("registry-db"), "should match"),
            ("/spec/recordedBy", json!("he"), "spec.recordedBy is he, expected li: everyone records"),
            ("/metadata/finalizers", json!(["a.example.com/b"]), "a CustodyRecord has no owner and no finalizer"),
            ("/metadata/name", long(64), "metadata.name is longer than 63 characters"),
        ],
    )
}

#[test]
fn a_custody_record_fits_where_the_device_went() -> Result<()> {
    let li = person(&CLUSTER, "li")?;
    let reused = objects::custody("c", "li");
    let basis = json!({"documentNo": "遂国资〔2026〕12号", "digest": DIGEST});
    let kept = json!([{"serial": "S3YJNX0K", "handling": "Kept"}]);
    let custody = with(with(reused.clone(), "/spec/disposition", json!("InCustody")), "/spec/media", kept.clone());
    let allowed = with(with(reused, "/spec/placement", Value::Null), "/spec/basis", basis);
    let scrapped = with(allowed.clone(), "/spec/disposition", json!("Scrapped"));
    let stays = with(with(allowed, "/spec/disposition", json!("RetainedInPlace")), "/spec/media", kept);
    let stays = with(stays, "/spec/handover", Value::Null);
    for right in [&custody, &scrapped, &stays] {
        ask(&li, right)?.done()?;
    }
    let late = with(scrapped, "/spec/media/0/erasure/date", json!("2026-11-03"));
    let said = ask(&li, &late)?;
    assert!(said.err.contains("a disk of a Scrapped device was erased after spec.handover.date"), "{said:?}");
    Ok(())
}

#[test]
fn a_custody_record_is_never_changed_and_never_deleted() -> Result<()> {
    let li = person(&CLUSTER, "li")?;
    CLUSTER.create(&li, &objects::custody("kept", "li"))?.done()?;
    let delete = ["delete", "custodyrecord/kept", "--namespace", CIVIL];
    let patch = |user: &User, change: Value| CLUSTER.patch(user, CIVIL, "custodyrecord/kept", &change, false);
    let remark = json!({"spec": {"remark": "lost"}});
    let rows = [
        (patch(&li, remark.clone())?, "cannot patch resource \"custodyrecords\""),
        (CLUSTER.kubectl(&li, &delete, None)?, "cannot delete resource \"custodyrecords\""),
        // Nor does it help to hold every right.
        (patch(&CLUSTER.admin, remark)?, "a record is never changed"),
        (patch(&CLUSTER.admin, json!({"metadata": {"labels": {"a": "b"}}}))?, "a CustodyRecord is never changed"),
        (CLUSTER.kubectl(&CLUSTER.admin, &delete, None)?, "a CustodyRecord is never deleted"),
    ];
    for (said, reason) in rows {
        assert!(!said.ok && said.err.contains(reason), "expected {reason:?}, found {said:?}");
    }
    Ok(())
}

#[test]
fn an_enrolled_server_made_the_declaration_word_for_word() -> Result<()> {
    judge(
        &CLUSTER.gateway()?,
        &objects::host("h"),
        vec![
            ("/spec/declaration/statement", json!("fine"), "must be one of the two sentences"),
            ("/spec/declaration/name", json!(""), "should be at least 1 chars long"),
            ("/spec/publicKeyDigest", json!("md5:1"), "should match"),
            ("/spec/hardware/systemSerial", long(129), "may not be more than 128"),
        ],
    )
}

#[test]
fn what_binds_is_never_changed() -> Result<()> {
    let (li, controller) = (person(&CLUSTER, "li")?, CLUSTER.controller()?);
    let rows = [
        (&li, objects::department("fixed"), json!({"namespace": "other"}), "spec.namespace cannot be changed"),
        (
            &li,
            objects::system("fixed", "chen"),
            json!({"departmentRef": "other"}),
            "spec.departmentRef cannot be changed",
        ),
        (&li, objects::enrollment("fixed"), json!({"systemRef": "other"}), "spec.systemRef cannot be changed"),
        (&li, objects::scheme("fixed", "li"), json!({"systemRef": "other"}), "spec.systemRef cannot be changed"),
        (&li, objects::scheme("fixed-too", "li"), json!({"planRef": "other"}), "spec.planRef cannot be changed"),
        (&controller, objects::journey("fixed"), json!({"hostRef": "other"}), "spec.hostRef cannot be changed"),
        (&controller, objects::journey("fixed-too"), json!({"session": 0}), "greater than or equal to 1"),
    ];
    for (user, object, change, reason) in rows {
        CLUSTER.create(user, &object)?.done()?;
        let name = format!(
            "{}/{}",
            object["kind"].as_str().unwrap_or_default(),
            object["metadata"]["name"].as_str().unwrap_or_default()
        );
        let said = CLUSTER.patch(user, CIVIL, &name, &json!({"spec": change}), false)?;
        assert!(!said.ok && said.err.contains(reason), "{name}: expected {reason:?}, found {said:?}");
    }
    Ok(())
}

#[test]
fn a_cutover_is_decided_once() -> Result<()> {
    let controller = CLUSTER.controller()?;
    CLUSTER.create(&controller, &objects::journey("decided"))?.done()?;
    let decision = |kind: &str, attempt: i32| json!({"kind": kind, "attempt": attempt, "epoch": 2, "at": "2026-11-23T00:00:00Z", "reason": "because"});
    let cutover = |attempt: i32, decision: Value| json!({"epoch": 2, "cutover": {"attempt": attempt, "source": "Prepared", "decision": decision}});
    let write =
        |status: Value| CLUSTER.patch(&controller, CIVIL, "hostmigration/decided", &json!({"status": status}), true);

    let refused = |status: Value, reason: &str| -> Result<()> {
        let said = write(status)?;
        assert!(!said.ok && said.err.contains(reason), "expected {reason:?}, found {said:?}");
        Ok(())
    };
    refused(cutover(1, decision("Commit", 1)), "a Commit needs the signed record")?;
    refused(cutover(1, decision("Abort", 2)), "cutover.decision is for another attempt")?;
    write(cutover(2, decision("Abort", 2)))?.done()?;

    refused(json!({"cutover": {"decision": null}}), "never changes and never disappears")?;
    refused(json!({"cutover": {"decision": {"reason": "another"}}}), "never changes and never disappears")?;
    refused(
        json!({"cutover": {"decision": {"kind": "Commit", "recordDigest": DIGEST}}}),
        "never changes and never disappears",
    )?;
    refused(json!({"cutover": null}), "status.cutover disappears")?;
    refused(cutover(1, Value::Null), "cutover.attempt goes down")?;
    refused(json!({"epoch": 1}), "this writer lost the leader election")?;
    let said = CLUSTER.patch(&controller, CIVIL, "hostmigration/decided", &json!({"status": null}), true)?;
    assert!(!said.ok && said.err.contains("status.cutover disappears"), "the whole status went: {said:?}");

    write(cutover(3, Value::Null))?.done()?;
    let record = json!({
        "digest": OTHER_DIGEST, "record": "{}", "sourceSignature": "00", "sourceCertificate": "c", "targetSignature": "00",
        "targetCertificate": "c"
    });
    let mut commit = cutover(3, with(decision("Commit", 3), "/recordDigest", json!(DIGEST)));
    commit["cutover"]["record"] = record;
    refused(commit.clone(), "a Commit needs the signed record")?;
    commit["cutover"]["record"]["digest"] = json!(DIGEST);
    write(commit)?.done()
}

#[test]
fn two_writers_of_conditions_keep_their_own() -> Result<()> {
    let controller = CLUSTER.controller()?;
    CLUSTER.create(&controller, &objects::journey("conditions"))?.done()?;
    for name in ["InSync", "Fenced"] {
        let object = json!({
            "apiVersion": "migration.qianyun.dev/v1alpha1", "kind": "HostMigration",
            "metadata": {"name": "conditions", "namespace": CIVIL},
            "status": {"conditions": [{
                "type": name, "status": "True", "reason": "Because", "message": "", "lastTransitionTime": "2026-11-23T00:00:00Z"
            }]},
        });
        let manager = format!("--field-manager={name}");
        let arguments = ["apply", "--server-side", "--subresource=status", &manager, "-f", "-"];
        CLUSTER.kubectl(&controller, &arguments, Some(&object))?.done()?;
    }
    let arguments = ["get", "hostmigration/conditions", "--namespace", CIVIL, "-o", "json"];
    let stored = CLUSTER.kubectl(&controller, &arguments, None)?.json()?;
    assert_eq!(stored["status"]["conditions"].as_array().map(Vec::len), Some(2), "{stored}");
    let wait = ["wait", "--for=condition=Fenced", "hostmigration/conditions", "--namespace", CIVIL, "--timeout=5s"];
    CLUSTER.kubectl(&controller, &wait, None)?.done()
}

#[test]
fn objects_are_found_by_what_they_belong_to() -> Result<()> {
    let one = "one-of-a-kind";
    let (li, controller) = (person(&CLUSTER, "li")?, CLUSTER.controller()?);
    let found = [
        (&controller, objects::journey("found"), "/spec/migrationRef", "spec.migrationRef"),
        (&li, objects::enrollment("found"), "/spec/systemRef", "spec.systemRef"),
        (&li, objects::system("found", "chen"), "/spec/departmentRef", "spec.departmentRef"),
        (&li, objects::scheme("found", "li"), "/spec/planRef", "spec.planRef"),
        (
            &person(&CLUSTER, "wang")?,
            objects::approval("found", "municipalGovernmentOffice", "wang", NO_UID),
            "/spec/subject/name",
            "spec.subject.name",
        ),
    ];
    for (user, object, pointer, field) in found {
        let object = with(object, pointer, json!(one));
        CLUSTER.create(user, &object)?.done()?;
        let kind = object["kind"].as_str().expect("a kind").to_lowercase();
        let selector = format!("--field-selector={field}={one}");
        let said =
            CLUSTER.kubectl(&controller, &["get", &kind, "--namespace", CIVIL, &selector, "-o", "name"], None)?;
        assert_eq!(said.out.trim(), format!("{kind}.migration.qianyun.dev/found"), "{}", said.err);
    }
    Ok(())
}

/// Collects the fields below `schema` that have no text of their own.
fn silent(path: &str, schema: &Value, found: &mut Vec<String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        if property["description"].as_str().is_none_or(str::is_empty) {
            found.push(path.clone());
        }
        silent(&path, property, found);
        silent(&format!("{path}[]"), &property["items"], found);
    }
}

#[test]
fn kubectl_explain_has_a_text_for_every_field() -> Result<()> {
    let admin = &CLUSTER.admin;
    let document = "/openapi/v3/apis/migration.qianyun.dev/v1alpha1";
    let document = CLUSTER.kubectl(admin, &["get", "--raw", document], None)?.json()?;
    let (mut kinds, mut found) = (0, Vec::new());
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        if name.starts_with("dev.qianyun") && !name.ends_with("List") {
            kinds += 1;
            silent(name, schema, &mut found);
        }
    }
    assert_eq!(kinds, 14, "kinds that the API server publishes");
    assert!(found.is_empty(), "fields without a text: {found:#?}");
    let said = CLUSTER.kubectl(admin, &["explain", "sysmig.spec.scheme.hosts.disks"], None)?;
    assert!(said.out.contains("named by what does not change"), "{said:?}");
    let said = CLUSTER.kubectl(admin, &["explain", "hostmig", "--recursive"], None)?;
    assert!(said.out.contains("recordDigest"), "{said:?}");
    Ok(())
}
