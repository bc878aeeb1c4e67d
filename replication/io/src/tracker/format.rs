//! The layout of a trace event, from the `format` file of the running kernel: it differs between kernels. Pure.

/// Why an event cannot be read on this kernel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event format: {what} is {found:?}, expected {expected}")]
pub struct FormatError {
    /// Which field.
    pub what: &'static str,
    /// What the file says.
    pub found: String,
    /// What we can read.
    pub expected: &'static str,
}

/// Where a field is in the raw event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    offset: usize,
    size: usize,
}

/// The fields of `block_rq_complete` that tell what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventFormat {
    /// The number under which perf knows the event.
    pub(crate) id: u64,
    dev: Field,
    sector: Field,
    nr_sector: Field,
    rwbs: Field,
}

/// One finished request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Completion {
    /// The disk, in the kernel's own numbering.
    pub(crate) dev: u32,
    pub(crate) sector: u64,
    pub(crate) sectors: u32,
    /// Whether the request only read: the first letter of `rwbs` is `R`. All others change the disk: writes are `W`,
    /// discards `D`, write-zeroes `N`, and a flush before data `F`.
    pub(crate) is_read: bool,
}

/// The sector of what has none: a command that a program sends to the disk itself (`SG_IO`), past the block layer, as
/// smartctl asks a disk for its health. Its letter is `N` whether it reads or writes, and no counter of the disk counts it.
/// The program at the trace point knows the difference, and tells one that writes as one sector less.
pub(crate) const PASSED_BY: u64 = u64::MAX;

impl Completion {
    /// Whether the disk counts it among what was written. A command to the disk itself that may have written is said to be
    /// counted, and is not: a doubt. One that tells nothing of that is taken for a question, or each look at a disk's health
    /// would be a doubt.
    pub(crate) fn is_counted(&self) -> bool {
        !self.is_read && self.sector != PASSED_BY
    }
}

/// A format file has some 20 lines; a line some 80 characters.
const MAX_FORMAT_BYTES: usize = 16 * 1024;
/// Events are at most a page.
const MAX_EVENT_BYTES: usize = 4096;

impl EventFormat {
    /// Parses the text of a `format` file.
    pub(crate) fn parse(text: &str) -> Result<Self, FormatError> {
        if text.len() > MAX_FORMAT_BYTES {
            let found = format!("{} bytes", text.len());
            return Err(FormatError { what: "length", found, expected: "16 KiB at most" });
        }
        let id = text.lines().find_map(|line| line.strip_prefix("ID:")).unwrap_or_default().trim();
        let id = id.parse().map_err(|_| FormatError { what: "ID", found: id.to_owned(), expected: "a number" })?;
        Ok(Self {
            id,
            dev: field(text, "dev", &[4])?,
            sector: field(text, "sector", &[4, 8])?,
            nr_sector: field(text, "nr_sector", &[4])?,
            rwbs: field(text, "rwbs", &[])?,
        })
    }

    /// Reads one raw event; `None` if it is shorter than the format says.
    pub(crate) fn read(&self, raw: &[u8]) -> Option<Completion> {
        let bytes = |field: Field| raw.get(field.offset..field.offset + field.size);
        let word = |field: Field| Some(u32::from_ne_bytes(bytes(field)?.try_into().ok()?));
        let sector = match bytes(self.sector)? {
            eight if eight.len() == 8 => u64::from_ne_bytes(eight.try_into().ok()?),
            four => u64::from(u32::from_ne_bytes(four.try_into().ok()?)),
        };
        let is_read = bytes(self.rwbs)?.first() == Some(&b'R');
        Some(Completion { dev: word(self.dev)?, sector, sectors: word(self.nr_sector)?, is_read })
    }
}

