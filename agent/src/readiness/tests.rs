//! Each check passes the recorded office server and says what is wrong where something is.

use super::*;
use crate::inventory::{collect, tests::office_server};
use qianyun_replication_io::freezer::hung_task::HungTask;
use std::collections::BTreeSet;

fn machine() -> Machine {
    collect(&office_server(), Some(300))
}

fn outcome(id: &str, change: impl FnOnce(&mut Machine)) -> Outcome {
    let mut machine = machine();
    change(&mut machine);
    judge(&machine).into_iter().find(|result| result.id == id).unwrap().outcome
}

#[test]
fn the_office_server_is_ready_and_its_one_warning_has_a_way_out() {
    let results = judge(&machine());
    let open: Vec<_> =
        results.iter().filter(|r| r.outcome != Outcome::Pass).map(|r| (r.id.as_str(), r.outcome)).collect();
    assert_eq!(open, [("BT-02", Outcome::Warn)], "the vendor's initramfs has no virtio drivers");
    assert!(is_ready(&results));
}

#[test]
fn there_are_fourteen_checks_with_their_own_ids_and_words_in_both_languages() {
    let ids: BTreeSet<_> = TABLE.iter().map(|check| check.id).collect();
    assert_eq!(ids.len(), 14);
    for check in &TABLE {
        for text in [check.title, check.why, check.fix] {
            assert!(text.en.is_ascii() && !text.en.is_empty(), "{}: {}", check.id, text.en);
            assert!(!text.zh.is_empty() && !text.zh.is_ascii(), "{}: {}", check.id, text.zh);
        }
    }
}

#[test]
fn what_passes_needs_no_advice_and_what_does_not_has_some() {
    for result in judge(&machine()) {
        let quiet = matches!(result.outcome, Outcome::Pass | Outcome::Info);
        assert_eq!(result.fix.en.is_empty(), quiet, "{}", result.id);
    }
}

#[test]
fn a_machine_of_which_nothing_is_known_is_not_ready() {
    let nothing = collect(&crate::host::fake::Fake::default(), None);
    let results = judge(&nothing);
    assert!(!is_ready(&results));
    assert!(results.iter().all(|r| r.outcome != Outcome::Pass), "unknown is never a pass");
}

#[test]
fn releases_are_tested_related_or_foreign() {
    assert_eq!(outcome("OS-01", |m| m.inventory.os.version = "11".into()), Outcome::Warn);
    assert_eq!(outcome("OS-01", |m| m.inventory.os.id = "plan9".into()), Outcome::Block);
    assert_eq!(outcome("OS-01", |m| m.inventory.os.id = String::new()), Outcome::Unknown);
}

#[test]
fn placeholders_are_no_serial_numbers_and_zeros_are_no_uuid() {
    let placeholder = |m: &mut Machine| {
        m.fingerprint.system_serial = "To Be Filled By O.E.M.".into();
        m.fingerprint.board_serial = "Default string".into();
    };
    assert_eq!(outcome("OS-05", placeholder), Outcome::Warn);
    assert_eq!(outcome("OS-05", |m| m.fingerprint.system_serial = String::new()), Outcome::Pass);
    assert_eq!(
        outcome("OS-05", |m| {
            placeholder(m);
            m.fingerprint.system_uuid = "00000000-0000-0000-0000-000000000000".into();
        }),
        Outcome::Block
    );
}

#[test]
fn host_names_are_labels() {
    let named = |name: &str| outcome("OS-06", |m| m.inventory.os.hostname = name.into());
    assert_eq!(named("db-1.example"), Outcome::Pass);
    assert_eq!(named("db_1"), Outcome::Warn);
    assert_eq!(named(""), Outcome::Block);
    assert_eq!(named("localhost.localdomain"), Outcome::Block);
}

#[test]
fn clocks_are_right_doubtful_or_unreliable() {
    let skew = |ms: i64| outcome("OS-07", |m| m.clock_skew_ms = Some(ms));
    assert_eq!((skew(-1_000), skew(30_000), skew(-61_000)), (Outcome::Pass, Outcome::Warn, Outcome::Block));
    assert_eq!(outcome("OS-07", |m| m.inventory.os.clock_synchronised = false), Outcome::Warn);
    assert_eq!(outcome("OS-07", |m| m.clock_skew_ms = None), Outcome::Pass);
}

