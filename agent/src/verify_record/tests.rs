//! A record made by real keys is valid; every way to bend it is found.

use super::*;
use qianyun_agent_api::inventory::DiskIdentity;
use qianyun_agent_api::record::DiskRecord;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SigningKey,
};

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test authority");
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    fn pem(&self) -> String {
        self.issuer.pem()
    }

    fn sign(&self, text: &str, cn: &str, dns: Option<&str>) -> Signature {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(dns.map(str::to_owned).into_iter().collect::<Vec<_>>()).unwrap();
        params.distinguished_name.push(DnType::CommonName, cn);
        params.extended_key_usages = match dns {
            Some(_) => vec![ExtendedKeyUsagePurpose::ServerAuth],
            None => vec![ExtendedKeyUsagePurpose::ClientAuth],
        };
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Signature { signature: hex::encode(key.sign(text.as_bytes()).unwrap()), certificate_pem: certificate.pem() }
    }
}

fn record() -> CutoverRecord {
    let identity = DiskIdentity {
        serial: "WD-1234".into(),
        wwn: String::new(),
        size_bytes: 1 << 30,
        logical_block_bytes: 512,
        table_id: "9f8e7d6c".into(),
    };
    CutoverRecord {
        version: 1,
        host: "civil/db".into(),
        scheme_digest: "sha256:00".into(),
        session: 7,
        epoch: 1,
        attempt: 1,
        frozen_unix_ms: 1_790_000_000_000,
        verified_unix_ms: 1_790_000_009_000,
        disks: vec![DiskRecord {
            volume: "sda".into(),
            identity,
            source_root: "ab".repeat(32),
            target_root: "ab".repeat(32),
            domain_bytes: 4096,
            traced_sectors: 8,
            counted_sectors: 8,
        }],
    }
}

fn signed(authority: &Authority, record: &CutoverRecord) -> SignedRecord {
    let text = canonical::to_canonical_json(record).unwrap();
    SignedRecord {
        source: authority.sign(&text, "host:civil/db", None),
        target: authority.sign(&text, "receiver", Some("s7-0011223344556677.receiver.qianyun.dev")),
        record: text,
    }
}

fn bad(signed: &SignedRecord, ca_pem: &str) -> Vec<&'static str> {
    let (_, findings) = judge(&serde_json::to_vec(signed).unwrap(), ca_pem).unwrap();
    findings.iter().filter(|finding| !finding.ok).map(|finding| finding.en).collect()
}

#[test]
fn an_honest_record_is_valid_and_the_table_says_so_in_both_languages() {
    let authority = Authority::new();
    let signed = signed(&authority, &record());
    let (record, findings) = judge(&serde_json::to_vec(&signed).unwrap(), &authority.pem()).unwrap();
    assert!(is_valid(&findings), "{findings:?}");
    let en = table(&record, &findings, Language::En);
    assert!(en.is_ascii() && en.ends_with("The record is valid.\n"), "{en}");
    assert!(table(&record, &findings, Language::Zh).contains("记录有效"));
}

#[test]
fn a_changed_word_breaks_both_signatures() {
    let authority = Authority::new();
    let mut changed = signed(&authority, &record());
    changed.record = changed.record.replace("\"attempt\":1", "\"attempt\":2");
    assert_eq!(bad(&changed, &authority.pem()), ["source signature", "target signature"]);
}

#[test]
fn another_authority_is_not_trusted() {
    let authority = Authority::new();
    assert_eq!(bad(&signed(&authority, &record()), &Authority::new().pem()), ["source signature", "target signature"]);
}

#[test]
fn signers_that_the_record_does_not_name_are_refused() {
    let authority = Authority::new();
    let mut swapped = signed(&authority, &record());
    swapped.source = authority.sign(&swapped.record, "host:civil/other", None);
    assert_eq!(bad(&swapped, &authority.pem()), ["source signature"]);
    let mut older = signed(&authority, &record());
    older.target = authority.sign(&older.record, "receiver", Some("s6-0011223344556677.receiver.qianyun.dev"));
    assert_eq!(bad(&older, &authority.pem()), ["target signature"]);
    let mut one_sided = signed(&authority, &record());
    one_sided.target = one_sided.source.clone();
    assert_eq!(bad(&one_sided, &authority.pem()), ["target signature"]);
}

#[test]
fn unequal_roots_counts_that_differ_and_no_disks_at_all_are_not_valid_though_signed() {
    let authority = Authority::new();
    let bend = |change: fn(&mut CutoverRecord)| {
        let mut record = record();
        change(&mut record);
        bad(&signed(&authority, &record), &authority.pem())
    };
    assert_eq!(bend(|record| record.disks[0].target_root = "cd".repeat(32)), ["roots equal"]);
    assert_eq!(bend(|record| record.disks[0].counted_sectors = 9), ["roots equal"]);
    assert_eq!(bend(|record| record.disks.clear()), ["roots equal"]);
    assert_eq!(bend(|record| record.version = 2), ["format"]);
}

#[test]
fn what_is_no_record_is_an_error_that_says_so() {
    let error = judge(b"{}", &Authority::new().pem()).unwrap_err();
    assert!(error.to_string().contains("expected a signed cutover record"), "{error}");
}
