//! What closes each gate, and that it says so.

use crate::world::World;
use qianyun_crds::{CheckOutcome, GateName, HostIntent};
use qianyun_planning::facts::Known;
use qianyun_planning::gate::{self, GATES};
use qianyun_planning::reason::{Asked, Verdict};
use qianyun_planning::{Reason, host_migration};

#[track_caller]
fn assert_closed(world: &World, gate: GateName, expected: impl Fn(&Reason) -> bool) {
    match gate::judge(gate, &world.facts(), world.now) {
        Verdict::Closed(reason) => assert!(expected(&reason), "{reason:?}"),
        other => panic!("{gate:?} is {other:?}"),
    }
}

/// The world of an approved scheme, changed before it is signed, so that only the change is in the way.
fn signed_after(change: impl FnOnce(&mut World)) -> World {
    let mut world = World::new();
    change(&mut world);
    world.sign_all();
    world
}

#[test]
fn the_table_has_every_gate_once_in_the_order_of_the_journey() {
    let names: Vec<GateName> = GATES.iter().map(|g| g.name).collect();
    let mut sorted = names.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(names, sorted);
    assert_eq!(names.len(), 31);
}

#[test]
fn all_gates_before_replication_open_in_a_good_world() {
    let world = World::approved(&["db1", "web1"]);
    for gate in &GATES[..13] {
        let found = gate::judge(gate.name, &world.facts(), world.now);
        assert_eq!(found, Verdict::Open, "{:?}", gate.name);
    }
}

#[test]
fn what_cannot_be_asked_opens_nothing() {
    let mut world = World::approved(&["db1"]);
    let mut facts = world.facts();
    facts.policy = Known::Unknown;
    for gate in GATES {
        assert_eq!(
            gate::judge(gate.name, &facts, world.now),
            Verdict::Unknown(Reason::NotKnown { what: Asked::Policy })
        );
    }
    world.authoriser_up = false;
    world.tick();
    assert!(world.servers[0].journey.is_none());
}

#[test]
fn a_scheme_of_an_unknown_host_is_not_valid() {
    let world = signed_after(|w| w.migration.spec.scheme.hosts[0].host_ref = "db9".into());
    let mut facts = world.facts();
    facts.hosts[0].name = "db9".into();
    facts.hosts[0].host = Known::Absent;
    let found = gate::judge(GateName::SchemeValid, &facts, world.now);
    assert_eq!(found, Verdict::Closed(Reason::NotFound { what: Asked::Host, name: "db9".into() }));
}

#[test]
fn a_scheme_of_an_unknown_disk_is_not_valid() {
    let world = signed_after(|w| w.migration.spec.scheme.hosts[0].disks[0].serial = "SN-other".into());
    assert_closed(&world, GateName::SchemeValid, |r| matches!(r, Reason::DiskNotFound { .. }));
}

#[test]
fn a_disk_without_identity_matches_no_disk() {
    let world = signed_after(|w| w.migration.spec.scheme.hosts[0].disks[0].serial = String::new());
    assert_closed(&world, GateName::SchemeValid, |r| matches!(r, Reason::DiskNotFound { .. }));
}

#[test]
fn a_disk_of_another_size_is_not_the_one_that_was_approved() {
    let world = signed_after(|w| w.migration.spec.scheme.hosts[0].disks[0].size_bytes -= 4096);
    assert_closed(&world, GateName::SchemeValid, |r| matches!(r, Reason::DiskSizeDiffers { .. }));
}

#[test]
fn a_disk_that_the_system_lies_on_cannot_be_left_out() {
    let world = signed_after(|w| w.migration.spec.scheme.hosts[0].disks.clear());
    assert_closed(&world, GateName::SchemeValid, |r| matches!(r, Reason::DiskLeftOut { .. }));
}

#[test]
fn a_platform_that_is_too_small_is_not_a_target() {
    let world = signed_after(|w| w.migration.spec.scheme.hosts[0].target.cpus = 256);
    assert_closed(&world, GateName::SchemeValid, |r| matches!(r, Reason::PlatformTooSmall { what: "CPUs", .. }));
    let world = World::approved(&["db1"]);
    let mut facts = world.facts();
    facts.free_storage_bytes = Known::Is(1 << 30);
    let found = gate::judge(GateName::SchemeValid, &facts, world.now);
    assert!(matches!(found, Verdict::Closed(Reason::PlatformTooSmall { .. })), "{found:?}");
}

#[test]
fn networks_and_nics_of_the_scheme_have_to_exist() {
    let world = signed_after(|w| w.migration.spec.scheme.hosts[0].target.nics[0].network = "nowhere".into());
    assert_closed(&world, GateName::SchemeValid, |r| matches!(r, Reason::NetworkNotFound { .. }));
    let world = signed_after(|w| w.migration.spec.scheme.hosts[0].target.nics[0].takes_place_of = "eth9".into());
    assert_closed(&world, GateName::SchemeValid, |r| matches!(r, Reason::NicNotFound { .. }));
}

#[test]
fn a_host_of_another_system_or_another_migration_is_not_taken() {
    let world = signed_after(|w| w.servers[0].physical.spec.system_ref = "archive".into());
    assert_closed(&world, GateName::SchemeValid, |r| matches!(r, Reason::HostOfAnotherSystem { .. }));
    let world = signed_after(|w| w.servers[0].claimed_by = Some("archive".into()));
    assert_closed(&world, GateName::SchemeValid, |r| matches!(r, Reason::HostTaken { .. }));
}

