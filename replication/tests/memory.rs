//! What outlives the processes: the receiver's ledger and the record of a cutover, read back by whoever comes later.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use qianyun_replication::digest::DeviceRoot;
use qianyun_replication::identity::{DeviceIdentity, MAX_IDENTITY_TEXT};
use qianyun_replication::ledger::{LEDGER_VERSION, Ledger, LedgerError, MAX_VOLUMES};
use qianyun_replication::record::{
    CutoverRecord, DiskRecord, MAX_RECORD_BYTES, OwnVolume, RECORD_VERSION, RecordError,
};

const HASH_BYTES: usize = 32;

fn identity(serial: &str) -> DeviceIdentity {
    DeviceIdentity {
        logical_block_bytes: 512,
        serial: serial.to_owned(),
        size_bytes: 1 << 30,
        table_id: "dead".to_owned(),
        wwn: "0x5000".to_owned(),
    }
}

fn ledger(generation: u64, volumes: usize) -> Ledger {
    let volumes = (0..volumes).map(|i| (format!("disk-{i}"), identity("S1"))).collect();
    Ledger { generation, session: 7, epoch: 3, volumes }
}

/// The ledger's bytes without their checksum.
fn content(ledger: &Ledger) -> Vec<u8> {
    let mut bytes = ledger.encode();
    bytes.truncate(bytes.len() - HASH_BYTES);
    bytes
}

fn sealed(content: &[u8]) -> Vec<u8> {
    [content, blake3::hash(content).as_bytes()].concat()
}

#[test]
fn a_ledger_that_ends_too_early_names_the_field_that_is_missing() {
    let whole = content(&ledger(1, 1));
    let mut named: Vec<&str> = Vec::new();
    for cut in 0..whole.len() {
        match Ledger::decode(&sealed(&whole[..cut])) {
            Err(LedgerError::Content { what }) => named.push(what),
            other => panic!("{cut}: {other:?}"),
        }
    }
    named.dedup();
    let fields = [
        "magic",
        "version",
        "generation",
        "session",
        "epoch",
        "number of volumes",
        "volume name",
        "serial",
        "table id",
        "wwn",
        "size",
        "sector size",
    ];
    assert_eq!(named, fields);
}

#[test]
fn a_ledger_ends_where_its_last_volume_does() {
    let longer = [content(&ledger(1, 2)), vec![0]].concat();
    assert_eq!(Ledger::decode(&sealed(&longer)), Err(LedgerError::Content { what: "length" }));
    let beyond = [ledger(1, 2).encode(), vec![0]].concat();
    assert_eq!(Ledger::decode(&beyond), Err(LedgerError::Damaged));
}

#[test]
fn volumes_and_texts_are_read_to_their_bound_and_refused_one_beyond_it() {
    let most = ledger(1, MAX_VOLUMES);
    assert_eq!(Ledger::decode(&most.encode()), Ok(most));
    let what = "number of volumes";
    assert_eq!(Ledger::decode(&ledger(1, MAX_VOLUMES + 1).encode()), Err(LedgerError::Content { what }));
    let named = |len: usize| Ledger { volumes: vec![("x".repeat(len), identity("S1"))], ..ledger(1, 0) };
    assert!(Ledger::decode(&named(MAX_IDENTITY_TEXT).encode()).is_ok());
    let what = "volume name";
    assert_eq!(Ledger::decode(&named(MAX_IDENTITY_TEXT + 1).encode()), Err(LedgerError::Content { what }));
}

#[test]
fn a_name_that_is_not_utf8_is_refused() {
    let mut bytes = content(&ledger(1, 1));
    let at = bytes.windows(6).position(|w| w == b"disk-0").unwrap();
    bytes[at] = 0xff;
    assert_eq!(Ledger::decode(&sealed(&bytes)), Err(LedgerError::Content { what: "volume name" }));
}

#[test]
fn a_slot_shorter_than_a_checksum_is_damaged_and_one_of_another_version_is_not() {
    for len in [0, 1, HASH_BYTES - 1, HASH_BYTES] {
        assert_eq!(Ledger::decode(&vec![0; len]), Err(LedgerError::Damaged), "{len}");
    }
    for version in [0, LEDGER_VERSION + 1, u32::MAX] {
        let mut bytes = content(&ledger(1, 1));
        bytes[8..12].copy_from_slice(&version.to_le_bytes());
        assert_eq!(Ledger::decode(&sealed(&bytes)), Err(LedgerError::Version { found: version }));
    }
}

proptest! {
    #[test]
    fn the_newest_slot_is_the_same_in_whichever_place_it_stands(a in 0..4u64, b in 0..4u64, torn_a: bool, torn_b: bool) {
        let slot = |generation: u64, torn: bool| {
            let mut bytes = ledger(generation, 1).encode();
            if torn { bytes.pop(); }
            bytes
        };
        let (first, second) = (slot(a, torn_a), slot(b, torn_b));
        let found = Ledger::newest([Some(&first), Some(&second)]);
        prop_assert_eq!(&found, &Ledger::newest([Some(&second), Some(&first)]));
        let whole = [(a, torn_a), (b, torn_b)].into_iter().filter(|(_, torn)| !torn).map(|(g, _)| g).max();
        match whole {
            Some(generation) => prop_assert_eq!(found, Ok(Some(ledger(generation, 1)))),
            None => prop_assert_eq!(found, Err(LedgerError::Damaged)),
        }
    }
}

