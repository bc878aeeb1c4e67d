//! The proof at the end: the source is silent, every acknowledged commit is in the target, both roots are equal, the replica and
//! the old disk hold the same bytes, and the signed record verifies by itself. Each is looked at directly, not taken from a status.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::stage::Stage;
use crate::cluster::{SYSTEM, built};
use crate::controller::ACCOUNT;
use crate::wait::{self, Look};

/// The old server powers itself off right after it acknowledged.
const OFF_WITHIN: Duration = Duration::from_secs(60);
/// The witness's clients find the new machine at the old address.
const AT_WORK_WITHIN: Duration = Duration::from_secs(120);
/// The signed record, and the certificate to verify it with, in the run's folder.
pub(super) const RECORD: &str = "record.json";
pub(super) const AUTHORITY: &str = "ca.pem";
/// Files are compared in pieces of this size, the engine's chunk.
const PIECE: usize = 1 << 20;
/// And told apart in blocks of this size, the filesystem's.
const BLOCK: usize = 4096;
/// So many blocks that differ are named: enough to find out whose they are.
const NAMED_BLOCKS: usize = 16;

/// The hook that the scheme names ran before the services were stopped.
fn prove_hook(status: &Value) -> Result<()> {
    let steps = status["steps"].as_array().context("no steps")?;
    let ran = |step: &&Value| step["name"] == "HooksBeforeStop" && step["state"] == "Done";
    let said = steps.iter().find(ran).and_then(|step| step["message"].as_str()).unwrap_or_default();
    ensure!(said.starts_with("checkpoint in "), "the admin's hook did not run: {steps:?}");
    Ok(())
}

impl Stage {
    /// All of it, of a server that stayed frozen until its power went.
    pub(crate) fn prove(&mut self) -> Result<()> {
        self.prove_target()?;
        self.prove_bytes()?;
        self.prove_rights()
    }

    /// All that can be said where someone died: the watchdog may have thawed a server that was already out of service, and what
    /// its system then wrote to its own disk (logs, its journal) is on no record.
    pub(crate) fn prove_target(&mut self) -> Result<()> {
        self.server.wait_until_off(OFF_WITHIN)?;
        self.teller.tell("the office server is off", "单位服务器已断电");
        self.prove_commits()?;
        let status = self.journey_status()?;
        prove_hook(&status)?;
        self.prove_roots(&status)?;
        self.verify_record(&status)
    }

    fn prove_commits(&mut self) -> Result<()> {
        let witness = self.witness.as_mut().context("no witness")?;
        let before = witness.seen().acknowledged;
        wait::until("the witness's clients work on the cloud", AT_WORK_WITHIN, || {
            let seen = witness.seen();
            let works = seen.acknowledged > before || seen.silent_for < Duration::from_secs(1);
            Ok(if works { Look::Holds(()) } else { Look::NotYet(format!("{seen:?}")) })
        })?;
        self.seen = Some(witness.stop()?);
        let verdict = witness.verify()?;
        ensure!(verdict.is_clean(), "acknowledged commits are missing or changed: {verdict:?}");
        self.verified = Some(verdict);
        self.teller.tell("every acknowledged commit is in the target", "每一次已确认的提交都在目标机中");
        Ok(())
    }

    /// Both roots on the record are equal, and are what the replica's bytes, read here and now, come to.
    fn prove_roots(&self, status: &Value) -> Result<()> {
        let text = status["cutover"]["record"]["record"].as_str().context("no record in the status")?;
        let record: Value = serde_json::from_str(text)?;
        let disks = record["disks"].as_array().context("the record names no disk")?;
        ensure!(disks.len() == 1, "the record names {} disks, expected 1", disks.len());
        ensure!(disks[0]["sourceRoot"] == disks[0]["targetRoot"], "roots differ: {}", disks[0]);
        let found = device_root(&self.find("cloud", "system.raw", |_| true)?)?;
        ensure!(disks[0]["targetRoot"] == *found, "the replica's root is {found}, the record says {}", disks[0]);
        self.teller.tell(
            "the hashes of both sides are equal, and the replica's bytes are theirs",
            "两端哈希一致,且与副本相符",
        );
        Ok(())
    }

    /// Where the replica has anything but zeros, the old disk has the same; what the replica does not have was free space.
    fn prove_bytes(&self) -> Result<()> {
        let replica = self.find("cloud", "system.raw", |_| true)?;
        let different = different_blocks(self.server.disk(), &replica)?;
        ensure!(
            different.is_empty(),
            "{} blocks of the replica are neither zeros nor what the old disk holds; the first are at bytes {:?}",
            different.len(),
            &different[..different.len().min(NAMED_BLOCKS)]
        );
        self.teller.tell("the replica and the old disk hold the same bytes", "副本与原磁盘逐字节一致");
        Ok(())
    }

