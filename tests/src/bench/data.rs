//! A source disk: a loop device with what the benchmark copies. Nothing writes to it after it is made, so every tool in
//! every round has the same bytes before it. Never outlives the program, however that ends: the image has no name any more,
//! the device goes with its last user, and the mount is in a namespace of its own.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::site::{output, run};

/// Real files of a server: programs, libraries, texts.
const FILES: &str = "/usr";
/// How full the filesystem is made.
const USED_PERCENT: u64 = 35;
/// Less than this is not worth another file.
const REST_BYTES: u64 = 1 << 20;

/// What is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Random bytes: nothing to skip, nothing to compress.
    Random,
    /// An ext4 of twice the size that never held more than it holds: its free blocks are zeros.
    New,
    /// The same on a disk that has been in use: its free blocks are what was there before.
    Used,
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Random, Self::New, Self::Used];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Random => "random bytes",
            Self::New => "filesystem, free blocks are zeros",
            Self::Used => "filesystem, free blocks are what was there before",
        })
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
    pub(super) fn make(kind: Kind, size_bytes: u64, folder: &Path) -> Result<Self> {
        let bytes = if kind == Kind::Random { size_bytes } else { 2 * size_bytes };
        let image = folder.join("source.raw");
        let mut file = File::create(&image).with_context(|| format!("{}: cannot be made", image.display()))?;
        file.set_len(bytes)?;
        if kind != Kind::New {
            // The same bytes every time, as good as random.
            io::copy(&mut blake3::Hasher::new().finalize_xof().take(bytes), &mut file).context("filling the image")?;
        }
        let node = attach(&image)?;
        let mut disk = Self { kind, bytes, mount: None, _user: File::open(&node)?, node };
        run(Command::new("losetup").arg("--detach").arg(&disk.node))?;
        fs::remove_file(&image)?;
        if kind != Kind::Random {
            disk.fill_filesystem(&folder.join("source"))?;
        }
        Ok(disk)
    }

    /// Makes the filesystem, fills it, and mounts it read-only at `mount`.
    fn fill_filesystem(&mut self, mount: &Path) -> Result<()> {
        // Everything is written now, and nothing discarded: the kernel would do the rest later, while we measure.
        let options = ["-q", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"];
        run(Command::new("mkfs.ext4").args(options).arg(&self.node))?;
        fs::create_dir_all(mount)?;
        run(Command::new("mount").arg(&self.node).arg(mount))?;
        self.mount = Some(mount.to_owned());
        let mut left = self.bytes / 100 * USED_PERCENT;
        for copy in 0.. {
            let before = left;
            copy_files(Path::new(FILES), &mount.join(copy.to_string()), &mut left)?;
            if left < REST_BYTES || left == before {
                break;
            }
        }
        run(Command::new("mount").args(["--options", "remount,ro"]).arg(mount))
    }

    /// Whether `target` is the source, says a program that is none of ours, from the medium. Free blocks count only if
    /// `free_too`; without them it is the filesystem that must be whole and its files that must be the same.
    pub(super) fn compare(&self, target: &Path, free_too: bool, folder: &Path) -> Result<()> {
        forget_caches()?;
        let Some(source) = self.mount.as_ref().filter(|_| !free_too) else {
            return run(Command::new("cmp").arg(&self.node).arg(target));
        };
        let length = fs::metadata(target)?.len();
        ensure!(length == self.bytes, "{}: {length} bytes, expected {}", target.display(), self.bytes);
        output(Command::new("e2fsck").args(["-f", "-n"]).arg(target))?;
        let mount = folder.join("target");
        fs::create_dir_all(&mount)?;
        run(Command::new("mount").args(["--options", "loop,ro"]).arg(target).arg(&mount))?;
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

/// A loop device that reads the image past the page cache, as a disk has none.
fn attach(image: &Path) -> Result<PathBuf> {
    let node = output(Command::new("losetup").args(["--find", "--show", "--direct-io=on"]).arg(image))?;
    Ok(PathBuf::from(node.trim()))
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
    use std::os::unix::fs::FileExt as _;

    #[test]
    fn a_target_with_another_file_or_a_broken_filesystem_is_no_copy_and_one_with_other_free_blocks_is() {
        let folder = tempfile::tempdir().expect("folder");
        let disk = Disk::make(Kind::Used, 16 << 20, folder.path()).expect("disk");
        let target = folder.path().join("target.raw");
        let compare = |free_too| disk.compare(&target, free_too, folder.path());
        let file = || File::options().write(true).open(&target).expect("target");
        io::copy(&mut File::open(&disk.node).expect("disk"), &mut File::create(&target).expect("target"))
            .expect("copy");
        compare(true).expect("the same to the last block");

        file().write_all_at(&[1; 4096], disk.bytes - 4096).expect("the last block is free");
        compare(true).expect_err("a free block differs");
        compare(false).expect("what is used is the same");

        let mount = folder.path().join("changed");
        fs::create_dir(&mount).expect("folder");
        run(Command::new("mount").args(["--options", "loop"]).arg(&target).arg(&mount)).expect("mount");
        fs::write(mount.join("0/more"), "more").expect("another file");
        run(Command::new("umount").arg(&mount)).expect("umount");
        compare(false).expect_err("a file differs");

        file().write_all_at(&[0; 4096], 0).expect("the superblock");
        compare(false).expect_err("the filesystem is broken");
    }
}
