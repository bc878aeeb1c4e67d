//! The step kit: every step is repeated, killed at every change, and undone, on a recorded machine.

use super::adapt_network::AdaptNetwork;
use super::prepare_boot::PrepareBoot;
use super::quiesce::{Quiesce, running};
use super::serve_units::{ServeUnits, observe};
use super::start_network::{StartNetwork, mark_late};
use super::*;
use crate::host::Output;
use crate::host::fake::Fake;
use crate::inventory::tests::{KERNEL, office_server};
use qianyun_agent_api::desired::{ArrivalNic, ArrivalPlan, QuiesceUnit};
use std::collections::BTreeMap;

/// Repeats, kills at every change, and undoes; `host` makes the same machine each time.
fn kit(host: impl Fn() -> Fake, step: &dyn HostStep) {
    let first = host();
    perform(step, &first).unwrap();
    let (changes, done) = (first.changes().len(), first.files());
    assert_eq!(step.precheck(&first).unwrap(), Precheck::AlreadyDone);
    let before = first.changes().len();
    perform(step, &first).unwrap();
    let looks = first.changes().split_off(before).into_iter().filter(|change| !is_look(change));
    assert_eq!(looks.collect::<Vec<_>>(), Vec::<String>::new(), "a repetition changes nothing");
    for kill_at in 0..changes {
        let host = host();
        host.fail_at(Some(kill_at));
        assert!(perform(step, &host).is_err(), "killed at change {kill_at}");
        host.fail_at(None);
        perform(step, &host).unwrap();
        assert_eq!(host.files(), done, "killed at change {kill_at} and begun again");
    }
    for kill_at in 0..=changes {
        let host = host();
        let before = host.files();
        host.fail_at(Some(kill_at));
        let _ = perform(step, &host);
        host.fail_at(None);
        step.undo(&host).unwrap();
        assert_eq!(less_generated(host.files()), less_generated(before), "killed at change {kill_at} and undone");
        step.undo(&host).unwrap();
    }
}

fn is_look(change: &str) -> bool {
    ["run systemctl show", "run systemctl list-units", "run lsinitramfs"].iter().any(|look| change.starts_with(look))
}

/// The menu is generated from what is there; it is compared by its own test.
fn less_generated(mut files: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    files.remove("/boot/grub/grub.cfg");
    files
}

/// The office server with tools that do what the real ones do, and a vendor's initramfs that lists itself.
pub(crate) fn with_boot_tools() -> Fake {
    let modules = format!("/lib/modules/{KERNEL}");
    office_server()
        .file(&format!("/boot/initrd.img-{KERNEL}"), &format!("lib\nusr{modules}/kernel/drivers/ata/ahci.ko\n"))
        .file(&format!("{modules}/modules.dep.bin"), "index of dependencies")
        .file(&format!("{modules}/modules.alias"), "alias pci:v1AF4 virtio_pci")
        .file(&format!("{modules}/modules.alias.bin"), "index of aliases")
        .file(&format!("{modules}/kernel/drivers/block/virtio_blk.ko"), "code of virtio_blk")
        .file(&format!("{modules}/kernel/drivers/virtio/virtio.ko"), "code of virtio")
        .file(&format!("{modules}/kernel/drivers/virtio/virtio_pci.ko"), "code of virtio_pci")
        .file(&format!("{modules}/kernel/drivers/scsi/virtio_scsi.ko"), "code of virtio_scsi")
        .file(&format!("{modules}/kernel/drivers/scsi/sd_mod.ko"), "code of sd_mod")
        .program("lsinitramfs", |host, args| match host.text(args[0]) {
            Some(stdout) => Output { stdout, ..Output::default() },
            None => Output { status: 1, ..Output::default() },
        })
        .program("update-grub", |host, _| {
            let mut menu = "menuentry 'Debian' --id gnulinux {\n}\n".to_owned();
            if host.exists("/etc/default/grub.d/qianyun.cfg") {
                menu += "set default=\"qianyun\"\n";
            }
            if host.exists("/etc/grub.d/09_qianyun") {
                let initrd = format!("/boot/initrd.img-{KERNEL} /boot/qianyun-drivers-{KERNEL}.img");
                menu += &format!("menuentry 'x' --id qianyun {{\n initrd {initrd}\n}}\n");
            }
            host.put("/boot/grub/grub.cfg", &menu);
            Output::default()
        })
}

