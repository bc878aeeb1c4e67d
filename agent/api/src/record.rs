//! The cutover record: what both ends sign, and what an auditor verifies years later without either.
//!
//! The signed bytes are the canonical JSON of [`CutoverRecord`]. Signatures are ECDSA P-256 with SHA-256, ASN.1 DER, in
//! hex; each comes with the signer's certificate, which the CA issued.

use crate::inventory::DiskIdentity;
use serde::{Deserialize, Serialize};

/// What the record says. Times are milliseconds since the Unix epoch by the source's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CutoverRecord {
    /// Format of the record; 1.
    pub version: u32,
    /// `<namespace>/<PhysicalHost>`.
    pub host: String,
    /// Digest of the approved scheme.
    pub scheme_digest: String,
    /// Replication session.
    pub session: u64,
    /// Controller epoch that asked for the attempt.
    pub epoch: u64,
    /// Cutover attempt.
    pub attempt: u32,
    /// When the filesystems were frozen.
    pub frozen_unix_ms: i64,
    /// When both roots were known to be equal.
    pub verified_unix_ms: i64,
    /// One entry per disk.
    pub disks: Vec<DiskRecord>,
}

/// One disk of the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiskRecord {
    /// Volume at the receiver.
    pub volume: String,
    /// The source disk.
    pub identity: DiskIdentity,
    /// Device root computed by the source from what it read, hex.
    pub source_root: String,
    /// Device root computed by the target from what it read back, hex.
    pub target_root: String,
    /// Bytes in the verified domain.
    pub domain_bytes: u64,
    /// Sectors the tracker saw written or discarded since it was armed.
    pub traced_sectors: u64,
    /// Sectors the kernel counted in the same time; equal, or there is no record.
    pub counted_sectors: u64,
}

/// A record with both signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedRecord {
    /// Canonical JSON of a [`CutoverRecord`], exactly as signed.
    pub record: String,
    /// The source agent's.
    pub source: Signature,
    /// The receiver's.
    pub target: Signature,
}

/// A signature and who made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signature {
    /// ASN.1 DER, hex.
    pub signature: String,
    /// The signer's certificate, PEM.
    pub certificate_pem: String,
}

impl SignedRecord {
    /// `sha256:<hex>` of the signed bytes; names the record in decisions and commands.
    pub fn digest(&self) -> String {
        crate::canonical::digest_of_bytes(self.record.as_bytes())
    }
}
