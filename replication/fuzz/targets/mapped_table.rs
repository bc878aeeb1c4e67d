//! What the device mapper says about a volume: a segment is as long above as below, and has bytes, whatever stands there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qianyun_replication_io::foreign;

fuzz_target!(|input: (u8, &[u8])| {
    let (targets, table) = input;
    check(table, targets.into());
    check(&with_links(table), targets.into());
});

fn check(table: &[u8], targets: u32) {
    for (above, below) in foreign::mapped(table, targets) {
        assert!(above.start < above.end && above.end - above.start == below.end - below.start, "{above:?} {below:?}");
    }
}

/// What a fuzzer does not find by itself: targets of 64 bytes, each with a name that is known, and naming the next.
fn with_links(table: &[u8]) -> Vec<u8> {
    let mut table = table.to_vec();
    let mut next = 64u32;
    for (number, target) in table.chunks_exact_mut(64).enumerate() {
        target[20..24].copy_from_slice(&next.to_ne_bytes());
        let name: &[u8] = if number % 2 == 0 { b"linear\0" } else { b"crypt\0" };
        target[24..24 + name.len()].copy_from_slice(name);
        target[63] = 0;
        next += 64;
    }
    table
}
