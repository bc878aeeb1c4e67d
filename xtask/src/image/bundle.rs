//! An OCI image as one file: the image layout (layer, configuration, manifest, index) in a tar archive. One layer, not packed:
//! whoever pushes it packs it. It never names a registry.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Tape;

/// What an image is made of.
pub(crate) struct Image<'a> {
    /// Whole: with a host, so that no tool puts the name of its own registry before it.
    pub(crate) name: &'a str,
    pub(crate) entrypoint: &'a str,
    /// `user:group` in numbers, for there is no /etc/passwd.
    pub(crate) user: &'a str,
    pub(crate) files: Tape,
}

/// Writes it to `path`.
pub(crate) fn write(image: Image<'_>, path: &Path) -> Result<()> {
    let layer = image.files.finish();
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {"User": image.user, "Entrypoint": [image.entrypoint], "WorkingDir": "/"},
        // Of the unpacked layer; here it is the same.
        "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
    });
    let config = config.to_string().into_bytes();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
    });
    let manifest = manifest.to_string().into_bytes();
    let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
    let (_, tag) = image.name.rsplit_once(':').context("an image's name has a tag")?;
    // The second is how containerd takes the whole name; the first alone would give it the tag as name.
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": tag, "io.containerd.image.name": image.name});
    let index = json!({"schemaVersion": 2, "manifests": [entry]});

    let mut tape = Tape::new();
    tape.put("oci-layout", 0o644, json!({"imageLayoutVersion": "1.0.0"}).to_string().as_bytes())?;
    tape.put("index.json", 0o644, index.to_string().as_bytes())?;
    for blob in [&layer, &config, &manifest] {
        tape.put(&format!("blobs/{}", digest(blob).replace(':', "/")), 0o644, blob)?;
    }
    std::fs::write(path, tape.finish()).with_context(|| format!("writing {}", path.display()))
}

fn descriptor(kind: &str, blob: &[u8]) -> Value {
    json!({"mediaType": kind, "digest": digest(blob), "size": blob.len()})
}

fn digest(blob: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(blob)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn from_the_index_every_blob_is_found_under_its_own_digest() {
        let folder = std::env::temp_dir().join(format!("qianyun-bundle-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let mut files = Tape::new();
        files.put("bin/program", 0o755, b"program").unwrap();
        let image = Image { name: "qianyun.dev/x:1", entrypoint: "/bin/program", user: "1:1", files };
        write(image, &folder.join("x.tar")).unwrap();
        assert!(Command::new("tar").args(["-xf", "x.tar"]).current_dir(&folder).status().unwrap().success());
        let blob = |described: &Value| {
            let place = described["digest"].as_str().unwrap().replace(':', "/");
            let bytes = std::fs::read(folder.join("blobs").join(place)).unwrap();
            assert_eq!(
                (digest(&bytes).as_str().into(), bytes.len().into()),
                (described["digest"].clone(), described["size"].clone())
            );
            bytes
        };
        let parse = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).unwrap();
        let index = parse(std::fs::read(folder.join("index.json")).unwrap());
        let manifest = parse(blob(&index["manifests"][0]));
        let config = parse(blob(&manifest["config"]));
        let layer = blob(&manifest["layers"][0]);
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(index["manifests"][0]["annotations"]["io.containerd.image.name"], "qianyun.dev/x:1");
        assert_eq!(config["rootfs"]["diff_ids"][0], digest(&layer));
        assert_eq!(config["config"]["Entrypoint"][0], "/bin/program");
    }
}
