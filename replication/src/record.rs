//! The cutover record as the engine handles it: built by the source, checked by the target, signed by both.
//!
//! The bytes are those of the agent's wire contract, from which controller and verifier read them; a test keeps the
//! two the same. Fields stand in the order of their JSON names, so that writing the struct is writing canonical JSON.
//! Never here: keys and signing, which the owner of the key does over [`CutoverRecord::to_canonical`].

use crate::digest::DeviceRoot;
use crate::identity::DeviceIdentity;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Version of the record's format. 1: the first.
pub const RECORD_VERSION: u32 = 1;
/// The longest record: 60 disks with every text at its bound are about 80 KiB.
pub const MAX_RECORD_BYTES: usize = 256 * 1024;

/// What both ends sign. Times are milliseconds since the Unix epoch by the source's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CutoverRecord {
    /// Cutover attempt, from 1.
    pub attempt: u32,
    /// One entry per disk.
    pub disks: Vec<DiskRecord>,
    /// Controller epoch that asked for the attempt.
    pub epoch: u64,
    /// When the filesystems were frozen.
    pub frozen_unix_ms: i64,
    /// `<namespace>/<PhysicalHost>`.
    pub host: String,
    /// Digest of the approved scheme.
    pub scheme_digest: String,
    /// Replication session.
    pub session: u64,
    /// When both roots were known to be equal.
    pub verified_unix_ms: i64,
    /// [`RECORD_VERSION`].
    pub version: u32,
}

/// One disk of the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DiskRecord {
    /// Sectors the kernel counted since the tracker was armed.
    pub counted_sectors: u64,
    /// Bytes in the verified domain.
    pub domain_bytes: u64,
    /// The source disk.
    pub identity: DeviceIdentity,
    /// Device root that the source computed, hex.
    pub source_root: String,
    /// Device root that the target computed from what it read back, hex.
    pub target_root: String,
    /// Sectors the tracker saw in the same time.
    pub traced_sectors: u64,
    /// Volume at the receiver.
    pub volume: String,
}

/// A signature and who made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Signature {
    /// The signer's certificate, PEM.
    pub certificate_pem: String,
    /// ECDSA P-256 with SHA-256 over the record's bytes, ASN.1 DER, hex.
    pub signature: String,
}

/// A record with both signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedRecord {
    /// Canonical JSON of a [`CutoverRecord`], exactly as signed.
    pub record: String,
    /// The source's.
    pub source: Signature,
    /// The target's.
    pub target: Signature,
}

/// A volume as the target itself knows it: what a record must agree with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnVolume {
    /// Name of the volume.
    pub volume: String,
    /// The disk that it was made for.
    pub identity: DeviceIdentity,
    /// Its root, from hashes that were read back; `None` while one is missing.
    pub root: Option<DeviceRoot>,
}

/// Why the target does not sign a record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Longer than [`MAX_RECORD_BYTES`].
    #[error("the record is {found} bytes, expected at most {MAX_RECORD_BYTES}")]
    TooLong {
        /// Bytes.
        found: usize,
    },
    /// Not a record.
    #[error("the record cannot be read")]
    NotARecord(#[source] serde_json::Error),
    /// A record, but not written the one way that can be signed.
    #[error("the record is not in canonical form")]
    NotCanonical,
    /// A field that is not what this end knows.
    #[error("the record says {what} {found} for {place}, expected {expected}")]
    Differs {
        /// Which field.
        what: &'static str,
        /// Of which volume, or "the session".
        place: String,
        /// What this end knows.
        expected: String,
        /// What the record says.
        found: String,
    },
    /// The volumes of the record are not those of the session.
    #[error("the record names the volumes {found:?}, expected {expected:?}")]
    Volumes {
        /// The session's.
        expected: Vec<String>,
        /// The record's.
        found: Vec<String>,
    },
}

impl CutoverRecord {
    /// The bytes that are signed.
    pub fn to_canonical(&self) -> String {
        serde_json::to_string(self).expect("a record holds texts and integers only, which json can always hold")
    }

    /// `sha256:<hex>` of the signed bytes; names the record in decisions.
    pub fn digest(&self) -> String {
        format!("sha256:{}", hex::encode(Sha256::digest(self.to_canonical().as_bytes())))
    }

    /// Reads signed bytes; refuses every spelling but the canonical one.
    pub fn from_canonical(text: &str) -> Result<Self, RecordError> {
        if text.len() > MAX_RECORD_BYTES {
            return Err(RecordError::TooLong { found: text.len() });
        }
        let record: Self = serde_json::from_str(text).map_err(RecordError::NotARecord)?;
        if record.to_canonical() != text {
            return Err(RecordError::NotCanonical);
        }
        Ok(record)
    }

    /// Whether this end may sign: session, volumes, identities and roots are its own, and the source's tracker missed
    /// nothing. Everything else in the record is the source's to say.
    pub fn check_own(&self, session: u64, volumes: &[OwnVolume]) -> Result<(), RecordError> {
        let of_session = "the session".to_owned();
        differs("version", &of_session, &RECORD_VERSION, &self.version)?;
        differs("session", &of_session, &session, &self.session)?;
        let mut expected: Vec<String> = volumes.iter().map(|v| v.volume.clone()).collect();
        let mut found: Vec<String> = self.disks.iter().map(|d| d.volume.clone()).collect();
        expected.sort();
        found.sort();
        if expected != found {
            return Err(RecordError::Volumes { expected, found });
        }
        for disk in &self.disks {
            for own in volumes.iter().filter(|own| own.volume == disk.volume) {
                disk.check_own(own)?;
            }
        }
        Ok(())
    }
}