#[test]
fn a_check_without_an_answer_is_not_a_pass() {
    for (outcome, blocks) in [
        (CheckOutcome::Pass, false),
        (CheckOutcome::Info, false),
        (CheckOutcome::Warn, false),
        (CheckOutcome::Block, true),
        (CheckOutcome::Unknown, true),
    ] {
        let mut world = World::approved(&["db1"]);
        world.servers[0].physical.status.as_mut().unwrap().checks[0].outcome = outcome;
        let passes = gate::judge(GateName::HostsReady, &world.facts(), world.now).passes();
        assert_eq!(passes, !blocks, "{outcome:?}");
    }
}

#[test]
fn an_inventory_counts_for_as_long_as_the_policy_says() {
    let mut world = World::approved(&["db1"]);
    world.pass(30 * 86_400);
    assert!(gate::judge(GateName::InventoryComplete, &world.facts(), world.now).passes());
    world.pass(86_400);
    assert_closed(&world, GateName::InventoryComplete, |r| matches!(r, Reason::InventoryTooOld { days: 31, .. }));
}

#[test]
fn a_platform_below_level_three_or_past_its_assessment_is_no_target() {
    let mut world = World::approved(&["db1"]);
    world.platform.spec.mlps.level = 2;
    assert_closed(&world, GateName::TargetLevelSufficient, |r| matches!(r, Reason::PlatformLevelTooLow { .. }));
    world.platform.spec.mlps.level = 3;
    world.platform.spec.mlps.next_due = "2026-11-22".into();
    assert_closed(&world, GateName::TargetLevelSufficient, |r| matches!(r, Reason::AssessmentOverdue { .. }));
    world.platform.spec.mlps.next_due = "2026-11-23".into();
    assert!(gate::judge(GateName::TargetLevelSufficient, &world.facts(), world.now).passes());
}

#[test]
fn a_system_without_filing_number_is_not_graded() {
    let mut world = World::approved(&["db1"]);
    world.system.spec.mlps.as_mut().unwrap().filing_no = " ".into();
    assert_closed(&world, GateName::SystemGraded, |r| matches!(r, Reason::SystemNotGraded));
}

#[test]
fn a_declaration_of_a_day_to_come_is_none_before_that_day() {
    let mut world = World::approved(&["db1"]);
    // It is still the 23rd where the offices are.
    world.system.spec.declaration.declared_on = "2026-11-24".into();
    assert_closed(&world, GateName::NonClassifiedDeclared, |r| matches!(r, Reason::DeclarationNotYet { .. }));
    world.system.spec.declaration.declared_on = "2026-11-23".into();
    assert!(gate::judge(GateName::NonClassifiedDeclared, &world.facts(), world.now).passes());
}

#[test]
fn a_declaration_without_a_person_is_none() {
    let mut world = World::approved(&["db1"]);
    world.system.spec.declaration.declared_by = String::new();
    assert_closed(&world, GateName::NonClassifiedDeclared, |r| matches!(r, Reason::SystemNotDeclared));
    let mut world = World::approved(&["db1"]);
    world.servers[0].physical.spec.declaration.name = String::new();
    assert_closed(&world, GateName::NonClassifiedDeclared, |r| matches!(r, Reason::HostNotDeclared { .. }));
}

#[test]
fn a_confirmation_of_another_digest_confirms_nothing() {
    let mut world = World::approved(&["db1"]);
    world.confirm();
    world.migration.spec.confirmation.as_mut().unwrap().digest = "sha256:0".into();
    assert_closed(&world, GateName::CutoverConfirmed, |r| matches!(r, Reason::ConfirmationOfAnotherDigest { .. }));
}

#[test]
fn a_scheme_whose_window_is_over_is_not_valid_unless_it_has_begun() {
    let mut world = World::new();
    let after = |world: &mut World| {
        let end = world.migration.spec.scheme.window.end.0;
        world.pass(end.as_second() - world.now.as_second());
    };
    after(&mut world);
    assert_closed(&world, GateName::SchemeValid, |r| matches!(r, Reason::WindowOver { .. }));
    let mut begun = World::approved(&["db1"]);
    begun.until("copying", |w| w.intent("db1") == Some(HostIntent::Replicate));
    after(&mut begun);
    assert!(gate::judge(GateName::SchemeValid, &begun.facts(), begun.now).passes());
}

#[test]
fn no_attempt_begins_where_the_window_is_too_short_for_it() {
    let mut world = World::approved(&["db1"]);
    world.until("in sync", |w| w.migration.status.as_ref().is_some_and(|s| s.hosts.as_deref() == Some("1/1")));
    let end = world.migration.spec.scheme.window.end.0;
    world.pass(end.as_second() - world.now.as_second() - 100);
    // A fresh report, so that nothing else is in the way.
    world.step_servers();
    let plan = host_migration::plan(&world.facts(), "db1", world.now);
    assert!(plan.actions.is_empty() && format!("{:?}", plan.waiting).contains("TooShort"), "{plan:?}");
    assert_eq!(world.intent("db1"), Some(HostIntent::Replicate));
}
