//! The backend with real processes: qemu-img, QEMU, and receivers. Where the agent's own program is not at hand, this
//! test program stands in for it: it listens and does nothing else.

use super::*;
use crate::ca::tests::authority;
use crate::hosting::{MachineNic, MachineState};
use process::Slot;
use qianyun_agent_api::desired::DiskAssignment;
use qianyun_agent_api::inventory::DiskIdentity;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tempfile::TempDir;

const MIB: u64 = 1024 * 1024;

struct Site {
    dir: TempDir,
    qemu: Qemu,
    migration: MigrationKey,
}

fn site() -> Site {
    let dir = TempDir::new().unwrap();
    let program = agent_binary().unwrap_or_else(|| make_stand_in(dir.path()));
    let migration = MigrationKey::new("civil", "registry-db1");
    let qemu = Qemu::new(dir.path().join("state"), program, Arc::new(authority()));
    Site { dir, qemu, migration }
}

/// The agent, if it was built beside this test program.
fn agent_binary() -> Option<PathBuf> {
    let this = std::env::current_exe().unwrap();
    Some(this.parent()?.parent()?.join("qianyun-agent")).filter(|program| program.exists())
}

fn make_stand_in(dir: &Path) -> PathBuf {
    let program = dir.join("receiver-program");
    let mut file = std::fs::File::options().write(true).create_new(true).mode(0o755).open(&program).unwrap();
    let this = std::env::current_exe().unwrap();
    let lines = [
        "#!/bin/sh".to_owned(),
        "export QIANYUN_STAND_IN=\"$3\"".to_owned(),
        format!("exec '{}' --exact hosting::qemu::tests::stand_in --ignored --nocapture", this.display()),
    ];
    file.write_all(lines.join("\n").as_bytes()).unwrap();
    program
}

impl Site {
    /// The same directory, as a controller that was just started sees it.
    fn restarted(&self) -> Qemu {
        Qemu::new(self.qemu.state_dir.clone(), self.qemu.agent_binary.clone(), Arc::clone(&self.qemu.authority))
    }

    fn places(&self) -> Places {
        self.qemu.places(&self.migration).unwrap()
    }

    fn pid(dir: &Path) -> String {
        std::fs::read_to_string(dir.join("pid")).unwrap()
    }

    async fn end(self) {
        self.qemu.stop_receiver(&self.migration).await.unwrap();
        Slot::new(&self.places().machine).end(Duration::from_secs(1)).await.unwrap();
        self.dir.close().unwrap();
    }
}

/// Not a test: what the receiver program of [`site`] runs.
#[test]
#[ignore = "stands in for a receiver, started by the tests of this module"]
fn stand_in() {
    let Ok(address) = std::env::var("QIANYUN_STAND_IN") else { return };
    let listener = std::net::TcpListener::bind(address).unwrap();
    for stream in listener.incoming() {
        drop(stream);
    }
}

fn volume(name: &str, bytes: u64) -> VolumeSpec {
    VolumeSpec { name: name.to_owned(), disk_bytes: bytes, volume_bytes: bytes }
}

thread_local! {
    /// Tests run beside each other and are all of one migration, so they would look for the same port.
    static OWN_ADDRESS: String = {
        static TESTS: AtomicU8 = AtomicU8::new(1);
        format!("127.0.1.{}", TESTS.fetch_add(1, Ordering::Relaxed))
    };
}

fn own_address() -> String {
    OWN_ADDRESS.with(String::clone)
}

fn receiver_spec(session: u64) -> ReceiverSpec {
    let identity = DiskIdentity {
        serial: "S1".into(),
        wwn: String::new(),
        size_bytes: MIB,
        logical_block_bytes: 512,
        table_id: "t".into(),
    };
    ReceiverSpec {
        host: "civil/db1".into(),
        session,
        listen_address: own_address(),
        volumes: vec![volume("system", MIB)],
        disks: vec![DiskAssignment { volume: "system".into(), identity }],
    }
}