impl DiskRecord {
    fn check_own(&self, own: &OwnVolume) -> Result<(), RecordError> {
        let root = own.root.map_or_else(|| "a root that is not known yet".to_owned(), |root| root.to_string());
        differs("identity", &self.volume, &own.identity, &self.identity)?;
        differs("target root", &self.volume, &root, &self.target_root)?;
        differs("source root", &self.volume, &root, &self.source_root)?;
        differs("traced sectors", &self.volume, &self.counted_sectors, &self.traced_sectors)
    }
}

fn differs<T: PartialEq + std::fmt::Display>(
    what: &'static str,
    place: &str,
    expected: &T,
    found: &T,
) -> Result<(), RecordError> {
    if expected == found {
        return Ok(());
    }
    Err(RecordError::Differs {
        what,
        place: place.to_owned(),
        expected: expected.to_string(),
        found: found.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> DeviceIdentity {
        DeviceIdentity {
            logical_block_bytes: 512,
            serial: "WD-\"1\"\u{1}".to_owned(),
            size_bytes: 1 << 30,
            table_id: "婚姻".to_owned(),
            wwn: String::new(),
        }
    }

    fn own() -> OwnVolume {
        OwnVolume { volume: "disk-0".to_owned(), identity: identity(), root: Some(DeviceRoot([7; 32])) }
    }

    fn record() -> CutoverRecord {
        CutoverRecord {
            attempt: 1,
            disks: vec![DiskRecord {
                counted_sectors: 8,
                domain_bytes: 4096,
                identity: identity(),
                source_root: hex::encode([7; 32]),
                target_root: hex::encode([7; 32]),
                traced_sectors: 8,
                volume: "disk-0".to_owned(),
            }],
            epoch: 3,
            frozen_unix_ms: 1,
            host: "civil-affairs/ph-1".to_owned(),
            scheme_digest: "sha256:00".to_owned(),
            session: 5,
            verified_unix_ms: 2,
            version: 1,
        }
    }

    #[test]
    fn the_bytes_are_the_canonical_json_of_the_wire_contract() {
        let text = record().to_canonical();
        let theirs: qianyun_agent_api::record::CutoverRecord = serde_json::from_str(&text).unwrap();
        assert_eq!(qianyun_agent_api::canonical::to_canonical_json(&theirs).unwrap(), text);
        assert_eq!(qianyun_agent_api::canonical::digest(&theirs).unwrap(), record().digest());
        assert_eq!(CutoverRecord::from_canonical(&text).unwrap(), record());
    }

    #[test]
    fn a_signed_record_reads_the_same_in_the_wire_contract() {
        let signature = |n: &str| Signature { certificate_pem: n.to_owned(), signature: "00".to_owned() };
        let signed = SignedRecord { record: record().to_canonical(), source: signature("s"), target: signature("t") };
        let theirs: qianyun_agent_api::record::SignedRecord =
            serde_json::from_value(serde_json::to_value(&signed).unwrap()).unwrap();
        assert_eq!(theirs.digest(), record().digest());
        assert_eq!(theirs.target.certificate_pem, "t");
    }

    #[test]
    fn another_spelling_of_the_same_record_is_refused() {
        let text = record().to_canonical();
        for spelled in [text.replacen(':', ": ", 1), text.replace("disk-0", "disk\\u002d0")] {
            assert!(matches!(CutoverRecord::from_canonical(&spelled), Err(RecordError::NotCanonical)));
        }
        let unknown = text.replacen("{\"attempt\"", "{\"another\":1,\"attempt\"", 1);
        assert!(matches!(CutoverRecord::from_canonical(&unknown), Err(RecordError::NotARecord(_))));
        let long = " ".repeat(MAX_RECORD_BYTES + 1);
        assert!(matches!(CutoverRecord::from_canonical(&long), Err(RecordError::TooLong { .. })));
    }

    #[test]
    fn the_target_signs_only_what_it_knows_itself() {
        assert!(record().check_own(5, &[own()]).is_ok());
        let refused = |change: &dyn Fn(&mut CutoverRecord), what: &str| {
            let mut changed = record();
            change(&mut changed);
            match changed.check_own(5, &[own()]) {
                Err(RecordError::Differs { what: found, .. }) => assert_eq!(found, what),
                other => panic!("{what}: {other:?}"),
            }
        };
        refused(&|r| r.version = 2, "version");
        refused(&|r| r.session = 4, "session");
        refused(&|r| r.disks[0].identity.serial.push('x'), "identity");
        refused(&|r| r.disks[0].identity.size_bytes += 512, "identity");
        refused(&|r| r.disks[0].target_root = hex::encode([8; 32]), "target root");
        refused(&|r| r.disks[0].source_root = hex::encode([8; 32]), "source root");
        refused(&|r| r.disks[0].traced_sectors = 7, "traced sectors");
    }

    #[test]
    fn a_volume_too_few_or_too_many_or_not_yet_proved_is_not_signed() {
        assert!(matches!(record().check_own(5, &[]), Err(RecordError::Volumes { .. })));
        let mut twice = record();
        twice.disks.push(twice.disks[0].clone());
        assert!(matches!(twice.check_own(5, &[own()]), Err(RecordError::Volumes { .. })));
        let unproved = OwnVolume { root: None, ..own() };
        assert!(matches!(record().check_own(5, &[unproved]), Err(RecordError::Differs { what: "target root", .. })));
    }
}
