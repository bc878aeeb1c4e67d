//! The wire to the byte: every bound at its limit and one beyond it, every number that another release must find again.
#![allow(clippy::unwrap_used)]

use qianyun_replication::digest::ChunkHash;
use qianyun_replication::frame::{
    Codec, FrameError, FrameType, HEADER_BYTES, Header, MAGIC, MAX_RAW_BYTES, MAX_WIRE_BYTES,
};
use qianyun_replication::geometry::{CHUNK_BYTES, ChunkIndex, DeviceId};
use qianyun_replication::identity::{DeviceIdentity, MAX_IDENTITY_TEXT};
use qianyun_replication::message::{ErrorCode, MAX_ERROR_TEXT, MAX_OPENED_RUNS, Message, MessageError};

const DEVICE: DeviceId = DeviceId(9);

fn header(kind: FrameType) -> Header {
    Header {
        kind,
        flags: 0,
        codec: Codec::None,
        session: 1,
        device: DEVICE,
        epoch: 2,
        offset: 0,
        raw_len: 0,
        wire_len: 0,
        seq: 3,
    }
}

fn encoded(message: &Message<'_>) -> (Header, Vec<u8>) {
    let mut bytes = Vec::new();
    message.encode(1, 2, &mut bytes);
    let header = Header::decode(bytes[..HEADER_BYTES].try_into().unwrap()).unwrap();
    (header, bytes.split_off(HEADER_BYTES))
}

#[track_caller]
fn assert_comes_back(message: &Message<'_>) {
    let (header, body) = encoded(message);
    assert_eq!(&Message::decode(&header, &body).unwrap(), message);
}

fn refused(message: &Message<'_>) -> MessageError {
    let (header, body) = encoded(message);
    Message::decode(&header, &body).unwrap_err()
}

fn open(volume: String, serial: String) -> Message<'static> {
    let (table_id, wwn) = (String::new(), String::new());
    let identity = DeviceIdentity { logical_block_bytes: 4096, serial, size_bytes: 1 << 40, table_id, wwn };
    Message::Open { device: DEVICE, volume, identity }
}

