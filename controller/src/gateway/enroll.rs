//! First contact: from a token and a declaration to a `PhysicalHost` and a certificate; and the renewal of the latter.
//!
//! The declaration is judged before anything else of the request is looked at. A request that does not declare the
//! machine non-classified leaves no trace: nothing of it is stored or logged.

use super::Shared;
use super::agents::HostKey;
use super::identity::{Caller, hardware, same_machine};
use super::refuse::Refused;
use crate::ca::HostRequest;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{ListParams, ObjectMeta, PostParams};
use kube::{Api, ResourceExt};
use qianyun_agent_api::enroll::{EnrollRequest, EnrollResponse, RenewRequest};
use qianyun_crds::{
    Department, HardwareIdentity, HostDeclaration, HostEnrollment, InformationSystem, PhysicalHost, PhysicalHostSpec,
};
use sha2::{Digest, Sha256};

/// A token is `<namespace>/<name>.<secret>`: 63 + 253 + a secret of at most 128.
const TOKEN_BYTES: usize = 448;
/// A P-256 request has 300 bytes; more are attributes that nobody reads.
const REQUEST_BYTES: usize = 8192;
/// Longer than any DMI string that is stored.
const DMI_BYTES: usize = 128;
/// Of the host name, this much goes into the name of the object, which labels may have to carry: 63 less a digest.
const HOST_NAME_BYTES: usize = 48;

/// The enrolment that a token belongs to.
struct Permit {
    enrollment: HostEnrollment,
    namespace: String,
}

/// Enrols a machine, or gives one that is enrolled with the same key a new certificate.
pub(super) async fn enroll(shared: &Shared, request: EnrollRequest) -> Result<EnrollResponse, Refused> {
    if !request.declaration.is_non_classified() {
        return Err(Refused::not_declared());
    }
    check_lengths(&request)?;
    let now = Timestamp::now();
    let permit = find_permit(shared, &request.token).await?;
    let expires = permit.enrollment.spec.expires_at.0;
    if now >= expires {
        return Err(Refused::expired(&expires.to_string()));
    }
    let csr = HostRequest::from_pem(&request.csr_pem)
        .map_err(|_| Refused::malformed("csrPem", "a signed PKCS#10 request for a P-256 key", "something else"))?;
    let host = admit(shared, &permit, &request, &csr, now).await?;
    answer(shared, &host, &csr, now).await
}

/// Gives a host a new certificate for the key that it was enrolled with: records signed earlier stay with that key.
pub(super) async fn renew(shared: &Shared, caller: &Caller, request: &RenewRequest) -> Result<EnrollResponse, Refused> {
    let expected = "a signed PKCS#10 request for the key that was enrolled";
    let csr = HostRequest::from_pem(&request.csr_pem)
        .map_err(|_| Refused::malformed("csrPem", expected, "something else"))?;
    if csr.public_key_digest() != caller.enrolled.spec.public_key_digest {
        return Err(Refused::malformed("csrPem", expected, "another key"));
    }
    answer(shared, &caller.enrolled, &csr, Timestamp::now()).await
}

fn check_lengths(request: &EnrollRequest) -> Result<(), Refused> {
    let print = &request.fingerprint;
    let bounds = [
        ("token", request.token.len(), 1, TOKEN_BYTES),
        ("csrPem", request.csr_pem.len(), 1, REQUEST_BYTES),
        ("hostname", request.hostname.len(), 1, 253),
        ("agentVersion", request.agent_version.len(), 1, 64),
        ("declaration.name", request.declaration.name.trim().chars().count(), 1, 64),
        ("declaration.phone", request.declaration.phone.trim().chars().count(), 1, 32),
        ("fingerprint.systemUuid", print.system_uuid.len(), 0, DMI_BYTES),
        ("fingerprint.systemSerial", print.system_serial.len(), 0, DMI_BYTES),
        ("fingerprint.boardSerial", print.board_serial.len(), 0, DMI_BYTES),
    ];
    for (what, length, least, most) in bounds {
        if !(least..=most).contains(&length) {
            return Err(Refused::malformed(what, &format!("a length from {least} to {most}"), length));
        }
    }
    if hardware(print) == HardwareIdentity::default() {
        return Err(Refused::malformed("fingerprint", "a DMI UUID or serial number", "neither"));
    }
    Ok(())
}

