//! What the network sends: any bytes are a message or an error, and a message that is written again is the same message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qianyun_replication::frame::{HEADER_BYTES, Header};
use qianyun_replication::message::Message;

/// Where a header says how long its body is.
const WIRE_LEN: std::ops::Range<usize> = 36..40;

fuzz_target!(|bytes: &[u8]| {
    let Some((head, body)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return };
    let _as_it_is = Header::decode(head);
    // What a fuzzer does not find by itself: the magic, the version, and as much body as there is.
    let mut head = *head;
    head[..3].copy_from_slice(b"QY\x01");
    head[WIRE_LEN].copy_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    let Ok(header) = Header::decode(&head) else { return };
    let Ok(message) = Message::decode(&header, body) else { return };
    let mut again = Vec::new();
    message.encode(header.session, header.epoch, &mut again);
    let (head, body) = again.split_first_chunk().expect("a message has a header");
    let header = Header::decode(head).expect("our own header can be read");
    assert_eq!(Message::decode(&header, body).as_ref(), Ok(&message));
});
