//! Swap areas: their content means nothing after a reboot; only the header, which names the area, is kept.
//!
//! Only an area that the kernel swaps to right now counts: a forgotten signature in front of other data does not.

use crate::device::DeviceNumber;
use std::ops::Range;

/// The header is one page, and pages have up to 64 KiB on the machines in scope.
const HEADER_BYTES: u64 = 64 * 1024;

/// The header is no less than this, and not in the size that is told.
const LEAST_HEADER_BYTES: u64 = 4096;

/// A device that is swapped to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Active {
    pub(super) device: DeviceNumber,
    /// How much of it, without the header.
    pub(super) bytes: u64,
}

/// The devices in the text of `/proc/swaps`, each with the bytes that are swapped to: swap files lie in filesystems and are theirs.
pub(super) fn partitions(proc_swaps: &str) -> Vec<(String, u64)> {
    let rows = proc_swaps.lines().skip(1).map(|line| line.split_whitespace());
    rows.filter_map(|mut columns| Some((columns.next()?, columns.next()?, columns.next()?.parse::<u64>().ok()?)))
        .filter(|(_, kind, _)| *kind == "partition")
        .map(|(path, _, kib)| (crate::mounts::unescape(path), kib.saturating_mul(1024)))
        .collect()
}

/// What of a swap area of which `bytes` are swapped to need not be copied: an area may be smaller than its device.
pub(super) fn free(area: &Range<u64>, bytes: u64) -> Range<u64> {
    let end = area.start.saturating_add(LEAST_HEADER_BYTES).saturating_add(bytes).min(area.end);
    (area.start + HEADER_BYTES).min(end)..end
}

#[cfg(test)]
mod tests {
    use super::*;

    const SWAPS: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n\
        /dev/sda5                               partition\t999420\t\t0\t\t-2\n\
        /swap\\040file                           file\t\t65532\t\t0\t\t-3\n";

    #[test]
    fn only_partitions_are_taken_from_the_list() {
        assert_eq!(partitions(SWAPS), [("/dev/sda5".to_owned(), 999_420 << 10)]);
        assert_eq!(partitions(""), []);
    }

    #[test]
    fn the_header_is_kept_also_of_an_area_smaller_than_it() {
        assert_eq!(free(&(1 << 20..2 << 20), 1 << 30), (1 << 20) + HEADER_BYTES..2 << 20);
        assert!(free(&(0..4096), 1 << 30).is_empty());
    }

    #[test]
    fn what_lies_behind_an_area_that_is_smaller_than_its_device_is_not_free() {
        assert_eq!(free(&(0..8 << 20), (1 << 20) - 4096), HEADER_BYTES..1 << 20);
        assert!(free(&(0..8 << 20), 0).is_empty());
    }
}
