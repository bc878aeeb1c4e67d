//! Every way in which a record can be wrong is told apart, and none gets through.

use super::*;
use crate::ca::HostRequest;
use crate::ca::tests::authority;
use crate::gateway::agents::HostKey;
use qianyun_agent_api::inventory::DiskIdentity;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, SigningKey};

const MIGRATION: &str = "civil/registry-db1";
const DIGEST: &str = "sha256:aa";

struct Case {
    authority: Authority,
    host: KeyPair,
    host_pem: String,
    host_digest: String,
    target: KeyPair,
    target_pem: String,
    disks: Vec<DiskAssignment>,
}

fn identity() -> DiskIdentity {
    DiskIdentity {
        serial: "S1".into(),
        wwn: String::new(),
        size_bytes: 1 << 30,
        logical_block_bytes: 512,
        table_id: "t".into(),
    }
}

fn case() -> Case {
    let (authority, now) = (authority(), Timestamp::now());
    let host = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let request = CertificateParams::default().serialize_request(&host).unwrap().pem().unwrap();
    let request = HostRequest::from_pem(&request).unwrap();
    let host_pem = authority.issue_host(&request, &HostKey::new("civil", "db1"), now).unwrap().pem;
    let target = authority.issue_server(&[receiver_name(MIGRATION, 2)], crate::ca::RECEIVER_LIFE, now).unwrap();
    Case {
        host_digest: request.public_key_digest(),
        authority,
        host,
        host_pem,
        target: KeyPair::from_pem(&target.key_pem).unwrap(),
        target_pem: target.certificate_pem,
        disks: vec![DiskAssignment { volume: "system".into(), identity: identity() }],
    }
}

fn record() -> CutoverRecord {
    CutoverRecord {
        version: 1,
        host: "civil/db1".into(),
        scheme_digest: DIGEST.into(),
        session: 2,
        epoch: 7,
        attempt: 1,
        frozen_unix_ms: 1000,
        verified_unix_ms: 2000,
        disks: vec![DiskRecord {
            volume: "system".into(),
            identity: identity(),
            source_root: "ab".repeat(32),
            target_root: "ab".repeat(32),
            domain_bytes: 4096,
            traced_sectors: 8,
            counted_sectors: 8,
        }],
    }
}

impl Case {
    fn sign(&self, text: &str) -> SignedRecord {
        let sign = |key: &KeyPair, pem: &str| Signature {
            signature: hex::encode(key.sign(text.as_bytes()).unwrap()),
            certificate_pem: pem.to_owned(),
        };
        SignedRecord {
            record: text.to_owned(),
            source: sign(&self.host, &self.host_pem),
            target: sign(&self.target, &self.target_pem),
        }
    }

    fn signed(&self, record: &CutoverRecord) -> SignedRecord {
        self.sign(&to_canonical_json(record).unwrap())
    }

    fn verify(&self, signed: &SignedRecord) -> Result<CutoverRecord, RecordError> {
        let asked = Asked {
            host: "civil/db1",
            host_key_digest: &self.host_digest,
            migration: MIGRATION,
            session: 2,
            attempt: 1,
            epoch: 7,
            scheme_digest: DIGEST,
            disks: &self.disks,
        };
        verify(&self.authority, signed, &asked, Timestamp::now())
    }
}

#[test]
fn a_true_record_is_believed() {
    let case = case();
    assert_eq!(case.verify(&case.signed(&record())).unwrap(), record());
}

#[test]
fn no_byte_of_the_record_or_of_a_signature_can_be_changed() {
    let case = case();
    let signed = case.signed(&record());
    for at in 0..signed.record.len() {
        let mut bytes = signed.record.clone().into_bytes();
        bytes[at] ^= 1;
        let tampered = SignedRecord { record: String::from_utf8(bytes).unwrap(), ..signed.clone() };
        assert!(matches!(case.verify(&tampered), Err(RecordError::Signature { end: End::Source })), "byte {at}");
    }
    let mut tampered = signed.clone();
    tampered.target.signature = signed.source.signature.clone();
    assert!(matches!(case.verify(&tampered), Err(RecordError::Signature { end: End::Target })));
    tampered.target.signature = "zz".into();
    assert!(matches!(case.verify(&tampered), Err(RecordError::Signature { end: End::Target })));
}

