//! What a new process of the source finds in memory. The checksum is not checked here, so that what it protects is reached.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qianyun_replication::checkpoint::Checkpoint;
use qianyun_replication::sender::{Sender, SenderConfig};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(checkpoint) = Checkpoint::decode(bytes) {
        assert_eq!(Checkpoint::decode(&checkpoint.encode()).as_ref(), Ok(&checkpoint));
        assert!(Sender::restored(SenderConfig::default(), &checkpoint).is_accounted_for());
    }
});
