//! What an upgrade, a rollout, a death and a removal must leave as it is: the definitions, everything that people wrote, the
//! controller's authority, the tokens, and the volume with what lies in it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cluster::{Cluster, SYSTEM};
use crate::demo::city::CIVIL;

/// Our API group.
const GROUP: &str = "migration.qianyun.dev";
/// The authority's key: without it no server could prove any more whom it belongs to.
const AUTHORITY: &str = "qianyun-controller-ca";

/// Each thing by kind and name: which one it is, and what must not change about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holdings(BTreeMap<String, (String, Value)>);

impl Holdings {
    pub(super) fn take(cluster: &Cluster, volume: &Path) -> Result<Self> {
        let admin = cluster.admin();
        let mut held = BTreeMap::new();
        for definition in items(cluster.get(admin, &["crds"])?)? {
            if definition["spec"]["group"] == GROUP {
                // Its fields may grow; that it is the same one means that no object went with an old one.
                keep(&mut held, &definition, &Value::Null);
            }
        }
        let kinds = cluster.ask(admin, &["api-resources", "--api-group", GROUP, "-o", "name"])?;
        let kinds = kinds.split_whitespace().collect::<Vec<_>>().join(",");
        for object in items(cluster.get(admin, &[&kinds, "-A"])?)? {
            keep(&mut held, &object, &object["spec"]);
        }
        for (namespace, name) in [(SYSTEM, AUTHORITY), (CIVIL, "")] {
            for secret in items(cluster.get(admin, &["secrets", "-n", namespace])?)? {
                if secret["metadata"]["name"].as_str().is_some_and(|found| name.is_empty() || found == name) {
                    keep(&mut held, &secret, &secret["data"]);
                }
            }
        }
        for claim in items(cluster.get(admin, &["persistentvolumeclaims", "-n", SYSTEM])?)? {
            keep(&mut held, &claim, &claim["status"]["phase"]);
        }
        for entry in std::fs::read_dir(volume)? {
            let path = entry?.path();
            let content = if path.is_file() { std::fs::read_to_string(&path)? } else { String::new() };
            held.insert(format!("file {}", path.display()), (content, Value::Null));
        }
        Ok(Self(held))
    }

    /// How many of a kind.
    pub fn count(&self, kind: &str) -> usize {
        self.0.keys().filter(|key| key.split(' ').next() == Some(kind)).count()
    }

    /// All of it is in `now` as it was; there may be more.
    pub fn ensure_all_in(&self, now: &Self) -> Result<()> {
        for (key, was) in &self.0 {
            let is = now.0.get(key).with_context(|| format!("{key} is gone"))?;
            let same = is.0 == was.0 && holds(&is.1, &was.1);
            ensure!(same, "{key} has changed:\n{} {}\n{} {}", was.0, was.1, is.0, is.1);
        }
        Ok(())
    }
}

/// Whether all that was there is there with the same value. A field that a newer definition adds may have its default.
fn holds(is: &Value, was: &Value) -> bool {
    match (is, was) {
        (Value::Object(is), Value::Object(was)) => {
            was.iter().all(|(name, was)| is.get(name).is_some_and(|is| holds(is, was)))
        }
        (Value::Array(is), Value::Array(was)) => {
            is.len() == was.len() && is.iter().zip(was).all(|(is, was)| holds(is, was))
        }
        (is, was) => is == was,
    }
}

fn items(list: Value) -> Result<Vec<Value>> {
    list["items"].as_array().cloned().context("kubectl printed no list")
}

fn keep(held: &mut BTreeMap<String, (String, Value)>, object: &Value, part: &Value) {
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let meta = &object["metadata"];
    let key = format!("{} {}/{}", word(&object["kind"]), word(&meta["namespace"]), word(&meta["name"]));
    held.insert(key, (word(&meta["uid"]), part.clone()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn held(uid: &str, spec: u8) -> Holdings {
        let mut held = BTreeMap::new();
        let object = json!({"kind": "Department", "metadata": {"name": "civil", "uid": uid}});
        keep(&mut held, &object, &json!({"n": spec}));
        Holdings(held)
    }

    #[test]
    fn what_is_gone_made_anew_or_changed_is_told_and_what_is_new_is_not() {
        let before = held("a", 1);
        let told = |now: &Holdings| before.ensure_all_in(now).unwrap_err().to_string();
        assert_eq!(told(&Holdings(BTreeMap::new())), "Department -/civil is gone");
        for other in [held("b", 1), held("a", 2)] {
            assert!(told(&other).starts_with("Department -/civil has changed:"), "{other:?}");
        }
        let mut more = before.clone();
        more.0.insert("Department -/water".into(), (String::new(), Value::Null));
        before.ensure_all_in(&more).expect("more is not less");
        assert!(holds(&json!({"n": 1, "tier": "City"}), &json!({"n": 1})), "a default of a new field");
        assert!(!holds(&json!({"n": [1, 2]}), &json!({"n": [1]})));
    }
}
