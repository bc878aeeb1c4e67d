//! What is worth a look before a cutover, where it begins to be, and that nothing waits for it.
#![allow(clippy::unwrap_used)]

use crate::world::World;
use qianyun_crds::{GateName, SourceAccess};
use qianyun_planning::caution::{self, Caution};
use qianyun_planning::facts::{Facts, Known};
use qianyun_planning::gate::judge;
use qianyun_planning::reason::{Reason, Verdict};
use qianyun_planning::system_migration;

const DISK_BYTES: u64 = 10 << 30;

#[test]
fn less_than_a_fifth_of_room_beside_the_volumes_is_tight() {
    let mut facts = World::approved(&["db1"]).facts();
    let free = |facts: &mut Facts, bytes: u64| facts.free_storage_bytes = Known::Is(bytes);
    free(&mut facts, DISK_BYTES / 5 * 6);
    assert_eq!(caution::of(&facts), []);
    free(&mut facts, DISK_BYTES / 5 * 6 - 1);
    let (needed, left) = (i64::try_from(DISK_BYTES).unwrap(), i64::try_from(DISK_BYTES / 5 * 6 - 1).unwrap());
    assert_eq!(caution::of(&facts), [Caution::RoomTight { needed, free: left }]);
    facts.hosts[0].hosting.volumes = Known::Is(());
    assert_eq!(caution::of(&facts), [], "they are made");
}

#[test]
fn more_than_half_of_the_accepted_interruption_is_tight_and_more_than_nine_tenths_too_long() {
    let world = World::in_sync(&["db1"]);
    // 30 s of stops, 30 s frozen, a minute's margin, and 300 s until the probe has to pass.
    let of_budget = |budget_minutes: i32, lag_ms: i64| {
        let mut facts = world.facts();
        facts.migration.spec.rehearsal = None;
        facts.migration.spec.scheme.downtime_budget_minutes = budget_minutes;
        facts.hosts[0].agent.as_mut().unwrap().disks[0].lag_ms = lag_ms;
        (caution::of(&facts), judge(GateName::DowntimeWithinBudget, &facts, world.now))
    };
    let tight = |forecast_minutes, budget_minutes| vec![Caution::DowntimeTight { forecast_minutes, budget_minutes }];
    assert_eq!(of_budget(14, 0), (vec![], Verdict::Open));
    assert_eq!(of_budget(13, 0), (tight(7, 13), Verdict::Open));
    assert_eq!(of_budget(8, 0), (tight(7, 8), Verdict::Open));
    let over = Reason::DowntimeOverBudget { forecast_minutes: 7, budget_minutes: 7 };
    assert_eq!(of_budget(7, 0), (tight(7, 7), Verdict::Closed(over)));
    assert_eq!(of_budget(14, 60_000), (tight(8, 14), Verdict::Open), "a copy that is behind");
}

#[test]
fn a_server_that_only_people_beside_it_can_switch_on_is_worth_a_look_until_the_commit() {
    let mut world = World::in_sync(&["db1"]);
    world.migration.spec.scheme.rollback.source_access = Some(SourceAccess::OnSite);
    let facts = world.facts();
    assert_eq!(caution::of(&facts), [Caution::SourceOnSiteOnly]);
    let shown = system_migration::status(&facts, None, world.now).cautions;
    assert_eq!(shown.len(), 1);
    assert!(shown[0].message.is_ascii() && !shown[0].message_zh.is_ascii(), "{shown:?}");
    let mut fenced = World::fenced(&["db1"]).facts();
    fenced.migration.spec.scheme.rollback.source_access = Some(SourceAccess::OnSite);
    assert_eq!(caution::of(&fenced), []);
}
