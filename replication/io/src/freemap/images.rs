//! Images of real filesystems for the tests of their readers: made by their own tools in plain files, without a mount.

use super::metadata::{Found, Metadata, MetadataError};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

// The same tools as in the tests on mounted filesystems: there is one word on what is free.
#[path = "../../tests/rig/tools.rs"]
mod tools;

pub(super) use tools::{free_by_dumpe2fs, free_by_xfs_db, run};

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
