//! Swap areas: their content means nothing after a reboot; only the header, which names the area, is kept.
//!
//! Only an area that the kernel swaps to right now counts: a forgotten signature in front of other data does not.

use std::ops::Range;

/// The header is one page, and pages have up to 64 KiB on the machines in scope.
const HEADER_BYTES: u64 = 64 * 1024;

/// The devices in the text of `/proc/swaps`: swap files lie in filesystems and are theirs.
pub(super) fn partitions(proc_swaps: &str) -> Vec<String> {
    let rows = proc_swaps.lines().skip(1).map(|line| line.split_whitespace());
    rows.filter_map(|mut columns| Some((columns.next()?, columns.next()?)))
        .filter(|(_, kind)| *kind == "partition")
        .map(|(path, _)| crate::mounts::unescape(path))
        .collect()
}

/// What of an active swap area need not be copied.
pub(super) fn free(area: &Range<u64>) -> Range<u64> {
    (area.start + HEADER_BYTES).min(area.end)..area.end
}

#[cfg(test)]
mod tests {
    use super::*;

    const SWAPS: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n\
        /dev/sda5                               partition\t999420\t\t0\t\t-2\n\
        /swap\\040file                           file\t\t65532\t\t0\t\t-3\n";

    #[test]
    fn only_partitions_are_taken_from_the_list() {
        assert_eq!(partitions(SWAPS), ["/dev/sda5"]);
        assert_eq!(partitions(""), Vec::<String>::new());
    }

    #[test]
    fn the_header_is_kept_also_of_an_area_smaller_than_it() {
        assert_eq!(free(&(1 << 20..2 << 20)), (1 << 20) + HEADER_BYTES..2 << 20);
        assert!(free(&(0..4096)).is_empty());
    }
}
