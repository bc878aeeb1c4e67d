//! The pairing code of a plain copy: one secret, made at the receiving machine and typed at the sending one, from which both
//! derive the same CA. Each signs a certificate of its own with it, so that a connection is TLS 1.3 with certificates on both
//! sides, and nobody without the code can be either end.
//!
//! Whoever has the code can be both ends. The record that they sign proves what was copied to those who trust the two
//! machines, not to others: for that there are enrolment and the platform's CA. Nothing here opens a connection.

use crate::identity::{self, Identity, IdentityError};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ED25519, SerialNumber, date_time_ymd,
};
use rustls_pki_types::PrivatePkcs8KeyDer;
use sha2::{Digest, Sha256};
use std::fmt;

/// 120 bits: nobody guesses them, and with the check symbol they are 25 symbols, five groups of five.
const SECRET_BYTES: usize = 15;
/// Crockford's base 32: no letter looks like a digit.
const SYMBOLS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Bits of a symbol.
const SYMBOL_BITS: usize = 5;
const SECRET_SYMBOLS: usize = SECRET_BYTES * 8 / SYMBOL_BITS;
const GROUP: usize = 5;
/// What the key is derived for; another use of the same code would have another key.
const PURPOSE: &[u8] = b"qianyun replicate: certificate authority, 1\0";
/// A PKCS #8 Ed25519 key up to its 32 secret bytes (RFC 8410, section 7).
const PKCS8_ED25519: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// Namespace of the hosts of plain copies in records and certificates.
pub(super) const NAMESPACE: &str = "replicate";

/// A typed text that is no code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CodeError {
    /// Another length.
    #[error("the pairing code has {found} symbols, expected {expected}", expected = SECRET_SYMBOLS + 1)]
    Length { found: usize },
    /// A character that no code has.
    #[error("the pairing code has {found:?} in it, expected letters and digits")]
    Symbol { found: char },
    /// A slip of the finger.
    #[error("the pairing code was mistyped: its last symbol does not fit the others")]
    Mistyped,
}

/// The secret that makes two machines a pair.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Code([u8; SECRET_BYTES]);

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(secret)")
    }
}

impl Code {
    /// From random bytes.
    pub(super) fn new(random: [u8; SECRET_BYTES]) -> Self {
        Self(random)
    }

    /// From what a person typed: case, blanks and hyphens do not matter, and O is zero, I and L are one.
    pub(super) fn parse(text: &str) -> Result<Self, CodeError> {
        let symbols =
            text.chars().filter(|c| !c.is_whitespace() && *c != '-').map(value).collect::<Result<Vec<_>, _>>()?;
        let Some((check, symbols)) = symbols.split_last().filter(|(_, rest)| rest.len() == SECRET_SYMBOLS) else {
            return Err(CodeError::Length { found: symbols.len() });
        };
        let bits = |byte: usize| {
            (0..8).map(move |bit| byte * 8 + bit).fold(0u8, |value, at| {
                value << 1 | (symbols[at / SYMBOL_BITS] >> (SYMBOL_BITS - 1 - at % SYMBOL_BITS) & 1)
            })
        };
        let code = Self(std::array::from_fn(bits));
        if code.check() == *check { Ok(code) } else { Err(CodeError::Mistyped) }
    }

    fn symbols(&self) -> impl Iterator<Item = u8> {
        (0..SECRET_SYMBOLS).map(|symbol| {
            (symbol * SYMBOL_BITS..(symbol + 1) * SYMBOL_BITS)
                .fold(0, |value, at| value << 1 | (self.0[at / 8] >> (7 - at % 8) & 1))
        })
    }

    /// Changes with every single symbol in 31 of 32 cases.
    fn check(&self) -> u8 {
        Sha256::digest(self.0)[0] & 31
    }

    /// The name in the receiving end's certificate: of session 1, and of this pair alone.
    pub(super) fn receiver_name(&self) -> String {
        let digest = Sha256::new().chain_update(b"qianyun replicate: name, 1\0").chain_update(self.0).finalize();
        format!("s{}-{}.receiver.qianyun.dev", super::SESSION, hex::encode(&digest[..8]))
    }