fn machine_spec() -> MachineSpec {
    let (host, volumes) = ("civil/db1".to_owned(), vec!["system".to_owned()]);
    MachineSpec { host, cpus: 1, memory_mib: 256, volumes, nics: vec![] }
}

fn refused(result: Result<impl std::fmt::Debug, HostingError>) -> String {
    match result {
        Err(error @ HostingError::Refused { .. }) => error.to_string(),
        other => panic!("expected a refusal, found {other:?}"),
    }
}

#[tokio::test]
async fn volumes_are_sparse_exact_and_made_once() {
    let site = site();
    let specs = [volume("system", 64 * MIB), volume("data", 3 * MIB + 512)];
    site.qemu.ensure_volumes(&site.migration, &specs).await.unwrap();
    let path = site.places().volumes.join("data.raw");
    let made = std::fs::metadata(&path).unwrap();
    assert_eq!((made.len(), made.blocks()), (3 * MIB + 512, 0));
    std::fs::File::options().write(true).open(&path).unwrap().write_all(b"copied").unwrap();
    site.restarted().ensure_volumes(&site.migration, &specs).await.unwrap();
    assert!(std::fs::read(&path).unwrap().starts_with(b"copied"));
}

#[tokio::test]
async fn a_volume_that_is_too_small_resized_or_too_big_for_the_filesystem_is_refused() {
    let site = site();
    let ensure = async |spec: VolumeSpec| refused(site.qemu.ensure_volumes(&site.migration, &[spec]).await);
    let small = VolumeSpec { volume_bytes: MIB, ..volume("system", 2 * MIB) };
    assert!(ensure(small).await.contains("at least the 2097152 bytes of its disk"));
    assert!(ensure(volume("system", 1 << 60)).await.contains("free space"));
    for name in ["", "../system", "System", "a,b", "aaaaaaaaaaaaaaaaaaaaa"] {
        assert!(ensure(volume(name, MIB)).await.contains("the name of volume"), "{name}");
    }
    site.qemu.ensure_volumes(&site.migration, &[volume("system", MIB)]).await.unwrap();
    assert!(ensure(volume("system", 2 * MIB)).await.contains("never resized"));
}

#[tokio::test]
async fn what_volumes_may_still_grow_by_is_not_free() {
    let site = site();
    let before = site.qemu.capabilities().await.unwrap().free_storage_bytes;
    site.qemu.ensure_volumes(&site.migration, &[volume("system", 1 << 30)]).await.unwrap();
    let after = site.qemu.capabilities().await.unwrap().free_storage_bytes;
    // Other programs write to the same filesystem meanwhile: half of it is certain enough.
    assert!(after + (1 << 29) < before, "{before} {after}");
}

#[tokio::test]
async fn a_receiver_outlives_the_controller_and_is_never_doubled() {
    let site = site();
    let first = site.qemu.ensure_receiver(&site.migration, &receiver_spec(1)).await.unwrap();
    let pid = Site::pid(&site.places().receiver);
    let restarted = site.restarted();
    assert_eq!(restarted.observe(&site.migration).await.unwrap().receiver, Some(first.clone()));
    assert_eq!(restarted.ensure_receiver(&site.migration, &receiver_spec(1)).await.unwrap(), first);
    assert_eq!(Site::pid(&site.places().receiver), pid);
    let key = std::fs::metadata(site.places().receiver.join("key.pem")).unwrap();
    assert_eq!(key.mode() & 0o777, 0o600);
    site.end().await;
}