    /// The chart gives the controller every right it uses: nothing that it asked was forbidden.
    fn prove_rights(&self) -> Result<()> {
        let asked = self.cluster.asked_by(ACCOUNT)?;
        ensure!(asked.iter().any(|event| event["verb"] == "patch"), "the audit log has nothing of {ACCOUNT}");
        let forbidden: Vec<_> = asked.iter().filter(|event| event["responseStatus"]["code"] == 403).collect();
        ensure!(forbidden.is_empty(), "the controller was refused: {forbidden:?}");
        self.teller.tell(
            &format!("nothing that the controller asked for was forbidden ({} requests)", asked.len()),
            &format!("控制器的 {} 次请求无一因权限被拒", asked.len()),
        );
        Ok(())
    }

    fn verify_record(&self, status: &Value) -> Result<()> {
        let record = &status["cutover"]["record"];
        let file = self.record_file();
        let signed = serde_json::json!({
            "record": record["record"],
            "source": {"signature": record["sourceSignature"], "certificatePem": record["sourceCertificate"]},
            "target": {"signature": record["targetSignature"], "certificatePem": record["targetCertificate"]},
        });
        std::fs::write(&file, signed.to_string())?;
        let secret = self.cluster.get(self.cluster.admin(), &["secret", "qianyun-controller-ca", "-n", SYSTEM])?;
        let ca = secret["data"].as_object().context("the authority's secret is empty")?;
        let certificate = ca
            .iter()
            .find(|(name, _)| name.ends_with(".crt") || name.contains("cert"))
            .and_then(|(_, value)| value.as_str())
            .context("the authority's secret has no certificate")?;
        std::fs::write(self.authority_file(), super::server::decode_base64(certificate)?)?;
        let said = crate::site::output(&mut self.verification()?)?;
        self.teller.show(&said);
        Ok(())
    }

    /// The one command that verifies the record by itself.
    pub(crate) fn verification(&self) -> Result<Command> {
        let mut command = Command::new(built("dist/qianyun-agent")?);
        command
            .args(["--lang", self.teller.words("en", "zh"), "verify-record"])
            .arg(self.record_file())
            .arg("--ca")
            .arg(self.authority_file());
        Ok(command)
    }

    fn record_file(&self) -> PathBuf {
        self.folder.join(RECORD)
    }

    fn authority_file(&self) -> PathBuf {
        self.folder.join(AUTHORITY)
    }

    /// A file of that name below a folder of the run, wherever it lies.
    pub(crate) fn find(&self, below: &str, name: &str, fits: impl Fn(&Path) -> bool) -> Result<PathBuf> {
        let mut folders = vec![self.folder.join(below)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder)?.filter_map(Result::ok) {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.file_name().is_some_and(|found| found == name) && fits(&path) {
                    return Ok(path);
                }
            }
        }
        anyhow::bail!("no {name} below {}", self.folder.join(below).display())
    }
}

/// The root of what a file holds, as docs/design/0001 defines it, computed apart from the engine.
fn device_root(file: &Path) -> Result<String> {
    let file = File::open(file).with_context(|| format!("{}: cannot be opened", file.display()))?;
    let size = file.metadata()?.len();
    let mut root = blake3::Hasher::new_derive_key("qianyun 2026 device root v1");
    root.update(&size.to_le_bytes()).update(&u32::try_from(PIECE)?.to_le_bytes());
    let mut piece = vec![0; PIECE];
    for at in (0..size).step_by(PIECE) {
        let length = PIECE.min(usize::try_from(size - at)?);
        file.read_exact_at(&mut piece[..length], at).context("the replica cannot be read")?;
        root.update(blake3::hash(&piece[..length]).as_bytes());
    }
    Ok(root.finalize().to_hex().to_string())
}

/// Where the 4 KiB blocks are in which the replica has something else than zeros and than the disk, in bytes. Where the
/// replica's file has nothing, it has zeros.
fn different_blocks(disk: &Path, replica: &Path) -> Result<Vec<u64>> {
    let open = |path: &Path| File::open(path).with_context(|| format!("{}: cannot be opened", path.display()));
    let (disk, replica) = (open(disk)?, open(replica)?);
    ensure!(disk.metadata()?.len() == replica.metadata()?.len(), "the replica has another size than the disk");
    let (mut left, mut right) = (vec![0; PIECE], vec![0; PIECE]);
    let (mut different, mut at) = (Vec::new(), 0);
    while let Some(data) = next_data(&replica, at)? {
        let length = PIECE.min(usize::try_from(replica.metadata()?.len() - data)?);
        replica.read_exact_at(&mut right[..length], data).context("the replica cannot be read")?;
        disk.read_exact_at(&mut left[..length], data).context("the disk cannot be read")?;
        if left[..length] != right[..length] {
            let blocks = (data..).step_by(BLOCK).zip(left[..length].chunks(BLOCK).zip(right[..length].chunks(BLOCK)));
            let differs = |(_, (was, is)): &(u64, (&[u8], &[u8]))| was != is && is.iter().any(|&byte| byte != 0);
            different.extend(blocks.filter(differs).map(|(at, _)| at));
        }
        at = data + length as u64;
    }
    Ok(different)
}

/// Where the file has data, from `at` on.
fn next_data(file: &File, at: u64) -> Result<Option<u64>> {
    match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(at)) {
        Ok(data) => Ok(Some(data)),
        Err(rustix::io::Errno::NXIO) => Ok(None),
        Err(error) => Err(error).context("the replica's data cannot be found"),
    }
}
