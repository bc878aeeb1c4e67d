//! What the kernel tests stand on: loop devices, partitions and mounts that go away with their guards. Needs root.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // each test file uses its part; a panic fails the test

use qianyun_replication_io::device::LeafDisk;
use qianyun_replication_io::device::buffer::AlignedBuffer;
use std::fs::File;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

pub mod port;
mod tools;
pub use tools::*;

/// The processes that keep a map of the disk, each with its folder: `trackd <folder> … <disk> …`.
pub fn trackers_of(node: &Path) -> Vec<(u32, PathBuf)> {
    let of = |entry: std::fs::DirEntry| {
        let process: u32 = entry.file_name().to_str()?.parse().ok()?;
        let line = String::from_utf8(std::fs::read(entry.path().join("cmdline")).ok()?).ok()?;
        let words: Vec<&str> = line.split('\0').collect();
        let keeps = words.get(1) == Some(&"trackd") && words.iter().any(|word| Path::new(word) == node);
        keeps.then(|| (process, PathBuf::from(words[2])))
    };
    std::fs::read_dir("/proc").unwrap().flatten().filter_map(of).collect()
}

/// A loop device on a sparse file.
pub struct LoopDisk {
    pub node: PathBuf,
    dir: tempfile::TempDir,
}

impl LoopDisk {
    pub fn new(bytes: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("image");
        File::create(&image).unwrap().set_len(bytes).unwrap();
        let node = run("losetup", &["--find", "--show", image.to_str().unwrap()]).into();
        Self { node, dir }
    }

    /// Full of noise.
    pub fn noisy(bytes: u64, seed: u64) -> Self {
        let disk = Self::new(bytes);
        disk.write_bytes(0, &noise(usize::try_from(bytes).unwrap(), seed));
        disk
    }

    /// With sectors of 4 KiB, as the disks that are called 4Kn.
    pub fn of_large_sectors(bytes: u64) -> Self {
        let disk = Self::new(bytes);
        run("losetup", &["--sector-size", "4096", disk.node_text()]);
        disk
    }

    /// With a partition table written by `sfdisk` from `script`, and the kernel told about the partitions at
    /// `(first, count)` sectors of 512 bytes: these kernels may have no parser of their own.
    pub fn partitioned(bytes: u64, script: &str, partitions: &[(u64, u64)]) -> Self {
        let disk = Self::new(bytes);
        disk.make_partitions(script, partitions);
        disk
    }

    /// As [`Self::partitioned`], on what is made already.
    pub fn make_partitions(&self, script: &str, partitions: &[(u64, u64)]) {
        let file = self.dir.path().join("table");
        std::fs::write(&file, script).unwrap();
        let mut sfdisk = Command::new("sfdisk");
        sfdisk.args(["-q", "--no-reread", "--no-tell-kernel", self.node_text()]).stdin(File::open(&file).unwrap());
        let output = sfdisk.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for (index, (first, count)) in partitions.iter().enumerate() {
            if !self.partition(index + 1).exists() {
                let numbers = [(index + 1).to_string(), first.to_string(), count.to_string()];
                run("addpart", &[self.node_text(), &numbers[0], &numbers[1], &numbers[2]]);
            }
        }
    }

    /// On a copy of an image.
    pub fn from_image(path: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("image");
        run("cp", &["--sparse=always", path.to_str().unwrap(), image.to_str().unwrap()]);
        let node = run("losetup", &["--find", "--show", image.to_str().unwrap()]).into();
        Self { node, dir }
    }

    pub fn node_text(&self) -> &str {
        self.node.to_str().unwrap()
    }

