//! The receiver: the same program beside the cloud's volumes, started by the hosting platform.
//!
//! One client may connect: the host it was started for, by the common name of a certificate of the CA. It is killed and
//! started again at any time; what it knows lies in its folder. It decides nothing about the copy: the engine does.

use crate::args::ReceiveArgs;
use crate::host::{Host, HostError};
use crate::identity::{Identity, IdentityError};
use crate::tls::{self, TlsError};
use qianyun_agent_api::inventory::DiskIdentity;
use qianyun_replication::identity::DeviceIdentity;
use qianyun_replication_io::target::{Authorize, Target, TargetConfig, TargetError, TargetVolume};
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::sync::Arc;

/// Volumes of one receiver: more disks than any server in scope has.
pub(crate) const MAX_VOLUMES: usize = 64;

/// One entry of the volumes file. `sizeBytes` may stand beside it for people; the disk's own size is what counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Name of the volume, as the source calls it.
    pub(crate) name: String,
    /// A file, made the first time, or a block device.
    pub(crate) path: String,
    /// The disk that may be copied to it.
    pub(crate) identity: DiskIdentity,
    /// What a block device was called when the copy began, if it has a name that lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<String>,
}

/// Why the receiver cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiveError {
    /// The volumes file is not what it should be.
    #[error("{path}: expected a list of 1 to {MAX_VOLUMES} volumes, each {{name, path, identity}}: {found}")]
    Volumes { path: String, found: String },
    /// A file cannot be read.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Key, certificate or CA are unusable.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The engine.
    #[error(transparent)]
    Target(#[from] TargetError),
}

/// The engine's form of an identity; the fields are the same.
pub(crate) fn engine_identity(identity: &DiskIdentity) -> DeviceIdentity {
    let DiskIdentity { serial, wwn, size_bytes, logical_block_bytes, table_id } = identity.clone();
    DeviceIdentity { serial, wwn, size_bytes, logical_block_bytes, table_id }
}

/// The wire's form of an identity.
pub(crate) fn wire_identity(identity: &DeviceIdentity) -> DiskIdentity {
    let DeviceIdentity { serial, wwn, size_bytes, logical_block_bytes, table_id } = identity.clone();
    DiskIdentity { serial, wwn, size_bytes, logical_block_bytes, table_id }
}

/// Receives until the medium fails.
pub(crate) async fn run(host: &dyn Host, args: &ReceiveArgs) -> Result<Infallible, ReceiveError> {
    let read =
        |path: &str| -> Result<String, HostError> { Ok(String::from_utf8_lossy(&host.read(path)?).into_owned()) };
    let key = read(&format!("{}/key.pem", args.dir))?;
    let certificate = read(&format!("{}/certificate.pem", args.dir))?;
    let identity = Arc::new(Identity::from_pem(&key, certificate, read(&args.ca)?)?);
    let config = TargetConfig {
        session: args.session,
        volumes: volumes(entries(&args.volumes_file, &host.read(&args.volumes_file)?)?),
        ledger_dir: args.dir.clone().into(),
        tls: tls::receiver(&identity)?,
        authorize: only(&args.host),
        signer: identity,
    };
    let target = Target::bind(args.listen, config).await?;
    tracing::info!(listen = %args.listen, session = args.session, host = %args.host, "receiving");
    Ok(target.serve().await?)
}

/// What a file says of volumes.
pub(crate) fn entries(path: &str, text: &[u8]) -> Result<Vec<Entry>, ReceiveError> {
    let bad = |found: String| ReceiveError::Volumes { path: path.to_owned(), found };
    let entries: Vec<Entry> = serde_json::from_slice(text).map_err(|error| bad(error.to_string()))?;
    if !(1..=MAX_VOLUMES).contains(&entries.len()) {
        return Err(bad(format!("found {}", entries.len())));
    }
    Ok(entries)
}

/// The volumes as the engine has them.
pub(crate) fn volumes(entries: Vec<Entry>) -> Vec<TargetVolume> {
    let volume = |entry: Entry| TargetVolume {
        identity: engine_identity(&entry.identity),
        name: entry.name,
        path: entry.path.into(),
    };
    entries.into_iter().map(volume).collect()
}

/// The one host. That its certificate comes from the CA has been checked by TLS.
fn only(host: &str) -> Authorize {
    let expected = format!("host:{host}");
    Arc::new(move |chain: &[CertificateDer<'static>]| {
        let found = chain.first().and_then(|der| common_name(der)).unwrap_or_default();
        if found == expected { Ok(()) } else { Err(format!("expected {expected}, found {found:?}")) }
    })
}

/// The common name in a certificate.
pub(crate) fn common_name(der: &[u8]) -> Option<String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(der).ok()?;
    let mut names = parsed.subject().iter_common_name();
    names.next()?.as_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    const ONE: &str = r#"{"name":"sda","path":"/v/sda.raw","sizeBytes":1,"identity":{"serial":"s","wwn":"","sizeBytes":4096,"logicalBlockBytes":512,"tableId":"t"}}"#;

    #[test]
    fn the_volumes_file_names_each_volume_and_its_disk() {
        let found = volumes(entries("v.json", format!("[{ONE}]").as_bytes()).unwrap());
        assert_eq!((found[0].name.as_str(), found[0].identity.size_bytes), ("sda", 4096));
    }

    #[test]
    fn no_volume_too_many_or_one_without_a_disk_is_an_error_that_says_so() {
        let many = vec![ONE; MAX_VOLUMES + 1].join(",");
        for text in ["[]", &format!("[{many}]"), r#"[{"name":"a","path":"b"}]"#, "no json"] {
            let error = entries("v.json", text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with("v.json: expected a list of 1 to 64 volumes"), "{error}");
        }
    }

    #[test]
    fn only_the_certificate_of_the_host_itself_may_connect() {
        let certificate = |cn: &str| {
            let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
            params.distinguished_name.push(DnType::CommonName, cn);
            params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone().into_owned()
        };
        let authorize = only("civil/db");
        assert_eq!(authorize(&[certificate("host:civil/db")]), Ok(()));
        assert!(authorize(&[certificate("host:civil/other")]).unwrap_err().contains("host:civil/other"));
        assert!(authorize(&[certificate("civil/db")]).is_err());
        assert!(authorize(&[]).is_err());
    }
}
