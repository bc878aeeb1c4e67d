//! The GUID partition table: the primary one, or its copy at the end of the disk. Pure but for the reads; bounded.

use super::checksum::crc32;
use super::layout::{Layout, LayoutError, Source, number};

const SIGNATURE: &[u8; 8] = b"EFI PART";
/// Bytes of a header that the specification defines.
const HEADER: usize = 92;
/// The usual table is 128 entries of 128 bytes, 16 KiB; a MiB is far beyond what any tool writes.
const MAX_ENTRIES_BYTES: u64 = 1 << 20;
/// The smallest entry of the specification.
const ENTRY: u64 = 128;

/// A GUID as people write it: the first three groups are little-endian.
fn guid(bytes: &[u8]) -> String {
    let (a, b, c) = (number(bytes, 0, 4), number(bytes, 4, 2), number(bytes, 6, 2));
    let tail = bytes[8..16].iter().fold(0u64, |value, byte| (value << 8) | u64::from(*byte));
    format!("{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", tail >> 48, tail & 0xffff_ffff_ffff)
}

/// Parses the table, or its copy if the first does not hold together.
pub(super) fn parse(source: &mut Source<'_>) -> Result<Layout, LayoutError> {
    let first = parse_at(source, 1);
    match first {
        Err(LayoutError::Malformed { .. }) => {
            let last = (source.size / source.block).saturating_sub(1);
            // The first table's fault is the one worth telling.
            parse_at(source, last).or(first)
        }
        result => result,
    }
}

fn parse_at(source: &mut Source<'_>, sector: u64) -> Result<Layout, LayoutError> {
    let malformed =
        |offset, what, found, expected| LayoutError::Malformed { table: "GPT", offset, what, found, expected };
    let place = source.bytes(sector, 1).ok_or(malformed(0, "sector of the header", sector, "a sector of the disk"))?;
    let offset = place.start;
    let mut header = source.read(offset, usize::try_from(source.block).expect("a sector fits"))?;
    if !header.starts_with(SIGNATURE) {
        return Err(malformed(offset, "signature", number(&header, 0, 8), "EFI PART"));
    }
    let header_len = number(&header, 12, 4);
    let Some(len) = usize::try_from(header_len).ok().filter(|len| (HEADER..=header.len()).contains(len)) else {
        return Err(malformed(offset, "header size", header_len, "92 bytes to a sector"));
    };
    let crc = number(&header, 16, 4);
    header[16..20].fill(0);
    // A fuzzer does not find checksums.
    if u64::from(crc32(&header[..len])) != crc && !cfg!(fuzzing) {
        return Err(malformed(offset, "header checksum", crc, "the checksum of the header"));
    }
    let table_id = guid(&header[56..72]);
    let (entries_at, count, entry) = (number(&header, 72, 8), number(&header, 80, 4), number(&header, 84, 4));
    let bytes = count.saturating_mul(entry);
    if entry < ENTRY || !entry.is_multiple_of(8) || bytes > MAX_ENTRIES_BYTES {
        return Err(malformed(offset, "size of the entries", bytes, "entries of 128 bytes or more, a MiB at most"));
    }
    let blocks = bytes.div_ceil(source.block).max(1);
    let Some(entries_place) = source.bytes(entries_at, blocks) else {
        return Err(malformed(offset, "sector of the entries", entries_at, "a sector of the disk"));
    };
    let entries = source.read(entries_place.start, usize::try_from(bytes).expect("a MiB at most"))?;
    if u64::from(crc32(&entries)) != number(&header, 88, 4) && !cfg!(fuzzing) {
        return Err(malformed(
            offset,
            "checksum of the entries",
            number(&header, 88, 4),
            "the checksum of the entries",
        ));
    }
    let mut partitions = Vec::new();
    for raw in entries.chunks_exact(usize::try_from(entry).expect("a MiB at most")) {
        if raw[..16].iter().all(|byte| *byte == 0) {
            continue;
        }
        let (first, last) = (number(raw, 32, 8), number(raw, 40, 8));
        let range = last.checked_sub(first).and_then(|len| source.bytes(first, len.checked_add(1)?));
        partitions.push(range.ok_or(malformed(offset, "end of a partition", last, "a sector of the disk"))?);
    }
    Ok(Layout { table_id, partitions })
}

