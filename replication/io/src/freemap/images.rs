//! Images of real filesystems for the tests of their readers: made by their own tools in plain files, without a mount.

use super::metadata::{Found, Metadata, MetadataError};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a tool and returns what it prints; panics with its message if it fails.
pub(super) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {message}");
    String::from_utf8(output.stdout).unwrap()
}

/// A folder with a tree of files of many sizes, and room for an image.
pub(super) struct Workshop {
    dir: tempfile::TempDir,
}

impl Workshop {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = dir.path().join("files");
        std::fs::create_dir(&files).unwrap();
        for index in 0..40usize {
            let content = vec![u8::try_from(index).unwrap() + 1; (index + 1) * 3_000];
            std::fs::write(files.join(format!("f{index}")), content).unwrap();
        }
        Self { dir }
    }

    pub(super) fn files(&self) -> String {
        self.dir.path().join("files").to_str().unwrap().to_owned()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// An ext of `size`, as `mke2fs` has it, with the files; every third is deleted again.
    pub(super) fn ext(&self, options: &[&str], size: &str) -> PathBuf {
        let image = self.path("ext");
        let _ = std::fs::remove_file(&image);
        let (files, name) = (self.files(), image.to_str().unwrap());
        run("mke2fs", &[&["-q", "-F", "-d", &files], options, &[name, size]].concat());
        let script = self.path("script");
        let removals: String = (0..40).step_by(3).map(|index| format!("rm f{index}\n")).collect();
        std::fs::write(&script, removals).unwrap();
        run("debugfs", &["-w", "-f", script.to_str().unwrap(), name]);
        image
    }
}

/// How a filesystem is read.
pub(super) type Reader = fn(&mut Metadata<'_>) -> Result<Found, MetadataError>;

/// What a reader finds in an image.
pub(super) fn read(image: &Path, reader: Reader) -> Result<Found, MetadataError> {
    let file = File::open(image).unwrap();
    let size = file.metadata().unwrap().len();
    let mut read = |offset: u64, len: usize| {
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, offset).map_err(crate::device::io_error("read", image))?;
        Ok(bytes)
    };
    reader(&mut Metadata::new(&mut read, size))
}

/// What a reader finds in an image in memory.
pub(super) fn read_bytes(image: &[u8], reader: Reader) -> Result<Found, MetadataError> {
    let mut read = |offset: u64, len: usize| {
        let start = usize::try_from(offset).unwrap();
        Ok(image[start..start + len].to_vec())
    };
    reader(&mut Metadata::new(&mut read, image.len() as u64))
}

/// The free blocks that `dumpe2fs` lists, in bytes, merged. Of clusters it names the first block alone.
pub(super) fn free_by_dumpe2fs(image: &Path) -> Vec<Range<u64>> {
    let text = run("dumpe2fs", &[image.to_str().unwrap()]);
    let field =
        |name: &str| -> Option<u64> { text.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok() };
    let block = field("Block size:").unwrap();
    let (cluster, end) = (field("Cluster size:").unwrap_or(block), field("Block count:").unwrap() * block);
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u64, u64) = (first.trim().parse().unwrap(), last.trim().parse().unwrap());
        first * block..(last * block + cluster).min(end)
    };
    let lists = text.lines().filter_map(|line| line.strip_prefix("  Free blocks: "));
    crate::ranges::merged(lists.flat_map(|list| list.split(", ")).filter(|part| !part.is_empty()).map(range).collect())
}

impl Workshop {
    /// An xfs of `mib`, with the files.
    pub(super) fn xfs(&self, options: &[&str], mib: u64) -> PathBuf {
        let (image, prototype) = (self.path("xfs"), self.path("prototype"));
        let _ = std::fs::remove_file(&image);
        File::create(&image).unwrap().set_len(mib << 20).unwrap();
        let files = self.files();
        let line = |index: usize| format!("f{index} ---644 0 0 {files}/f{index}\n");
        let lines: String = (0..40).map(line).collect();
        std::fs::write(&prototype, format!("/\n0 0\nd--755 0 0\n{lines}$\n")).unwrap();
        let last = ["--unsupported", "-q", "-p", prototype.to_str().unwrap(), image.to_str().unwrap()];
        run("mkfs.xfs", &[options, &last].concat());
        image
    }
}

/// The free blocks that `xfs_db` finds in the trees of all groups, in bytes, merged. It adds those of the free lists, which
/// trees grow from, and which count as used.
pub(super) fn free_by_xfs_db(image: &Path) -> Vec<Range<u64>> {
    let ask = |commands: &[&str]| {
        let each = commands.iter().flat_map(|command| ["-c", command]);
        run("xfs_db", &["-r"].into_iter().chain(each).chain([image.to_str().unwrap()]).collect::<Vec<_>>())
    };
    let field = |text: &str, name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
        line.unwrap_or_else(|| panic!("{name} in {text}")).parse().unwrap()
    };
    let superblock = ask(&["sb 0", "p agcount agblocks blocksize"]);
    let (block, group) = (field(&superblock, "blocksize"), field(&superblock, "agblocks"));
    let bytes = |at: u64, len: u64| at * block..(at + len) * block;
    let rows: Vec<Vec<u64>> = ask(&["freesp -d"])
        .lines()
        .skip(1)
        .map_while(|line| line.split_whitespace().map(|number| number.parse().ok()).collect::<Option<_>>())
        .filter(|row: &Vec<u64>| row.len() == 3)
        .collect();
    let mut free: Vec<_> = rows.iter().map(|row| bytes(row[0] * group + row[1], row[2])).collect();
    for number in 0..field(&superblock, "agcount") {
        let header = ask(&[&format!("agf {number}"), "p flfirst fllast flcount"]);
        let list = ask(&[&format!("agfl {number}"), "p bno"]);
        let (first, count) = (field(&header, "flfirst"), field(&header, "flcount"));
        let entries: Vec<Option<u64>> = list
            .split(" = ")
            .nth(1)
            .unwrap()
            .split_whitespace()
            .map(|entry| entry.split(':').nth(1).unwrap().parse().ok())
            .collect();
        for index in 0..count {
            let at = usize::try_from(first + index).unwrap() % entries.len();
            let listed = bytes(number * group + entries[at].unwrap(), 1);
            let place = free.iter().position(|range| *range == listed).expect("listed as free by itself");
            free.swap_remove(place);
        }
    }
    crate::ranges::merged(free)
}
