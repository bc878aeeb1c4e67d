//! What comes over the socket between the source and the tracker's process, which may be of another release.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qianyun_replication_io::foreign;

fuzz_target!(|body: &[u8]| foreign::trackd(body, &[1_000, 1 << 28]));
