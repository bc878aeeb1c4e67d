//! Who this host is: a key made here that never leaves, its certificate, and the CA that was pinned.
//!
//! The key signs requests for certificates and cutover records. Nothing here opens a connection.

use crate::host::{Host, HostError};
use crate::paths::Paths;
use qianyun_agent_api::enroll::EnrollResponse;
use qianyun_replication_io::signer::Signer;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, SigningKey};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Who this host is, and who declared that it is non-classified. No secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Enrolled {
    /// `https://host:port` of the gateway.
    pub(crate) server: String,
    /// Namespace of the host.
    pub(crate) namespace: String,
    /// Name of the host.
    pub(crate) host: String,
    /// Display name of the department.
    pub(crate) department: String,
    /// Name of the information system.
    pub(crate) system: String,
    /// Who declared.
    pub(crate) declared_by: String,
    /// When, milliseconds since the Unix epoch.
    pub(crate) declared_unix_ms: i64,
}

/// Why there is no usable identity.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    /// The operating system refused.
    #[error("the identity cannot be kept")]
    Host(#[from] HostError),
    /// The key or the request could not be made.
    #[error("the key cannot be used")]
    Key(#[from] rcgen::Error),
    /// A certificate or key file is not what it should be.
    #[error("expected {expected}, found {found}")]
    Malformed { expected: &'static str, found: String },
    /// This machine has not joined.
    #[error("this machine is not enrolled: run qianyun-agent enroll first")]
    NotEnrolled,
}

/// The key of this host with its certificate.
pub(crate) struct Identity {
    key: KeyPair,
    /// The certificate, PEM.
    pub(crate) certificate_pem: String,
    /// The CA, PEM.
    pub(crate) ca_pem: String,
}

/// A new key, and the request for a certificate, PEM.
pub(crate) fn make_key() -> Result<(KeyPair, String), IdentityError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let csr = request(&key)?;
    Ok((key, csr))
}

/// A request for a certificate; the gateway ignores its subject.
pub(crate) fn request(key: &KeyPair) -> Result<String, IdentityError> {
    Ok(CertificateParams::new(Vec::<String>::new())?.serialize_request(key)?.pem()?)
}

/// The one certificate in `pem`.
pub(crate) fn certificate(pem: &str) -> Result<CertificateDer<'static>, IdentityError> {
    CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| IdentityError::Malformed { expected: "a certificate in PEM", found: error.to_string() })
}

/// `sha256:<hex>` of the certificate's SubjectPublicKeyInfo: what `--ca-hash` names.
pub(crate) fn public_key_hash(pem: &str) -> Result<String, IdentityError> {
    let der = certificate(pem)?;
    let (_, parsed) = x509_parser::parse_x509_certificate(&der)
        .map_err(|error| IdentityError::Malformed { expected: "an X.509 certificate", found: error.to_string() })?;
    Ok(format!("sha256:{}", hex::encode(Sha256::digest(parsed.public_key().raw))))
}

impl Identity {
    /// The identity that enrolment left.
    pub(crate) fn load(host: &dyn Host, paths: &Paths) -> Result<Self, IdentityError> {
        if !host.exists(&paths.enrolled()) {
            return Err(IdentityError::NotEnrolled);
        }
        Self::from_pem(&text(host, &paths.key())?, text(host, &paths.certificate())?, text(host, &paths.ca())?)
    }

    /// From a key, its certificate and the CA, each in PEM.
    pub(crate) fn from_pem(key: &str, certificate_pem: String, ca_pem: String) -> Result<Self, IdentityError> {
        Ok(Self { key: KeyPair::from_pem(key)?, certificate_pem, ca_pem })
    }

    /// The key for TLS.
    pub(crate) fn private_key(&self) -> Result<PrivateKeyDer<'static>, IdentityError> {
        PrivateKeyDer::try_from(self.key.serialize_der())
            .map_err(|error| IdentityError::Malformed { expected: "a private key", found: error.to_owned() })
    }

    /// A request to renew the certificate for the same key: records already signed stay with it.
    pub(crate) fn renewal(&self) -> Result<String, IdentityError> {
        request(&self.key)
    }

    /// From when the certificate should be renewed, Unix seconds: a third of its life is left for failing attempts.
    pub(crate) fn renew_after(&self) -> Result<i64, IdentityError> {
        let der = certificate(&self.certificate_pem)?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&der)
            .map_err(|error| IdentityError::Malformed { expected: "an X.509 certificate", found: error.to_string() })?;
        let (from, to) = (parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp());
        Ok(from + (to - from) / 3 * 2)
    }
}

