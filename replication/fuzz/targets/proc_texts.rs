//! What the kernel says about mounts and swap: anybody who may mount chooses the names in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qianyun_replication_io::foreign;

fuzz_target!(|text: &str| {
    foreign::mounts(text.as_bytes());
    foreign::swaps(text);
});