#[test]
fn the_numbers_of_types_codecs_and_error_codes_never_change() {
    let types: Vec<u8> = FrameType::ALL.iter().map(|t| t.to_wire()).collect();
    assert_eq!(types, (1..=16).chain(18..=21).collect::<Vec<u8>>());
    assert_eq!((FrameType::Hello.to_wire(), FrameType::Data.to_wire(), FrameType::Bye.to_wire()), (1, 5, 21));
    assert_eq!(Codec::ALL.iter().map(|c| c.to_wire()).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(ErrorCode::ALL.iter().map(|c| *c as u8).collect::<Vec<_>>(), (1..=7).collect::<Vec<u8>>());
    for found in (22..=255).chain([0, 17]) {
        assert_eq!(FrameType::from_wire(found), Err(FrameError::Type { found }));
    }
    assert!((2..=255).all(|found| Codec::from_wire(found) == Err(FrameError::Codec { found })));
    assert_eq!(MAGIC.to_le_bytes(), *b"QY");
}

#[test]
fn lengths_are_accepted_to_their_bound_and_refused_one_beyond_it() {
    let look =
        |raw_len: u32, wire_len: u32| Header::decode(&Header { raw_len, wire_len, ..header(FrameType::Data) }.encode());
    assert!(look(MAX_RAW_BYTES, MAX_WIRE_BYTES).is_ok());
    for (raw, wire, what, limit) in [
        (MAX_RAW_BYTES + 1, 0, "the extent", MAX_RAW_BYTES),
        (0, MAX_WIRE_BYTES + 1, "the payload", MAX_WIRE_BYTES),
        (u32::MAX, 0, "the extent", MAX_RAW_BYTES),
    ] {
        assert_eq!(look(raw, wire), Err(FrameError::TooLong { what, found: raw.max(wire), limit }));
    }
}

#[test]
fn every_bit_without_a_meaning_is_refused() {
    assert!(Header::decode(&Header { flags: 1, ..header(FrameType::Data) }.encode()).is_ok());
    for bit in 1..16 {
        let flags = 1 << bit;
        let found = Header::decode(&Header { flags, ..header(FrameType::Data) }.encode());
        assert_eq!(found, Err(FrameError::Reserved { flags, reserved: 0 }));
    }
    for bit in 0..8 {
        let mut bytes = header(FrameType::Data).encode();
        bytes[7] = 1 << bit;
        assert_eq!(Header::decode(&bytes), Err(FrameError::Reserved { flags: 0, reserved: 1 << bit }));
    }
}

#[test]
fn a_stream_that_has_lost_its_place_is_noticed_at_its_first_two_bytes() {
    for at in 0..2 {
        for bit in 0..8 {
            let mut bytes = header(FrameType::Ping).encode();
            bytes[at] ^= 1 << bit;
            assert!(matches!(Header::decode(&bytes), Err(FrameError::Magic { found }) if found != MAGIC));
        }
    }
    let mut bytes = header(FrameType::Ping).encode();
    for found in [0, 2, 255] {
        bytes[2] = found;
        assert_eq!(Header::decode(&bytes), Err(FrameError::Version { found }));
    }
}

#[test]
fn texts_of_an_identity_are_accepted_to_their_bound_and_refused_one_beyond_it() {
    let text = |len: usize| "x".repeat(len);
    assert_comes_back(&open(text(MAX_IDENTITY_TEXT), text(MAX_IDENTITY_TEXT)));
    let long = MessageError::Text { kind: FrameType::Open, limit: MAX_IDENTITY_TEXT };
    assert_eq!(refused(&open(text(MAX_IDENTITY_TEXT + 1), text(1))), long);
    assert_eq!(refused(&open(text(1), text(MAX_IDENTITY_TEXT + 1))), long);
}

#[test]
fn a_text_that_is_not_utf8_is_refused() {
    let (header, mut body) = encoded(&open("disk-0".to_owned(), "S1".to_owned()));
    let at = body.windows(6).position(|w| w == b"disk-0").unwrap();
    body[at] = 0xff;
    let text = MessageError::Text { kind: FrameType::Open, limit: MAX_IDENTITY_TEXT };
    assert_eq!(Message::decode(&header, &body), Err(text));
}

#[test]
fn a_length_that_promises_more_than_there_is_is_refused_and_nothing_is_made_for_it() {
    for promised in [2, u32::MAX] {
        let body = [promised.to_le_bytes().as_slice(), &[1]].concat();
        let length = MessageError::Length { kind: FrameType::RecordAnswer, found: 5 };
        assert_eq!(Message::decode(&header(FrameType::RecordAnswer), &body), Err(length));
    }
}

#[test]
fn an_error_has_a_known_code_and_words_within_their_bound() {
    let decode = |code: u8, len: usize| {
        let words = vec![b'x'; len];
        let body = [[code].as_slice(), &u32::try_from(len).unwrap().to_le_bytes(), &words].concat();
        Message::decode(&header(FrameType::Error), &body).map(|m| matches!(m, Message::Error { .. }))
    };
    assert_eq!(decode(1, MAX_ERROR_TEXT), Ok(true));
    let long = MessageError::Text { kind: FrameType::Error, limit: MAX_ERROR_TEXT };
    assert_eq!(decode(1, MAX_ERROR_TEXT + 1), Err(long));
    for code in [0, 8, 255] {
        let value = MessageError::Value { kind: FrameType::Error, what: "code", found: u64::from(code) };
        assert_eq!(decode(code, 0), Err(value));
    }
    for code in ErrorCode::ALL {
        assert_comes_back(&Message::Error { code: *code, text: String::new() });
    }
}

#[test]
fn runs_of_written_chunks_are_ordered_apart_and_no_more_than_their_bound() {
    let opened = |written| Message::Opened { device: DEVICE, written };
    let runs = |count: u64| (0..count).map(|i| 2 * i..2 * i + 1).collect::<Vec<_>>();
    let most = u64::try_from(MAX_OPENED_RUNS).unwrap();
    assert_comes_back(&opened(runs(most)));
    let value = |found: u64| MessageError::Value { kind: FrameType::Opened, what: "start of run", found };
    assert_eq!(refused(&opened(runs(most + 1))), value(2 * most));
    assert_comes_back(&opened(vec![]));
    for (second, found) in [(5..6, 5), (4..9, 4), (7..7, 7)] {
        assert_eq!(refused(&opened(vec![0..5, second])), value(found));
    }
}

#[test]
fn a_lane_is_one_of_its_link() {
    for (lane, lanes, fits) in [(0, 1, true), (3, 4, true), (4, 4, false), (0, 0, false), (u16::MAX, u16::MAX, false)] {
        let hello = Message::Hello { lane, lanes };
        if fits {
            assert_comes_back(&hello);
        } else {
            let value = MessageError::Value { kind: FrameType::Hello, what: "lane", found: u64::from(lane) };
            assert_eq!(refused(&hello), value);
        }
    }
}

#[test]
fn plain_data_is_as_long_as_its_extent_and_packed_data_is_not_empty() {
    let payload = [7; 4096];
    let decode = |codec: Codec, raw_len: u32, len: usize| {
        let body = [[1; 32].as_slice(), &payload[..len]].concat();
        let header = Header { codec, raw_len, ..header(FrameType::Data) };
        match Message::decode(&header, &body) {
            Ok(Message::Data { payload, .. }) => Ok(payload.len()),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        }
    };
    assert_eq!(decode(Codec::None, 4096, 4096), Ok(4096));
    assert_eq!(decode(Codec::Zstd, 4096, 1), Ok(1));
    let length = |found| Err(MessageError::Length { kind: FrameType::Data, found });
    assert_eq!(decode(Codec::None, 4096, 4095), length(32 + 4095));
    assert_eq!(decode(Codec::None, 4095, 4096), length(32 + 4096));
    assert_eq!(decode(Codec::Zstd, 4096, 0), length(32));
    assert_eq!(decode(Codec::None, 0, 0), length(32));
}

#[test]
fn the_last_frame_of_a_job_is_told_from_the_others() {
    for last in [true, false] {
        let (offset, raw_len, seq) = (1 << 20, 4096, u64::MAX);
        assert_comes_back(&Message::Zero { device: DEVICE, offset, raw_len, last, seq });
        let (codec, hash, payload) = (Codec::Zstd, ChunkHash([3; 32]), [1].as_slice());
        assert_comes_back(&Message::Data { device: DEVICE, offset, raw_len, codec, hash, last, seq, payload });
    }
}

#[test]
fn a_payload_that_is_sent_from_where_it_lies_makes_the_same_frame() {
    let raw = [7; 4096];
    let data = |payload| Message::Data {
        device: DEVICE,
        offset: 0,
        raw_len: 4096,
        codec: Codec::None,
        hash: ChunkHash([3; 32]),
        last: true,
        seq: 1,
        payload,
    };
    let (mut whole, mut apart) = (Vec::new(), Vec::new());
    data(&raw).encode(1, 2, &mut whole);
    data(&[]).encode_before(&raw, 1, 2, &mut apart);
    assert_eq!(apart.len() + raw.len(), whole.len());
    apart.extend_from_slice(&raw);
    assert_eq!(apart, whole);
}

#[test]
fn a_chunk_is_named_by_where_it_begins_and_by_nothing_else() {
    for kind in [FrameType::HashRequest, FrameType::HashResponse] {
        let body = if kind == FrameType::HashResponse { vec![0; 32] } else { vec![] };
        for (offset, chunk) in
            [(0, Some(0)), (CHUNK_BYTES, Some(1)), (7 * CHUNK_BYTES, Some(7)), (1, None), (CHUNK_BYTES - 4096, None)]
        {
            match (Message::decode(&Header { offset, ..header(kind) }, &body), chunk) {
                (
                    Ok(Message::HashRequest { chunk: found, .. } | Message::HashResponse { chunk: found, .. }),
                    Some(chunk),
                ) => {
                    assert_eq!(found, ChunkIndex(chunk));
                }
                (found, _) => assert_eq!(found, Err(MessageError::Value { kind, what: "offset", found: offset })),
            }
        }
    }
}

#[test]
fn messages_follow_each_other_in_one_buffer() {
    let mut bytes = Vec::new();
    Message::Ping { seq: 1 }.encode(5, 6, &mut bytes);
    let first = bytes.clone();
    Message::Ack { seq: 7, unproved_chunks: 8 }.encode(5, 6, &mut bytes);
    assert_eq!(bytes[..HEADER_BYTES], first);
    let second = Header::decode(bytes[HEADER_BYTES..2 * HEADER_BYTES].try_into().unwrap()).unwrap();
    assert_eq!((second.kind, second.wire_len), (FrameType::Ack, 8));
    assert_eq!(Message::decode(&second, &bytes[2 * HEADER_BYTES..]), Ok(Message::Ack { seq: 7, unproved_chunks: 8 }));
}
