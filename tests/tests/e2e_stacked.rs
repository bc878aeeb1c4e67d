//! A server as government machine rooms have them: two disks, everything mirrored, LUKS, LVM, the root on XFS. Both disks are
//! copied as one set while it works, by the two commands of a plain copy, and the copies boot without the originals. The
//! daybook judges: it never looks at how its promises are kept, only whether they are.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use qianyun_tests::cluster::built;
use qianyun_tests::daybook::{self, Listener};
use qianyun_tests::file_shelf::FileShelf;
use qianyun_tests::machine::{Console, OfficeServer};
use qianyun_tests::site::{Site, run};
use qianyun_tests::stacked_image;
use qianyun_tests::wait::{self, Look};
use serde_json::Value;

/// A command under emulation, beside a build.
const ONE_COMMAND: Duration = Duration::from_secs(180);
const ENTRIES_WITHIN: Duration = Duration::from_secs(300);
/// Two disks of 2 GiB, a third of each used, read and hashed under emulation.
const COPIED_WITHIN: Duration = Duration::from_secs(1200);
/// An array that was caught in the middle of a write compares what its bitmap names.
const CLEAN_WITHIN: Duration = Duration::from_secs(120);
/// Half a GiB, decrypted and hashed under emulation.
const VERIFIED_WITHIN: Duration = Duration::from_secs(600);
/// Of each disk.
const DISK_BYTES: u64 = 2 << 30;
/// At least this much of the volumes is free, at any time of the test: most of /srv, half of the root, swap.
const FREE_BYTES: u64 = 700 << 20;
const PORT: u16 = 7443;

/// The end that receives, on the site's own address. Dropping it ends it.
struct Receiver {
    folder: PathBuf,
    process: Child,
}

