//! Direct reads of a disk that may have bad places: what cannot be read is named, never guessed, never fatal.

use super::buffer::AlignedBuffer;
use super::{DeviceError, LeafDisk, io_error};
use rustix::io::Errno;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// Errors of the medium: the disk answered, and the answer is that this place is lost. Others mean that the disk is gone.
const MEDIUM_ERRORS: [Errno; 4] = [Errno::IO, Errno::NODATA, Errno::ILSEQ, Errno::REMOTEIO];

/// How often one bad sector is tried: disks often succeed at the second attempt, after their own recovery.
const ATTEMPTS: usize = 2;

fn is_medium_error(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(|errno| MEDIUM_ERRORS.contains(&errno))
}

/// Fills `buffer` from `offset` by halves until what fails is one `block`, which is then zeroed and added to `bad`.
fn read_around_errors(
    read: &mut impl FnMut(u64, &mut [u8]) -> io::Result<()>,
    offset: u64,
    buffer: &mut [u8],
    block: usize,
    bad: &mut Vec<Range<u64>>,
) -> io::Result<()> {
    let attempts = if buffer.len() <= block { ATTEMPTS } else { 1 };
    for attempt in 1..=attempts {
        match read(offset, buffer) {
            Ok(()) => return Ok(()),
            Err(error) if !is_medium_error(&error) => return Err(error),
            Err(_) if attempt < attempts => {}
            Err(_) if buffer.len() <= block => {
                buffer.fill(0);
                bad.push(offset..offset + buffer.len() as u64);
                return Ok(());
            }
            Err(_) => {}
        }
    }
    let half = (buffer.len() / 2).next_multiple_of(block);
    let (left, right) = buffer.split_at_mut(half);
    read_around_errors(read, offset, left, block, bad)?;
    read_around_errors(read, offset + half as u64, right, block, bad)
}

/// Direct reads of one disk by this process.
#[derive(Debug, Default)]
pub(super) struct ReadCounter {
    begun: AtomicU64,
    calls: AtomicU64,
    bytes: AtomicU64,
}

/// What this process has read of a disk, through all clones of its [`LeafDisk`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnReads {
    /// Calls of the kernel that have ended, each of up to a chunk.
    pub calls: u64,
    /// Bytes that they asked for.
    pub bytes: u64,
    /// Calls that have not ended.
    pub under_way: u64,
}

impl ReadCounter {
    fn ended(&self, bytes: usize) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl LeafDisk {
    /// What was read of it so far.
    pub fn own_reads(&self) -> OwnReads {
        let [begun, calls, bytes] =
            [&self.reads.begun, &self.reads.calls, &self.reads.bytes].map(|count| count.load(Ordering::Relaxed));
        OwnReads { calls, bytes, under_way: begun.saturating_sub(calls) }
    }

    /// Reads `buffer.len()` bytes at `offset` from the medium, past every cache. Returns the places that could not be
    /// read, to the sector; they are zero in `buffer`.
    ///
    /// `buffer` begins at a multiple of [`super::buffer::ALIGNMENT`]; place and length are whole sectors of the disk.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<Vec<Range<u64>>, DeviceError> {
        let block = u64::from(self.identity.logical_block_bytes);
        let (len, size) = (buffer.len() as u64, self.size_bytes());
        let inside = offset.checked_add(len).is_some_and(|end| end <= size);
        if !inside || !offset.is_multiple_of(block) || !len.is_multiple_of(block) {
            return Err(DeviceError::Bounds { path: self.node.clone(), offset, len, size });
        }
        let mut bad = Vec::new();
        let mut read = |offset, buffer: &mut [u8]| {
            self.reads.begun.fetch_add(1, Ordering::Relaxed);
            let result = self.file.read_exact_at(buffer, offset);
            self.reads.ended(buffer.len());
            result
        };
        let block = usize::try_from(block).expect("a sector fits");
        read_around_errors(&mut read, offset, buffer, block, &mut bad).map_err(io_error("read", &self.node))?;
        if !bad.is_empty() {
            self.answers()?;
        }
        Ok(crate::ranges::merged(bad))
    }

