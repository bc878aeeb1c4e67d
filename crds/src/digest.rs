//! What is approved, as bytes: canonical JSON (RFC 8785 for objects, arrays, strings, integers, booleans) and SHA-256.
//!
//! An approval names this digest, so it must be the same for the same scheme for ever: on every release, whatever the
//! order of fields, and whatever is not part of the scheme (suspension, confirmation, metadata).

use crate::{MigrationPlanSpec, SystemMigrationSpec};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Why something has no digest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DigestError {
    /// The value cannot be written as JSON.
    #[error("the value cannot be written as json")]
    NotJson(#[source] serde_json::Error),
    /// A number that is not an integer.
    #[error("found the number {found}, expected integers only")]
    NotAnInteger {
        /// The number.
        found: String,
    },
}

/// The digest of a scheme: the scheme itself, what it refers to, who wrote it, and the object it belongs to.
///
/// `uid` ties it to the object, so that an approval never passes to another migration with the same text.
pub fn scheme_digest(uid: &str, spec: &SystemMigrationSpec) -> Result<String, DigestError> {
    let mut text = json!({
        "kind": "SystemMigration",
        "uid": uid,
        "systemRef": spec.system_ref,
        "planRef": spec.plan_ref,
        "platformRef": spec.platform_ref,
        "author": spec.author,
        "scheme": serde_json::to_value(&spec.scheme).map_err(DigestError::NotJson)?,
    });
    // Left out where there is none: schemes that were approved before there was such a list keep their digest.
    if !spec.former_authors.is_empty() {
        text["formerAuthors"] = json!(spec.former_authors);
    }
    digest_of(&text)
}

/// The digest of an application for acceptance (验收申请): the papers that are there before the meeting.
pub fn application_digest(uid: &str, scheme: &str, spec: &SystemMigrationSpec) -> Result<String, DigestError> {
    let papers = spec.acceptance.as_ref().map(|a| json!([a.performance_test, a.security_assessment]));
    digest_of(&json!({"kind": "AcceptanceApplication", "uid": uid, "scheme": scheme, "papers": papers}))
}

/// The digest of an acceptance (验收): its papers, the meeting, what it found, and what went wrong in the trial run. That an
/// issue was mended later does not change it.
pub fn acceptance_digest(uid: &str, scheme: &str, spec: &SystemMigrationSpec) -> Result<String, DigestError> {
    let mut acceptance = spec.acceptance.clone();
    for issue in acceptance.iter_mut().flat_map(|a| &mut a.issues) {
        issue.resolved_by = None;
    }
    digest_of(&json!({
        "kind": "Acceptance",
        "uid": uid,
        "scheme": scheme,
        "incidents": spec.incidents,
        "acceptance": acceptance,
    }))
}

/// The digest of a plan: its whole spec and the object it belongs to.
pub fn plan_digest(uid: &str, spec: &MigrationPlanSpec) -> Result<String, DigestError> {
    digest_of(&json!({
        "kind": "MigrationPlan",
        "uid": uid,
        "spec": serde_json::to_value(spec).map_err(DigestError::NotJson)?,
    }))
}

/// `sha256:<hex>` over the canonical JSON of `value`.
pub fn digest_of<T: Serialize>(value: &T) -> Result<String, DigestError> {
    Ok(format!("sha256:{}", hex::encode(Sha256::digest(canonical_json(value)?.as_bytes()))))
}

/// The canonical JSON of `value`: the bytes that its digest is of.
pub fn canonical_json<T: Serialize>(value: &T) -> Result<String, DigestError> {
    let value = serde_json::to_value(value).map_err(DigestError::NotJson)?;
    let mut text = String::new();
    write(&value, &mut text)?;
    Ok(text)
}

fn write(value: &Value, out: &mut String) -> Result<(), DigestError> {
    match value {
        Value::Number(n) if n.is_f64() => return Err(DigestError::NotAnInteger { found: n.to_string() }),
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
        // serde_json escapes exactly as RFC 8785 asks: short forms where there are any, \u00xx below 0x20, nothing else.
        Value::String(_) => out.push_str(&value.to_string()),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out)?;
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (i, key) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                write(&map[key], out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}
