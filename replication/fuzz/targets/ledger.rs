//! What a receiver finds on its disk after a crash. The checksum is not checked here, so that what it protects is reached.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qianyun_replication::ledger::Ledger;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(ledger) = Ledger::decode(bytes) {
        assert_eq!(Ledger::decode(&ledger.encode()).as_ref(), Ok(&ledger));
    }
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let _either = Ledger::newest([Some(first), Some(second)]);
});
