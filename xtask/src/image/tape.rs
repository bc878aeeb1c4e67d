//! A tar archive in memory, of the plain kind (POSIX ustar) that every reader knows: folders and files that belong to root, at
//! one fixed time, so that equal contents give equal archives. It never reads a file system.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

/// Everything in an archive comes in blocks of this size.
const BLOCK: usize = 512;
/// Longest name without a prefix, which no file here needs.
const NAME_BYTES: usize = 100;
/// Largest file whose size fits the eleven octal digits.
const FILE_BYTES: usize = (1 << 33) - 1;

/// An archive that grows.
pub(crate) struct Tape {
    bytes: Vec<u8>,
    folders: BTreeSet<String>,
}

impl Tape {
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::new(), folders: BTreeSet::new() }
    }

    /// Adds a file, after the folders that it lies in.
    pub(crate) fn put(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<()> {
        ensure!(content.len() <= FILE_BYTES, "{path}: {} bytes, expected at most {FILE_BYTES}", content.len());
        for (at, _) in path.match_indices('/') {
            let folder = &path[..=at];
            if self.folders.insert(folder.to_owned()) {
                self.head(folder, 0o755, 0, b'5')?;
            }
        }
        self.head(path, mode, content.len(), b'0')?;
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK), 0);
        Ok(())
    }

    /// The archive with its end, two empty blocks.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 2 * BLOCK, 0);
        self.bytes
    }

    fn head(&mut self, name: &str, mode: u32, size: usize, kind: u8) -> Result<()> {
        ensure!(name.len() <= NAME_BYTES, "{name}: {} bytes, expected at most {NAME_BYTES}", name.len());
        let mut block = [0; BLOCK];
        let mut field = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
        field(0, name.as_bytes());
        field(100, format!("{mode:07o}").as_bytes());
        field(108, b"0000000"); // owner
        field(116, b"0000000"); // group
        field(124, format!("{size:011o}").as_bytes());
        field(136, b"00000000000"); // time
        field(148, b"        "); // the sum is taken with blanks in its place
        field(156, &[kind]);
        field(257, b"ustar\x0000");
        let sum: u32 = block.iter().copied().map(u32::from).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self.bytes.extend_from_slice(&block);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_on_a_tape_comes_off_it_with_names_modes_and_bytes() {
        let mut tape = Tape::new();
        tape.put("usr/bin/a", 0o755, b"program").unwrap();
        tape.put("usr/bin/b", 0o644, &[7; BLOCK]).unwrap();
        let folder = std::env::temp_dir().join(format!("qianyun-tape-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let archive = folder.join("a.tar");
        std::fs::write(&archive, tape.finish()).unwrap();
        let said = std::process::Command::new("tar").arg("-tvf").arg(&archive).env("TZ", "UTC").output().unwrap();
        let listed = String::from_utf8(said.stdout).unwrap();
        let unpacked = std::process::Command::new("tar").arg("-xOf").arg(&archive).arg("usr/bin/b").output().unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(
            listed.lines().map(words).collect::<Vec<_>>(),
            [
                "drwxr-xr-x 0/0 0 1970-01-01 00:00 usr/",
                "drwxr-xr-x 0/0 0 1970-01-01 00:00 usr/bin/",
                "-rwxr-xr-x 0/0 7 1970-01-01 00:00 usr/bin/a",
                "-rw-r--r-- 0/0 512 1970-01-01 00:00 usr/bin/b",
            ]
        );
        assert_eq!(unpacked.stdout, [7; BLOCK]);
    }

    #[test]
    fn a_name_that_does_not_fit_is_refused() {
        let error = Tape::new().put(&"x".repeat(NAME_BYTES + 1), 0o644, b"").unwrap_err().to_string();
        assert!(error.contains("101 bytes, expected at most 100"), "{error}");
    }
}