#[test]
fn boot_preparation_survives_the_kit() {
    kit(with_boot_tools, &PrepareBoot);
}

#[test]
fn boot_preparation_adds_files_of_its_own_and_changes_none() {
    let host = with_boot_tools();
    let before = host.files();
    perform(&PrepareBoot, &host).unwrap();
    for (path, bytes) in less_generated(before.clone()) {
        assert_eq!(host.files().get(&path), Some(&bytes), "{path} is the vendor's");
    }
    let new: Vec<String> = host.files().into_keys().filter(|path| !before.contains_key(path)).collect();
    let expected = [
        format!("/boot/qianyun-drivers-{KERNEL}.img"),
        "/etc/default/grub.d/qianyun.cfg".into(),
        "/etc/grub.d/09_qianyun".into(),
    ];
    assert_eq!(new, expected);
    let entry = host.text("/etc/grub.d/09_qianyun").unwrap();
    assert!(entry.contains("root=UUID=aa-11 ro quiet") && !entry.contains("BOOT_IMAGE"), "{entry}");
    assert!(entry.contains("initrd $initramfs $drivers"), "the vendor's first, ours over it: {entry}");
}

#[test]
fn the_archive_has_the_drivers_that_the_vendors_initramfs_lacks_and_no_others() {
    let host = with_boot_tools();
    perform(&PrepareBoot, &host).unwrap();
    let archive = host.text(&format!("/boot/qianyun-drivers-{KERNEL}.img")).unwrap();
    for name in ["virtio_blk.ko", "virtio_pci.ko", "virtio_scsi.ko", "sd_mod.ko", "modules.alias.bin"] {
        assert!(archive.contains(name), "{name}");
    }
    assert!(archive.contains("code of virtio_blk") && archive.contains("code of virtio_pci"));
    assert!(!archive.contains(&format!("{KERNEL}/kernel/drivers/ata")), "the vendor's initramfs has ahci");
}

#[test]
fn a_server_whose_initramfs_has_all_the_drivers_is_left_alone() {
    let all = ["virtio_pci", "virtio_blk", "virtio_scsi", "ahci", "sd_mod"];
    let listing: String = all.iter().map(|name| format!("usr/lib/modules/{KERNEL}/kernel/{name}.ko\n")).collect();
    let host = with_boot_tools().file(&format!("/boot/initrd.img-{KERNEL}"), &listing);
    let before = host.files();
    perform(&PrepareBoot, &host).unwrap();
    assert_eq!(host.files(), before);
}

#[test]
fn undoing_boot_preparation_takes_the_entry_out_of_the_menu() {
    let host = with_boot_tools();
    let step = PrepareBoot;
    perform(&step, &host).unwrap();
    assert!(host.text("/boot/grub/grub.cfg").unwrap().contains("--id qianyun"));
    step.undo(&host).unwrap();
    assert!(!host.text("/boot/grub/grub.cfg").unwrap().contains("qianyun"));
}

#[test]
fn a_kernel_without_the_targets_drivers_is_refused_before_anything_is_written() {
    let host = with_boot_tools().file(&format!("/lib/modules/{KERNEL}/modules.dep"), "kernel/drivers/ata/ahci.ko:\n");
    let error = perform(&PrepareBoot, &host).unwrap_err();
    assert!(error.to_string().contains("virtio_pci among the modules"), "{error}");
    assert!(host.changes().iter().all(|change| is_look(change)), "{:?}", host.changes());
}

#[test]
fn a_command_line_that_would_not_survive_the_script_is_refused() {
    let host = with_boot_tools().file("/proc/cmdline", "root=/dev/x opt=$(reboot)");
    let error = perform(&PrepareBoot, &host).unwrap_err();
    assert!(matches!(error, StepError::Refused { .. }), "{error}");
    assert!(host.changes().iter().all(|change| is_look(change)), "{:?}", host.changes());
}

