//! An authority, a server and a client for one benchmark: PEM files under the names that nbdkit and libnbd look for. All
//! tools use the same ones. Nothing is signed with them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Name in the server's certificate, and where it listens.
pub(super) const SERVER: &str = "localhost";

/// The files of one folder.
pub(super) struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// Those that were issued into `folder`.
    pub(super) fn of(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Makes the authority and both certificates, and forgets the authority's key.
    pub(super) fn issue(&self) -> Result<()> {
        fs::create_dir(&self.folder)?;
        let key = KeyPair::generate()?;
        let mut params = subject("qianyun bench", Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        fs::write(self.path("ca-cert"), params.self_signed(&key)?.pem())?;
        let issuer = Issuer::new(params, key);
        for (role, name) in [("server", SERVER), ("client", "source")] {
            let key = KeyPair::generate()?;
            let leaf = subject(name, vec![name.to_owned()])?.signed_by(&key, &issuer)?;
            fs::write(self.path(&format!("{role}-cert")), leaf.pem())?;
            fs::write(self.path(&format!("{role}-key")), key.serialize_pem())?;
        }
        Ok(())
    }

    /// Where the files are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// One of them, such as `ca-cert`.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.pem"))
    }

    /// For socat in [`Self::folder`], in the role of `server` or `client`. Names only: in a path, socat would read commas and
    /// colons as its own.
    pub(super) fn socat_options(role: &str) -> String {
        let files = format!("cafile=ca-cert.pem,cert={role}-cert.pem,key={role}-key.pem");
        format!("verify=1,openssl-min-proto-version=TLS1.3,{files}")
    }

    /// For a target: TLS 1.3 only, and clients must show their certificate.
    pub(super) fn server(&self) -> Result<Arc<ServerConfig>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(self.roots()?, Arc::clone(&provider)).build()?;
        let (chain, key) = self.own("server")?;
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)?;
        Ok(Arc::new(config))
    }

    /// For a source.
    pub(super) fn client(&self) -> Result<Arc<ClientConfig>> {
        let (chain, key) = self.own("client")?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(self.roots()?)
            .with_client_auth_cert(chain, key)?;
        Ok(Arc::new(config))
    }

    fn roots(&self) -> Result<Arc<RootCertStore>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate("ca-cert")?)?;
        Ok(Arc::new(roots))
    }

    fn own(&self, role: &str) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        let path = self.path(&format!("{role}-key"));
        let key = PrivateKeyDer::from_pem_file(&path).with_context(|| format!("{}: no key", path.display()))?;
        Ok((vec![self.certificate(&format!("{role}-cert"))?], key))
    }

    fn certificate(&self, name: &str) -> Result<CertificateDer<'static>> {
        let path = self.path(name);
        CertificateDer::from_pem_file(&path).with_context(|| format!("{}: no certificate", path.display()))
    }
}

/// Each has a name of its own: a certificate named like its issuer counts as self-signed.
fn subject(common_name: &str, names: Vec<String>) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    Ok(params)
}
