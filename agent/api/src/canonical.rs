//! Canonical JSON (RFC 8785 for the subset we use: objects, arrays, strings, integers, booleans, null) and its SHA-256.
//!
//! Whatever is signed or approved is signed as these bytes, so both ends and an offline verifier agree on them.
//! Floating-point numbers are refused: nothing that is signed needs one.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Why a value has no canonical form.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CanonicalError {
    /// The value cannot be represented as JSON at all.
    #[error("the value cannot be written as json")]
    NotJson(#[source] serde_json::Error),
    /// A number that is not an integer.
    #[error("found the number {found}, expected integers only")]
    NotAnInteger {
        /// The number, as JSON.
        found: String,
    },
}

/// The canonical bytes of `value`: keys sorted by UTF-16 code units, no blanks, integers in decimal.
pub fn to_canonical_json<T: Serialize>(value: &T) -> Result<String, CanonicalError> {
    let value = serde_json::to_value(value).map_err(CanonicalError::NotJson)?;
    let mut out = String::new();
    write(&value, &mut out)?;
    Ok(out)
}

/// `sha256:<64 hex digits>` over the canonical bytes of `value`.
pub fn digest<T: Serialize>(value: &T) -> Result<String, CanonicalError> {
    Ok(digest_of_bytes(to_canonical_json(value)?.as_bytes()))
}

/// `sha256:<64 hex digits>` over `bytes`.
pub fn digest_of_bytes(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

fn write(value: &Value, out: &mut String) -> Result<(), CanonicalError> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Number(n) if n.is_f64() => return Err(CanonicalError::NotAnInteger { found: n.to_string() }),
        Value::Number(n) => out.push_str(&n.to_string()),
        Value::String(s) => write_string(s, out),
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
                write_string(key, out);
                out.push(':');
                write(&map[key], out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

/// RFC 8785 3.2.2.2: short escapes where JSON has them, `\u00xx` for the other control characters, all else as it is.
fn write_string(s: &str, out: &mut String) {
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_by_utf16_and_strings_are_escaped_as_rfc_8785_says() {
        // The key order of RFC 8785 section 3.2.3, less the control-character key.
        let value = json!({ "\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{f6}": 6 });
        let text = to_canonical_json(&value).unwrap();
        assert_eq!(text, "{\"\\r\":2,\"1\":4,\"\u{f6}\":6,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}");
        assert_eq!(to_canonical_json(&json!("\u{1}\u{8}\t/\"")).unwrap(), "\"\\u0001\\b\\t/\\\"\"");
    }

    #[test]
    fn a_fraction_is_refused() {
        assert!(matches!(to_canonical_json(&json!({"a": 1.5})), Err(CanonicalError::NotAnInteger { .. })));
    }

    #[test]
    fn the_digest_of_a_known_document_never_changes() {
        // echo -n '{"a":[1,true,null],"b":"婚姻登记"}' | sha256sum
        let value = json!({ "b": "婚姻登记", "a": [1, true, null] });
        assert_eq!(to_canonical_json(&value).unwrap(), "{\"a\":[1,true,null],\"b\":\"婚姻登记\"}");
        assert_eq!(digest(&value).unwrap(), "sha256:1b0906c5ad6aac7db1544116063d841d4d63f2dcfc96d6730d9010233f45310a");
    }
}