impl Receiver {
    fn begin(site: &Site, folder: &Path) -> Result<Self> {
        fs::create_dir(folder)?;
        let log = File::create(folder.join("log"))?;
        let process = site
            .command(built("dist/qianyun-agent")?)
            .args(["--lang", "en", "replicate", "receive", "--listen", &format!("0.0.0.0:{PORT}"), "--dir"])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Self { folder: folder.to_owned(), process })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn await_file(&self, name: &str) -> Result<PathBuf> {
        let file = self.file(name);
        wait::until(name, ONE_COMMAND, || Ok(if file.exists() { Look::Holds(()) } else { Look::NotYet(self.log()) }))?;
        Ok(file)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn await_entries(listener: &Listener, count: u64) -> Result<()> {
    wait::until(&format!("{count} entries are promised"), ENTRIES_WITHIN, || {
        let heard = listener.heard();
        Ok(if heard >= count { Look::Holds(()) } else { Look::NotYet(format!("{heard} heard")) })
    })
}

/// What the disks carry, as the server's own tools see it; its last line names the disks.
fn assert_stacked(console: &mut Console) -> Result<()> {
    let seen = console.must("lsblk --noheadings --raw --output=NAME,TYPE,FSTYPE,MOUNTPOINTS", ONE_COMMAND)?;
    for expected in ["raid1", "crypt", "office-root lvm xfs /\n", "office-srv lvm ext4 /srv\n", "ext4 /boot\n"] {
        ensure!(seen.contains(expected), "expected {expected:?} among the server's devices:\n{seen}");
    }
    Ok(())
}

/// Both arrays whole and in order, in the words of their own tool.
fn assert_mirrors_clean(console: &mut Console) -> Result<()> {
    for array in ["/dev/md/boot", "/dev/md/vault"] {
        wait::until(&format!("{array} is clean"), CLEAN_WITHIN, || {
            let told = console.run(&format!("mdadm --detail --test {array}"), ONE_COMMAND)?;
            ensure!(told.status == 0, "{array} lacks a half:\n{}", told.text);
            let state = told.text.lines().find(|line| line.contains("State :")).unwrap_or_default().trim().to_owned();
            let clean = ["State : clean", "State : active"].contains(&state.as_str());
            Ok(if clean { Look::Holds(()) } else { Look::NotYet(state) })
        })?;
    }
    Ok(())
}

/// What the packages brought is what they brought: none of it was taken for free space.
fn assert_system_whole(console: &mut Console) -> Result<()> {
    let told = console.run("dpkg --verify | grep '^..5' | grep -v ' c /'", VERIFIED_WITHIN)?;
    ensure!(told.text.trim().is_empty(), "files of the system have changed:\n{}", told.text);
    Ok(())
}

/// Runs the sending end on the server until it has switched the server off, which it does only over a signed record.
fn send_both_disks(site: &Site, server: &mut OfficeServer, receiver: &Receiver) -> Result<()> {
    let shelf = FileShelf::open(site)?;
    let agent = shelf.put("qianyun-agent", &built("dist/qianyun-agent")?)?;
    let code = shelf.put("code", &receiver.await_file("code")?)?;
    let mut console = server.console()?;
    console
        .must(&format!("cd /root && curl -sSf -O {agent} -O {code} && chmod 700 qianyun-agent code"), ONE_COMMAND)?;
    assert_stacked(&mut console)?;
    let_it_chatter(&mut console)?;
    console.type_line(&format!(
        "./qianyun-agent --lang en replicate send --to 10.77.0.1:{PORT} --disk /dev/sda --disk /dev/sdb --code-file code \
         --record /run/record.json --freeze-seconds 60 --then power-off >/run/send.log 2>&1; cat /run/send.log; echo not'-'sent"
    ))?;
    wait::until("the server is off", COPIED_WITHIN, || {
        let said = fs::read_to_string(server.console_log())?;
        ensure!(!said.contains("not-sent"), "the copy failed; the console is:\n{said}");
        Ok(if server.is_on()? { Look::NotYet(receiver.log()) } else { Look::Holds(()) })
    })
}

/// A service that never stops talking, into a journal on the root filesystem: what logs under the freeze hangs, and whoever
/// waited for it would hang with it.
const CHATTER: &str = "while :; do for n in 1 2 3 4 5 6 7 8 9; do echo chatter on all that happens here $n; done; sleep 0.2; done \
                       | logger -t chatter";

/// What asks a disk for its name or its health sends it commands past the kernel's block layer, which traces and does not count
/// them.
const ASK_ONCE: &str = "/usr/lib/udev/ata_id /dev/sda >/dev/null";

fn let_it_chatter(console: &mut Console) -> Result<()> {
    console
        .must("mkdir -p /var/log/journal && systemctl restart systemd-journald && journalctl --flush", ONE_COMMAND)?;
    console.must(&format!("systemd-run --quiet --unit=chatter sh -c '{CHATTER}'"), ONE_COMMAND)?;
    let traced = "cd /sys/kernel/tracing && echo 1 >events/block/block_rq_complete/enable";
    let without_sector = "echo 0 >events/block/block_rq_complete/enable && grep -c ' 18446744073709551615 + 1 ' trace";
    console.must(&format!("({traced} && {ASK_ONCE} && {without_sector})"), ONE_COMMAND)?;
    console
        .must(&format!("systemd-run --quiet --unit=doctor sh -c 'while {ASK_ONCE}; do sleep 1; done'"), ONE_COMMAND)?;
    wait::until("the journal has the chatter on the disk", ONE_COMMAND, || {
        let told = console.run("journalctl --quiet --directory=/var/log/journal -t chatter -n 1", ONE_COMMAND)?;
        Ok(if told.text.contains("happens here") { Look::Holds(()) } else { Look::NotYet(told.text) })
    })
}

/// The record that both ends signed: equal hashes, and a tracker that missed nothing.
fn assert_proved(receiver: &Receiver) -> Result<()> {
    let record = receiver.file("record.json");
    let ca = receiver.file("ca.pem");
    run(Command::new(built("dist/qianyun-agent")?)
        .args(["--lang", "en", "verify-record"])
        .arg(&record)
        .arg("--ca")
        .arg(ca))?;
    let signed: Value = serde_json::from_slice(&fs::read(&record).context("no record came")?)?;
    let text: Value = serde_json::from_str(signed["record"].as_str().context("the record has no text")?)?;
    let disks = text["disks"].as_array().context("the record has no disks")?;
    ensure!(disks.len() == 2, "both disks are one set: {text}");
    let at = |name: &str| text[name].as_i64().with_context(|| format!("the record has no {name}"));
    let frozen_ms = at("verifiedUnixMs")? - at("frozenUnixMs")?;
    println!("proved at attempt {}, frozen for {frozen_ms} ms until then", text["attempt"]);
    for disk in disks {
        ensure!(disk["sourceRoot"] == disk["targetRoot"], "the ends differ: {disk}");
        ensure!(disk["tracedSectors"] == disk["countedSectors"], "the tracker missed something: {disk}");
        let proved = disk["domainBytes"].as_u64().context("nothing is proved")?;
        ensure!(proved < DISK_BYTES - FREE_BYTES, "the free space of the volumes was copied: {disk}");
        println!("{}: {} bytes proved, {} sectors traced", disk["volume"], proved, disk["tracedSectors"]);
    }
    Ok(())
}

/// The whole way, with everything it leaves in `folder`.
fn move_stacked_server(folder: &Path) -> Result<()> {
    let start = Instant::now();
    let say = |what: &str| println!("{what} after {:.0?}", start.elapsed());
    let images = stacked_image::ensure_built()?;
    say("disks ready");

    let machine_room = Site::create()?;
    let mut server = OfficeServer::install_with(&machine_room, &images, &folder.join("office"))?;
    server.power_on()?;
    server.wait_until_listening(daybook::PORT)?;
    let listener = Listener::begin(&machine_room)?;
    await_entries(&listener, 20)?;
    say("daybook open");

    let receiver = Receiver::begin(&machine_room, &folder.join("copy"))?;
    send_both_disks(&machine_room, &mut server, &receiver)?;
    let promised = listener.stop()?;
    say(&format!("proved and off, {promised} entries promised,"));
    assert_proved(&receiver)?;
    let copies = ["sda.raw", "sdb.raw"].map(|name| receiver.file(name));
    drop((receiver, server, machine_room));

    let cloud = Site::create()?;
    let mut arrived = OfficeServer::install_with(&cloud, &copies, &folder.join("cloud"))?.moved();
    arrived.power_on()?;
    arrived.wait_until_listening(daybook::PORT)?;
    say("the copy serves");
    daybook::verify(&cloud, promised)?;
    let mut console = arrived.console()?;
    assert_stacked(&mut console)?;
    assert_mirrors_clean(&mut console)?;
    assert_system_whole(&mut console)?;
    say("the copy is whole");
    Ok(())
}

#[test]
fn a_server_on_mirrors_luks_and_lvm_is_copied_whole_at_work_and_its_copy_boots_with_every_promised_entry() -> Result<()>
{
    qianyun_tests::interrupt::note()?;
    let folder = tempfile::tempdir()?;
    let moved = move_stacked_server(folder.path());
    if moved.is_err() {
        println!("consoles, disks and logs are kept in {}", folder.keep().display());
    }
    moved
}
