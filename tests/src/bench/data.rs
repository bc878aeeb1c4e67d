//! A source disk: a loop device with what the benchmark copies. Nothing writes to it while it is copied, so every tool in
//! every turn of a round has the same bytes before it. Never outlives the program, however that ends: the image has no name
//! any more, the device goes with its last user, and the mount is in a namespace of its own.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use crate::site::{output, run};

/// Real files of a server: programs, libraries, texts.
const FILES: &str = "/usr";
/// Of the filesystem, by such files that stay.
const FILES_PERCENT: u64 = 28;
/// And by what cannot be packed any more, as archives and pictures.
const PACKED_PERCENT: u64 = 7;
/// And by such files that are deleted again: as much as what stays.
const STALE_PERCENT: u64 = FILES_PERCENT + PACKED_PERCENT;
/// On the large disk: enough for the engine to reach the memory that it works with.
const LARGE_FILES_BYTES: u64 = 1 << 30;
/// Less than this is not worth another file.
const REST_BYTES: u64 = 1 << 20;
/// Before the partition, for the table, and behind it, for its copy.
const EDGE_BYTES: u64 = 1 << 20;
const SECTOR_BYTES: u64 = 512;

/// What is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Random bytes: nothing to skip, nothing to compress.
    Random,
    /// A partition table and an ext4 with real files, mounted; as much again was deleted and is still there.
    Filesystem,
    /// Zeros, of which the image holds none.
    Sparse,
    /// A partition table and an ext4 with few files, on an image that holds nothing of the rest.
    Large,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random => f.write_str("random bytes"),
            Self::Filesystem => {
                let used = FILES_PERCENT + PACKED_PERCENT;
                write!(f, "filesystem, {used} % used, {STALE_PERCENT} % deleted, the rest zeros")
            }
            Self::Sparse => f.write_str("sparse, all zeros"),
            Self::Large => write!(f, "sparse, filesystem with {} MiB of files", LARGE_FILES_BYTES >> 20),
        }
    }
}

/// A disk with data.
pub(super) struct Disk {
    /// What is on it.
    pub(super) kind: Kind,
    /// The loop device.
    pub(super) node: PathBuf,
    /// Its size.
    pub(super) bytes: u64,
    /// Where its filesystem is mounted, read-only.
    pub(super) mount: Option<PathBuf>,
    /// Keeps the device, which was told to go with its last user.
    _user: File,
}

impl Disk {
    /// Makes it, with its image in `folder`.
    pub(super) fn make(kind: Kind, bytes: u64, folder: &Path) -> Result<Self> {
        let image = folder.join("source.raw");
        let mut file = File::create(&image).with_context(|| format!("{}: cannot be made", image.display()))?;
        file.set_len(bytes)?;
        match kind {
            Kind::Random => write_random(&mut file, bytes)?,
            // A disk has no holes, which would be quicker to read.
            Kind::Filesystem => drop(io::copy(&mut io::repeat(0).take(bytes), &mut file)?),
            Kind::Sparse | Kind::Large => {}
        }
        // A disk has no page cache below it.
        let (node, user) = attach(&image, &["--partscan", "--direct-io=on"])?;
        fs::remove_file(&image)?;
        let mut disk = Self { kind, bytes, mount: None, _user: user, node };
        if matches!(kind, Kind::Filesystem | Kind::Large) {
            let partition = disk.partition(folder)?;
            disk.fill_filesystem(&partition, &folder.join("source"))?;
        }
        Ok(disk)
    }

    /// Makes a table with one partition.
    fn partition(&self, folder: &Path) -> Result<PathBuf> {
        let (first, count) = (EDGE_BYTES / SECTOR_BYTES, self.partition_bytes() / SECTOR_BYTES);
        let script = folder.join("table");
        fs::write(&script, format!("label: gpt\nstart={first}, size={count}, type=linux\n"))?;
        let mut sfdisk = Command::new("sfdisk");
        let wrote = sfdisk.args(["--quiet"]).arg(&self.node).stdin(File::open(&script)?).status()?;
        ensure!(wrote.success(), "{sfdisk:?}: {wrote}");
        let partition = PathBuf::from(format!("{}p1", self.node.display()));
        if !partition.exists() {
            // A kernel without a parser for this table.
            run(Command::new("addpart").arg(&self.node).args(["1", &first.to_string(), &count.to_string()]))?;
        }
        Ok(partition)
    }