#[cfg(test)]
mod tests {
    use super::super::layout::fixtures::{entry, parse_disk};
    use super::*;
    use proptest::prelude::*;

    const SECTORS: usize = 256;
    const ID: &str = "01020304-0506-0708-090a-0b0c0d0e0f10";

    fn put(disk: &mut [u8], at: usize, value: u64, len: usize) {
        disk[at..at + len].copy_from_slice(&value.to_le_bytes()[..len]);
    }

    fn table(disk: &mut [u8], header: usize, entries: usize, partitions: &[(u64, u64)]) {
        for (index, (first, last)) in partitions.iter().enumerate() {
            let at = entries * 512 + index * 128;
            disk[at..at + 32].fill(9);
            put(disk, at + 32, *first, 8);
            put(disk, at + 40, *last, 8);
        }
        let entries_crc = crc32(&disk[entries * 512..entries * 512 + 4 * 128]);
        let at = header * 512;
        disk[at..at + 8].copy_from_slice(SIGNATURE);
        put(disk, at + 12, 92, 4);
        disk[at + 56..at + 72].copy_from_slice(&[4, 3, 2, 1, 6, 5, 8, 7, 9, 10, 11, 12, 13, 14, 15, 16]);
        put(disk, at + 72, entries as u64, 8);
        put(disk, at + 80, 4, 4);
        put(disk, at + 84, 128, 4);
        put(disk, at + 88, u64::from(entries_crc), 4);
        put(disk, at + 16, 0, 4);
        let crc = crc32(&disk[at..at + 92]);
        put(disk, at + 16, u64::from(crc), 4);
    }

    fn disk() -> Vec<u8> {
        let mut disk = vec![0; SECTORS * 512];
        entry(&mut disk, 0, 0, 0xee, 1, 255);
        table(&mut disk, 1, 2, &[(34, 65), (100, 100)]);
        table(&mut disk, SECTORS - 1, SECTORS - 2, &[(34, 65), (100, 100)]);
        disk
    }

    #[test]
    fn partitions_and_the_disk_guid_are_read() {
        let layout = parse_disk(&disk(), 512).unwrap();
        assert_eq!(layout.table_id, ID);
        assert_eq!(layout.partitions, [34 * 512..66 * 512, 100 * 512..101 * 512]);
    }

    #[test]
    fn a_damaged_first_table_is_replaced_by_its_copy() {
        let mut disk = disk();
        disk[512 + 60] ^= 1;
        assert_eq!(parse_disk(&disk, 512).unwrap().table_id, ID);
        disk[(SECTORS - 1) * 512 + 60] ^= 1;
        assert!(parse_disk(&disk, 512).unwrap_err().to_string().contains("header checksum"));
    }

    #[test]
    fn a_table_larger_than_any_tool_writes_is_refused_before_it_is_read() {
        let mut disk = disk();
        disk.truncate((SECTORS - 1) * 512);
        put(&mut disk, 512 + 80, u64::from(u32::MAX), 4);
        put(&mut disk, 512 + 16, 0, 4);
        let crc = crc32(&disk[512..512 + 92]);
        put(&mut disk, 512 + 16, u64::from(crc), 4);
        assert!(parse_disk(&disk, 512).unwrap_err().to_string().contains("size of the entries"));
    }

    proptest! {
        #[test]
        fn a_flipped_byte_never_yields_other_partitions(at in 512usize..1024, bit in 0u8..8) {
            let mut disk = disk();
            disk[at] ^= 1 << bit;
            prop_assert_eq!(parse_disk(&disk, 512).unwrap().partitions.len(), 2);
        }
    }
}