#[tokio::test]
async fn a_receiver_that_died_is_started_on_the_same_port_and_a_new_session_replaces_it() {
    let site = site();
    let first = site.qemu.ensure_receiver(&site.migration, &receiver_spec(1)).await.unwrap();
    let receiver = site.places().receiver;
    let pid = rustix::process::Pid::from_raw(Site::pid(&receiver).parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    assert!(Slot::new(&receiver).ended_within(Duration::from_secs(10)).await.unwrap());
    assert_eq!(site.qemu.observe(&site.migration).await.unwrap().receiver, None);
    assert_eq!(site.qemu.ensure_receiver(&site.migration, &receiver_spec(1)).await.unwrap(), first);
    let second = site.qemu.ensure_receiver(&site.migration, &receiver_spec(2)).await.unwrap();
    assert_eq!((&second.address, second.session), (&first.address, 2));
    assert_ne!(second.name, first.name);
    assert!(refused(site.qemu.ensure_receiver(&site.migration, &receiver_spec(1)).await).contains("at least 2"));
    site.end().await;
}

#[tokio::test]
async fn a_number_in_the_pid_file_is_not_trusted() {
    let site = site();
    site.qemu.ensure_receiver(&site.migration, &receiver_spec(1)).await.unwrap();
    let receiver = site.places().receiver;
    let mut bystander = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    std::fs::write(receiver.join("pid"), bystander.id().to_string()).unwrap();
    site.qemu.stop_receiver(&site.migration).await.unwrap();
    assert_eq!(site.qemu.observe(&site.migration).await.unwrap().receiver, None);
    assert!(bystander.try_wait().unwrap().is_none(), "the bystander lives");
    bystander.kill().unwrap();
    bystander.wait().unwrap();
    site.end().await;
}

#[tokio::test]
async fn a_receiver_that_cannot_run_says_why() {
    let site = site();
    let broken = Qemu::new(site.qemu.state_dir.clone(), "/bin/false".into(), Arc::clone(&site.qemu.authority));
    match broken.ensure_receiver(&site.migration, &receiver_spec(1)).await {
        Err(HostingError::Failed { source, .. }) => assert!(source.to_string().contains("it ended"), "{source}"),
        other => panic!("{other:?}"),
    }
    site.end().await;
}

#[tokio::test]
async fn a_volume_that_vanished_below_a_ledger_is_not_made_anew() {
    let site = site();
    site.qemu.ensure_receiver(&site.migration, &receiver_spec(1)).await.unwrap();
    site.qemu.stop_receiver(&site.migration).await.unwrap();
    std::fs::remove_file(site.places().volumes.join("system.raw")).unwrap();
    assert!(
        refused(site.qemu.ensure_receiver(&site.migration, &receiver_spec(1)).await)
            .contains("its receiver has written")
    );
}

#[tokio::test]
async fn a_receiver_whose_port_somebody_took_listens_on_another() {
    let site = site();
    let before = site.qemu.ensure_receiver(&site.migration, &receiver_spec(1)).await.unwrap();
    site.qemu.stop_receiver(&site.migration).await.unwrap();
    let again = site.qemu.ensure_receiver(&site.migration, &receiver_spec(1)).await.unwrap();
    assert_eq!(again.address, before.address, "a port that is free stays");
    site.qemu.stop_receiver(&site.migration).await.unwrap();
    let somebody = std::net::TcpListener::bind(&before.address).unwrap();
    let other = site.qemu.ensure_receiver(&site.migration, &receiver_spec(1)).await.unwrap();
    assert_ne!(other.address, before.address);
    drop(somebody);
    site.end().await;
}

#[tokio::test]
async fn receiver_and_machine_exclude_each_other() {
    let site = site();
    site.qemu.ensure_receiver(&site.migration, &receiver_spec(1)).await.unwrap();
    assert!(refused(site.qemu.ensure_machine(&site.migration, &machine_spec()).await).contains("one that runs"));
    assert_eq!(site.qemu.observe(&site.migration).await.unwrap().machine, MachineState::Absent);
    site.qemu.stop_receiver(&site.migration).await.unwrap();
    site.qemu.ensure_machine(&site.migration, &machine_spec()).await.unwrap();
    let again = site.qemu.ensure_receiver(&site.migration, &receiver_spec(1)).await;
    assert!(refused(again).contains("overlays of a machine"));
    site.end().await;
}

#[tokio::test]
async fn a_machine_outlives_the_controller_is_never_doubled_and_never_writes_its_volume() {
    let site = site();
    site.qemu.ensure_volumes(&site.migration, &[volume("system", MIB)]).await.unwrap();
    let raw = site.places().volumes.join("system.raw");
    let before = std::fs::metadata(&raw).unwrap();
    site.qemu.ensure_machine(&site.migration, &machine_spec()).await.unwrap();
    let pid = Site::pid(&site.places().machine);
    let restarted = site.restarted();
    assert_eq!(restarted.observe(&site.migration).await.unwrap().machine, MachineState::Running);
    restarted.ensure_machine(&site.migration, &machine_spec()).await.unwrap();
    assert_eq!(Site::pid(&site.places().machine), pid);
    for descriptor in std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten() {
        if std::fs::read_link(descriptor.path()).is_ok_and(|target| target == raw) {
            let number = descriptor.file_name().into_string().unwrap();
            let info = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}")).unwrap();
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim().to_owned();
            assert!(flags.ends_with('0'), "the volume is open for writing: {flags}");
        }
    }
    Slot::new(&site.places().machine).end(Duration::from_secs(5)).await.unwrap();
    assert_eq!(restarted.observe(&site.migration).await.unwrap().machine, MachineState::Stopped);
    let after = std::fs::metadata(&raw).unwrap();
    assert_eq!((before.mtime_nsec(), before.blocks()), (after.mtime_nsec(), after.blocks()));
    site.end().await;
}