    fn partition_bytes(&self) -> u64 {
        self.bytes - 2 * EDGE_BYTES
    }

    /// Makes the filesystem, fills it, and mounts it read-only at `mount`.
    fn fill_filesystem(&mut self, partition: &Path, mount: &Path) -> Result<()> {
        let options: &[&str] = if self.kind == Kind::Large {
            // As few inodes as for large files, and those not written: 2 TiB have 32 GiB of them otherwise.
            &["-i", "1048576", "-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1"]
        } else {
            &["-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"]
        };
        run(Command::new("mkfs.ext4").arg("-q").args(options).arg(partition))?;
        fs::create_dir_all(mount)?;
        // Nothing is initialised or discarded later, while we measure.
        run(Command::new("mount").args(["--options", "noinit_itable,nodiscard"]).arg(partition).arg(mount))?;
        self.mount = Some(mount.to_owned());
        if self.kind == Kind::Large {
            copy_again_and_again(&mount.join("files"), LARGE_FILES_BYTES)?;
        } else {
            self.use_filesystem(mount)?;
        }
        run(Command::new("mount").args(["--options", "remount,ro"]).arg(mount))
    }

    /// Fills it and deletes a half.
    fn use_filesystem(&self, mount: &Path) -> Result<()> {
        let percent = |percent| self.bytes / 100 * percent;
        copy_again_and_again(&mount.join("stale"), percent(STALE_PERCENT))?;
        copy_again_and_again(&mount.join("files"), percent(FILES_PERCENT))?;
        write_random(&mut File::create(mount.join("packed"))?, percent(PACKED_PERCENT))?;
        // Deleted after it has reached the disk, and what it leaves is not discarded.
        rustix::fs::sync();
        Ok(fs::remove_dir_all(mount.join("stale"))?)
    }

    /// Whether `target` is the source, says a program that is none of ours, from the medium. Free blocks count only if
    /// `free_too`; without them it is the table and the filesystem that must be whole and its files that must be the same.
    pub(super) fn compare(&self, target: &Path, free_too: bool, folder: &Path) -> Result<()> {
        forget_caches()?;
        let length = fs::metadata(target)?.len();
        ensure!(length == self.bytes, "{}: {length} bytes, expected {}", target.display(), self.bytes);
        if self.kind == Kind::Sparse && is_hole(target)? {
            return Ok(());
        }
        let compare = |options: &[String]| run(Command::new("cmp").args(options).arg(&self.node).arg(target));
        let Some(source) = self.mount.as_ref().filter(|_| !free_too) else { return compare(&[]) };
        compare(&[format!("--bytes={EDGE_BYTES}")])?;
        compare(&[format!("--ignore-initial={}", self.bytes - EDGE_BYTES)])?;
        let place = [format!("--offset={EDGE_BYTES}"), format!("--sizelimit={}", self.partition_bytes())];
        let (node, _user) = attach(target, &["--read-only", &place[0], &place[1]])?;
        output(Command::new("e2fsck").args(["-f", "-n"]).arg(&node))?;
        let mount = folder.join("target");
        fs::create_dir_all(&mount)?;
        run(Command::new("mount").args(["--options", "ro"]).arg(&node).arg(&mount))?;
        let same = run(Command::new("diff").args(["--recursive", "--no-dereference"]).arg(source).arg(&mount));
        run(Command::new("umount").arg(&mount))?;
        same
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Some(mount) = &self.mount
            && let Err(error) = run(Command::new("umount").arg(mount))
        {
            eprintln!("warning: {error:#}");
        }
    }
}

/// Writes back and forgets what the kernel has of any file: the next reader finds the media.
pub(super) fn forget_caches() -> Result<()> {
    rustix::fs::sync();
    fs::write("/proc/sys/vm/drop_caches", "1").context("the page cache cannot be dropped: run as root on the host")
}

/// A loop device on the image. It goes with its last user, the first of which is the file.
pub(super) fn attach(image: &Path, options: &[&str]) -> Result<(PathBuf, File)> {
    let node = output(Command::new("losetup").args(["--find", "--show"]).args(options).arg(image))?;
    let node = PathBuf::from(node.trim());
    let user = File::open(&node);
    run(Command::new("losetup").arg("--detach").arg(&node))?;
    Ok((node, user?))
}

/// The same bytes every time, as good as random.
fn write_random(file: &mut File, bytes: u64) -> Result<()> {
    io::copy(&mut blake3::Hasher::new().finalize_xof().take(bytes), file).context("writing random bytes")?;
    Ok(file.flush()?)
}

