//! The receiver as the hosting platform runs it: a process that is killed and started again on the same folder.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its world up has failed")]

#[path = "../../replication/io/tests/rig/port.rs"]
mod port;

use port::Port;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    PKCS_ECDSA_P256_SHA256,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(60);
const NAME: &str = "s1-0011223344556677.receiver.qianyun.dev";

struct Folder {
    dir: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
    port: Port,
}

fn leaf(issuer: &CertifiedIssuer<'static, KeyPair>, cn: &str, dns: &[&str]) -> (String, String) {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = CertificateParams::new(dns.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name.push(DnType::CommonName, cn);
    params.extended_key_usages = vec![match dns.is_empty() {
        true => ExtendedKeyUsagePurpose::ClientAuth,
        false => ExtendedKeyUsagePurpose::ServerAuth,
    }];
    (key.serialize_pem(), params.signed_by(&key, issuer).unwrap().pem())
}

impl Folder {
    fn new(volumes: &str) -> Self {
        // Not /tmp: it may lie in memory, where direct writes are not possible.
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let (key, certificate) = leaf(&issuer, "receiver", &[NAME]);
        let volumes = volumes.replace("DIR", &dir.path().display().to_string());
        for (name, text) in
            [("key.pem", key), ("certificate.pem", certificate), ("ca.pem", issuer.pem()), ("volumes.json", volumes)]
        {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        Self { dir, issuer, port: Port::new() }
    }

    fn start(&self) -> Running {
        let at = |name: &str| self.dir.path().join(name);
        let child = Command::new(env!("CARGO_BIN_EXE_qianyun-agent"))
            .args(["receive", "--listen", &self.port.address().to_string(), "--session", "1", "--host", "civil/db"])
            .arg("--dir")
            .arg(self.dir.path())
            .arg("--volumes-file")
            .arg(at("volumes.json"))
            .arg("--ca")
            .arg(at("ca.pem"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Running { child }
    }

    fn wait_until_listening(&self, running: &mut Running) {
        let deadline = Instant::now() + DEADLINE;
        while TcpStream::connect(self.port.address()).is_err() {
            assert!(Instant::now() < deadline, "the receiver does not listen");
            if let Some(status) = running.child.try_wait().unwrap() {
                panic!("the receiver has ended with {status}: {}", running.words());
            }
            std::thread::yield_now();
        }
    }

    /// Connects as `client`, greets with bytes that are no frame, and returns how the receiver ends it.
    fn greet(&self, client: Option<&str>) -> std::io::Result<Vec<u8>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.issuer.pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.unwrap().with_root_certificates(roots);
        let mut config = match client {
            None => builder.with_no_client_auth(),
            Some(cn) => {
                let (key, certificate) = leaf(&self.issuer, cn, &[]);
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = vec![b"qianyun-data/1".to_vec()];
        let name = ServerName::try_from(NAME).unwrap();
        let mut session = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let mut socket = TcpStream::connect(self.port.address()).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut stream = rustls::Stream::new(&mut session, &mut socket);
        stream.write_all(&[0xFF; 64])?;
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            // The other end closes without a farewell: what came before is its answer.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(answer),
            other => other.map(|_| answer),
        }
    }
}

struct Running {
    child: Child,
}

impl Running {
    fn words(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut text).unwrap();
        }
        text
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const ONE: &str = r#"[{"name":"sda","path":"DIR/sda.raw","sizeBytes":8388608,"identity":{"serial":"s","wwn":"","sizeBytes":8388608,"logicalBlockBytes":512,"tableId":"t"}}]"#;

#[test]
fn a_receiver_that_is_killed_goes_on_with_the_same_folder() {
    let folder = Folder::new(ONE);
    for _ in 0..3 {
        let mut running = folder.start();
        folder.wait_until_listening(&mut running);
        assert_eq!(Path::new(&folder.dir.path().join("sda.raw")).metadata().unwrap().len(), 8_388_608);
        running.kill();
    }
}

#[test]
fn nobody_without_a_certificate_of_the_ca_is_let_in() {
    let folder = Folder::new(ONE);
    let mut running = folder.start();
    folder.wait_until_listening(&mut running);
    assert!(folder.greet(None).is_err());
    assert_ne!(folder.greet(Some("host:civil/other")).unwrap_or_default(), Vec::new(), "a refusal, in words");
}

#[test]
fn a_volumes_file_without_disks_ends_the_receiver_with_words() {
    let folder = Folder::new(r#"[{"name":"sda","path":"DIR/sda.raw","sizeBytes":8388608}]"#);
    let mut running = folder.start();
    let status = running.child.wait().unwrap();
    assert_eq!(status.code(), Some(1));
    let words = running.words();
    assert!(words.contains("volumes.json") && words.contains("identity"), "{words}");
}