fn field(text: &str, name: &'static str, sizes: &[usize]) -> Result<Field, FormatError> {
    let error = |found: &str, expected| FormatError { what: name, found: found.chars().take(120).collect(), expected };
    let declares = |line: &&str| {
        let declaration = line.split(';').next().unwrap_or_default();
        let declaration = declaration.split('[').next().unwrap_or_default();
        declaration.trim_start().starts_with("field:") && declaration.split_whitespace().last() == Some(name)
    };
    let line = text.lines().find(declares).ok_or_else(|| error("missing", "a field of that name"))?;
    let value = |key: &str| line.split(';').find_map(|part| part.trim().strip_prefix(key)?.parse::<usize>().ok());
    let (Some(offset), Some(size)) = (value("offset:"), value("size:")) else {
        return Err(error(line, "an offset and a size"));
    };
    let fits = size > 0 && offset <= MAX_EVENT_BYTES && size <= MAX_EVENT_BYTES;
    if !fits || !(sizes.is_empty() || sizes.contains(&size)) {
        return Err(error(line, "a place within a page, and the size of its type"));
    }
    Ok(Field { offset, size })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> [usize; 4] {
        let format = EventFormat::parse(text).unwrap();
        [format.dev.offset, format.sector.offset, format.nr_sector.offset, format.rwbs.offset]
    }

    #[test]
    fn the_formats_of_the_kernels_in_scope_are_read() {
        assert_eq!(at(include_str!("fixtures/block_rq_complete-3.10")), [8, 16, 24, 32]);
        assert_eq!(at(include_str!("fixtures/block_rq_complete-4.19")), [8, 16, 24, 32]);
        assert_eq!(at(include_str!("fixtures/block_rq_complete-6.1")), [8, 16, 24, 32]);
        assert_eq!(at(include_str!("fixtures/block_rq_complete-6.18")), [8, 16, 24, 34]);
    }

    #[test]
    fn an_event_is_read_at_the_places_that_the_format_names() {
        let format = EventFormat::parse(include_str!("fixtures/block_rq_complete-6.18")).unwrap();
        let mut raw = [0u8; 48];
        raw[8..12].copy_from_slice(&0x0070_0003_u32.to_ne_bytes());
        raw[16..24].copy_from_slice(&(1u64 << 40).to_ne_bytes());
        raw[24..28].copy_from_slice(&8u32.to_ne_bytes());
        for (letters, is_read) in [("WS", false), ("N", false), ("D", false), ("FWFS", false), ("RA", true)] {
            raw[34..44].fill(0);
            raw[34..34 + letters.len()].copy_from_slice(letters.as_bytes());
            let expected = Completion { dev: 0x0070_0003, sector: 1 << 40, sectors: 8, is_read };
            assert_eq!(format.read(&raw), Some(expected), "{letters}");
        }
        assert_eq!(format.read(&raw[..40]), None);
    }

    #[test]
    fn a_question_to_the_disk_itself_is_nothing_written_and_what_wrote_past_the_kernel_is() {
        let command = |sector| Completion { dev: 0x0080_0000, sector, sectors: 1, is_read: false };
        assert!(!command(PASSED_BY).is_counted());
        assert!(command(PASSED_BY - 1).is_counted());
        assert!(command(0).is_counted());
        assert!(!Completion { is_read: true, ..command(0) }.is_counted());
    }

    #[test]
    fn a_missing_field_is_named() {
        let text = include_str!("fixtures/block_rq_complete-6.1").replace("nr_sector;", "sectors;");
        assert_eq!(EventFormat::parse(&text).unwrap_err().what, "nr_sector");
    }

    proptest! {
        #[test]
        fn any_text_and_any_event_is_read_without_a_panic(
            line in "\tfield:[a-z ]{0,9}(dev|sector|nr_sector|rwbs)[\\[\\]0-9]{0,5};\toffset:[0-9]{1,20};\tsize:[0-9]{1,20};",
            raw in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let text = include_str!("fixtures/block_rq_complete-6.1").replacen("print fmt", &line, 1);
            let text = format!("{line}\n{text}");
            if let Ok(format) = EventFormat::parse(&text) {
                let _ = format.read(&raw);
            }
        }
    }
}