/// The enrolment whose Secret holds exactly `token`.
async fn find_permit(shared: &Shared, token: &str) -> Result<Permit, Refused> {
    let (namespace, name) = enrollment_of(token).ok_or_else(Refused::token_unknown)?;
    let enrollments = Api::<HostEnrollment>::namespaced(shared.client.clone(), namespace);
    let Some(enrollment) = enrollments.get_opt(name).await.map_err(not_now)? else {
        return Err(Refused::token_unknown());
    };
    let secret_name = enrollment.status.as_ref().and_then(|status| status.token_secret.clone());
    let Some(secret_name) = secret_name else { return Err(Refused::token_unknown()) };
    let secrets = Api::<Secret>::namespaced(shared.client.clone(), namespace);
    let secret = secrets.get_opt(&secret_name).await.map_err(not_now)?;
    let expected = secret.and_then(|secret| secret.data).and_then(|data| data.get("token").cloned());
    match expected {
        Some(expected) if verify_slices_are_equal(&expected.0, token.as_bytes()).is_ok() => {
            Ok(Permit { namespace: namespace.to_owned(), enrollment })
        }
        Some(_) | None => Err(Refused::token_unknown()),
    }
}

/// Namespace and name of the enrolment in `<namespace>/<name>.<secret>`. They become part of a URL: nothing but the
/// characters of object names passes.
fn enrollment_of(token: &str) -> Option<(&str, &str)> {
    let (id, _secret) = token.rsplit_once('.')?;
    let (namespace, name) = id.split_once('/')?;
    let fits = |text: &str, limit: usize, extra: &[u8]| {
        let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        text.len() <= limit
            && edge(text.bytes().next())
            && edge(text.bytes().last())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || extra.contains(&b))
    };
    (fits(namespace, 63, b"-") && fits(name, 253, b"-.")).then_some((namespace, name))
}

/// The host of the request: the one that is there already, or a new one if there is a place. One at a time, so that two
/// that come together cannot take the same place or the same identity.
async fn admit(
    shared: &Shared,
    permit: &Permit,
    request: &EnrollRequest,
    csr: &HostRequest,
    now: Timestamp,
) -> Result<PhysicalHost, Refused> {
    let _turn = shared.enrolling.lock().await;
    let hosts = Api::<PhysicalHost>::all(shared.client.clone()).list(&ListParams::default()).await.map_err(not_now)?;
    let identity = hardware(&request.fingerprint);
    let enrollment = permit.enrollment.name_any();
    let joined = |host: &&PhysicalHost| {
        host.namespace().as_deref() == Some(&permit.namespace) && host.spec.enrollment_ref == enrollment
    };
    let known = hosts.items.iter().find(|host| same_machine(&host.spec.hardware, &identity));
    if let Some(known) = known {
        let same = joined(&known) && known.spec.public_key_digest == csr.public_key_digest();
        return if same { Ok(known.clone()) } else { Err(Refused::identity_taken()) };
    }
    let places = permit.enrollment.spec.max_hosts;
    if hosts.items.iter().filter(joined).count() >= usize::try_from(places).unwrap_or(0) {
        return Err(Refused::exhausted(places));
    }
    create(shared, permit, request, csr, identity, now).await
}

async fn create(
    shared: &Shared,
    permit: &Permit,
    request: &EnrollRequest,
    csr: &HostRequest,
    identity: HardwareIdentity,
    now: Timestamp,
) -> Result<PhysicalHost, Refused> {
    let system = find_system(shared, &permit.namespace, &permit.enrollment.spec.system_ref).await?;
    let host = PhysicalHost {
        metadata: ObjectMeta {
            name: Some(object_name(&request.hostname, &identity)),
            namespace: Some(permit.namespace.clone()),
            ..ObjectMeta::default()
        },
        spec: PhysicalHostSpec {
            department_ref: system.spec.department_ref,
            system_ref: permit.enrollment.spec.system_ref.clone(),
            enrollment_ref: permit.enrollment.name_any(),
            room: permit.enrollment.spec.room.clone(),
            hardware: identity,
            public_key_digest: csr.public_key_digest(),
            declaration: HostDeclaration {
                statement: request.declaration.statement.trim().to_owned(),
                name: request.declaration.name.trim().to_owned(),
                phone: request.declaration.phone.trim().to_owned(),
                declared_at: Time(now),
            },
        },
        status: None,
    };
    let created = Api::namespaced(shared.client.clone(), &permit.namespace).create(&PostParams::default(), &host).await;
    match created {
        Ok(host) => {
            let name = host.name_any();
            tracing::info!(
                namespace = permit.namespace,
                host = name,
                enrollment = host.spec.enrollment_ref,
                "enrolled"
            );
            Ok(host)
        }
        // A leader that was paused in the middle of this may have made it: the next attempt finds it.
        Err(kube::Error::Api(status)) if status.is_already_exists() => Err(Refused::NotNow),
        Err(error) => Err(not_now(error)),
    }
}

