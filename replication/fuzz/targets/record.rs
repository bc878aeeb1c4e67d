//! What the other end proposes to sign: only the one canonical text of a record is one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qianyun_replication::record::CutoverRecord;

fuzz_target!(|text: &str| {
    if let Ok(record) = CutoverRecord::from_canonical(text) {
        assert_eq!(record.to_canonical(), text);
    }
});