/// Whether a file holds no data at all, so that it is zeros.
fn is_hole(path: &Path) -> Result<bool> {
    match seek(File::open(path)?, SeekFrom::Data(0)) {
        Err(Errno::NXIO) => Ok(true),
        found => found.map(|_| false).with_context(|| format!("{}: cannot be searched", path.display())),
    }
}

/// Copies the real files, and once more, until `left_bytes` are used up.
fn copy_again_and_again(to: &Path, mut left_bytes: u64) -> Result<()> {
    fs::create_dir(to)?;
    for copy in 0.. {
        let before = left_bytes;
        copy_files(Path::new(FILES), &to.join(copy.to_string()), &mut left_bytes)?;
        if left_bytes < REST_BYTES || left_bytes == before {
            break;
        }
    }
    Ok(())
}

/// Copies the files below `from`, in the order of their names, as far as `left_bytes` go.
fn copy_files(from: &Path, to: &Path, left_bytes: &mut u64) -> Result<()> {
    fs::create_dir(to)?;
    let mut entries = fs::read_dir(from)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (kind, to) = (entry.file_type()?, to.join(entry.file_name()));
        if *left_bytes < REST_BYTES {
            break;
        }
        if kind.is_dir() {
            copy_files(&entry.path(), &to, left_bytes)?;
        } else if kind.is_file() && entry.metadata()?.len() <= *left_bytes {
            *left_bytes -= fs::copy(entry.path(), &to).with_context(|| format!("copying to {}", to.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::{self, Look};
    use std::os::unix::fs::FileExt as _;
    use std::time::Duration;

    #[test]
    fn a_target_with_another_file_or_a_broken_filesystem_is_no_copy_and_one_with_other_free_blocks_is() {
        let folder = tempfile::tempdir().expect("folder");
        let disk = Disk::make(Kind::Filesystem, 48 << 20, folder.path()).expect("disk");
        let target = folder.path().join("target.raw");
        let compare = |free_too| disk.compare(&target, free_too, folder.path());
        let file = || File::options().write(true).open(&target).expect("target");
        io::copy(&mut File::open(&disk.node).expect("disk"), &mut File::create(&target).expect("target"))
            .expect("copy");
        compare(true).expect("the same to the last block");

        file().write_all_at(&[1; 4096], disk.bytes - EDGE_BYTES - 4096).expect("the last block is free");
        compare(true).expect_err("a free block differs");
        compare(false).expect("what is used is the same");

        let mount = folder.path().join("changed");
        fs::create_dir(&mount).expect("folder");
        let options = format!("loop,offset={EDGE_BYTES}");
        run(Command::new("mount").args(["--options", &options]).arg(&target).arg(&mount)).expect("mount");
        fs::write(mount.join("files/more"), "more").expect("another file");
        run(Command::new("umount").arg(&mount)).expect("umount");
        compare(false).expect_err("a file differs");

        file().write_all_at(&[0; 4096], EDGE_BYTES).expect("the superblock");
        compare(false).expect_err("the filesystem is broken");
    }

    #[test]
    fn what_was_deleted_is_still_on_the_disk() {
        let folder = tempfile::tempdir().expect("folder");
        let disk = Disk::make(Kind::Filesystem, 48 << 20, folder.path()).expect("disk");
        let bytes = fs::read(&disk.node).expect("disk");
        let used = bytes.chunks(4096).filter(|block| block.iter().any(|byte| *byte != 0)).count() * 4096;
        let percent = used * 100 / bytes.len();
        assert!(percent >= 55, "{percent} % of the disk is not zeros");
        assert!(!disk.mount.as_ref().expect("mounted").join("stale").exists());
    }

    #[test]
    fn a_device_goes_with_its_last_user() {
        let folder = tempfile::tempdir().expect("folder");
        let disk = Disk::make(Kind::Filesystem, 16 << 20, folder.path()).expect("disk");
        let partition = PathBuf::from(format!("{}p1", disk.node.display()));
        assert!(partition.exists());
        drop(disk);
        // Whoever looks through all loop devices at this moment, as each of the other tests does, is a user as well.
        let gone = || Ok(if partition.exists() { Look::NotYet("it is there".into()) } else { Look::Holds(()) });
        wait::until("the partition is gone", Duration::from_secs(10), gone).expect("it goes");
    }
}