impl Signer for Identity {
    fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        self.key.sign(bytes).map_err(|error| error.to_string())
    }

    fn certificate_pem(&self) -> String {
        self.certificate_pem.clone()
    }
}

fn text(host: &dyn Host, path: &str) -> Result<String, IdentityError> {
    String::from_utf8(host.read(path)?)
        .map_err(|_| IdentityError::Malformed { expected: "text", found: format!("other bytes in {path}") })
}

/// Keeps a new identity. `enrolled.json` comes last: before it is there, this machine is not enrolled.
pub(crate) fn keep(
    host: &dyn Host,
    paths: &Paths,
    key: &KeyPair,
    answer: &EnrollResponse,
    enrolled: &Enrolled,
) -> Result<(), IdentityError> {
    host.write(&paths.key(), key.serialize_pem().as_bytes(), 0o600)?;
    host.write(&paths.certificate(), answer.certificate_pem.as_bytes(), 0o644)?;
    host.write(&paths.ca(), answer.ca_pem.as_bytes(), 0o644)?;
    let text = serde_json::to_vec_pretty(enrolled)
        .map_err(|error| IdentityError::Malformed { expected: "an enrolment", found: error.to_string() })?;
    Ok(host.write(&paths.enrolled(), &text, 0o644)?)
}

/// Keeps a renewed certificate.
pub(crate) fn keep_certificate(host: &dyn Host, paths: &Paths, pem: &str) -> Result<(), IdentityError> {
    certificate(pem)?;
    Ok(host.write(&paths.certificate(), pem.as_bytes(), 0o644)?)
}

/// Who this host is.
pub(crate) fn enrolled(host: &dyn Host, paths: &Paths) -> Result<Enrolled, IdentityError> {
    if !host.exists(&paths.enrolled()) {
        return Err(IdentityError::NotEnrolled);
    }
    serde_json::from_slice(&host.read(&paths.enrolled())?)
        .map_err(|error| IdentityError::Malformed { expected: "enrolled.json", found: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::Fake;
    use rcgen::PublicKeyData;

    #[test]
    fn the_pinned_hash_is_over_the_public_key_and_survives_a_new_certificate() {
        let (key, _) = make_key().unwrap();
        let hash = format!("sha256:{}", hex::encode(Sha256::digest(key.subject_public_key_info())));
        for name in ["first", "second"] {
            let pem = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap().pem();
            assert_eq!(public_key_hash(&pem).unwrap(), hash);
        }
        assert!(public_key_hash("not a certificate").is_err());
    }

    #[test]
    fn a_kept_identity_is_found_again_and_a_torn_one_is_not_enrolled() {
        let (key, csr) = make_key().unwrap();
        assert!(csr.contains("CERTIFICATE REQUEST"));
        let pem = CertificateParams::new(vec!["x".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
        let answer = EnrollResponse {
            namespace: "dept".into(),
            host: "db".into(),
            certificate_pem: pem.clone(),
            ca_pem: pem,
            department: "d".into(),
            system: "s".into(),
        };
        let enrolled_as = Enrolled {
            server: "https://gw:8443".into(),
            namespace: "dept".into(),
            host: "db".into(),
            department: "d".into(),
            system: "s".into(),
            declared_by: "n".into(),
            declared_unix_ms: 1,
        };
        for kill_at in 0..4 {
            let host = Fake::default();
            host.fail_at(Some(kill_at));
            assert!(keep(&host, &Paths::default(), &key, &answer, &enrolled_as).is_err());
            assert!(matches!(Identity::load(&host, &Paths::default()), Err(IdentityError::NotEnrolled)));
        }
        let host = Fake::default();
        keep(&host, &Paths::default(), &key, &answer, &enrolled_as).unwrap();
        let identity = Identity::load(&host, &Paths::default()).unwrap();
        assert_eq!(enrolled(&host, &Paths::default()).unwrap(), enrolled_as);
        assert!(Signer::sign(&identity, b"record").unwrap().len() > 60);
        assert!(identity.renew_after().unwrap() > 0);
    }
}
