//! Early in the boot, before the network and before any service: the guard on the source, the adaptation on the arrival.
//!
//! It never stops a boot: what goes wrong here is said in the log, and the service tries again. It opens no connection.

use crate::host::{Host, HostError, LOOK_LIMIT};
use crate::ledger::{LedgerError, LedgerFile};
use crate::paths::Paths;
use crate::role;
use crate::steps::{HostStep, Precheck, StepError, adapt_network, perform, quiesce};
use qianyun_agent_api::report::Role;
use std::time::{Duration, Instant};

/// A network card that the kernel knows shows up within this after the system's own disk has, and udev has named it: 22 s on an
/// emulated machine with half a core. The unit bounds the whole by twice as much.
const CARD_LIMIT: Duration = Duration::from_secs(60);
/// Between two looks at what udev is still doing.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What the boot did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guarded {
    /// No attempt is under way: nothing was touched.
    Nothing,
    /// An attempt was under way when the power went: its services are kept down until the controller decides.
    ServicesKeptDown,
    /// This is other hardware: the network cards have their names.
    Adapted,
}

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BootError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Step(#[from] StepError),
}

/// Looks at the ledger and the hardware, and does what the one says about the other.
pub(crate) fn run(host: &dyn Host, paths: &Paths) -> Result<Guarded, BootError> {
    run_within(host, paths, CARD_LIMIT)
}

fn run_within(host: &dyn Host, paths: &Paths, card_limit: Duration) -> Result<Guarded, BootError> {
    let ledger = LedgerFile::load(host, paths)?.ledger;
    let Some(armed) = &ledger.armed else { return Ok(Guarded::Nothing) };
    let deadline = Instant::now() + card_limit;
    let adaptation = adapt_network::AdaptNetwork { plan: &armed.arrival };
    if role::is_other_hardware(host, &ledger) {
        wait_for_cards(host, &adaptation, deadline)?;
    }
    match role::role(host, &ledger) {
        Role::Source => {
            quiesce::Quiesce { units: &armed.units, stopped: &armed.stopped }.keep_down(host)?;
            Ok(Guarded::ServicesKeptDown)
        }
        Role::Arrival => {
            adapt(host, &adaptation, deadline)?;
            Ok(Guarded::Adapted)
        }
    }
}

