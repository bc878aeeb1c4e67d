//! What of the disks cannot be read: places that their medium has lost, and disks that do not answer at all.
//!
//! A place counts until it is read again and is good: whoever writes it anew has it read. Never here: what follows from it.

use qianyun_replication::block_set::BlockSet;
use qianyun_replication::geometry::DeviceId;
use std::collections::HashMap;
use std::ops::Range;

/// Places are known to this: the smallest sector of any disk.
const SECTOR_BYTES: u64 = 512;

/// See the module's description.
#[derive(Debug, Default)]
pub(super) struct Unread {
    /// Sectors that were bad when they were read last, by disk.
    bad: HashMap<DeviceId, BlockSet>,
    /// Why the last attempt to read a disk failed, of those where it did.
    silent: HashMap<DeviceId, String>,
}

impl Unread {
    /// A run of bytes was read, all but what lies of the `bad` places in it. Both are whole sectors.
    pub(super) fn read(&mut self, disk: DeviceId, run: &Range<u64>, bad: &[Range<u64>]) {
        self.silent.remove(&disk);
        if bad.is_empty() && !self.bad.contains_key(&disk) {
            return;
        }
        let known = self.bad.entry(disk).or_default();
        known.remove(sectors(run));
        for place in bad.iter().map(|place| place.start.max(run.start)..place.end.min(run.end)) {
            known.insert(sectors(&place));
        }
    }

    /// The disk did not answer.
    pub(super) fn failed(&mut self, disk: DeviceId, words: String) {
        self.silent.insert(disk, words);
    }

    /// Bytes of the disk that could not be read when they were read last.
    pub(super) fn bad_bytes(&self, disk: DeviceId) -> u64 {
        self.bad.get(&disk).map_or(0, BlockSet::count) * SECTOR_BYTES
    }

    /// Where the first byte of a disk lies that could not be read; `None` if all could.
    pub(super) fn first_bad(&self, disk: DeviceId) -> Option<u64> {
        Some(self.bad.get(&disk)?.runs().next()?.start * SECTOR_BYTES)
    }

    /// The places of a disk that could not be read when they were read last, in order.
    pub(super) fn bad_places(&self, disk: DeviceId) -> Vec<Range<u64>> {
        let runs = self.bad.get(&disk).into_iter().flat_map(BlockSet::runs);
        runs.map(|run| run.start * SECTOR_BYTES..run.end * SECTOR_BYTES).collect()
    }

    /// Whether zeros were sent for anything.
    pub(super) fn has_bad_places(&self) -> bool {
        self.bad.values().any(|places| !places.is_empty())
    }

    /// For people; empty if all could be read.
    pub(super) fn words(&self, disk: DeviceId) -> String {
        let silent = self.silent.get(&disk).cloned();
        let bad = self.first_bad(disk).map(|from| {
            let bytes = self.bad_bytes(disk);
            format!("{bytes} bytes cannot be read, the first at byte {from}; zeros are sent for them, and they are tried again")
        });
        silent.into_iter().chain(bad).collect::<Vec<_>>().join("; ")
    }
}

fn sectors(bytes: &Range<u64>) -> Range<u64> {
    bytes.start / SECTOR_BYTES..bytes.end.div_ceil(SECTOR_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK: DeviceId = DeviceId(3);

    #[test]
    fn a_bad_place_counts_once_however_often_it_is_read_and_until_it_reads_well() {
        let mut unread = Unread::default();
        for _ in 0..2 {
            unread.read(DISK, &(0..8192), &[512..1024, 4096..5120]);
        }
        assert_eq!(
            unread.words(DISK),
            "1536 bytes cannot be read, the first at byte 512; zeros are sent for them, and they are tried again"
        );
        assert_eq!(unread.bad_places(DISK), [512..1024, 4096..5120]);
        assert_eq!(unread.words(DeviceId(4)), "");
        unread.read(DISK, &(0..4096), &[]);
        assert_eq!(unread.bad_bytes(DISK), 1024);
        unread.read(DISK, &(4096..8192), &[]);
        assert!(!unread.has_bad_places() && unread.words(DISK).is_empty());
    }

    #[test]
    fn a_bad_place_outside_of_what_was_asked_for_is_not_counted_and_not_forgotten() {
        let mut unread = Unread::default();
        unread.read(DISK, &(4096..8192), &[0..512, 7680..8704, 12288..12800]);
        assert_eq!(unread.bad_bytes(DISK), 512);
        unread.read(DISK, &(0..4096), &[]);
        assert_eq!(unread.bad_bytes(DISK), 512);
    }

    #[test]
    fn a_disk_is_silent_until_it_answers() {
        let mut unread = Unread::default();
        unread.failed(DISK, "no answer".to_owned());
        assert_eq!((unread.words(DISK).as_str(), unread.has_bad_places()), ("no answer", false));
        unread.read(DISK, &(0..512), &[]);
        assert_eq!(unread.words(DISK), "");
    }
}
