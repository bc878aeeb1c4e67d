//! The kinds as the API server is given them: schemas tidied, files of the chart.
//!
//! Used by `crdgen`, which writes the files, and by the test that compares them. It decides nothing about the API.

use crate::{
    Approval, CheckWaiver, CloudPlatform, CustodyRecord, Department, FreezePeriod, HostEnrollment, HostMigration,
    InformationSystem, MigrationPlan, PhysicalHost, PolicyProfile, SystemMigration, WorkCalendar,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Map, Value, json};

/// Why the files cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// A definition cannot be written as JSON.
    #[error("the definition of {kind} cannot be written as json")]
    NotJson {
        /// The kind.
        kind: String,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A definition cannot be written as YAML.
    #[error("the definition of {kind} cannot be written as yaml")]
    NotYaml {
        /// The kind.
        kind: String,
        /// The cause.
        #[source]
        source: serde_yaml_ng::Error,
    },
}

/// A file of the chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartFile {
    /// Name within `templates/crds`.
    pub name: String,
    /// Content.
    pub text: String,
}

/// The definitions, tidied, by the order of the journey.
pub fn definitions() -> Result<Vec<Value>, ManifestError> {
    [
        PolicyProfile::crd(),
        WorkCalendar::crd(),
        FreezePeriod::crd(),
        CloudPlatform::crd(),
        Department::crd(),
        MigrationPlan::crd(),
        InformationSystem::crd(),
        HostEnrollment::crd(),
        PhysicalHost::crd(),
        CheckWaiver::crd(),
        SystemMigration::crd(),
        HostMigration::crd(),
        Approval::crd(),
        CustodyRecord::crd(),
    ]
    .into_iter()
    .map(definition)
    .collect()
}

/// The files of `charts/qianyun/templates/crds`. Removing the release leaves the definitions: with them would go
/// every decision and every record.
pub fn chart_files() -> Result<Vec<ChartFile>, ManifestError> {
    definitions()?.into_iter().map(chart_file).collect()
}

fn chart_file(mut definition: Value) -> Result<ChartFile, ManifestError> {
    let plural = text_at(&definition, "/spec/names/plural");
    let kind = text_at(&definition, "/spec/names/kind");
    definition["metadata"]["annotations"] = json!({"helm.sh/resource-policy": "keep"});
    let yaml = serde_yaml_ng::to_string(&definition).map_err(|source| ManifestError::NotYaml { kind, source })?;
    let yaml: String = yaml.lines().map(|line| quoted(line) + "\n").collect();
    let text = format!(
        "# Made by `cargo xtask crds` from crds/src; changes here are lost.\n{{{{- if .Values.crds.install }}}}\n{yaml}{{{{- end }}}}\n"
    );
    Ok(ChartFile { name: format!("{plural}.yaml"), text })
}

/// Helm reads YAML 1.1, where `Off` is false unless it is quoted; our writer knows only YAML 1.2.
fn quoted(line: &str) -> String {
    let word = line.trim_start().strip_prefix("- ").unwrap_or_default();
    match word.to_ascii_lowercase().as_str() {
        "y" | "n" | "yes" | "no" | "on" | "off" => line.replace(word, &format!("\"{word}\"")),
        _ => line.to_owned(),
    }
}

fn definition(crd: CustomResourceDefinition) -> Result<Value, ManifestError> {
    let kind = crd.spec.names.kind.clone();
    let mut value =
        serde_json::to_value(&crd).map_err(|source| ManifestError::NotJson { kind: kind.clone(), source })?;
    // The derive leaves an empty status behind, which the API server would have to ignore.
    if let Some(map) = value.as_object_mut() {
        map.remove("status");
    }
    if let Some(schema) = value.pointer_mut("/spec/versions/0/schema/openAPIV3Schema") {
        tidy(schema);
        describe_root(schema, &kind);
    }
    Ok(value)
}

/// Brings a schema into the form that people would write by hand.
fn tidy(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else { return };
    map.remove("title");
    if map.get("format").and_then(Value::as_str).is_some_and(|f| f.starts_with("uint")) {
        map.remove("format");
    }
    if map.get("type") == Some(&json!("array")) {
        map.entry("x-kubernetes-list-type").or_insert_with(|| json!("atomic"));
    }
    if let Some(values) = map.get_mut("enum").and_then(Value::as_array_mut) {
        values.retain(|v| !v.is_null());
    }
    whole_numbers(map);
    let required = map.get("required").cloned().unwrap_or_else(|| json!([]));
    if let Some(properties) = map.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, property) in properties {
            let optional = !required.as_array().is_some_and(|r| r.contains(&json!(name)));
            if let Some(inner) = property.as_object_mut().filter(|_| optional) {
                // Without it a null is dropped, so that defaults apply and rules see an absent field.
                inner.remove("nullable");
            }
            tidy(property);
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = map.get_mut(key) {
            tidy(inner);
        }
    }
}

/// Bounds of integers as integers: the derive writes `1.0`.
fn whole_numbers(map: &mut Map<String, Value>) {
    for key in ["minimum", "maximum"] {
        if let Some(text) = map.get(key).filter(|v| v.is_f64()).map(|v| format!("{v:.0}"))
            && let Ok(number) = text.trim_end_matches(".0").parse::<i64>()
        {
            map.insert(key.into(), json!(number));
        }
    }
}

/// `kubectl explain` shows these first.
fn describe_root(schema: &mut Value, kind: &str) {
    let texts = [
        ("spec", format!("What this {kind} is to be.")),
        ("status", format!("What is known about this {kind}; written by the controller alone.")),
    ];
    for (name, text) in texts {
        if let Some(property) = schema.pointer_mut(&format!("/properties/{name}")).and_then(Value::as_object_mut) {
            property.insert("description".into(), json!(text));
        }
    }
}

fn text_at(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}
