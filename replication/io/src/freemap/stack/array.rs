//! A RAID1 of the kernel's own (md), as `/sys` describes it: each member holds all of it, at one offset. Pure over the texts
//! of `/sys`.
//!
//! Other levels, and an array that is just becoming another one, are not understood. A member that is being filled, or that
//! failed and was left out, is understood or not like any other: the tracker sees every write to it.

use super::Segment;
use crate::device::DeviceNumber;

/// What the kernel allows is more; nobody mirrors a disk as often as this.
const MAX_MEMBERS: u32 = 32;

/// The segments of an array whose files in `/sys` are read by `read`, `None` where there is none.
pub(super) fn segments(read: &dyn Fn(&str) -> Option<String>) -> Option<Vec<Segment>> {
    let is = |file: &str, expected: &str| read(file).is_none_or(|text| text == expected);
    let members = read("md/raid_disks")?.parse::<u32>().ok().filter(|count| *count <= MAX_MEMBERS)?;
    // Kernels that cannot reshape have no position of a reshape.
    if read("md/level")? != "raid1" || !is("md/reshape_position", "none") {
        return None;
    }
    let sectors = read("size")?.parse().ok()?;
    let mut segments = Vec::new();
    for number in 0..members {
        let file = |name: &str| format!("md/rd{number}/{name}");
        // A mirror that lacks a member.
        let Some(device) = read(&file("block/dev")) else { continue };
        let offset = read(&file("offset"))?;
        if !is(&file("new_offset"), &offset) {
            return None;
        }
        segments.push(Segment::of_sectors(0, sectors, DeviceNumber::parse(&device)?, offset.parse().ok()?)?);
    }
    Some(segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIRROR: [(&str, &str); 9] = [
        ("size", "522240"),
        ("md/level", "raid1"),
        ("md/raid_disks", "2"),
        ("md/reshape_position", "none"),
        ("md/rd0/block/dev", "8:2"),
        ("md/rd0/offset", "4096"),
        ("md/rd0/new_offset", "4096"),
        ("md/rd1/block/dev", "8:18"),
        ("md/rd1/offset", "2048"),
    ];

    /// The mirror with some files having another text, or none.
    fn with(changes: &[(&str, Option<&str>)]) -> Option<Vec<Segment>> {
        segments(&|file| {
            let changed = changes.iter().find(|(name, _)| *name == file);
            let text = match changed {
                Some((_, text)) => *text,
                None => MIRROR.iter().find(|(name, _)| *name == file).map(|(_, text)| *text),
            };
            text.map(str::to_owned)
        })
    }

    #[test]
    fn each_member_holds_all_of_a_mirror_at_its_own_offset() {
        let number = |minor| DeviceNumber { major: 8, minor };
        let expected = [(number(2), 4096), (number(18), 2048)];
        let expected = expected.map(|(device, offset)| Segment::of_sectors(0, 522_240, device, offset).unwrap());
        assert_eq!(with(&[]).unwrap(), expected);
        let degraded = with(&[("md/rd0/block/dev", None), ("md/rd0/offset", None)]).unwrap();
        assert_eq!(degraded, expected[1..]);
        assert_eq!(with(&[("md/reshape_position", None)]).unwrap(), expected, "a kernel that cannot reshape");
    }

    #[test]
    fn what_is_no_plain_mirror_is_not_understood() {
        for (file, text) in [
            ("md/level", Some("raid10")),
            ("md/level", None),
            ("md/reshape_position", Some("0")),
            ("md/rd0/new_offset", Some("8192")),
            ("md/rd0/offset", None),
            ("md/rd1/offset", Some("-8")),
            ("md/rd1/block/dev", Some("sdb2")),
            ("md/raid_disks", Some("4294967295")),
            ("md/raid_disks", Some("2 (3)")),
            ("size", Some("0")),
            ("size", Some("18446744073709551615")),
        ] {
            assert_eq!(with(&[(file, text)]), None, "{file}: {text:?}");
        }
    }
}
