//! The listener: TLS with optional client certificates, and limits on everything that a stranger can use up.

use super::identity::Peer;
use super::{Shared, router};
use crate::ca::{Authority, CaError, GATEWAY_LIFE};
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use jiff::Timestamp;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

/// Connections at once: each of 200 hosts polls on one and reports on another, and may have left one behind each. A
/// stranger needs this many open ones to be in the way, and each ends within the limits below.
const MAX_CONNECTIONS: usize = 1024;
/// A handshake takes three round trips; 10 s allow for a line with losses.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// The head of a request comes in one packet. It also ends idle connections.
const HEAD_LIMIT: Duration = Duration::from_secs(30);
/// The longest head: a dozen headers of agents and proxies.
const HEAD_BYTES: usize = 16 * 1024;
/// A connection ends after this, whatever it does: agents open one for each call.
const CONNECTION_LIMIT: Duration = Duration::from_secs(300);

/// Why the gateway cannot serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum GatewayError {
    /// The address cannot be listened on.
    #[error("the gateway cannot listen on {address}")]
    Listen {
        /// Address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The gateway has no usable certificate.
    #[error("the gateway has no certificate")]
    Certificate(#[from] CaError),
    /// rustls refuses the certificates.
    #[error("tls cannot be set up: {0}")]
    Tls(String),
    /// `--gateway-url` is not an address that agents could use.
    #[error("the gateway's url: expected https://<name>:<port>, found {found:?}")]
    Url {
        /// What was given.
        found: String,
    },
}

/// A gateway that listens.
pub(crate) struct Listening {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    router: Router,
}

impl Listening {
    /// Listens on `address`, with a certificate for the name in `url`.
    pub(crate) async fn open(shared: Arc<Shared>, address: SocketAddr, url: &str) -> Result<Self, GatewayError> {
        let tls = server_config(&shared.authority, &name_of(url)?)?;
        let bound = TcpListener::bind(address).await;
        let listener = bound.map_err(|source| GatewayError::Listen { address, source })?;
        Ok(Self { listener, acceptor: TlsAcceptor::from(Arc::new(tls)), router: router(shared) })
    }

    /// Where it listens.
    #[cfg(test)]
    pub(super) fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("a bound listener has an address")
    }

    /// Serves until it is dropped.
    pub(crate) async fn serve(self) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    // Out of descriptors: some of the open connections end within seconds.
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                }
            };
            let (acceptor, router) = (self.acceptor.clone(), self.router.clone());
            tokio::spawn(async move {
                if tokio::time::timeout(CONNECTION_LIMIT, converse(stream, acceptor, router)).await.is_err() {
                    tracing::debug!("a connection was ended after {} s", CONNECTION_LIMIT.as_secs());
                }
                drop(place);
            });
        }
    }
}

/// One connection, from handshake to end. What goes wrong is the stranger's business and is not logged above debug.
async fn converse(stream: TcpStream, acceptor: TlsAcceptor, router: Router) {
    let stream = match tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "a handshake failed"),
        Err(_) => return tracing::debug!("a handshake took too long"),
    };
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let peer = Peer(certificate.map(|der| der.clone().into_owned()));
    let service = TowerToHyperService::new(router.layer(Extension(peer)));
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT).max_buf_size(HEAD_BYTES);
    if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection broke");
    }
}

/// The name or address in `https://<name>:<port>`.
fn name_of(url: &str) -> Result<String, GatewayError> {
    let bad = || GatewayError::Url { found: url.to_owned() };
    let uri: axum::http::Uri = url.parse().map_err(|_| bad())?;
    if uri.scheme_str() != Some("https") || !matches!(uri.path(), "" | "/") {
        return Err(bad());
    }
    // An IPv6 address stands in brackets in an URL and without them everywhere else.
    Ok(uri.host().ok_or_else(bad)?.trim_matches(['[', ']']).to_owned())
}

fn server_config(authority: &Authority, name: &str) -> Result<ServerConfig, GatewayError> {
    let tls = |error: rustls::Error| GatewayError::Tls(error.to_string());
    let identity = authority.issue_server(&[name.to_owned()], GATEWAY_LIFE, Timestamp::now())?;
    let certificate = crate::ca::der_of(&identity.certificate_pem)?;
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes());
    let key = key.map_err(|_| GatewayError::Tls("the key that was just made cannot be read".to_owned()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.ca_der().clone()).map_err(tls)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .map_err(|error| GatewayError::Tls(error.to_string()))?;
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(tls)?;
    let verifier = Arc::new(AnyTime { inner: verifier });
    builder.with_client_cert_verifier(verifier).with_single_cert(vec![certificate], key).map_err(tls)
}

/// Checks client certificates but for their time, which each call judges by itself: an expired one may still renew.
#[derive(Debug)]
struct AnyTime {
    inner: Arc<dyn ClientCertVerifier>,
}

impl ClientCertVerifier for AnyTime {
    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        match self.inner.verify_client_cert(end_entity, intermediates, now) {
            // The signature may not have been looked at yet: `identity` does, for every call.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. },
            )) => Ok(ClientCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_is_for_the_name_in_the_url() {
        assert_eq!(name_of("https://gw.example:8443").unwrap(), "gw.example");
        assert_eq!(name_of("https://[fd00::1]:8443/").unwrap(), "fd00::1");
        for bad in ["http://gw:8443", "gw:8443", "https://gw:8443/api", ""] {
            assert!(matches!(name_of(bad), Err(GatewayError::Url { .. })), "{bad}");
        }
    }
}
