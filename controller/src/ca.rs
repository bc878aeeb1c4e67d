//! The authority: one key in a Secret, which names the hosts, the gateway and the receivers.
//!
//! The Secret is created once and never overwritten: every host pins its hash. The key is never logged and never leaves
//! this module; certificates of hosts are made from requests, so no host's key is ever seen here.

use crate::gateway::agents::HostKey;
use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::collections::BTreeMap;
use std::time::Duration;
use x509_parser::prelude::X509Certificate;

/// The CA outlives every journey; a successor would need every host to pin anew.
const CA_LIFE: Duration = Duration::from_secs(10 * 365 * DAY);
/// A host's certificate: short, so that a stolen one is soon worth nothing. Agents renew after two thirds.
pub(crate) const HOST_LIFE: Duration = Duration::from_secs(DAY);
/// The gateway's certificate, made anew at each start.
pub(crate) const GATEWAY_LIFE: Duration = Duration::from_secs(397 * DAY);
/// A receiver's certificate. Longer than a host may take to copy; made anew after two thirds when it is started.
pub(crate) const RECEIVER_LIFE: Duration = Duration::from_secs(180 * DAY);
/// Certificates begin this long ago: clocks of old servers are often behind by minutes.
const BACKDATE: Duration = Duration::from_secs(3600);
const DAY: u64 = 86_400;

/// Domain of the receivers' names. Never looked up: agents connect to an address and compare the name.
const RECEIVER_DOMAIN: &str = "receiver.qianyun.dev";