#[test]
fn drivers_are_there_can_be_added_or_are_missing() {
    let without = |id: &str, gone: &[&str]| {
        outcome(id, |m| m.inventory.boot.kernel_drivers.retain(|d| !gone.contains(&d.as_str())))
    };
    assert_eq!(without("BT-01", &["virtio_scsi"]), Outcome::Warn);
    assert_eq!(without("BT-01", &["virtio_scsi", "virtio_blk"]), Outcome::Block);
    assert_eq!(without("BT-01", &["virtio_pci"]), Outcome::Block);
    let all = |m: &mut Machine| m.inventory.boot.initramfs_drivers = vec!["virtio_blk".into(), "virtio_pci".into()];
    assert_eq!(outcome("BT-02", all), Outcome::Pass);
    assert_eq!(outcome("BT-02", |m| m.inventory.boot.initramfs_tool = String::new()), Outcome::Block);
    assert_eq!(outcome("BT-02", |m| m.inventory.boot.initramfs = String::new()), Outcome::Unknown);
    assert_eq!(outcome("BT-03", |m| m.inventory.boot.initramfs_tool = String::new()), Outcome::Block);
    assert_eq!(outcome("BT-03", |m| m.inventory.boot.initramfs_tool = "dracut".into()), Outcome::Block);
    assert_eq!(outcome("BT-07", |m| m.inventory.boot.loader = "lilo".into()), Outcome::Block);
}

#[test]
fn mounts_by_names_that_change_block() {
    let by = |name: &str| outcome("BT-09", |m| m.inventory.filesystems[0].fstab_source = name.into());
    assert_eq!((by("/dev/sda1"), by("/dev/disk/by-id/ata-WDC")), (Outcome::Block, Outcome::Block));
    assert_eq!((by("LABEL=root"), by("/dev/mapper/vg-root")), (Outcome::Pass, Outcome::Pass));
}

#[test]
fn space_and_sectors_have_three_grades() {
    let free = |mib: u64| outcome("ST-02", |m| m.inventory.filesystems[0].free_bytes = mib << 20);
    assert_eq!((free(150), free(149), free(49)), (Outcome::Pass, Outcome::Warn, Outcome::Block));
    let sector = |bytes: u32| outcome("ST-08", |m| m.inventory.disks[0].identity.logical_block_bytes = bytes);
    assert_eq!((sector(512), sector(4096), sector(520)), (Outcome::Pass, Outcome::Warn, Outcome::Block));
}

#[test]
fn disks_that_cannot_be_followed_are_not_copied() {
    assert_eq!(outcome("CT-01", |m| m.untracked = vec!["no trace events".into()]), Outcome::Block);
    assert_eq!(outcome("CT-01", |m| m.inventory.disks.clear()), Outcome::Block);
}

#[test]
fn the_longest_freeze_has_three_grades_and_an_unreadable_setting_is_unknown() {
    let bears = |panic: &str, timeout: &str| {
        let hung_task = HungTask { panic: Some(panic.into()), timeout_seconds: Some(timeout.into()) };
        outcome("CT-05", |m| m.hung_task = Some(hung_task))
    };
    assert_eq!((bears("1", "120"), bears("1", "60"), bears("1", "9")), (Outcome::Pass, Outcome::Warn, Outcome::Block));
    assert_eq!((bears("0", "9"), bears("1", "0")), (Outcome::Pass, Outcome::Pass));
    assert_eq!((bears("often", "120"), bears("1", "")), (Outcome::Unknown, Outcome::Unknown));
    assert_eq!(outcome("CT-05", |m| m.hung_task = Some(HungTask::default())), Outcome::Pass);
    assert_eq!(outcome("CT-05", |m| m.hung_task = None), Outcome::Unknown);
}

#[test]
fn what_cannot_be_frozen_is_named_and_blocks_nothing() {
    let mut machine = machine();
    machine.unfrozen = Some(vec!["/boot/efi (vfat)".into(), "/data (exfat)".into()]);
    let results = judge(&machine);
    let result = results.iter().find(|result| result.id == "ST-19").unwrap();
    assert_eq!((result.outcome, result.observed.as_str()), (Outcome::Warn, "/boot/efi (vfat), /data (exfat)"));
    assert!(is_ready(&results) && result.fix.en.contains("remount,ro"));
    assert_eq!(outcome("ST-19", |m| m.unfrozen = None), Outcome::Unknown);
}