#[tokio::test]
async fn a_bridge_that_is_not_there_and_a_mac_of_another_machine_are_refused() {
    let site = site();
    site.qemu.ensure_volumes(&site.migration, &[volume("system", MIB)]).await.unwrap();
    let with = |bridge: &str, mac: String| MachineSpec {
        nics: vec![MachineNic { bridge: bridge.to_owned(), mac }],
        ..machine_spec()
    };
    let mac = super::super::machine_mac("civil/db1", 0);
    let no_bridge = with("qynosuchbridge", mac);
    assert!(refused(site.qemu.ensure_machine(&site.migration, &no_bridge).await).contains("qynosuchbridge"));
    let other_mac = with("br0", "52:00:00:00:00:01".to_owned());
    assert!(refused(site.qemu.ensure_machine(&site.migration, &other_mac).await).contains("mac address"));
    site.end().await;
}

/// Not a test: runs in a network namespace of its own, for the test below.
#[tokio::test]
#[ignore = "changes network interfaces: started by the next test in a namespace of its own"]
async fn nics_in_a_namespace() {
    let ip = async |arguments: &[&str]| process::run("ip", arguments, Duration::from_secs(10)).await.unwrap();
    ip(&["link", "add", "qybr", "type", "bridge"]).await;
    let site = site();
    site.qemu.ensure_volumes(&site.migration, &[volume("system", MIB)]).await.unwrap();
    let mac = super::super::machine_mac("civil/db1", 0);
    let nics = vec![MachineNic { bridge: "qybr".to_owned(), mac }];
    site.qemu.ensure_machine(&site.migration, &MachineSpec { nics, ..machine_spec() }).await.unwrap();
    let on_bridge = String::from_utf8(ip(&["-o", "link", "show", "master", "qybr"]).await).unwrap();
    assert_eq!(on_bridge.lines().count(), 1, "{on_bridge}");
    assert!(on_bridge.contains("LOWER_UP"), "qemu holds the tap: {on_bridge}");
    site.end().await;
}

#[test]
fn a_nic_of_a_machine_is_a_tap_on_the_bridge_of_its_network() {
    let this = std::env::current_exe().unwrap();
    let name = "hosting::qemu::tests::nics_in_a_namespace";
    let mut command = std::process::Command::new("unshare");
    command.arg("--net").arg(this).args(["--exact", name, "--ignored", "--nocapture"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
