//! The MBR partition table and its chain of logical partitions. Pure but for the reads that it asks for; bounded.

use super::layout::{LayoutError, Source, number};
use std::ops::Range;

/// The table is in the first 512 bytes, whatever the disk's sector size.
pub(super) const SECTOR: usize = 512;
/// Logical partitions: Linux itself stops at 255; more than this in a chain means a loop.
const MAX_LOGICAL: usize = 256;
/// Types that hold other partitions: CHS, LBA, and Linux extended.
const EXTENDED: [u8; 3] = [0x05, 0x0f, 0x85];
/// The type that says: see the GPT.
const PROTECTIVE: u8 = 0xee;

#[derive(Debug, Clone, Copy)]
struct Entry {
    kind: u8,
    first: u64,
    count: u64,
}

/// The four entries of one table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) disk_id: u64,
    entries: [Entry; 4],
}

impl Table {
    /// `None` if these are not the bytes of a table: a boot sector of a filesystem has the same two last bytes, but other
    /// values where a table has only "active" and "not active".
    pub(super) fn parse(sector: &[u8]) -> Option<Self> {
        if sector.len() < SECTOR || number(sector, 510, 2) != 0xAA55 {
            return None;
        }
        let place = |index: usize| 446 + index * 16;
        if (0..4).any(|index| sector[place(index)] & 0x7f != 0) {
            return None;
        }
        let entries = std::array::from_fn(|index| {
            let at = place(index);
            Entry { kind: sector[at + 4], first: number(sector, at + 8, 4), count: number(sector, at + 12, 4) }
        });
        Some(Self { disk_id: number(sector, 440, 4), entries })
    }

    pub(super) fn is_protective(&self) -> bool {
        self.entries.iter().any(|entry| entry.kind == PROTECTIVE)
    }

    fn used(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.kind != 0 && entry.count != 0)
    }

    /// All partitions, primary and logical.
    pub(super) fn partitions(&self, source: &mut Source<'_>) -> Result<Vec<Range<u64>>, LayoutError> {
        let mut found = Vec::new();
        for entry in self.used() {
            if EXTENDED.contains(&entry.kind) {
                logical(source, entry.first, &mut found)?;
            } else {
                found.push(on_disk(source, 0, entry.first, entry.count)?);
            }
        }
        Ok(found)
    }
}

fn on_disk(source: &Source<'_>, table: u64, first: u64, count: u64) -> Result<Range<u64>, LayoutError> {
    source.bytes(first, count).ok_or(LayoutError::Malformed {
        table: "MBR",
        offset: table,
        what: "end of a partition",
        found: first.saturating_add(count),
        expected: "a sector of the disk",
    })
}

/// Follows the chain of tables that begins at sector `container`: each has one partition, relative to itself, and the
/// next table, relative to the container.
fn logical(source: &mut Source<'_>, container: u64, found: &mut Vec<Range<u64>>) -> Result<(), LayoutError> {
    let mut at = container;
    for _ in 0..MAX_LOGICAL {
        let offset = on_disk(source, 0, at, 1)?.start;
        let malformed = |what, found, expected| LayoutError::Malformed { table: "EBR", offset, what, found, expected };
        let sector = source.read(offset, SECTOR)?;
        let Some(table) = Table::parse(&sector) else {
            return Err(malformed("signature", number(&sector, 510, 2), "0xaa55 after a table"));
        };
        let mut next = None;
        for entry in table.used() {
            if EXTENDED.contains(&entry.kind) {
                next = Some(container.saturating_add(entry.first));
            } else {
                found.push(on_disk(source, offset, at.saturating_add(entry.first), entry.count)?);
            }
        }
        let Some(next) = next else { return Ok(()) };
        at = next;
    }
    Err(LayoutError::Malformed {
        table: "EBR",
        offset: at.saturating_mul(source.block),
        what: "number of logical partitions",
        found: MAX_LOGICAL as u64,
        expected: "an end of the chain before that",
    })
}

#[cfg(test)]
mod tests {
    use super::super::layout::fixtures::{entry, parse_disk};
    use proptest::prelude::*;

    fn disk() -> Vec<u8> {
        vec![0; 4096 * 512]
    }

    #[test]
    fn primary_and_logical_partitions_are_found_where_they_are() {
        let mut disk = disk();
        disk[440..444].copy_from_slice(&0x1234_abcd_u32.to_le_bytes());
        entry(&mut disk, 0, 0, 0x83, 100, 50);
        entry(&mut disk, 0, 1, 0x05, 1000, 2000);
        entry(&mut disk, 1000 * 512, 0, 0x83, 10, 90);
        entry(&mut disk, 1000 * 512, 1, 0x05, 500, 200);
        entry(&mut disk, 1500 * 512, 0, 0x82, 10, 20);
        let layout = parse_disk(&disk, 512).unwrap();
        assert_eq!(layout.table_id, "1234abcd");
        let sectors: Vec<_> = layout.partitions.iter().map(|range| range.start / 512..range.end / 512).collect();
        assert_eq!(sectors, [100..150, 1010..1100, 1510..1530]);
    }

    #[test]
    fn a_chain_that_comes_back_to_itself_ends_in_an_error() {
        let mut disk = disk();
        entry(&mut disk, 0, 0, 0x0f, 1000, 2000);
        entry(&mut disk, 1000 * 512, 1, 0x05, 0, 200);
        assert!(parse_disk(&disk, 512).unwrap_err().to_string().contains("number of logical partitions"));
    }

    #[test]
    fn a_partition_beyond_the_disk_and_a_boot_sector_are_not_taken() {
        let mut large = disk();
        entry(&mut large, 0, 0, 0x83, 4000, 97);
        let message = parse_disk(&large, 512).unwrap_err().to_string();
        assert_eq!(message, "MBR at byte 0: end of a partition is 4097, expected a sector of the disk");
        let mut boot_sector = disk();
        entry(&mut boot_sector, 0, 0, 0x83, 10, 10);
        boot_sector[446] = 0x41;
        assert_eq!(parse_disk(&boot_sector, 512).unwrap().partitions, []);
        assert_eq!(parse_disk(&disk(), 512).unwrap().table_id, "");
    }

    proptest! {
        #[test]
        fn any_bytes_give_partitions_on_the_disk_or_an_error(
            mut disk in proptest::collection::vec(any::<u8>(), 8192..8193), kind in 0u8..8, block in prop_oneof![Just(512u64), Just(4096)],
        ) {
            for at in [0, 512, 1024] {
                for index in 0..4 { disk[at + 446 + index * 16] &= 0x80; }
                disk[at + 450] = [0x05, 0x83, 0xee, 0, 0x0f, 0x82, 1, 0x85][usize::from(kind)];
                disk[at + 510..at + 512].copy_from_slice(&[0x55, 0xAA]);
                for index in 0..4 { for byte in 9..12 { disk[at + 446 + index * 16 + byte] = 0; } }
            }
            if let Ok(layout) = parse_disk(&disk, block) {
                prop_assert!(layout.partitions.iter().all(|range| range.start < range.end && range.end <= 8192));
            }
        }
    }
}