/// Why the authority cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CaError {
    /// The Secret could not be read or created.
    #[error("the secret {name} of the authority cannot be read or created")]
    Secret {
        /// Name of the Secret.
        name: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// The Secret holds something else.
    #[error("secret {name}, key {key}: expected {expected}; restore the secret from a backup")]
    Damaged {
        /// Name of the Secret.
        name: String,
        /// Key in it.
        key: &'static str,
        /// What it has to hold.
        expected: &'static str,
    },
    /// A key or certificate could not be made.
    #[error("a key or certificate cannot be made")]
    Make(#[source] rcgen::Error),
    /// A request for a certificate is not what it must be.
    #[error("certificate request: expected {expected}")]
    Request {
        /// What it must be.
        expected: &'static str,
    },
    /// A certificate is not one of this authority, or not one that is asked for here.
    #[error("certificate: expected {expected}, found {found}")]
    Certificate {
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
}

/// The authority.
pub(crate) struct Authority {
    ca_pem: String,
    ca_der: CertificateDer<'static>,
    hash: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate that was issued to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostCertificate {
    /// The certificate, PEM.
    pub(crate) pem: String,
}

/// A server's certificate with the key that was made for it.
pub(crate) struct ServerIdentity {
    /// The certificate, PEM.
    pub(crate) certificate_pem: String,
    /// The key, PKCS#8 PEM. Secret.
    pub(crate) key_pem: String,
}

/// A certificate of this authority that is valid at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verified {
    /// Common name.
    pub(crate) common_name: String,
    /// DNS names.
    pub(crate) dns_names: Vec<String>,
    /// `sha256:<hex>` of the SubjectPublicKeyInfo.
    pub(crate) public_key_digest: String,
    /// The public key, an uncompressed P-256 point.
    pub(crate) public_key: Vec<u8>,
}

impl Authority {
    /// The authority of Secret `name`; made if there is none. Two replicas that start at once end with the same one.
    pub(crate) async fn ensure(secrets: &Api<Secret>, name: &str) -> Result<Self, CaError> {
        let wrap = |source| CaError::Secret { name: name.to_owned(), source: Box::new(source) };
        if let Some(secret) = secrets.get_opt(name).await.map_err(wrap)? {
            return Self::from_secret(name, &secret);
        }
        let (certificate, key) = make(Timestamp::now())?;
        let data = BTreeMap::from([
            ("tls.crt".to_owned(), ByteString(certificate.into_bytes())),
            ("tls.key".to_owned(), ByteString(key.into_bytes())),
        ]);
        let secret = Secret {
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            type_: Some("kubernetes.io/tls".to_owned()),
            data: Some(data),
            ..Secret::default()
        };
        match secrets.create(&PostParams::default(), &secret).await {
            Ok(created) => Self::from_secret(name, &created),
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                Self::from_secret(name, &secrets.get(name).await.map_err(wrap)?)
            }
            Err(error) => Err(wrap(error)),
        }
    }

    fn from_secret(name: &str, secret: &Secret) -> Result<Self, CaError> {
        let text = |key: &'static str, expected: &'static str| {
            let bytes = secret.data.as_ref().and_then(|data| data.get(key)).map(|bytes| bytes.0.clone());
            bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(CaError::Damaged {
                name: name.to_owned(),
                key,
                expected,
            })
        };
        let certificate = text("tls.crt", "a certificate in pem")?;
        let key = text("tls.key", "a private key in pem")?;
        Self::from_pem(certificate, &key).map_err(|_| CaError::Damaged {
            name: name.to_owned(),
            key: "tls.crt",
            expected: "a certificate that belongs to tls.key",
        })
    }

    /// From a certificate and its key. The error says nothing about the key.
    pub(crate) fn from_pem(ca_pem: String, key_pem: &str) -> Result<Self, CaError> {
        let key = KeyPair::from_pem(key_pem).map_err(CaError::Make)?;
        let ca_der = der_of(&ca_pem)?;
        let certificate = parse(&ca_der)?;
        let spki = certificate.public_key().raw.to_vec();
        if key.subject_public_key_info() != spki {
            let expected = "the certificate of the given key".to_owned();
            return Err(CaError::Certificate { expected, found: "that of another key".to_owned() });
        }
        let issuer = Issuer::from_ca_cert_der(&ca_der, key).map_err(CaError::Make)?;
        Ok(Self { hash: sha256(&spki), ca_pem, ca_der, issuer })
    }

    /// The CA's certificate, PEM.
    pub(crate) fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The CA's certificate.
    pub(crate) fn ca_der(&self) -> &CertificateDer<'static> {
        &self.ca_der
    }

    /// What hosts pin with `--ca-hash`: `sha256:<hex>` of the SubjectPublicKeyInfo.
    pub(crate) fn ca_hash(&self) -> &str {
        &self.hash
    }

    /// A certificate for `host` from its request. Of the request only the key is used.
    pub(crate) fn issue_host(
        &self,
        request: &HostRequest,
        host: &HostKey,
        now: Timestamp,
    ) -> Result<HostCertificate, CaError> {
        let mut params = params(&format!("host:{host}"), now, HOST_LIFE);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&request.0.public_key, &self.issuer).map_err(CaError::Make)?;
        Ok(HostCertificate { pem: certificate.pem() })
    }

    /// A key and a certificate for a server that is reached under `names`.
    pub(crate) fn issue_server(
        &self,
        names: &[String],
        life: Duration,
        now: Timestamp,
    ) -> Result<ServerIdentity, CaError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(CaError::Make)?;
        let named = CertificateParams::new(names.to_vec()).map_err(CaError::Make)?;
        let mut params = params(names.first().map_or("", String::as_str), now, life);
        params.subject_alt_names = named.subject_alt_names;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.issuer).map_err(CaError::Make)?;
        Ok(ServerIdentity { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }

    /// When the time of a certificate is over. Says nothing about who issued it.
    pub(crate) fn valid_until(der: &[u8]) -> Result<Timestamp, CaError> {
        let seconds = parse(der)?.validity().not_after.timestamp();
        Timestamp::from_second(seconds).map_err(|error| CaError::Certificate {
            expected: "an end of validity".to_owned(),
            found: error.to_string(),
        })
    }

    /// Checks that `der` was issued by this authority and is valid at `now`.
    pub(crate) fn verify(&self, der: &[u8], now: Timestamp) -> Result<Verified, CaError> {
        let wrong = |expected: &str, found: String| CaError::Certificate { expected: expected.to_owned(), found };
        let ca = parse(&self.ca_der)?;
        let certificate = parse(der)?;
        certificate
            .verify_signature(Some(ca.public_key()))
            .map_err(|_| wrong("one issued by the authority of this gateway", "another signature".to_owned()))?;
        let validity = certificate.validity();
        let (from, to) = (validity.not_before.timestamp(), validity.not_after.timestamp());
        if !(from..=to).contains(&now.as_second()) {
            let found = format!("one valid from {} to {}", validity.not_before, validity.not_after);
            return Err(wrong(&format!("one valid at {now}"), found));
        }
        let common_name = certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
        let spki = certificate.public_key();
        Ok(Verified {
            common_name: common_name.unwrap_or_default().to_owned(),
            dns_names: dns_names(&certificate),
            public_key_digest: sha256(spki.raw),
            public_key: spki.subject_public_key.data.to_vec(),
        })
    }
}

