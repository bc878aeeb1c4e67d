//! Verifies a signed cutover record by itself: no network, no cluster, only the record and the CA certificate.
//!
//! What is checked: both signatures, both certificates up to the CA at the time of the record, that the signers are the
//! host and the session that the record names, and that the roots of every disk are equal.

use crate::identity::{self, IdentityError};
use crate::screen::{Language, clock, pad, width};
use qianyun_agent_api::canonical;
use qianyun_agent_api::record::{CutoverRecord, Signature, SignedRecord};
use rustls_pki_types::UnixTime;
use std::fmt::Write;
use std::time::Duration;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::extensions::GeneralName;

/// The format that this program understands.
const VERSION: u32 = 1;

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    ok: bool,
    zh: &'static str,
    en: &'static str,
    /// What was found.
    detail: String,
}

/// A record that cannot even be looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VerifyError {
    /// Not a signed record.
    #[error("expected a signed cutover record in {what}")]
    NotARecord {
        what: &'static str,
        #[source]
        source: serde_json::Error,
    },
    /// The CA certificate is unusable.
    #[error("the CA certificate cannot be used")]
    Ca(#[from] IdentityError),
    /// The CA certificate is no trust anchor.
    #[error("the CA certificate is no trust anchor: {0}")]
    Anchor(String),
}

/// Judges a record.
pub(crate) fn judge(signed: &[u8], ca_pem: &str) -> Result<(CutoverRecord, Vec<Finding>), VerifyError> {
    let signed: SignedRecord =
        serde_json::from_slice(signed).map_err(|source| VerifyError::NotARecord { what: "the file", source })?;
    let record: CutoverRecord = serde_json::from_str(&signed.record)
        .map_err(|source| VerifyError::NotARecord { what: "its signed part", source })?;
    let mut findings = vec![format_of(&record, &signed.record)];
    let source = Signer::Host(format!("host:{}", record.host));
    let target = Signer::Receiver(record.session);
    let at = Duration::from_millis(u64::try_from(record.verified_unix_ms).unwrap_or(0));
    findings.extend(signature("源端签名", "source signature", &signed, &signed.source, &source, ca_pem, at)?);
    findings.extend(signature("目标端签名", "target signature", &signed, &signed.target, &target, ca_pem, at)?);
    findings.push(disks(&record));
    Ok((record, findings))
}

/// Whether every line is good.
pub(crate) fn is_valid(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.ok)
}

/// Who should have signed.
enum Signer {
    /// The host, by the common name of its certificate.
    Host(String),
    /// The receiver of this session: `s<session>-<digest of the migration>.receiver.qianyun.dev`.
    Receiver(u64),
}

/// Domain of the receivers' names.
const RECEIVER_DOMAIN: &str = ".receiver.qianyun.dev";

fn finding(zh: &'static str, en: &'static str, result: Result<String, String>) -> Finding {
    let ok = result.is_ok();
    let detail = result.unwrap_or_else(|detail| detail);
    Finding { ok, zh, en, detail }
}

fn format_of(record: &CutoverRecord, text: &str) -> Finding {
    let canonical = canonical::to_canonical_json(record).unwrap_or_default();
    let result = match (record.version == VERSION, canonical == text) {
        (false, _) => Err(format!("version {}, expected {VERSION}", record.version)),
        (true, false) => Err("the signed text is not in canonical form".to_owned()),
        (true, true) => Ok(canonical::digest_of_bytes(text.as_bytes())),
    };
    finding("格式", "format", result)
}

fn signature(
    zh: &'static str,
    en: &'static str,
    signed: &SignedRecord,
    signature: &Signature,
    signer: &Signer,
    ca_pem: &str,
    at: Duration,
) -> Result<Vec<Finding>, VerifyError> {
    let ca = identity::certificate(ca_pem)?;
    let anchor = anchor_from_trusted_cert(&ca).map_err(|error| VerifyError::Anchor(error.to_string()))?;
    let result = check(signed.record.as_bytes(), signature, signer, &anchor, at);
    Ok(vec![finding(zh, en, result)])
}

