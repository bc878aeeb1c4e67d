//! The records of a perf ring, from bytes that were copied out of it. Pure and bounded.

/// What the kernel put into a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    /// An event: the raw bytes that its `format` file describes.
    Event(&'a [u8]),
    /// So many events did not fit before this place.
    Lost(u64),
    /// Anything else, or bytes that are no record: nothing after it in this batch can be trusted.
    Unreadable,
}

const HEADER: usize = 8;
const PERF_RECORD_LOST: u32 = 2;
const PERF_RECORD_SAMPLE: u32 = 9;

/// The records in `bytes`, which end with a whole record. Stops after [`Record::Unreadable`].
pub(crate) fn records(bytes: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some((record, len)) = first(rest) else {
            rest = &[];
            return Some(Record::Unreadable);
        };
        rest = &rest[len..];
        Some(record)
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The first record and its length.
fn first(bytes: &[u8]) -> Option<(Record<'_>, usize)> {
    let kind = word(bytes, 0)?;
    let len = usize::from(u16::from_ne_bytes(bytes.get(6..8)?.try_into().ok()?));
    // The kernel pads every record to eight bytes.
    if len < HEADER || !len.is_multiple_of(8) {
        return None;
    }
    let body = bytes.get(HEADER..len)?;
    let record = match kind {
        PERF_RECORD_SAMPLE => {
            let raw = usize::try_from(word(body, 0)?).ok()?;
            Record::Event(body.get(4..4usize.checked_add(raw)?)?)
        }
        // The event's number, then the count.
        PERF_RECORD_LOST => Record::Lost(u64::from_ne_bytes(body.get(8..16)?.try_into().ok()?)),
        _ => return None,
    };
    Some((record, len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(kind: u32, body: &[u8]) -> Vec<u8> {
        let mut out = kind.to_ne_bytes().to_vec();
        out.extend([0, 0]);
        out.extend(u16::try_from(HEADER + body.len()).unwrap().to_ne_bytes());
        out.extend(body);
        out
    }

    #[test]
    fn events_and_losses_are_told_apart() {
        let mut bytes = record(PERF_RECORD_SAMPLE, &[4, 0, 0, 0, 1, 2, 3, 4]);
        bytes.extend(record(PERF_RECORD_LOST, &[1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]));
        let found: Vec<_> = records(&bytes).collect();
        assert_eq!(found, [Record::Event(&[1, 2, 3, 4]), Record::Lost(7)]);
    }

    #[test]
    fn what_is_no_record_ends_the_batch_and_says_so() {
        let mut bytes = record(PERF_RECORD_SAMPLE, &[200, 0, 0, 0, 1, 2, 3, 4]);
        bytes.extend(record(PERF_RECORD_LOST, &[0; 16]));
        assert_eq!(records(&bytes).collect::<Vec<_>>(), [Record::Unreadable]);
        assert_eq!(records(&record(5, &[0; 8])).collect::<Vec<_>>(), [Record::Unreadable]);
    }

    proptest! {
        #[test]
        fn any_bytes_end_after_at_most_one_record_for_eight_of_them(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            prop_assert!(records(&bytes).count() <= bytes.len() / 8 + 1);
        }
    }
}
