//! What the kernel says about its trace events and its types, and what it puts into the rings.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qianyun_replication_io::foreign;

fuzz_target!(|input: (&str, &[u8])| {
    let (format, ring) = input;
    foreign::events(format, ring);
    foreign::kernel_types(ring);
});