#[test]
fn a_host_without_grub_is_refused_before_anything_is_written() {
    let host = Fake::default();
    assert!(matches!(perform(&PrepareBoot, &host), Err(StepError::Refused { .. })));
    assert!(host.changes().is_empty());
}

/// A systemd whose units are files under `/units`, and whose umbrella has one part.
fn with_systemd() -> Fake {
    systemd(Fake::default())
}

/// Adds that systemd to a machine.
pub(crate) fn systemd(host: Fake) -> Fake {
    let host = host
        .file("/units/writer.service", "active")
        .file("/units/postgresql.service", "active")
        .file("/units/postgresql@15-main.service", "active")
        .file("/units/idle.service", "inactive");
    host.program("systemctl", |host, args| {
        let path = format!("/units/{}", args.last().unwrap());
        let say = |stdout: &str| Output { stdout: format!("{stdout}\n"), ..Output::default() };
        match args {
            ["show", "--property=ActiveState", ..] => {
                say(&format!("ActiveState={}", host.text(&path).unwrap_or_else(|| "inactive".into())))
            }
            ["show", "--property=ConsistsOf", .., "postgresql.service"] => say("ConsistsOf=postgresql@15-main.service"),
            ["stop", ..] => {
                host.put(&path, "inactive");
                Output::default()
            }
            ["start", _, unit] if host.exists(&format!("/run/systemd/system/{unit}.d/qianyun-cutover.conf")) => {
                // A false condition is no error for systemd: the unit just does not start.
                Output::default()
            }
            ["start", ..] => {
                host.put(&path, "active");
                Output::default()
            }
            ["list-units", ..] => say("broken.service loaded failed failed x"),
            _ => Output::default(),
        }
    })
}

fn unit(name: &str) -> QuiesceUnit {
    QuiesceUnit { unit: name.into(), deadline_ms: 1_000 }
}

#[test]
fn what_runs_is_noted_with_its_parts_and_what_does_not_is_left_out() {
    let units = [unit("writer.service"), unit("postgresql.service"), unit("idle.service")];
    let stopped = running(&with_systemd(), &units).unwrap();
    assert_eq!(stopped, ["writer.service", "postgresql.service", "postgresql@15-main.service"]);
}

#[test]
fn a_job_that_runs_once_is_not_run_again_after_an_attempt() {
    let host = Fake::default().program("systemctl", |_, args| {
        let text = match (args.get(1), args.last()) {
            (Some(&"--property=ActiveState"), Some(_)) => "ActiveState=activating",
            (Some(&"--property=Type"), Some(&"batch.service")) => "Type=oneshot",
            (Some(&"--property=Type"), _) => "Type=simple",
            _ => "",
        };
        Output { stdout: format!("{text}\n"), ..Output::default() }
    });
    assert_eq!(running(&host, &[unit("batch.service"), unit("slow.service")]).unwrap(), ["slow.service"]);
}

#[test]
fn a_service_that_does_not_come_up_keeps_no_other_down() {
    let units = [unit("writer.service"), unit("postgresql.service")];
    let stopped = ["writer.service".to_owned(), "postgresql.service".to_owned()];
    let step = Quiesce { units: &units, stopped: &stopped };
    let host = with_systemd();
    perform(&step, &host).unwrap();
    let broken = host.program("systemctl", |host, args| match args {
        ["start", _, "postgresql.service"] => Output { status: 1, stderr: "it is broken".into(), ..Output::default() },
        ["start", _, unit] => {
            host.put(&format!("/units/{unit}"), "active");
            Output::default()
        }
        ["show", "--property=ActiveState", .., unit] => {
            let state = host.text(&format!("/units/{unit}")).unwrap_or_default();
            Output { stdout: format!("ActiveState={state}\n"), ..Output::default() }
        }
        _ => Output::default(),
    });
    let error = step.undo(&broken).unwrap_err();
    assert!(error.to_string().contains("it is broken"), "{error}");
    assert_eq!(broken.text("/units/writer.service").unwrap(), "active");
}

