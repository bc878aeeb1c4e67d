//! The kernel's own RAID above disks: whether it has written down yet that nothing is being written.
//!
//! An array writes into its superblocks that it is clean a moment after its last write (`safe_mode_delay`, 0.2 s unless set),
//! also below a frozen filesystem: a write that nobody asked for, right when the disks are being proved. Reads `/sys` through
//! descriptors that were opened before; never touches an array.

use super::leaves::leaves;
use super::sysfs::{self, DeviceNumber};
use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// The states of arrays that lie on some disks, as the kernel tells them.
#[derive(Debug, Default)]
pub(crate) struct Arrays {
    states: Vec<File>,
}

impl Arrays {
    /// Those that lie on `disks`. One that cannot be asked is left out: what it writes late costs an attempt, not the copy.
    pub(crate) fn on(disks: &[DeviceNumber]) -> Self {
        let names = sysfs::disk_names().unwrap_or_default();
        // Arrays first: what a loop device lies on is asked of its file, which may be on a server that does not answer.
        let arrays = names.into_iter().filter(|name| sysfs::block_dir(name).join("md").exists());
        let above = arrays.filter(|name| {
            let below = sysfs::number(name).ok().and_then(leaves).unwrap_or_default();
            below.iter().any(|disk| disks.contains(disk))
        });
        let states = above.filter_map(|name| File::open(sysfs::block_dir(&name).join("md/array_state")).ok());
        Self { states: states.collect() }
    }

    /// Whether none of them is about to write by itself.
    pub(crate) fn are_at_rest(&self) -> bool {
        self.states.iter().all(|file| {
            let mut text = [0; 64];
            let read = file.read_at(&mut text, 0).unwrap_or(0);
            is_at_rest(&text[..read])
        })
    }
}

/// `active` and `active-idle` become `clean` by a write; `write-pending` waits for one.
fn is_at_rest(state: &[u8]) -> bool {
    !state.starts_with(b"active") && !state.starts_with(b"write-pending")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_that_is_not_clean_yet_will_write() {
        for (state, rest) in [("active\n", false), ("active-idle\n", false), ("write-pending\n", false)] {
            assert_eq!(is_at_rest(state.as_bytes()), rest, "{state}");
        }
        for state in ["clean\n", "readonly\n", "read-auto\n", "inactive\n", ""] {
            assert!(is_at_rest(state.as_bytes()), "{state}");
        }
    }

    #[test]
    fn disks_without_arrays_are_at_rest() {
        assert!(Arrays::on(&[DeviceNumber { major: 7, minor: 0 }]).are_at_rest());
    }
}