    /// That any place of the disk can be read now, its first sector or its last. A disk that is gone fails as a bad place does
    /// on kernels before 5.18, and nothing on it may be taken for lost.
    fn answers(&self) -> Result<(), DeviceError> {
        let block = self.identity.logical_block_bytes;
        let mut sector = AlignedBuffer::new(usize::try_from(block).expect("a sector fits"));
        let last = self.size_bytes().saturating_sub(u64::from(block));
        let mut read = |offset| self.file.read_exact_at(&mut sector, offset);
        read(0).or_else(|_| read(last)).map_err(io_error("get any answer from", &self.node))
    }

    /// Any run of bytes, whole sectors or not, with the bad places of the sectors that it touches.
    pub(crate) fn read_run(&self, offset: u64, len: usize) -> Result<(Vec<u8>, Vec<Range<u64>>), DeviceError> {
        let block = u64::from(self.identity.logical_block_bytes);
        let start = offset / block * block;
        let skip = usize::try_from(offset - start).expect("less than a sector");
        let whole = skip.saturating_add(len).next_multiple_of(usize::try_from(block).expect("a sector fits"));
        let mut buffer = AlignedBuffer::new(whole);
        let bad = self.read(start, &mut buffer)?;
        Ok((buffer[skip..skip + len].to_vec(), bad))
    }

    /// The error for a disk that is slower than its reader can wait for.
    pub(crate) fn out_of_time(&self) -> DeviceError {
        io_error("read in time from", &self.node)(Errno::TIMEDOUT.into())
    }

    /// The error for a bad place that cannot be passed over.
    pub(crate) fn bad_place(&self) -> DeviceError {
        io_error("read around a bad place of", &self.node)(Errno::IO.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// A medium whose byte at `n` is `n % 251`, and which fails wherever a listed block of 512 is touched.
    fn broken(bad: &BTreeSet<u64>) -> impl FnMut(u64, &mut [u8]) -> io::Result<()> {
        move |offset, buffer| {
            let touched = offset / 512..(offset + buffer.len() as u64).div_ceil(512);
            if bad.range(touched).next().is_some() {
                return Err(Errno::IO.into());
            }
            for (byte, at) in buffer.iter_mut().zip(offset..) {
                *byte = u8::try_from(at % 251).unwrap();
            }
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn exactly_the_bad_sectors_are_zero_and_named(
            bad in proptest::collection::btree_set(0u64..64, 0..12), start in 0u64..32, count in 1u64..32,
        ) {
            let mut buffer = vec![0xAA; usize::try_from(count * 512).unwrap()];
            let mut named = Vec::new();
            read_around_errors(&mut broken(&bad), start * 512, &mut buffer, 512, &mut named).unwrap();
            let expected: Vec<_> = bad.range(start..start + count).map(|b| b * 512..(b + 1) * 512).collect();
            prop_assert_eq!(&named, &expected);
            for (byte, at) in buffer.iter().zip(start * 512..) {
                let value = if bad.contains(&(at / 512)) { 0 } else { u8::try_from(at % 251).unwrap() };
                prop_assert_eq!(*byte, value);
            }
        }
    }

    #[test]
    fn a_disk_that_is_gone_is_an_error_and_not_a_bad_sector() {
        let mut gone = |_, _: &mut [u8]| Err(Errno::NODEV.into());
        let result = read_around_errors(&mut gone, 0, &mut [0; 1024], 512, &mut Vec::new());
        assert_eq!(Errno::from_io_error(&result.unwrap_err()), Some(Errno::NODEV));
    }

    #[test]
    fn a_sector_that_reads_at_the_second_attempt_is_good() {
        let mut calls = 0;
        let mut flaky = |_, buffer: &mut [u8]| {
            calls += 1;
            buffer.fill(3);
            if calls == 1 { Err(Errno::IO.into()) } else { Ok(()) }
        };
        let (mut buffer, mut bad) = ([0; 512], Vec::new());
        read_around_errors(&mut flaky, 0, &mut buffer, 512, &mut bad).unwrap();
        assert_eq!((buffer, bad), ([3; 512], vec![]));
    }
}