#[test]
fn quiescing_survives_the_kit() {
    let units = [unit("writer.service"), unit("postgresql.service")];
    let stopped = running(&with_systemd(), &units).unwrap();
    kit(with_systemd, &Quiesce { units: &units, stopped: &stopped });
}

#[test]
fn services_stop_in_order_and_start_in_reverse_and_only_those_that_ran() {
    let host = with_systemd();
    let units = [unit("writer.service"), unit("postgresql.service"), unit("idle.service")];
    let stopped = running(&host, &units).unwrap();
    let step = Quiesce { units: &units, stopped: &stopped };
    perform(&step, &host).unwrap();
    let of = |verb: &str| -> Vec<String> {
        let prefix = format!("run systemctl {verb} -- ");
        host.changes().iter().filter_map(|change| change.strip_prefix(&prefix).map(str::to_owned)).collect()
    };
    assert_eq!(of("stop"), ["writer.service", "postgresql.service", "postgresql@15-main.service", "idle.service"]);
    step.undo(&host).unwrap();
    assert_eq!(of("start"), ["postgresql@15-main.service", "postgresql.service", "writer.service"]);
}

#[test]
fn a_stopped_service_cannot_be_started_by_anyone_until_the_gate_is_gone() {
    let host = with_systemd();
    let units = [unit("writer.service")];
    let stopped = vec!["writer.service".to_owned()];
    let step = Quiesce { units: &units, stopped: &stopped };
    perform(&step, &host).unwrap();
    host.run("systemctl", &["start", "--", "writer.service"], crate::host::LOOK_LIMIT).unwrap();
    assert_eq!(step.precheck(&host).unwrap(), Precheck::AlreadyDone, "it is still down");
}

#[test]
fn a_service_that_does_not_stop_is_an_error() {
    let host = with_systemd().program("systemctl", |_, args| match args {
        ["show", "--property=ActiveState", ..] => Output { stdout: "ActiveState=active\n".into(), ..Output::default() },
        _ => Output::default(),
    });
    let units = [unit("stubborn.service")];
    let error = perform(&Quiesce { units: &units, stopped: &[] }, &host).unwrap_err();
    assert!(matches!(error, StepError::NotDone { .. }), "{error}");
}

fn card() -> Fake {
    Fake::default().file("/sys/class/net/enp0s3/address", "52:54:00:00:00:01\n").program("ip", |host, args| {
        if let [.., "name", name] = args {
            host.put("/sys/class/net/enp0s3/address", "renamed");
            host.put(&format!("/sys/class/net/{name}/address"), "52:54:00:00:00:01\n");
        }
        Output::default()
    })
}

fn plan(mac: &str, name: &str) -> ArrivalPlan {
    ArrivalPlan { nics: vec![ArrivalNic { mac: mac.into(), takes_name: name.into() }] }
}

#[test]
fn the_card_with_the_announced_mac_takes_the_name_and_keeps_it() {
    let (host, plan) = (card(), plan("52:54:00:00:00:01", "eno1"));
    let step = AdaptNetwork { plan: &plan };
    perform(&step, &host).unwrap();
    perform(&step, &host).unwrap();
    assert_eq!(host.changes().iter().filter(|change| change.contains("name eno1")).count(), 1);
    assert!(host.text("/etc/systemd/network/10-qianyun-525400000001.link").unwrap().contains("Name=eno1"));
    step.undo(&host).unwrap();
    assert!(!host.exists("/etc/systemd/network/10-qianyun-525400000001.link"));
}

#[test]
fn adapting_is_finished_after_a_kill_at_any_change() {
    let plan = plan("52:54:00:00:00:01", "eno1");
    for kill_at in 0..3 {
        let host = card();
        host.fail_at(Some(kill_at));
        assert!(perform(&AdaptNetwork { plan: &plan }, &host).is_err());
        host.fail_at(None);
        perform(&AdaptNetwork { plan: &plan }, &host).unwrap();
    }
}

#[test]
fn without_the_card_or_with_a_name_that_is_none_nothing_is_changed() {
    for (mac, name) in [("52:54:00:00:00:99", "eno1"), ("52:54:00:00:00:01", "../etc"), ("not a mac", "eno1")] {
        let (host, plan) = (card(), plan(mac, name));
        assert!(matches!(perform(&AdaptNetwork { plan: &plan }, &host), Err(StepError::Refused { .. })));
        assert!(host.changes().is_empty());
    }
}

