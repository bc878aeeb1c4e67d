//! Verification of a cutover record, before anything is decided on it. Pure but for the certificates' time, an argument.
//!
//! Nothing in the record is believed because both ends signed it: each field is compared with what was asked for.

use crate::ca::{Authority, CaError, Verified, der_of, receiver_name};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use jiff::Timestamp;
use qianyun_agent_api::canonical::to_canonical_json;
use qianyun_agent_api::desired::DiskAssignment;
use qianyun_agent_api::record::{CutoverRecord, DiskRecord, Signature, SignedRecord};
use std::fmt::Display;

/// The format that is known.
const VERSION: u32 = 1;
/// A root is BLAKE3-256, in hex.
const ROOT_DIGITS: usize = 64;

/// What a record has to say.
#[derive(Debug, Clone)]
pub(crate) struct Asked<'a> {
    /// `<namespace>/<PhysicalHost>`.
    pub(crate) host: &'a str,
    /// Digest of the key that the host was enrolled with.
    pub(crate) host_key_digest: &'a str,
    /// `<namespace>/<HostMigration>`.
    pub(crate) migration: &'a str,
    /// Replication session.
    pub(crate) session: u64,
    /// Cutover attempt.
    pub(crate) attempt: u32,
    /// Epoch that asked for the attempt.
    pub(crate) epoch: u64,
    /// Digest of the approved scheme.
    pub(crate) scheme_digest: &'a str,
    /// The disks that were to be copied.
    pub(crate) disks: &'a [DiskAssignment],
}

/// Whose signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The agent's.
    Source,
    /// The receiver's.
    Target,
}

impl Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}

/// Why a record proves nothing. There is never a commit on one of these.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RecordError {
    /// A certificate is not one of the authority, or its time is over.
    #[error("the {end}'s certificate is not valid")]
    Certificate {
        /// Whose.
        end: End,
        /// Why.
        #[source]
        source: CaError,
    },
    /// A certificate names someone else.
    #[error("the {end}'s certificate: expected {expected}, found {found}")]
    Signer {
        /// Whose.
        end: End,
        /// Who should have signed.
        expected: String,
        /// Who did.
        found: String,
    },
    /// A signature does not belong to these bytes.
    #[error("the {end}'s signature does not belong to the record")]
    Signature {
        /// Whose.
        end: End,
    },
    /// The signed bytes are not canonical, or not a record of the known format.
    #[error("the signed bytes: expected a canonical record of version {VERSION}, found {found}")]
    Malformed {
        /// What they are.
        found: String,
    },
    /// A field is not what was asked for.
    #[error("{field} of the record: expected {expected}, found {found}")]
    Field {
        /// Which.
        field: String,
        /// What was asked for.
        expected: String,
        /// What it says.
        found: String,
    },
    /// Source and target are not the same.
    #[error("volume {volume}: the root of the source is {source_root}, of the target {target_root}")]
    Roots {
        /// Volume.
        volume: String,
        /// Root of what the source read.
        source_root: String,
        /// Root of what the target read back.
        target_root: String,
    },
    /// The tracker missed writes.
    #[error("volume {volume}: the kernel counted {counted} sectors, the tracker saw {traced}")]
    Untraced {
        /// Volume.
        volume: String,
        /// What the tracker saw.
        traced: u64,
        /// What the kernel counted.
        counted: u64,
    },
}

