//! Where the kernel's structures have what tells a finished request, from its own description of its types (BTF). Pure and
//! bounded. What is not as expected is `None`: then the kernel's rings are used, which need none of this.

/// Offsets in bytes, and the number of the trace point's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Places {
    pub(crate) tracepoint: u32,
    pub(crate) request_queue: i16,
    pub(crate) request_flags: i16,
    pub(crate) request_sector: i16,
    pub(crate) queue_disk: i16,
    pub(crate) disk_major: i16,
    pub(crate) disk_minor: i16,
}

const MAGIC: u16 = 0xeb9f;
const TRACEPOINT: &[u8] = b"btf_trace_block_rq_complete";
const STRUCT: u32 = 4;
const TYPEDEF: u32 = 8;
/// Name, information, size.
const TYPE_BYTES: usize = 12;
/// Name, type, offset.
const MEMBER_BYTES: usize = 12;

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn part(bytes: &[u8], at: u32, len: u32) -> Option<&[u8]> {
    let at = usize::try_from(at).ok()?;
    bytes.get(at..at.checked_add(usize::try_from(len).ok()?)?)
}

/// Whether the text at `at` is `name`.
fn is_named(texts: &[u8], at: u32, name: &[u8]) -> bool {
    let text = usize::try_from(at).ok().and_then(|at| texts.get(at..)).unwrap_or_default();
    text.strip_prefix(name).is_some_and(|rest| rest.first() == Some(&0))
}

/// Bytes that follow the type itself.
fn extra_bytes(kind: u32, members: usize) -> Option<usize> {
    match kind {
        1 | 14 | 17 => Some(4),
        3 => Some(12),
        STRUCT | 5 | 15 | 19 => Some(members * MEMBER_BYTES),
        6 | 13 => Some(members * 8),
        2 | 7..=12 | 16 | 18 => Some(0),
        _unknown => None,
    }
}

/// The offset of a member that is no bit field.
fn offset(members: &[u8], texts: &[u8], has_bit_fields: bool, name: &[u8]) -> Option<i16> {
    let member = members
        .chunks_exact(MEMBER_BYTES)
        .find(|member| word(member, 0).is_some_and(|at| is_named(texts, at, name)))?;
    let bits = word(member, 8)?;
    if (has_bit_fields && bits >> 24 != 0) || !bits.is_multiple_of(8) {
        return None;
    }
    i16::try_from(bits / 8).ok()
}

/// Reads the description of the running kernel's types.
pub(crate) fn places(btf: &[u8]) -> Option<Places> {
    if u16::from_ne_bytes(btf.get(..2)?.try_into().ok()?) != MAGIC {
        return None;
    }
    let body = btf.get(usize::try_from(word(btf, 4)?).ok()?..)?;
    let texts = part(body, word(btf, 16)?, word(btf, 20)?)?;
    let mut rest = part(body, word(btf, 8)?, word(btf, 12)?)?;
    let (mut request, mut queue, mut disk, mut tracepoint) = (None, None, None, None);
    let mut number = 0u32;
    while !rest.is_empty() {
        number = number.checked_add(1)?;
        let (name, info) = (word(rest, 0)?, word(rest, 4)?);
        let (kind, has_bit_fields) = (info >> 24 & 0x1f, info >> 31 == 1);
        let end = TYPE_BYTES + extra_bytes(kind, usize::try_from(info & 0xffff).ok()?)?;
        let members = rest.get(TYPE_BYTES..end)?;
        let at = |member: &[u8]| offset(members, texts, has_bit_fields, member);
        if kind == TYPEDEF && is_named(texts, name, TRACEPOINT) {
            tracepoint = Some(number);
        }
        if kind == STRUCT && is_named(texts, name, b"request") {
            request = request.or(at(b"q").zip(at(b"cmd_flags")).zip(at(b"__sector")));
        }
        if kind == STRUCT && is_named(texts, name, b"request_queue") {
            queue = queue.or(at(b"disk"));
        }
        if kind == STRUCT && is_named(texts, name, b"gendisk") {
            disk = disk.or(at(b"major").zip(at(b"first_minor")));
        }
        rest = &rest[end..];
    }
    let ((request_queue, request_flags), request_sector) = request?;
    let (disk_major, disk_minor) = disk?;
    Some(Places {
        tracepoint: tracepoint?,
        request_queue,
        request_flags,
        request_sector,
        queue_disk: queue?,
        disk_major,
        disk_minor,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A description of the types that are looked for, the trace point last.
    fn described(bits_of_sector: u32) -> Vec<u8> {
        let mut texts = vec![0];
        let mut named = |name: &str| {
            let at = u32::try_from(texts.len()).unwrap();
            texts.extend(name.bytes());
            texts.push(0);
            at
        };
        let mut types: Vec<u32> = vec![named("int"), 1 << 24, 4, 32];
        for (name, members) in [
            ("request", &[("q", 0), ("cmd_flags", 192), ("__sector", bits_of_sector)][..]),
            ("request_queue", &[("disk", 640)]),
            ("gendisk", &[("major", 0), ("first_minor", 32)]),
        ] {
            types.extend([named(name), STRUCT << 24 | u32::try_from(members.len()).unwrap(), 512]);
            members.iter().for_each(|(member, bits)| types.extend([named(member), 1, *bits]));
        }
        types.extend([named("btf_trace_block_rq_complete"), TYPEDEF << 24, 1]);
        let len = |bytes: usize| u32::try_from(bytes).unwrap();
        let (type_bytes, text_bytes) = (len(types.len() * 4), len(texts.len()));
        let mut out = MAGIC.to_ne_bytes().to_vec();
        out.extend([1, 0]);
        let words = [24, 0, type_bytes, type_bytes, text_bytes].into_iter().chain(types);
        out.extend(words.flat_map(u32::to_ne_bytes));
        out.extend(texts);
        out
    }

    #[test]
    fn the_places_are_found_by_name() {
        let expected = Places {
            tracepoint: 5,
            request_queue: 0,
            request_flags: 24,
            request_sector: 48,
            queue_disk: 80,
            disk_major: 0,
            disk_minor: 4,
        };
        assert_eq!(places(&described(384)), Some(expected));
        assert_eq!(places(&described(385)), None, "not at a whole byte");
    }

    #[test]
    fn whatever_is_cut_off_or_renamed_is_not_believed() {
        let whole = described(384);
        (0..whole.len()).for_each(|end| assert_eq!(places(&whole[..end]), None, "{end}"));
        let at = whole.windows(8).position(|text| text == b"__sector").unwrap();
        let mut renamed = whole.clone();
        renamed[at] = b'x';
        assert_eq!(places(&renamed), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(at in 0usize..300, bytes in proptest::collection::vec(any::<u8>(), 1..16)) {
            let mut described = described(384);
            let at = at.min(described.len() - bytes.len());
            described[at..at + bytes.len()].copy_from_slice(&bytes);
            let _ = (places(&described), places(&bytes));
        }
    }
}