#[test]
fn only_that_host_and_the_receiver_of_that_session_can_sign() {
    let (case, other) = (case(), self::case());
    let mut signed = case.signed(&record());
    signed.source.certificate_pem = other.host_pem.clone();
    assert!(matches!(case.verify(&signed), Err(RecordError::Certificate { end: End::Source, .. })));
    let mut signed = case.signed(&record());
    signed.target = signed.source.clone();
    assert!(matches!(case.verify(&signed), Err(RecordError::Signer { end: End::Target, .. })));
    let mut signed = case.signed(&record());
    signed.source = signed.target.clone();
    assert!(matches!(case.verify(&signed), Err(RecordError::Signer { end: End::Source, .. })));
    let reenrolled = Case { host_digest: other.host_digest, ..case };
    let signed = reenrolled.signed(&record());
    assert!(matches!(reenrolled.verify(&signed), Err(RecordError::Signer { end: End::Source, .. })));
}

#[test]
fn what_is_not_canonical_or_not_known_is_refused_though_both_signed_it() {
    let case = case();
    let text = to_canonical_json(&record()).unwrap();
    let forms = [
        format!(" {text}"),
        text.replacen('{', "{\"another\":1,", 1),
        text.replace("\"version\":1", "\"version\":2"),
        "{}".to_owned(),
        String::new(),
    ];
    for form in forms {
        assert!(matches!(case.verify(&case.sign(&form)), Err(RecordError::Malformed { .. })), "{form}");
    }
}

/// A change to a true record.
type Change = fn(&mut CutoverRecord);

#[test]
fn each_field_must_be_what_was_asked_for() {
    let case = case();
    let changes: [(&str, Change); 9] = [
        ("host", |r| r.host = "civil/db2".into()),
        ("schemeDigest", |r| r.scheme_digest = "sha256:bb".into()),
        ("session", |r| r.session = 3),
        ("attempt", |r| r.attempt = 2),
        ("epoch", |r| r.epoch = 6),
        ("verifiedUnixMs", |r| r.verified_unix_ms = 999),
        ("disks", |r| r.disks.clear()),
        ("disks", |r| r.disks.push(r.disks[0].clone())),
        ("identity of system", |r| r.disks[0].identity.serial = "S2".into()),
    ];
    for (name, change) in changes {
        let mut changed = record();
        change(&mut changed);
        match case.verify(&case.signed(&changed)) {
            Err(RecordError::Field { field, .. }) => assert_eq!(field, name),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn unequal_roots_and_missed_writes_are_never_believed() {
    let case = case();
    let roots: [Change; 3] = [
        |r| r.disks[0].target_root = "cd".repeat(32),
        |r| (r.disks[0].source_root, r.disks[0].target_root) = (String::new(), String::new()),
        |r| (r.disks[0].source_root, r.disks[0].target_root) = ("AB".repeat(32), "AB".repeat(32)),
    ];
    for change in roots {
        let mut changed = record();
        change(&mut changed);
        assert!(matches!(case.verify(&case.signed(&changed)), Err(RecordError::Roots { .. })));
    }
    let mut missed = record();
    missed.disks[0].counted_sectors = 16;
    assert!(matches!(case.verify(&case.signed(&missed)), Err(RecordError::Untraced { traced: 8, counted: 16, .. })));
    for domain in [0, (1 << 30) + 1] {
        let mut wrong = record();
        wrong.disks[0].domain_bytes = domain;
        assert!(matches!(case.verify(&case.signed(&wrong)), Err(RecordError::Field { .. })));
    }
}