    /// The certificate of the machine that sends, known to the other as `host:replicate/<name>`.
    pub(super) fn sender(&self, name: &str) -> Result<Identity, IdentityError> {
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.distinguished_name.push(DnType::CommonName, format!("host:{NAMESPACE}/{name}"));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.identity(params)
    }

    /// The certificate of the machine that receives.
    pub(super) fn receiver(&self) -> Result<Identity, IdentityError> {
        let mut params = CertificateParams::new(vec![self.receiver_name()])?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.identity(params)
    }

    fn identity(&self, mut params: CertificateParams) -> Result<Identity, IdentityError> {
        let issuer = self.authority()?;
        let (key, _) = identity::make_key()?;
        always(&mut params);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let certificate = params.signed_by(&key, &issuer)?.pem();
        Identity::from_pem(&key.serialize_pem(), certificate, issuer.pem())
    }

    /// The same at both ends, to the bit: its key, name and number all come from the code.
    fn authority(&self) -> Result<CertifiedIssuer<'static, KeyPair>, IdentityError> {
        let seed = Sha256::new().chain_update(PURPOSE).chain_update(self.0).finalize();
        let der = PrivatePkcs8KeyDer::from([&PKCS8_ED25519[..], &seed].concat());
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ED25519)?;
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.distinguished_name.push(DnType::CommonName, "qianyun-agent replicate");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.serial_number = Some(SerialNumber::from(1u64));
        always(&mut params);
        Ok(CertifiedIssuer::self_signed(params, key)?)
    }
}

/// The code is what expires, by being deleted; a server's clock may be years off.
fn always(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(2100, 1, 1);
}

fn value(symbol: char) -> Result<u8, CodeError> {
    let canonical = match symbol.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let at = SYMBOLS.iter().position(|known| char::from(*known) == canonical);
    at.and_then(|at| u8::try_from(at).ok()).ok_or(CodeError::Symbol { found: symbol })
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, symbol) in self.symbols().chain([self.check()]).enumerate() {
            if at > 0 && at % GROUP == 0 {
                f.write_str("-")?;
            }
            write!(f, "{}", char::from(SYMBOLS[usize::from(symbol)]))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_code_is_read_as_it_was_written_however_it_is_typed(secret: [u8; SECRET_BYTES]) {
            let code = Code::new(secret);
            let text = code.to_string();
            prop_assert_eq!(Code::parse(&text).unwrap(), code.clone());
            let sloppy = format!(" {} ", text.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l"));
            prop_assert_eq!(Code::parse(&sloppy).unwrap(), code);
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = Code::parse(&text);
        }
    }

    #[test]
    fn a_slip_is_told_as_one() {
        let text = Code::new([7; SECRET_BYTES]).to_string();
        assert_eq!(text.len(), 29);
        assert_eq!(Code::parse(&text[1..]), Err(CodeError::Length { found: 24 }));
        assert_eq!(Code::parse(&text.replacen('0', "U", 1)), Err(CodeError::Symbol { found: 'U' }));
        let slips = (0..32).filter(|at| Code::parse(&format!("{}{}", &text[..28], char::from(SYMBOLS[*at]))).is_err());
        assert_eq!(slips.count(), 31);
    }

    #[test]
    fn both_ends_derive_the_same_authority_and_another_code_another() {
        let ca = |secret| Code::new([secret; SECRET_BYTES]).authority().unwrap().pem();
        assert_eq!(ca(1), ca(1));
        assert_ne!(ca(1), ca(2));
        let (sender, receiver) = (Code::new([1; 15]).sender("db").unwrap(), Code::new([1; 15]).receiver().unwrap());
        assert_eq!(sender.ca_pem, receiver.ca_pem);
        assert_ne!(sender.certificate_pem, receiver.certificate_pem);
    }

    #[test]
    fn a_code_does_not_show_in_a_debug_print() {
        assert_eq!(format!("{:?}", Code::new([1; 15])), "Code(secret)");
    }
}
