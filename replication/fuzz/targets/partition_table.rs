//! What a disk says about its partitions: every partition lies on the disk, whatever is written there. Checksums are not
//! checked here, so that what they protect is reached.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qianyun_replication_io::foreign;

fuzz_target!(|disk: &[u8]| {
    for block in [512, 4096] {
        check(disk, block);
        check(&with_signatures(disk, block), block);
    }
});

fn check(disk: &[u8], block: usize) {
    for partition in foreign::partitions(disk, block as u64).unwrap_or_default() {
        assert!(partition.start < partition.end && partition.end <= disk.len() as u64, "{partition:?}");
    }
}

/// What a fuzzer does not find by itself: a protective MBR, and the signature and the length of a GPT's header behind it.
fn with_signatures(disk: &[u8], block: usize) -> Vec<u8> {
    let mut disk = disk.to_vec();
    let stamps: [(usize, &[u8]); 4] =
        [(450, &[0xEE]), (510, &[0x55, 0xAA]), (block, b"EFI PART"), (block + 12, &[92, 0, 0, 0])];
    for (at, bytes) in stamps {
        if let Some(place) = disk.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }
    disk
}