    /// The file that it is on.
    pub fn image(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    pub fn partition(&self, number: usize) -> PathBuf {
        format!("{}p{number}", self.node.display()).into()
    }

    pub fn leaf(&self) -> LeafDisk {
        LeafDisk::from_node(&self.node).unwrap()
    }

    /// Gives the file and the device another size.
    pub fn resize(&self, bytes: u64) {
        self.resize_file(bytes);
        run("losetup", &["--set-capacity", self.node_text()]);
    }

    /// Gives the file another size, and the device keeps its own: what lies behind the file's end cannot be read.
    pub fn resize_file(&self, bytes: u64) {
        File::options().write(true).open(self.image()).unwrap().set_len(bytes).unwrap();
    }

    /// Writes `len` bytes of `value` directly, past the cache.
    pub fn write(&self, offset: u64, len: usize, value: u8) {
        self.write_bytes(offset, &vec![value; len]);
    }

    /// Writes `bytes` directly, past the cache.
    pub fn write_bytes(&self, offset: u64, bytes: &[u8]) {
        write_direct(&self.node, offset, bytes);
    }
}

/// Writes `bytes` to a device directly, past the cache.
pub fn write_direct(node: &Path, offset: u64, bytes: &[u8]) {
    let file = File::options().write(true).custom_flags(libc::O_DIRECT).open(node).unwrap();
    let mut buffer = AlignedBuffer::new(bytes.len());
    buffer.copy_from_slice(bytes);
    file.write_all_at(&buffer, offset).unwrap();
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        // What a source that was killed left behind would keep the device.
        for (process, _) in trackers_of(&self.node) {
            let _ = Command::new("kill").args(["-9", &process.to_string()]).output();
        }
        for number in 1..=4usize {
            if self.partition(number).exists() {
                let _ = Command::new("delpart").args([self.node_text(), &number.to_string()]).output();
            }
        }
        let _ = Command::new("losetup").args(["--detach", self.node_text()]).output();
    }
}

/// A filesystem on a device, mounted.
pub struct Mounted {
    dir: tempfile::TempDir,
}

impl Mounted {
    pub fn ext4(device: &Path) -> Self {
        Self::ext4_with(device, &[])
    }

    pub fn ext4_with(device: &Path, options: &[&str]) -> Self {
        let arguments = [&["-q", "-F"], options, &[device.to_str().unwrap()]].concat();
        run("mkfs.ext4", &arguments);
        Self::existing(device)
    }

    pub fn existing(device: &Path) -> Self {
        Self::with_options(device, "defaults")
    }

    pub fn with_options(device: &Path, options: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        run("mount", &["-o", options, device.to_str().unwrap(), dir.path().to_str().unwrap()]);
        Self { dir }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Until nothing has the device any more: for tools that want it for themselves.
    pub fn unmount(self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let output = self.umount(&[]).unwrap();
            if output.status.success() {
                return;
            }
            assert!(Instant::now() < deadline, "{}", String::from_utf8_lossy(&output.stderr));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn umount(&self, options: &[&str]) -> std::io::Result<Output> {
        Command::new("umount").args(options).arg(self.dir.path()).output()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Another test may be starting a program, which for a moment has all that is open here open too.
        if !self.umount(&[]).is_ok_and(|output| output.status.success()) {
            let _ = self.umount(&["--lazy"]);
        }
    }
}

/// Holds a filesystem still, by the tool and not by our freezer; a panic thaws it too.
pub struct Frozen<'a>(&'a str);

impl<'a> Frozen<'a> {
    pub fn new(place: &'a str) -> Self {
        run("fsfreeze", &["--freeze", place]);
        Self(place)
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        let _ = Command::new("fsfreeze").args(["--unfreeze", self.0]).output();
    }
}

/// Bytes that no codec makes fewer; the same ones for the same seed.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..len.div_ceil(8)).flat_map(|_| next()).take(len).collect()
}

/// Trace events are visible, as systemd leaves them on every server.
pub fn tracefs() {
    if !Path::new("/sys/kernel/tracing/events/block").exists() {
        // Another test may be doing the same: what counts is the result.
        let _ = Command::new("mount").args(["-t", "tracefs", "tracefs", "/sys/kernel/tracing"]).output();
    }
    assert!(Path::new("/sys/kernel/tracing/events/block").exists(), "no tracefs: the kernel has no trace events");
}
