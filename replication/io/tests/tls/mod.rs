//! A certification authority, a server, a client and signers for one test.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // each test file uses its part; a panic fails the test

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use qianyun_replication::record::Signature;
use qianyun_replication_io::signer::Signer;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::sync::Arc;

/// Name in the receiver's certificate.
pub const NAME: &str = "3.receiver.qianyun.dev";

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    signing_key: Vec<u8>,
}

impl Authority {
    pub fn new() -> Self {
        Self::with_key(&KeyPair::generate().unwrap().serialize_pem())
    }

    /// The same authority in another process.
    pub fn with_key(pem: &str) -> Self {
        let key = KeyPair::from_pem(pem).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().der().clone();
        let signing_key = KeyPair::generate().unwrap().serialize_der();
        Self { issuer: Issuer::new(params, key), certificate, signing_key }
    }

    pub fn key(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    fn leaf(&self, name: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        (vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())))
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        Arc::new(roots)
    }

    pub fn server(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(self.roots(), Arc::clone(&provider)).build().unwrap();
        let (chain, key) = self.leaf(NAME);
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .unwrap();
        Arc::new(config)
    }

    pub fn client(&self) -> Arc<ClientConfig> {
        let (chain, key) = self.leaf("host");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(self.roots())
            .with_client_auth_cert(chain, key)
            .unwrap();
        Arc::new(config)
    }

    /// Both ends sign with the same key here; who is who is in the certificate's text.
    pub fn signer(&self, name: &str) -> TestSigner {
        TestSigner { key: self.signing_key.clone(), name: name.to_owned() }
    }

    pub fn verify(&self, record: &str, signature: &Signature) {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &self.signing_key).unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.public_key().as_ref());
        public.verify(record.as_bytes(), &hex::decode(&signature.signature).unwrap()).unwrap();
    }
}

pub struct TestSigner {
    key: Vec<u8>,
    name: String,
}

impl Signer for TestSigner {
    fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &self.key).map_err(|e| e.to_string())?;
        Ok(key.sign(&SystemRandom::new(), bytes).map_err(|e| e.to_string())?.as_ref().to_vec())
    }

    fn certificate_pem(&self) -> String {
        self.name.clone()
    }
}
