//! Enrolment up to the first byte that is sent: what is refused leaves no trace.

use super::*;
use crate::host::fake::Fake;
use crate::inventory::tests::office_server;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, DnType, IsCa};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

fn args(statement: &str) -> EnrollArgs {
    EnrollArgs {
        // A port on which nothing listens: reaching it would end in `Unreachable`.
        server: "https://127.0.0.1:1".into(),
        token: "id.secret".into(),
        ca_hash: format!("sha256:{}", "0".repeat(64)),
        statement: Some(statement.into()),
        name: Some("Zhang".into()),
        phone: Some("0825-1".into()),
    }
}

async fn enroll(host: &Fake, args: &EnrollArgs, typed: &str) -> (EnrollError, String) {
    let mut said = Vec::new();
    let error = run(host, &Paths::default(), args, Language::Zh, &mut typed.as_bytes(), &mut said).await.unwrap_err();
    (error, String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn any_other_sentence_is_refused_and_nothing_is_read_sent_or_stored() {
    for statement in ["", "yes", "本机存储、处理国家秘密", "This machine stores state secrets"] {
        let host = office_server();
        let (error, _) = enroll(&host, &args(statement), "").await;
        assert!(matches!(error, EnrollError::Undeclared));
        assert_eq!(error.exit(), Exit::Refused);
        assert!(host.changes().is_empty(), "{:?}", host.changes());
    }
}

#[tokio::test]
async fn the_typed_declaration_is_asked_for_sentence_name_and_telephone() {
    let host = office_server();
    let asked = EnrollArgs { statement: None, name: None, phone: None, ..args("") };
    let (error, said) = enroll(&host, &asked, "本机不存储、不处理国家秘密\n张某\n0825-1\n").await;
    assert!(matches!(error, EnrollError::Gateway(GatewayError::Unreachable { .. })), "{error}");
    assert_eq!(error.exit(), Exit::Unreachable);
    assert!(
        said.contains("请输入: 本机不存储、不处理国家秘密") && said.contains("姓名") && said.contains("电话"),
        "{said}"
    );
    assert!(host.changes().is_empty(), "nothing is stored before the CA is known to be the right one");
}

#[tokio::test]
async fn names_have_bounds_and_hashes_a_form() {
    let long = EnrollArgs { name: Some("x".repeat(65)), ..args(DECLARATION_ZH) };
    assert_eq!(enroll(&office_server(), &long, "").await.0.exit(), Exit::Usage);
    let short = EnrollArgs { ca_hash: "sha256:12".into(), ..args(DECLARATION_ZH) };
    let error = enroll(&office_server(), &short, "").await.0;
    assert!(error.to_string().contains("sha256:<64 hex digits>"), "{error}");
}

#[tokio::test]
async fn a_machine_that_has_joined_is_not_joined_twice() {
    let host = office_server().file(
        "/var/lib/qianyun/enrolled.json",
        r#"{"server":"https://gw","namespace":"d","host":"h","department":"","system":"","declaredBy":"","declaredUnixMs":0}"#,
    );
    let error = enroll(&host, &args(DECLARATION_EN), "").await.0;
    assert!(matches!(&error, EnrollError::Already { name, .. } if name == "d/h"), "{error}");
    let armed = Ledger { armed: Some(crate::ledger::Armed::default()), ..Ledger::default() };
    LedgerFile::load(&host, &Paths::default()).unwrap().store(&host, armed).unwrap();
    let error = enroll(&host, &args(DECLARATION_EN), "").await.0;
    assert!(matches!(&error, EnrollError::Armed { .. }) && !error.to_string().contains("/var/lib"), "{error}");
}

/// A gateway on loopback with an authority of its own; it counts what it is asked, and answers from a table.
struct Desk {
    server: String,
    ca_pem: String,
    asked: Arc<Mutex<Vec<String>>>,
}

/// Issues `csr` as the gateway would.
fn issue(issuer: &CertifiedIssuer<'static, KeyPair>, csr: &str) -> String {
    let mut csr = CertificateSigningRequestParams::from_pem(csr).unwrap();
    csr.params.distinguished_name.push(DnType::CommonName, "host:civil/db");
    csr.signed_by(issuer).unwrap().pem()
}

async fn desk(accepts: &'static str) -> Desk {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = Arc::new(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap());
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let chain = vec![identity::certificate(&own.pem()).unwrap()];
    let secret = rustls_pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_no_client_auth().with_single_cert(chain, secret).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("https://{}", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let (log, ca_pem) = (asked.clone(), issuer.pem());
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        loop {
            let Ok((tcp, _)) = listener.accept().await else { return };
            let Ok(tls) = acceptor.accept(tcp).await else { continue };
            let (log, issuer) = (log.clone(), issuer.clone());
            let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                let (log, issuer) = (log.clone(), issuer.clone());
                async move { Ok::<_, std::convert::Infallible>(answer(request, &log, &issuer, accepts).await) }
            });
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(tls), service).await;
        }
    });
    Desk { server, ca_pem, asked }
}

