//! Makes the Secret of an enrolment, and keeps all but its token up to date.

use crate::reconcile::Context;
use crate::reconcile::driver::LookError;
use crate::reconcile::write::{self, MANAGER, beside};
use aws_lc_rs::rand;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Resource, ResourceExt};
use qianyun_crds::{HostEnrollment, HostEnrollmentStatus};
use std::collections::BTreeMap;

/// 160 bits: cannot be guessed, and still short enough to be typed from paper.
const SECRET_BYTES: usize = 20;

/// The Secret, made if it is missing. Returns its name.
pub(super) async fn ensure_secret(ctx: &Context, enrollment: &HostEnrollment) -> Result<String, LookError> {
    let secrets: Api<Secret> = beside(ctx.client(), enrollment);
    let name = format!("{}-enrollment", enrollment.name_any());
    let found = secrets.get_opt(&name).await.map_err(LookError::api(format!("reading the secret {name}")))?;
    let params = PostParams { field_manager: Some(MANAGER.to_string()), ..PostParams::default() };
    let Some(found) = found else {
        let made = secret(ctx, enrollment, &name, &token(enrollment)?);
        return match secrets.create(&params, &made).await {
            Ok(_) => Ok(name),
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(name),
            Err(error) => Err(LookError::api(format!("making the secret {name}"))(error)),
        };
    };
    if !is_ours(&found, enrollment) {
        return Err(LookError::Taken { what: format!("the Secret {name}") });
    }
    let token = match kept_token(&found) {
        Some(token) => token,
        None => token(enrollment)?,
    };
    let mut next = secret(ctx, enrollment, &name, &token);
    if next.data != found.data {
        next.metadata.resource_version.clone_from(&found.metadata.resource_version);
        match secrets.replace(&name, &params, &next).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_conflict() => {
                return Err(LookError::Behind { what: format!("the secret {name}") });
            }
            Err(error) => return Err(LookError::api(format!("writing the secret {name}"))(error)),
        }
    }
    Ok(name)
}

fn is_ours(secret: &Secret, enrollment: &HostEnrollment) -> bool {
    let owners = secret.metadata.owner_references.as_deref().unwrap_or_default();
    owners.iter().any(|o| Some(&o.uid) == enrollment.metadata.uid.as_ref())
}

fn kept_token(secret: &Secret) -> Option<String> {
    let bytes = &secret.data.as_ref()?.get("token")?.0;
    String::from_utf8(bytes.clone()).ok().filter(|t| !t.is_empty())
}

fn token(enrollment: &HostEnrollment) -> Result<String, LookError> {
    let mut bytes = [0_u8; SECRET_BYTES];
    rand::fill(&mut bytes).map_err(|_| LookError::Missing { what: "randomness for a token".to_string() })?;
    let namespace = enrollment.namespace().unwrap_or_default();
    Ok(format!("{namespace}/{}.{}", enrollment.name_any(), base32(&bytes)))
}

/// RFC 4648, lower case: no letters that are mistaken for digits on paper. 20 bytes are 32 letters without a rest.
fn base32(bytes: &[u8; SECRET_BYTES]) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let bits = |i: usize| {
        let bit = i * 5;
        let pair = u16::from(bytes[bit / 8]) << 8 | u16::from(bytes.get(bit / 8 + 1).copied().unwrap_or(0));
        usize::from(pair >> (11 - bit % 8) & 31)
    };
    (0..SECRET_BYTES * 8 / 5).map(|i| char::from(LETTERS[bits(i)])).collect()
}

fn secret(ctx: &Context, enrollment: &HostEnrollment, name: &str, token: &str) -> Secret {
    let hash = ctx.authority.ca_hash();
    let command = format!("qianyun-agent enroll --server {} --token {token} --ca-hash {hash}", ctx.server_url);
    let entry = |key: &str, value: &str| (key.to_string(), ByteString(value.as_bytes().to_vec()));
    let owner = OwnerReference {
        api_version: HostEnrollment::api_version(&()).into_owned(),
        kind: HostEnrollment::kind(&()).into_owned(),
        name: enrollment.name_any(),
        uid: enrollment.uid().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: None,
    };
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_string()),
            namespace: enrollment.namespace(),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([
            entry("token", token),
            entry("server", &ctx.server_url),
            entry("caHash", hash),
            entry("command", &command),
        ])),
        ..Secret::default()
    }
}

/// Writes the status, if it says something new.
pub(super) async fn write_status(
    ctx: &Context,
    enrollment: &HostEnrollment,
    status: &HostEnrollmentStatus,
) -> Result<(), LookError> {
    let api: Api<HostEnrollment> = beside(ctx.client(), enrollment);
    write::status(&api, enrollment, enrollment.status.as_ref(), status).await
}

#[cfg(test)]
mod tests {
    use super::base32;

    #[test]
    fn base32_is_as_rfc_4648_says() {
        let mut bytes = [0_u8; 20];
        bytes[..10].copy_from_slice(b"foobarfoob");
        // echo -n foobarfoob | base32 | tr A-Z a-z, then ten zero bytes.
        assert_eq!(base32(&bytes), format!("mzxw6ytbojtg633c{}", "a".repeat(16)));
        assert_eq!(base32(&[255; 20]), "7".repeat(32));
    }
}
