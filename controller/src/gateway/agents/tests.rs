//! What the memory of the agents promises.

use super::*;
use qianyun_agent_api::inventory::Fingerprint;

fn host() -> HostKey {
    HostKey::new("civil", "db1")
}

fn report(process: &str, sequence: u64) -> Report {
    Report {
        sequence,
        boot_id: "b".into(),
        process_id: process.into(),
        fingerprint: Fingerprint::default(),
        role: Role::Source,
        agent_version: "0.1.0".into(),
        epoch: 0,
        generation: 0,
        clock_unix_ms: 0,
        inventory: None,
        checks: vec![],
        local_refusal: None,
        steps: vec![],
        disks: vec![],
        last_attempt: 0,
        cutover: None,
        arrival: None,
    }
}

fn hear(agents: &Agents, report: Report) -> (Taken, ReportAnswer) {
    agents.hear(&host(), report, Instant::now(), Timestamp::UNIX_EPOCH)
}

#[test]
fn an_old_sequence_and_a_former_process_are_dropped() {
    let agents = Agents::new();
    assert_eq!(hear(&agents, report("a", 2)).0, Taken::Newest);
    assert_eq!(hear(&agents, report("a", 2)).0, Taken::Old);
    assert_eq!(hear(&agents, report("a", 1)).0, Taken::Old);
    assert_eq!(hear(&agents, report("b", 1)).0, Taken::Newest);
    assert_eq!(hear(&agents, report("a", 3)).0, Taken::Old);
    assert_eq!(agents.latest(&host(), Role::Source).unwrap().report.process_id, "b");
}

#[test]
fn a_source_that_speaks_after_its_arrival_is_still_heard_apart() {
    let agents = Agents::new();
    hear(&agents, report("source", 1));
    hear(&agents, Report { role: Role::Arrival, ..report("arrival", 1) });
    hear(&agents, report("source", 2));
    assert_eq!(agents.latest(&host(), Role::Source).unwrap().report.sequence, 2);
    assert_eq!(agents.latest(&host(), Role::Arrival).unwrap().report.process_id, "arrival");
}

fn serve() -> Intent {
    Intent::Serve(qianyun_agent_api::desired::ServeIntent { units: vec![] })
}

#[test]
fn a_generation_grows_only_with_a_new_intent_and_only_for_a_leader() {
    let agents = Agents::new();
    agents.set_desired(&host(), Role::Source, Intent::Idle {});
    assert_eq!(agents.desired(&host(), Role::Source), None);
    agents.lead(7);
    agents.set_desired(&host(), Role::Source, Intent::Idle {});
    agents.set_desired(&host(), Role::Source, Intent::Idle {});
    let idle = Desired { epoch: 7, generation: 1, intent: Intent::Idle {} };
    assert_eq!(agents.desired(&host(), Role::Source), Some(idle));
    agents.set_desired(&host(), Role::Source, serve());
    assert_eq!(agents.desired(&host(), Role::Source).unwrap().generation, 2);
}

#[test]
fn the_two_machines_of_a_host_are_told_apart_and_the_target_something_newer_than_its_disk_knows() {
    let agents = Agents::new();
    agents.lead(7);
    agents.set_desired(&host(), Role::Source, Intent::Idle {});
    assert_eq!(agents.desired(&host(), Role::Arrival), None);
    agents.set_desired(&host(), Role::Arrival, serve());
    assert_eq!(agents.desired(&host(), Role::Source).unwrap().intent, Intent::Idle {});
    let arrival = agents.desired(&host(), Role::Arrival).unwrap();
    assert_eq!((arrival.generation, arrival.intent), (2, serve()));
}

#[test]
fn the_inventory_is_asked_for_until_it_came_and_stays_when_later_reports_have_none() {
    let agents = Agents::new();
    assert!(hear(&agents, report("a", 1)).1.want_inventory);
    let inventory = serde_json::from_value(serde_json::json!({
        "hardware": {"vendor": "v", "model": "m", "serial": "s", "firmware": "f", "arch": "x86_64", "cpuModel": "c",
            "cpus": 2, "memoryBytes": 1024},
        "os": {"id": "debian", "version": "12", "name": "Debian", "kernel": "6.1", "hostname": "db1", "clockUnixMs": 0,
            "clockSynchronised": true},
        "boot": {"firmware": "Bios", "loader": "grub2", "initramfs": "", "initramfsDrivers": [], "kernelDrivers": [],
            "initramfsTool": ""},
        "disks": [], "filesystems": [], "nics": [], "units": [], "listeners": []
    }))
    .unwrap();
    assert!(!hear(&agents, Report { inventory: Some(inventory), ..report("a", 2) }).1.want_inventory);
    hear(&agents, report("a", 3));
    assert_eq!(agents.inventory(&host()).unwrap().inventory.os.hostname, "db1");
}

#[test]
fn a_full_queue_of_wakes_drops_and_never_blocks() {
    let agents = Agents::new();
    let mut wakes = agents.wakes();
    for sequence in 0..(WAKES as u64 + 10) {
        hear(&agents, report("a", sequence + 1));
    }
    let mut woken = 0;
    while let Ok(wake) = wakes.try_recv() {
        assert_eq!((wake.namespace.as_deref(), wake.name.as_str()), (Some("civil"), "db1"));
        woken += 1;
    }
    assert_eq!(woken, WAKES);
}