/// Checks `signed` against what was `asked`, at `now`; gives what it says.
pub(crate) fn verify(
    authority: &Authority,
    signed: &SignedRecord,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<CutoverRecord, RecordError> {
    let source = signer(authority, End::Source, &signed.source, now)?;
    expect_signer(End::Source, &format!("host:{}", asked.host), &source.common_name)?;
    expect_signer(End::Source, asked.host_key_digest, &source.public_key_digest)?;
    let target = signer(authority, End::Target, &signed.target, now)?;
    expect_signer(End::Target, &receiver_name(asked.migration, asked.session), &target.dns_names.join(","))?;
    check_signature(End::Source, &signed.source, &source, &signed.record)?;
    check_signature(End::Target, &signed.target, &target, &signed.record)?;
    let record = parse(&signed.record)?;
    check_fields(&record, asked)?;
    check_disks(&record.disks, asked.disks)?;
    Ok(record)
}

fn signer(authority: &Authority, end: End, signature: &Signature, now: Timestamp) -> Result<Verified, RecordError> {
    let verified = der_of(&signature.certificate_pem).and_then(|der| authority.verify(&der, now));
    verified.map_err(|source| RecordError::Certificate { end, source })
}

fn expect_signer(end: End, expected: &str, found: &str) -> Result<(), RecordError> {
    if expected == found {
        return Ok(());
    }
    Err(RecordError::Signer { end, expected: expected.to_owned(), found: found.to_owned() })
}

fn check_signature(end: End, signature: &Signature, signer: &Verified, record: &str) -> Result<(), RecordError> {
    let bytes = hex::decode(&signature.signature).map_err(|_| RecordError::Signature { end })?;
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &signer.public_key);
    key.verify(record.as_bytes(), &bytes).map_err(|_| RecordError::Signature { end })
}

/// Reads the bytes, and writes them again: whatever is not canonical, or not known, would come out otherwise.
fn parse(text: &str) -> Result<CutoverRecord, RecordError> {
    let malformed = |found: String| RecordError::Malformed { found };
    let record: CutoverRecord = serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
    if record.version != VERSION {
        return Err(malformed(format!("version {}", record.version)));
    }
    match to_canonical_json(&record) {
        Ok(canonical) if canonical == text => Ok(record),
        Ok(_) | Err(_) => Err(malformed("other bytes than its canonical form".to_owned())),
    }
}

fn expect<T: PartialEq + Display + ?Sized>(field: &str, expected: &T, found: &T) -> Result<(), RecordError> {
    if expected == found {
        return Ok(());
    }
    Err(RecordError::Field { field: field.to_owned(), expected: expected.to_string(), found: found.to_string() })
}

fn check_fields(record: &CutoverRecord, asked: &Asked<'_>) -> Result<(), RecordError> {
    expect("host", asked.host, &record.host)?;
    expect("schemeDigest", asked.scheme_digest, &record.scheme_digest)?;
    expect("session", &asked.session, &record.session)?;
    expect("attempt", &asked.attempt, &record.attempt)?;
    expect("epoch", &asked.epoch, &record.epoch)?;
    if record.verified_unix_ms < record.frozen_unix_ms {
        let expected = format!("at least frozenUnixMs, {}", record.frozen_unix_ms);
        return expect("verifiedUnixMs", &expected, &record.verified_unix_ms.to_string());
    }
    Ok(())
}

fn check_disks(found: &[DiskRecord], asked: &[DiskAssignment]) -> Result<(), RecordError> {
    let names = |mut names: Vec<&str>| {
        names.sort_unstable();
        names.join(",")
    };
    let expected = names(asked.iter().map(|disk| disk.volume.as_str()).collect());
    expect("disks", &expected, &names(found.iter().map(|disk| disk.volume.as_str()).collect()))?;
    for asked in asked {
        for found in found.iter().filter(|found| found.volume == asked.volume) {
            check_disk(found, asked)?;
        }
    }
    Ok(())
}

fn check_disk(found: &DiskRecord, asked: &DiskAssignment) -> Result<(), RecordError> {
    let (volume, identity) = (&found.volume, &asked.identity);
    if found.identity != *identity {
        expect(&format!("identity of {volume}"), &format!("{identity:?}"), &format!("{:?}", found.identity))?;
    }
    let is_root =
        |root: &str| root.len() == ROOT_DIGITS && root.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !is_root(&found.source_root) || found.source_root != found.target_root {
        let (source_root, target_root) = (found.source_root.clone(), found.target_root.clone());
        return Err(RecordError::Roots { volume: volume.clone(), source_root, target_root });
    }
    if found.traced_sectors != found.counted_sectors {
        let (traced, counted) = (found.traced_sectors, found.counted_sectors);
        return Err(RecordError::Untraced { volume: volume.clone(), traced, counted });
    }
    if found.domain_bytes == 0 || found.domain_bytes > identity.size_bytes.next_multiple_of(4096) {
        let expected = format!("1 to {}, the size of the disk", identity.size_bytes);
        expect(&format!("domainBytes of {volume}"), &expected, &found.domain_bytes.to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