/// A request for a host's certificate, signed by the key it is for.
pub(crate) struct HostRequest(CertificateSigningRequestParams);

impl HostRequest {
    /// Reads a PKCS#10 request and checks its signature and the kind of its key.
    pub(crate) fn from_pem(pem: &str) -> Result<Self, CaError> {
        let request = CertificateSigningRequestParams::from_pem(pem)
            .map_err(|_| CaError::Request { expected: "a PKCS#10 request in pem, signed by its own key" })?;
        if request.public_key.algorithm() != &PKCS_ECDSA_P256_SHA256 {
            return Err(CaError::Request { expected: "a key on the curve P-256" });
        }
        Ok(Self(request))
    }

    /// `sha256:<hex>` of the SubjectPublicKeyInfo.
    pub(crate) fn public_key_digest(&self) -> String {
        sha256(&self.0.public_key.subject_public_key_info())
    }
}

/// The name of the receiver of session `session` of `migration` (`<namespace>/<HostMigration>`). A digest takes the
/// place of the names, which may be longer than a DNS label.
pub(crate) fn receiver_name(migration: &str, session: u64) -> String {
    let name = hex::encode(digest(&SHA256, migration.as_bytes()));
    format!("s{session}-{}.{RECEIVER_DOMAIN}", &name[..16])
}

/// The one certificate in `pem`.
pub(crate) fn der_of(pem: &str) -> Result<CertificateDer<'static>, CaError> {
    CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| CaError::Certificate { expected: "one in pem".to_owned(), found: error.to_string() })
}

/// A new authority: certificate and key, PEM.
fn make(now: Timestamp) -> Result<(String, String), CaError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(CaError::Make)?;
    let mut params = params("Qianyun authority", now, CA_LIFE);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = false;
    let certificate = params.self_signed(&key).map_err(CaError::Make)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn params(common_name: &str, now: Timestamp, life: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    params.distinguished_name = name;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    // The calendar type is rcgen's own; 1970 plus a duration spares the project a second time library.
    let now = Duration::from_secs(u64::try_from(now.as_second()).unwrap_or(0));
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + now.saturating_sub(BACKDATE);
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + now + life;
    params
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, CaError> {
    let malformed = |found: String| CaError::Certificate { expected: "an X.509 certificate".to_owned(), found };
    match x509_parser::parse_x509_certificate(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok((rest, _)) => Err(malformed(format!("{} bytes after it", rest.len()))),
        Err(error) => Err(malformed(error.to_string())),
    }
}

fn dns_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let names = names.value.general_names.iter().filter_map(|name| match name {
        x509_parser::prelude::GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    });
    names.collect()
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(digest(&SHA256, bytes)))
}

#[cfg(test)]
pub(crate) mod tests;
