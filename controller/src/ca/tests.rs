//! What the authority promises.

use super::*;
use crate::fake_api::FakeApi;

pub(crate) fn authority() -> Authority {
    let (certificate, key) = make(Timestamp::now()).unwrap();
    Authority::from_pem(certificate, &key).unwrap()
}

fn request() -> (KeyPair, HostRequest) {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let pem = CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    (key, HostRequest::from_pem(&pem).unwrap())
}

#[test]
fn a_host_is_named_by_the_authority_and_keeps_its_own_key() {
    let (ca, now) = (authority(), Timestamp::now());
    let (key, request) = request();
    let issued = ca.issue_host(&request, &HostKey::new("civil", "db1"), now).unwrap();
    let verified = ca.verify(&der_of(&issued.pem).unwrap(), now).unwrap();
    assert_eq!(verified.common_name, "host:civil/db1");
    assert_eq!(verified.public_key_digest, sha256(&key.subject_public_key_info()));
    assert_eq!(verified.public_key, key.public_key_raw());
}

#[test]
fn a_certificate_of_another_authority_is_not_one_of_ours() {
    let issued = authority().issue_host(&request().1, &HostKey::new("civil", "db1"), Timestamp::now()).unwrap();
    let found = authority().verify(&der_of(&issued.pem).unwrap(), Timestamp::now());
    assert!(found.unwrap_err().to_string().contains("expected one issued by the authority"));
}

#[test]
fn a_certificate_is_good_for_its_time_only() {
    let (ca, now) = (authority(), Timestamp::now());
    let issued = ca.issue_host(&request().1, &HostKey::new("civil", "db1"), now).unwrap();
    let der = der_of(&issued.pem).unwrap();
    let life = SignedSeconds(HOST_LIFE).span();
    assert!(ca.verify(&der, now + life - jiff::SignedDuration::from_secs(60)).is_ok());
    assert!(ca.verify(&der, now + life + jiff::SignedDuration::from_secs(60)).is_err());
    assert!(ca.verify(&der, now - jiff::SignedDuration::from_hours(2)).is_err());
    assert_eq!(Authority::valid_until(&der).unwrap().as_second(), (now + life).as_second());
}

struct SignedSeconds(Duration);

impl SignedSeconds {
    fn span(&self) -> jiff::SignedDuration {
        jiff::SignedDuration::try_from(self.0).unwrap()
    }
}

#[test]
fn a_request_that_is_not_signed_by_its_own_p256_key_is_refused() {
    assert!(HostRequest::from_pem("nonsense").is_err());
    let other = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let pem = CertificateParams::default().serialize_request(&other).unwrap().pem().unwrap();
    assert!(matches!(HostRequest::from_pem(&pem), Err(CaError::Request { expected: "a key on the curve P-256" })));
}

#[test]
fn a_receiver_has_a_short_name_of_its_own_for_each_session() {
    let name = receiver_name(&format!("{}/{}", "n".repeat(63), "m".repeat(253)), u64::MAX);
    assert!(name.split('.').all(|label| label.len() <= 63));
    assert_ne!(receiver_name("a/b", 1), receiver_name("a/b", 2));
    assert_ne!(receiver_name("a/b", 1), receiver_name("a/c", 1));
    let (ca, now) = (authority(), Timestamp::now());
    let identity = ca.issue_server(std::slice::from_ref(&name), RECEIVER_LIFE, now).unwrap();
    assert_eq!(ca.verify(&der_of(&identity.certificate_pem).unwrap(), now).unwrap().dns_names, [name]);
}

#[tokio::test]
async fn two_replicas_that_start_at_once_end_with_one_authority_and_a_restart_finds_it() {
    let (api, client) = FakeApi::with_client().await;
    let secrets = Api::<Secret>::namespaced(client, "qianyun");
    let (one, two) = tokio::join!(Authority::ensure(&secrets, "qy-ca"), Authority::ensure(&secrets, "qy-ca"));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.ca_hash(), two.ca_hash());
    assert_eq!(Authority::ensure(&secrets, "qy-ca").await.unwrap().ca_hash(), one.ca_hash());
    assert_eq!(api.all("secrets").len(), 1);
}

#[tokio::test]
async fn a_damaged_secret_is_reported_and_never_overwritten() {
    let (api, client) = FakeApi::with_client().await;
    let damaged = serde_json::json!({"metadata": {"name": "qy-ca"}, "data": {"tls.crt": "bm90IG9uZQ=="}});
    api.put("/api/v1/namespaces/qianyun/secrets", damaged);
    let before = api.all("secrets");
    let found = Authority::ensure(&Api::namespaced(client, "qianyun"), "qy-ca").await;
    assert!(matches!(found, Err(CaError::Damaged { .. })));
    assert_eq!(api.all("secrets"), before);
}
