//! The office server and the witness together, with nothing of Qianyun between them: the oracle has to hold for a plain
//! server before it can judge a migration. It never looks at how the database keeps its promise, only whether it does.

use std::path::Path;
use std::time::{Duration, Instant};

use qianyun_tests::file_shelf::FileShelf;
use qianyun_tests::machine::OfficeServer;
use qianyun_tests::office_image;
use qianyun_tests::site::Site;
use qianyun_tests::wait::{self, Look};
use qianyun_tests::witness::{Load, Witness};

const LOAD: Load = Load { workers: 3, pause: Duration::from_millis(20) };
/// A command under emulation, beside a build.
const ONE_COMMAND: Duration = Duration::from_secs(180);
/// The database listens before its unit has seen that it does.
const SERVICES_WITHIN: Duration = Duration::from_secs(120);
const COMMITS_WITHIN: Duration = Duration::from_secs(300);

fn wait_for_commits(witness: &Witness, count: u64) -> anyhow::Result<()> {
    wait::until(&format!("{count} commits are acknowledged"), COMMITS_WITHIN, || {
        let seen = witness.seen();
        Ok(if seen.acknowledged >= count { Look::Holds(()) } else { Look::NotYet(format!("{seen:?}")) })
    })
}

/// What the department's admin sees at the console: no hypervisor, both services, and the operator's download page.
fn admin_finds_a_physical_server(site: &Site, server: &OfficeServer, folder: &Path) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut console = server.console()?;
    let virtualisation = console.run("systemd-detect-virt", ONE_COMMAND)?;
    assert_eq!((virtualisation.text.as_str(), virtualisation.status), ("none\n", 1));
    wait::until("both services are active", SERVICES_WITHIN, || {
        let services = console.run("systemctl is-active registry-app postgresql@15-main", ONE_COMMAND)?;
        Ok(if services.status == 0 { Look::Holds(()) } else { Look::NotYet(services.text) })
    })?;
    let initramfs = console.must("lsinitramfs /boot/initrd.img-$(uname -r)", ONE_COMMAND)?;
    assert!(initramfs.contains("/ahci.ko") && !initramfs.contains("virtio"), "{initramfs}");

    let package = folder.join("package");
    std::fs::write(&package, vec![0x51; 300_000])?;
    let url = FileShelf::open(site)?.put("package", &package)?;
    let fetched = console.must(&format!("curl --fail --silent {url} | wc --bytes"), ONE_COMMAND)?;
    assert_eq!(fetched, "300000\n");
    println!("the looks at the console took {:.1?}", start.elapsed());
    Ok(())
}

#[test]
fn every_acknowledged_commit_is_there_after_the_power_was_cut() -> anyhow::Result<()> {
    let start = Instant::now();
    let folder = tempfile::tempdir()?;
    let image = office_image::ensure_built()?;
    println!("image ready after {:.1?}", start.elapsed());

    let site = Site::create()?;
    let mut server = OfficeServer::install(&site, &image, &folder.path().join("office"))?;
    let mut witness = Witness::begin(&site, &folder.path().join("witness"), LOAD)?;

    let on = Instant::now();
    server.power_on()?;
    server.wait_until_serving()?;
    println!("database listens {:.1?} after power-on", on.elapsed());
    wait_for_commits(&witness, 100)?;
    admin_finds_a_physical_server(&site, &server, folder.path())?;

    let cut = Instant::now();
    server.cut_power()?;
    server.power_on()?;
    server.wait_until_serving()?;
    println!("database listens again {:.1?} after the power was cut", cut.elapsed());
    wait_for_commits(&witness, witness.seen().acknowledged + 50)?;

    let seen = witness.stop()?;
    let verdict = witness.verify()?;
    println!("{verdict}; {seen:?}; {:.1?} in all", start.elapsed());
    assert!(verdict.is_clean(), "{verdict}");
    assert_eq!(verdict.acknowledged, seen.acknowledged, "the journals hold what the clients saw");
    assert!(!seen.outages.is_empty(), "a power cut is an outage");
    Ok(())
}
