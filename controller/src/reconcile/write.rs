//! Writing a status: whole, by server-side apply, and only if it says something new.

use super::driver::LookError;
use kube::api::{Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::fmt::Debug;

/// Owner of what is applied.
pub(crate) const MANAGER: &str = "qianyun-controller";

/// Applies a status unless it is the one that is there. Times in it are whole seconds, or it would never be the same.
pub(super) async fn status<K, S>(api: &Api<K>, object: &K, before: Option<&S>, status: &S) -> Result<(), LookError>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
    S: Serialize + PartialEq,
{
    if before == Some(status) {
        return Ok(());
    }
    let name = object.name_any();
    // The UID keeps an object that was deleted meanwhile from being made again.
    let body = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": { "name": name, "uid": object.uid() },
        "status": status,
    });
    let params = PatchParams::apply(MANAGER).force();
    match api.patch_status(&name, &params, &Patch::Apply(&body)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(gone)) if gone.is_not_found() => Ok(()),
        Err(error) => Err(LookError::api(format!("writing the status of {} {name}", K::kind(&())))(error)),
    }
}

/// The API of an object's own namespace.
pub(super) fn beside<K, T>(client: &Client, object: &T) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    T: ResourceExt,
{
    Api::namespaced(client.clone(), &object.namespace().unwrap_or_default())
}