/// What the host is told: its name, its certificate, and whose it is.
async fn answer(
    shared: &Shared,
    host: &PhysicalHost,
    csr: &HostRequest,
    now: Timestamp,
) -> Result<EnrollResponse, Refused> {
    let key = HostKey::new(host.namespace().unwrap_or_default(), host.name_any());
    let departments = Api::<Department>::all(shared.client.clone());
    let department = departments.get_opt(&host.spec.department_ref).await.map_err(not_now)?;
    let issued = shared.authority.issue_host(csr, &key, now).map_err(|error| {
        tracing::error!(host = %key, %error, "no certificate can be issued");
        Refused::NotNow
    })?;
    Ok(EnrollResponse {
        namespace: key.namespace,
        host: key.name,
        certificate_pem: issued.pem,
        ca_pem: shared.authority.ca_pem().to_owned(),
        department: department.map_or_else(|| host.spec.department_ref.clone(), |d| d.spec.display_name),
        system: host.spec.system_ref.clone(),
    })
}

async fn find_system(shared: &Shared, namespace: &str, name: &str) -> Result<InformationSystem, Refused> {
    let systems = Api::<InformationSystem>::namespaced(shared.client.clone(), namespace);
    systems.get_opt(name).await.map_err(not_now)?.ok_or_else(|| {
        tracing::warn!(namespace, system = name, "an enrolment names a system that does not exist");
        Refused::NotNow
    })
}

/// The name of the object: the host name as far as it is fit for one, and a digest of the hardware, so that a machine
/// that comes twice can never become two objects.
fn object_name(hostname: &str, identity: &HardwareIdentity) -> String {
    let short = hostname.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let fit: String =
        short.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(HOST_NAME_BYTES).collect();
    let fit = fit.trim_matches('-');
    let text = [&identity.system_uuid, &identity.system_serial, &identity.board_serial].map(String::as_str).join("\n");
    let digest = hex::encode(&Sha256::digest(text.as_bytes())[..4]);
    if fit.is_empty() { format!("host-{digest}") } else { format!("{fit}-{digest}") }
}

fn not_now(error: kube::Error) -> Refused {
    tracing::warn!(%error, "an enrolment cannot be looked up or stored");
    Refused::NotNow
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_objects_pass_from_a_token_into_a_url() {
        assert_eq!(enrollment_of("civil/registry.0a1b"), Some(("civil", "registry")));
        assert_eq!(enrollment_of("civil/reg.istry.0a1b"), Some(("civil", "reg.istry")));
        for bad in
            ["", "civil", "civil/registry", "/x.y", "civil/.y", "civil/../x.y", "ci/vil/x.y", "civil/x?y.z", "C/x.y"]
        {
            assert_eq!(enrollment_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_object_name_is_fit_for_a_label_and_differs_with_the_hardware() {
        let one = HardwareIdentity { system_uuid: "u".into(), ..HardwareIdentity::default() };
        let two = HardwareIdentity { system_serial: "u".into(), ..HardwareIdentity::default() };
        assert!(object_name("DB1.civil.gov.cn", &one).starts_with("db1-"));
        assert!(object_name("婚姻登记", &one).starts_with("host-"));
        assert_ne!(object_name("db1", &one), object_name("db1", &two));
        assert!(object_name(&"x".repeat(253), &one).len() <= 63);
    }
}