/// The step is refused as long as a card is missing.
fn wait_for_cards(host: &dyn Host, step: &dyn HostStep, deadline: Instant) -> Result<(), StepError> {
    settle(host, "--timeout=10");
    while matches!(step.precheck(host)?, Precheck::Refused { .. }) && Instant::now() < deadline {
        settle(host, "--timeout=2");
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// Names the cards so that they stay named. udev may be renaming one at this moment, under the step's hands or after it: what
/// failed or was undone by that is done again. From the first try on, udev has the step's own rules.
fn adapt(host: &dyn Host, step: &dyn HostStep, deadline: Instant) -> Result<(), StepError> {
    loop {
        if step.precheck(host)? == Precheck::AlreadyDone {
            return Ok(());
        }
        let tried = perform(step, host);
        if Instant::now() >= deadline {
            return tried;
        }
        settle(host, "--timeout=2");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Waits until udev has dealt with every card it knows of. Where it cannot be asked, cards are looked at all the same.
fn settle(host: &dyn Host, timeout: &str) {
    let _ = host.run("udevadm", &["settle", timeout], LOOK_LIMIT);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::Fake;
    use crate::inventory;
    use crate::inventory::tests::office_server;
    use crate::ledger::{Armed, Ledger};
    use qianyun_agent_api::desired::{ArrivalNic, ArrivalPlan, QuiesceUnit};
    use qianyun_agent_api::inventory::Fingerprint;

    fn armed_on(host: &Fake, fingerprint: Fingerprint) {
        let armed = Armed {
            units: vec![QuiesceUnit { unit: "writer.service".into(), deadline_ms: 1 }],
            stopped: vec!["writer.service".into(), "postgresql@15-main.service".into()],
            arrival: ArrivalPlan {
                nics: vec![ArrivalNic { mac: "52:54:00:00:00:01".into(), takes_name: "eno1".into() }],
            },
            ..Armed::default()
        };
        let ledger = Ledger { fingerprint, armed: Some(armed), ..Ledger::default() };
        LedgerFile::load(host, &Paths::default()).unwrap().store(host, ledger).unwrap();
    }

    #[test]
    fn without_an_attempt_a_boot_touches_nothing() {
        let host = office_server();
        assert_eq!(run(&host, &Paths::default()).unwrap(), Guarded::Nothing);
        assert!(host.changes().is_empty());
    }

    #[test]
    fn the_source_that_boots_while_armed_keeps_its_services_down() {
        let host = office_server();
        armed_on(&host, inventory::fingerprint(&host));
        assert_eq!(run(&host, &Paths::default()).unwrap(), Guarded::ServicesKeptDown);
        for unit in ["writer.service", "postgresql@15-main.service"] {
            let gate = host.text(&format!("/run/systemd/system/{unit}.d/qianyun-cutover.conf")).unwrap();
            assert!(gate.contains("ConditionPathExists=/run/qianyun/services-may-start"), "{gate}");
        }
        assert_eq!(host.changes().last().unwrap(), "run systemctl daemon-reload");
        assert!(!host.exists("/etc/systemd/network/10-qianyun-525400000001.link"));
    }

    #[test]
    fn a_server_with_another_board_is_still_the_server() {
        let host = office_server();
        armed_on(&host, Fingerprint { board_serial: "replaced".into(), ..inventory::fingerprint(&host) });
        assert_eq!(run_within(&host, &Paths::default(), Duration::ZERO).unwrap(), Guarded::ServicesKeptDown);
        assert!(host.exists("/run/systemd/system/writer.service.d/qianyun-cutover.conf"));
    }

    #[test]
    fn other_hardware_gets_its_network_names_and_its_services_are_left_alone() {
        let host =
            office_server().file("/sys/class/net/enp0s3/address", "52:54:00:00:00:01\n").program("ip", |host, args| {
                if args.contains(&"name") {
                    host.put("/sys/class/net/enp0s3/address", "gone");
                    host.put("/sys/class/net/eno1/address", "52:54:00:00:00:01\n");
                }
                crate::host::Output::default()
            });
        armed_on(&host, Fingerprint { system_uuid: "another".into(), ..Fingerprint::default() });
        assert_eq!(run(&host, &Paths::default()).unwrap(), Guarded::Adapted);
        let changes = host.changes();
        assert!(changes.contains(&"run ip link set dev enp0s3 name eno1".to_owned()), "{changes:?}");
        assert!(host.text("/etc/systemd/network/10-qianyun-525400000001.link").unwrap().contains("Name=eno1"));
        assert!(!changes.iter().any(|change| change.contains("systemctl")), "{changes:?}");
        let before = host.changes().len();
        run(&host, &Paths::default()).unwrap();
        let again = host.changes().split_off(before);
        assert_eq!(again, ["run udevadm settle --timeout=10"], "a second boot finds all as it should be");
    }

    /// A slow machine: udev names the card from `eth0` to `enp0s4` between the look and the rename, and after the first rename
    /// that succeeds once more, by the rules it had read before.
    #[test]
    fn a_card_that_udev_renames_meanwhile_still_gets_its_name() {
        let rename = |host: &Fake, from: &str, to: &str| {
            host.put(&format!("/sys/class/net/{from}/address"), "gone");
            host.put(&format!("/sys/class/net/{to}/address"), "52:54:00:00:00:01\n");
        };
        let host = office_server()
            .file("/sys/class/net/eth0/address", "52:54:00:00:00:01\n")
            .program("ip", move |host, args| match args {
                [.., "eth0", "down"] => {
                    rename(host, "eth0", "enp0s4");
                    let stderr = "Cannot find device \"eth0\"".to_owned();
                    crate::host::Output { status: 1, stderr, ..crate::host::Output::default() }
                }
                [.., "name", "eno1"] => {
                    rename(host, "enp0s4", "eno1");
                    crate::host::Output::default()
                }
                _ => crate::host::Output::default(),
            })
            .program("udevadm", move |host, _| {
                let renames = host.changes().iter().filter(|change| change.ends_with("name eno1")).count();
                let undone = host.changes().iter().any(|change| change == "write undone");
                if renames == 1 && !undone {
                    rename(host, "eno1", "enp0s4");
                    host.write("undone", b"", 0).unwrap();
                }
                crate::host::Output::default()
            });
        armed_on(&host, Fingerprint { system_uuid: "another".into(), ..Fingerprint::default() });
        assert_eq!(run(&host, &Paths::default()).unwrap(), Guarded::Adapted);
        assert_eq!(host.text("/sys/class/net/eno1/address").as_deref(), Some("52:54:00:00:00:01"));
        assert_eq!(host.changes().iter().filter(|change| change.ends_with("name eno1")).count(), 2);
    }

    #[test]
    fn a_card_that_can_never_be_renamed_holds_the_boot_up_no_longer_than_its_limit() {
        let host = office_server().file("/sys/class/net/eth0/address", "52:54:00:00:00:01\n");
        armed_on(&host, Fingerprint { system_uuid: "another".into(), ..Fingerprint::default() });
        assert!(run_within(&host, &Paths::default(), Duration::ZERO).is_err());
    }
}
