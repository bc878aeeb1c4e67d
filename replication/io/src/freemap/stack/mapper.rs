//! The table of a mapped device as the device mapper writes it: what `DM_TABLE_STATUS` returns. Pure, and never keeps the
//! text: a table of dm-crypt may hold the key.
//!
//! Read are the two targets that put each of their bytes at one place: `linear`, which is a logical volume, and `crypt`.

use super::Segment;
use crate::device::DeviceNumber;

/// `struct dm_target_spec`: first sector and length (u64), status, where the next one is (u32), and the target's name.
const SPEC_BYTES: usize = 40;
const NAME_AT: usize = 24;

/// What of `bytes` comes before its first NUL, as text.
fn text(bytes: &[u8]) -> Option<&str> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    std::str::from_utf8(&bytes[..end]).ok()
}

/// The device below, and the sector at which the target begins there.
fn below(target: &str, parameters: &str) -> Option<(DeviceNumber, u64)> {
    let mut words = parameters.split(' ');
    match target {
        "linear" => {}
        // Cipher, key, offset of the initialisation vectors.
        "crypt" => drop(words.nth(2)?),
        // Whatever there is besides puts bytes elsewhere, or more than once, or not at all.
        _ => return None,
    }
    let (device, sector) = (DeviceNumber::parse(words.next()?)?, words.next()?.parse().ok()?);
    // With integrity the data is not where it would be without.
    let plain =
        if target == "crypt" { words.all(|word| !word.starts_with("integrity")) } else { words.next().is_none() };
    plain.then_some((device, sector))
}

/// The segments of a table of `targets` targets; `None` if one of them is of another kind, or the table is malformed.
pub(in crate::freemap) fn parse(table: &[u8], targets: u32) -> Option<Vec<Segment>> {
    let (mut segments, mut at) = (Vec::new(), 0);
    for _ in 0..targets {
        let (spec, rest) = table.get(at..)?.split_at_checked(SPEC_BYTES)?;
        let number = |at: usize| Some(u64::from_ne_bytes(spec.get(at..at + 8)?.try_into().ok()?));
        let (device, sector) = below(text(&spec[NAME_AT..])?, text(rest)?)?;
        segments.push(Segment::of_sectors(number(0)?, number(8)?, device, sector)?);
        // From the beginning of the table, whatever the kernel's header says. Backwards would be without end.
        let next = usize::try_from(u32::from_ne_bytes(spec[20..NAME_AT].try_into().ok()?)).ok()?;
        at = (next > at).then_some(next)?;
    }
    Some(segments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A table as the kernel writes it: each target aligned to eight bytes.
    fn table(targets: &[(u64, u64, &str, &str)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (first, count, name, parameters) in targets {
            let start = bytes.len();
            bytes.extend_from_slice(&first.to_ne_bytes());
            bytes.extend_from_slice(&count.to_ne_bytes());
            bytes.extend_from_slice(&[0; 8]);
            bytes.extend_from_slice(format!("{name:\0<16}{parameters}\0").as_bytes());
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            let next = u32::try_from(bytes.len()).unwrap();
            bytes[start + 20..start + 24].copy_from_slice(&next.to_ne_bytes());
        }
        bytes
    }

    fn parsed(targets: &[(u64, u64, &str, &str)]) -> Option<Vec<Segment>> {
        parse(&table(targets), u32::try_from(targets.len()).unwrap())
    }

    #[test]
    fn a_logical_volume_is_its_extents() {
        let number = |minor| DeviceNumber { major: 8, minor };
        let segments = parsed(&[(0, 8192, "linear", "8:2 2048"), (8192, 100, "linear", "8:18 4096")]).unwrap();
        assert_eq!(segments[0], Segment::of_sectors(0, 8192, number(2), 2048).unwrap());
        assert_eq!(segments[1], Segment::of_sectors(8192, 100, number(18), 4096).unwrap());
    }

    #[test]
    fn luks_is_its_device_behind_the_header() {
        let key = "aes-xts-plain64 :64:logon:cryptsetup:8f3c-d0 0 9:1 32768";
        let expected = Segment::of_sectors(0, 64, DeviceNumber { major: 9, minor: 1 }, 32768);
        for options in ["", " 1 allow_discards", " 2 sector_size:4096 iv_large_sectors"] {
            assert_eq!(parsed(&[(0, 64, "crypt", &format!("{key}{options}"))]).unwrap().pop(), expected);
        }
        assert_eq!(parsed(&[(0, 64, "crypt", &format!("{key} 1 integrity:32:aead"))]), None);
    }

    #[test]
    fn one_target_of_another_kind_makes_the_device_unknown() {
        let linear = (0, 8, "linear", "8:2 2048");
        let others = [
            ("striped", "2 128 8:2 2048 8:18 2048"),
            ("thin", "254:3 1"),
            ("snapshot-origin", "254:1"),
            ("snapshot", "254:1 254:2 P 8"),
            ("mirror", "core 1 1024 2 8:2 0 8:18 0"),
            ("multipath", "0 0 1 1 service-time 0 1 2 8:16 1 1"),
            ("linear", "8:2"),
            ("linear", "8:2 -1"),
            ("linear", "8:2 2048 9"),
            ("linear", "sda2 2048"),
            ("crypt", "aes key 0 8:2"),
            ("error", ""),
        ];
        assert!(parsed(&[linear]).is_some());
        for (name, parameters) in others {
            assert_eq!(parsed(&[linear, (8, 8, name, parameters)]), None, "{name} {parameters}");
        }
    }

    #[test]
    fn a_table_that_points_backwards_or_out_of_itself_or_has_no_end_is_refused() {
        let two = table(&[(0, 8, "linear", "8:2 0"), (8, 8, "linear", "8:2 8")]);
        for next in [0, 20, u32::MAX] {
            let mut table = two.clone();
            table[20..24].copy_from_slice(&u32::to_ne_bytes(next));
            assert_eq!(parse(&table, 2), None, "{next}");
        }
        assert_eq!(parse(&two, 3), None);
        assert_eq!(parse(&two[..two.len() - 3], 2), None, "parameters without an end");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), targets in any::<u32>()) {
            parse(&bytes, targets);
        }

        #[test]
        fn no_damage_makes_it_panic_or_makes_segments_of_nothing(at in 0usize..112, value in any::<u8>()) {
            let mut table = table(&[(0, 8, "linear", "8:2 0"), (8, 8, "crypt", "c k 0 8:2 8")]);
            if let Some(byte) = table.get_mut(at) {
                *byte = value;
            }
            for segment in parse(&table, 2).unwrap_or_default() {
                prop_assert!(segment.upper.start < segment.upper.end);
                prop_assert_eq!(segment.upper.end - segment.upper.start, segment.lower.end - segment.lower.start);
            }
        }
    }
}