/// The signer's name, or what is wrong.
fn check(
    text: &[u8],
    signature: &Signature,
    signer: &Signer,
    anchor: &rustls_pki_types::TrustAnchor<'_>,
    at: Duration,
) -> Result<String, String> {
    let der = identity::certificate(&signature.certificate_pem).map_err(|error| error.to_string())?;
    let certificate = EndEntityCert::try_from(&der).map_err(|error| format!("certificate: {error}"))?;
    // Hosts are clients and receivers are servers; the chain is checked at the time of the record, since certificates
    // live for days and records for decades.
    let usage = match signer {
        Signer::Host(_) => KeyUsage::client_auth(),
        Signer::Receiver(_) => KeyUsage::server_auth(),
    };
    // The platform's CA is ECDSA; that of a plain copy is Ed25519.
    let algorithms =
        [webpki::aws_lc_rs::ECDSA_P256_SHA256, webpki::aws_lc_rs::ECDSA_P384_SHA384, webpki::aws_lc_rs::ED25519];
    let anchors = std::slice::from_ref(anchor);
    certificate
        .verify_for_usage(&algorithms, anchors, &[], UnixTime::since_unix_epoch(at), usage, None, None)
        .map_err(|error| format!("certificate chain: {error}"))?;
    let name = named(&der, signer)?;
    let bytes = hex::decode(&signature.signature).map_err(|error| format!("signature: {error}"))?;
    certificate
        .verify_signature(webpki::aws_lc_rs::ECDSA_P256_SHA256, text, &bytes)
        .map_err(|error| format!("signature: {error}"))?;
    Ok(name)
}

fn named(der: &[u8], signer: &Signer) -> Result<String, String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(der).map_err(|error| error.to_string())?;
    match signer {
        Signer::Host(expected) => {
            let mut names = parsed.subject().iter_common_name().filter_map(|name| name.as_str().ok());
            let found = names.next().unwrap_or_default();
            if found == expected { Ok(found.to_owned()) } else { Err(format!("expected {expected}, found {found:?}")) }
        }
        Signer::Receiver(session) => {
            let names = parsed.subject_alternative_name().ok().flatten();
            let names = names.map(|extension| extension.value.general_names.clone()).unwrap_or_default();
            let names: Vec<&str> = (names.iter())
                .filter_map(|name| match name {
                    GeneralName::DNSName(name) => Some(*name),
                    _ => None,
                })
                .collect();
            let of_session =
                |name: &&&str| name.starts_with(&format!("s{session}-")) && name.ends_with(RECEIVER_DOMAIN);
            let expected = || format!("expected s{session}-*{RECEIVER_DOMAIN}, found {names:?}");
            names.iter().find(of_session).map(|name| (*name).to_owned()).ok_or_else(expected)
        }
    }
}

fn disks(record: &CutoverRecord) -> Finding {
    let unequal: Vec<&str> = (record.disks.iter())
        .filter(|disk| disk.source_root != disk.target_root || disk.traced_sectors != disk.counted_sectors)
        .map(|disk| disk.volume.as_str())
        .collect();
    // Numbers and names need no translation.
    let all = record.disks.len();
    let result = match (all, unequal.is_empty()) {
        (0, _) => Err("0/0".to_owned()),
        (_, false) => Err(format!("{}/{all}, ≠ {}", all - unequal.len(), unequal.join(", "))),
        (_, true) => Ok(format!("{all}/{all}")),
    };
    finding("源与目标一致", "roots equal", result)
}

/// The table for people.
pub(crate) fn table(record: &CutoverRecord, findings: &[Finding], language: Language) -> String {
    let mut out = String::new();
    let title = language.pick("割接记录", "Cutover record");
    let _ = writeln!(out, "{title}  {}  {} {}", record.host, language.pick("第", "attempt"), record.attempt);
    let frozen = language.pick("冻结", "frozen");
    let verified = language.pick("核对", "verified");
    let times = (clock(record.frozen_unix_ms, language), clock(record.verified_unix_ms, language));
    let _ = writeln!(out, "  {frozen} {}   {verified} {}", times.0, times.1);
    let _ = writeln!(out, "  {} {}", language.pick("方案摘要", "scheme"), record.scheme_digest);
    for disk in &record.disks {
        let size = disk.identity.size_bytes;
        let _ =
            writeln!(out, "  {} {}  {size} bytes, {} in domain", disk.volume, disk.identity.serial, disk.domain_bytes);
        let _ = writeln!(out, "    {} {}", language.pick("源  ", "source"), disk.source_root);
        let _ = writeln!(out, "    {} {}", language.pick("目标", "target"), disk.target_root);
    }
    let column = findings.iter().map(|f| width(language.pick(f.zh, f.en))).max().unwrap_or(0);
    for finding in findings {
        let mark = match finding.ok {
            true => language.pick("[通过]  ", "PASS"),
            false => language.pick("[未通过]", "FAIL"),
        };
        let _ = writeln!(out, "  {mark} {}  {}", pad(language.pick(finding.zh, finding.en), column), finding.detail);
    }
    let verdict = match is_valid(findings) {
        true => language.pick("记录有效", "The record is valid."),
        false => language.pick("记录无效", "The record is NOT valid."),
    };
    let _ = writeln!(out, "{verdict}");
    out
}

#[cfg(test)]
mod tests;
