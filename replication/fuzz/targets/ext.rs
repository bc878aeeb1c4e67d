//! What an ext2, ext3 or ext4 says of itself: whatever that is, what is free lies in it, in order. Checksums are not checked
//! here, so that what they protect is reached.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qianyun_replication_io::foreign;

fuzz_target!(|sectors: &[u8]| {
    let free = foreign::ext(sectors).unwrap_or_default();
    assert!(free.iter().all(|range| range.start < range.end && range.end <= foreign::SPARSE_BYTES), "{free:?}");
    assert!(free.windows(2).all(|pair| pair[0].end < pair[1].start), "{free:?}");
});