/// The card is there and down, as after a boot whose ifupdown came too early; a restart of `unit` brings it up.
fn network_down(unit: &'static str) -> Fake {
    let host = Fake::default().file("/sys/class/net/eno1/flags", "0x1002\n").prints("ip", "");
    host.program("systemctl", move |host, args| {
        let of_unit = args.last() == Some(&unit);
        if of_unit && args[0] == "restart" {
            host.put("/sys/class/net/eno1/flags", "0x1003\n");
        }
        let state = if of_unit { "failed" } else { "inactive" };
        Output { stdout: format!("ActiveState={state}\n"), ..Output::default() }
    })
}

#[test]
fn a_network_that_was_started_before_its_card_was_named_is_started_again() {
    let plan = plan("52:54:00:00:00:01", "eno1");
    for unit in ["networking.service", "network.service"] {
        let host = network_down(unit);
        mark_late(&host).unwrap();
        perform(&StartNetwork { plan: &plan }, &host).unwrap();
        let restarts = host.changes().into_iter().filter(|change| change.contains("restart"));
        assert_eq!(restarts.collect::<Vec<_>>(), [format!("run systemctl restart -- {unit}")]);
    }
}

#[test]
fn a_network_that_fails_for_a_card_of_the_old_machine_is_started_again_only_once() {
    let plan = plan("52:54:00:00:00:01", "eno1");
    let host = network_down("networking.service").program("systemctl", |host, args| {
        host.put("/sys/class/net/eno1/flags", "0x1003\n");
        Output { status: i32::from(args[0] == "restart"), stdout: "ActiveState=failed\n".into(), ..Output::default() }
    });
    mark_late(&host).unwrap();
    perform(&StartNetwork { plan: &plan }, &host).unwrap();
    let before = host.changes().len();
    perform(&StartNetwork { plan: &plan }, &host).unwrap();
    assert_eq!(host.changes().len(), before);
}

#[test]
fn starting_a_late_network_again_is_finished_after_a_kill_at_any_change() {
    let plan = plan("52:54:00:00:00:01", "eno1");
    let step = StartNetwork { plan: &plan };
    let late = || network_down("network.service").file("/run/qianyun/network-is-late", "");
    let first = late();
    perform(&step, &first).unwrap();
    for kill_at in 0..first.changes().len() {
        let host = late();
        host.fail_at(Some(kill_at));
        assert!(perform(&step, &host).is_err(), "killed at change {kill_at}");
        host.fail_at(None);
        perform(&step, &host).unwrap();
        assert_eq!(host.files(), first.files(), "killed at change {kill_at} and begun again");
    }
}

#[test]
fn a_network_that_is_up_is_let_alone_unless_it_was_late() {
    let plan = ArrivalPlan {
        nics: ["eno1", "eno2"]
            .map(|name| ArrivalNic { mac: "52:54:00:00:00:01".into(), takes_name: name.into() })
            .into(),
    };
    let host = network_down("networking.service").file("/sys/class/net/eno2/flags", "0x1003\n");
    perform(&StartNetwork { plan: &plan }, &host).unwrap();
    assert!(host.changes().is_empty(), "a card that is not configured stays down");
    mark_late(&host).unwrap();
    perform(&StartNetwork { plan: &plan }, &host).unwrap();
    assert!(host.changes().iter().any(|change| change.contains("restart")));
    assert!(!host.exists("/run/qianyun/network-is-late"));
}

#[test]
fn units_are_started_and_failed_ones_are_told_beside_them() {
    let host = with_systemd();
    let units = vec!["idle.service".to_owned()];
    perform(&ServeUnits { units: &units }, &host).unwrap();
    let seen: Vec<_> = observe(&host, &units).unwrap().into_iter().map(|u| (u.name, u.state)).collect();
    assert_eq!(seen, [("idle.service".into(), "active".into()), ("broken.service".into(), "failed".to_owned())]);
}
