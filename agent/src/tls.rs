//! TLS towards the gateway and the receivers: one CA, pinned at enrolment, and nothing else is trusted.
//!
//! The one connection without trust fetches the CA certificate, whose hash is compared before anything is sent.

mod cipher;

use crate::identity::{self, Identity, IdentityError};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// The key or a certificate is unusable.
    #[error("the identity cannot be used for tls")]
    Identity(#[from] IdentityError),
    /// rustls refused them.
    #[error("tls refused the certificates")]
    Tls(#[from] rustls::Error),
    /// No client could be verified.
    #[error("clients cannot be verified")]
    Verifier(#[from] VerifierBuilderError),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(cipher::fastest_first(aws_lc_rs::default_provider()))
}

fn roots(ca_pem: &str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add(identity::certificate(ca_pem)?)?;
    Ok(roots)
}

/// Trusts the pinned CA; shows no certificate. For enrolment.
pub(crate) fn pinned(ca_pem: &str) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(Arc::new(builder.with_root_certificates(roots(ca_pem)?).with_no_client_auth()))
}

/// Trusts the pinned CA and shows the host's certificate.
pub(crate) fn mutual(identity: &Identity) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let chain = vec![identity::certificate(&identity.certificate_pem)?];
    let config = builder
        .with_root_certificates(roots(&identity.ca_pem)?)
        .with_client_auth_cert(chain, identity.private_key()?)?;
    Ok(Arc::new(config))
}

/// For a receiver: shows its certificate, and demands one of the CA from every client.
pub(crate) fn receiver(identity: &Identity) -> Result<Arc<ServerConfig>, TlsError> {
    let trusted = Arc::new(roots(&identity.ca_pem)?);
    let verifier = WebPkiClientVerifier::builder_with_provider(trusted, provider()).build()?;
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let chain = vec![identity::certificate(&identity.certificate_pem)?];
    let config = builder.with_client_cert_verifier(verifier).with_single_cert(chain, identity.private_key()?)?;
    Ok(Arc::new(config))
}

/// Trusts nobody and accepts everybody: only for `GET /v1/ca`, whose answer is checked against `--ca-hash`.
pub(crate) fn without_trust() -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let verifier = Arc::new(Anyone { provider: provider() });
    Ok(Arc::new(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()))
}

#[derive(Debug)]
struct Anyone {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