async fn answer(
    request: hyper::Request<hyper::body::Incoming>,
    log: &Mutex<Vec<String>>,
    issuer: &CertifiedIssuer<'static, KeyPair>,
    accepts: &str,
) -> hyper::Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    log.lock().unwrap().push(path.clone());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let (status, text) = match path.as_str() {
        "/v1/ca" => (200, issuer.pem()),
        _ => {
            let request: EnrollRequest = serde_json::from_slice(&body).unwrap();
            if request.token == accepts {
                let answer = EnrollResponse {
                    namespace: "civil".into(),
                    host: "db".into(),
                    certificate_pem: issue(issuer, &request.csr_pem),
                    ca_pem: issuer.pem(),
                    department: "Civil Affairs".into(),
                    system: "registry".into(),
                };
                (200, serde_json::to_string(&answer).unwrap())
            } else {
                (403, r#"{"reason":"TokenUnknown","message":"unknown token","remedy":"ask the operator"}"#.into())
            }
        }
    };
    hyper::Response::builder().status(status).body(Full::new(Bytes::from(text))).unwrap()
}

impl Desk {
    fn args(&self, hash: String) -> EnrollArgs {
        EnrollArgs { server: self.server.clone(), ca_hash: hash, ..args(DECLARATION_ZH) }
    }

    fn hash(&self) -> String {
        identity::public_key_hash(&self.ca_pem).unwrap()
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn another_ca_than_the_pinned_one_is_sent_nothing() {
    let (desk, host) = (desk("id.secret").await, office_server());
    let error = enroll(&host, &desk.args(format!("sha256:{}", "ab".repeat(32))), "").await.0;
    assert!(matches!(error, EnrollError::WrongCa { .. }), "{error}");
    assert_eq!(error.exit(), Exit::Refused);
    assert_eq!(desk.asked(), ["/v1/ca"]);
    assert!(host.changes().is_empty(), "and nothing is stored");
}

#[tokio::test]
async fn a_wrong_token_is_refused_in_the_gateways_words() {
    let (desk, host) = (desk("another").await, office_server());
    let error = enroll(&host, &desk.args(desk.hash()), "").await.0;
    assert_eq!((error.exit(), error.remedy()), (Exit::Refused, Some("ask the operator")));
    assert!(matches!(identity::enrolled(&host, &Paths::default()), Err(IdentityError::NotEnrolled)));
    assert!(!host.changes().iter().any(|change| change.contains("systemctl enable")));
}

#[tokio::test]
async fn a_host_that_joins_keeps_its_identity_and_starts_the_service() {
    let desk = desk("id.secret").await;
    let host = office_server();
    let mut said = Vec::new();
    let args = desk.args(desk.hash());
    run(&host, &Paths::default(), &args, Language::En, &mut "".as_bytes(), &mut said).await.unwrap();
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("Will be sent") && said.contains("joined as civil/db"), "{said}");
    assert_eq!(desk.asked(), ["/v1/ca", "/v1/enroll"]);
    identity::Identity::load(&host, &Paths::default()).unwrap();
    let ledger = LedgerFile::load(&host, &Paths::default()).unwrap().ledger;
    assert_eq!(ledger.fingerprint, inventory::fingerprint(&host));
    assert_eq!(host.changes().last().unwrap(), "run systemctl enable --now qianyun-agent.service");
    assert!(
        !host.files().values().any(|bytes| String::from_utf8_lossy(bytes).contains("id.secret")),
        "no token is kept"
    );
}

#[tokio::test]
async fn an_enrolment_that_was_cut_off_asks_again_with_the_same_key() {
    let desk = desk("id.secret").await;
    let host = office_server();
    let args = desk.args(desk.hash());
    // The key is written, then the process is killed before anything else is.
    let key = kept_key(&host, &Paths::default()).unwrap().serialize_pem();
    run(&host, &Paths::default(), &args, Language::En, &mut "".as_bytes(), &mut Vec::new()).await.unwrap();
    assert_eq!(host.text(&Paths::default().key()).unwrap(), key.trim());
}