fn record(disks: usize) -> CutoverRecord {
    let disk = |i: usize| DiskRecord {
        counted_sectors: 8,
        domain_bytes: 4096,
        identity: identity("S1"),
        source_root: hex::encode([7; 32]),
        target_root: hex::encode([7; 32]),
        traced_sectors: 8,
        volume: format!("disk-{i}"),
    };
    CutoverRecord {
        attempt: 2,
        disks: (0..disks).map(disk).collect(),
        epoch: 3,
        frozen_unix_ms: 1,
        host: "civil-affairs/ph-1".to_owned(),
        scheme_digest: "sha256:00".to_owned(),
        session: 5,
        verified_unix_ms: 2,
        version: RECORD_VERSION,
    }
}

fn own(i: usize) -> OwnVolume {
    OwnVolume { volume: format!("disk-{i}"), identity: identity("S1"), root: Some(DeviceRoot([7; 32])) }
}

#[test]
fn a_record_is_read_to_its_bound_and_refused_one_byte_beyond_it() {
    let mut long = record(1);
    long.host = "x".repeat(MAX_RECORD_BYTES - long.to_canonical().len() + long.host.len());
    assert_eq!(long.to_canonical().len(), MAX_RECORD_BYTES);
    assert_eq!(CutoverRecord::from_canonical(&long.to_canonical()).unwrap(), long);
    long.host.push('x');
    let found = CutoverRecord::from_canonical(&long.to_canonical());
    assert!(matches!(found, Err(RecordError::TooLong { found }) if found == MAX_RECORD_BYTES + 1));
}

#[test]
fn the_digest_stands_for_every_field() {
    let changes: [fn(&mut CutoverRecord); 16] = [
        |r| r.attempt += 1,
        |r| r.epoch += 1,
        |r| r.frozen_unix_ms += 1,
        |r| r.host.push('x'),
        |r| r.scheme_digest.push('x'),
        |r| r.session += 1,
        |r| r.verified_unix_ms += 1,
        |r| r.version += 1,
        |r| r.disks[0].counted_sectors += 1,
        |r| r.disks[0].domain_bytes += 1,
        |r| r.disks[0].identity.wwn.push('x'),
        |r| r.disks[0].source_root.push('x'),
        |r| r.disks[0].target_root.push('x'),
        |r| r.disks[0].traced_sectors += 1,
        |r| r.disks[0].volume.push('x'),
        |r| r.disks.reverse(),
    ];
    let mut digests: Vec<String> = changes
        .iter()
        .map(|change| {
            let mut changed = record(2);
            change(&mut changed);
            changed.digest()
        })
        .chain([record(2).digest()])
        .collect();
    let all = digests.len();
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), all, "two records that differ have one digest");
    assert!(digests.iter().all(|d| d.starts_with("sha256:") && d.len() == 7 + 64));
}

#[test]
fn volumes_are_compared_by_name_in_whatever_order_they_are_listed() {
    assert!(record(2).check_own(5, &[own(1), own(0)]).is_ok());
    let mut other = own(1);
    other.root = Some(DeviceRoot([8; 32]));
    match record(2).check_own(5, &[own(0), other]) {
        Err(RecordError::Differs { what: "target root", place, expected, found }) => {
            assert_eq!((place.as_str(), expected, found), ("disk-1", hex::encode([8; 32]), hex::encode([7; 32])));
        }
        found => panic!("{found:?}"),
    }
    match record(2).check_own(5, &[own(0), own(2)]) {
        Err(RecordError::Volumes { expected, found }) => {
            assert_eq!((expected.join(" "), found.join(" ")), ("disk-0 disk-2".into(), "disk-0 disk-1".into()));
        }
        found => panic!("{found:?}"),
    }
}

#[test]
fn what_is_the_sources_to_say_is_not_refused_by_the_target() {
    let mut said = record(1);
    (said.attempt, said.epoch, said.frozen_unix_ms) = (9, 9, -9);
    (said.host, said.scheme_digest) = ("another/host".to_owned(), "sha256:11".to_owned());
    said.disks[0].domain_bytes = 0;
    assert!(said.check_own(5, &[own(0)]).is_ok());
}

#[test]
fn an_identity_is_told_to_people_with_all_that_names_the_disk() {
    let told = identity("S\"1").to_string();
    let expected = r#"serial "S\"1", wwn "0x5000", 1073741824 bytes in sectors of 512, table "dead""#;
    assert_eq!(told, expected);
    let read: Result<DeviceIdentity, _> = serde_json::from_str(
        r#"{"logicalBlockBytes":512,"serial":"S1","sizeBytes":1,"tableId":"","wwn":"","model":"x"}"#,
    );
    assert!(read.is_err(), "a field that nobody approved");
}
