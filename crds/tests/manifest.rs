//! What the API server is given: documented to the last field, bounded to the last string, and equal to the chart's files.

use qianyun_crds::manifest;
use serde_json::Value;
use std::path::Path;

/// Calls `look` with the path of each property below `schema`, and its schema.
fn walk(path: &str, schema: &Value, look: &mut dyn FnMut(&str, &Value)) {
    look(path, schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), property, look);
    }
    if let Some(items) = schema.get("items") {
        walk(&format!("{path}[]"), items, look);
    }
}

fn every_property(mut look: impl FnMut(&str, &Value)) {
    let definitions = manifest::definitions().expect("the types have definitions");
    assert_eq!(definitions.len(), 14, "kinds of the design");
    for definition in definitions {
        let kind = definition["spec"]["names"]["kind"].as_str().expect("a kind has a name");
        walk(kind, &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"], &mut look);
    }
}

#[test]
fn every_field_is_explained() {
    let mut silent = Vec::new();
    every_property(|path, schema| {
        // An item of a plain list of strings is explained by its list.
        let plain_item = path.ends_with("[]") && schema["type"] != "object";
        if !plain_item && schema["description"].as_str().is_none_or(str::is_empty) {
            silent.push(path.to_owned());
        }
    });
    assert!(silent.is_empty(), "fields without a description: {silent:#?}");
}

#[test]
fn everything_from_outside_is_bounded() {
    let mut unbounded = Vec::new();
    every_property(|path, schema| {
        let bounded = match schema["type"].as_str() {
            Some("string") => {
                schema["maxLength"].is_u64() || schema["enum"].is_array() || schema["format"] == "date-time"
            }
            Some("array") => schema["maxItems"].is_u64() && schema["x-kubernetes-list-type"].is_string(),
            Some("integer") => schema["minimum"].is_i64(),
            Some("object") => schema["properties"].is_object(),
            Some("boolean") => true,
            _ => false,
        };
        if !bounded {
            unbounded.push(path.to_owned());
        }
    });
    assert!(unbounded.is_empty(), "fields without a bound: {unbounded:#?}");
}

#[test]
fn nothing_is_left_of_the_generator() {
    every_property(|path, schema| {
        for key in ["title", "nullable", "anyOf", "$ref"] {
            assert!(schema.get(key).is_none(), "{path} has {key}");
        }
        assert!(!schema["format"].as_str().is_some_and(|f| f.starts_with("uint")), "{path} has an unknown format");
        if let Some(text) = schema["description"].as_str() {
            assert!(text.len() <= 400, "{path} is explained at too great a length: {} bytes", text.len());
        }
    });
}

#[test]
fn every_rule_says_what_to_do() {
    every_property(|path, schema| {
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            assert!(
                rule["message"].as_str().is_some_and(|m| m.len() > 20),
                "{path}: rule {} has no message",
                rule["rule"]
            );
        }
    });
}

#[test]
fn a_table_fits_on_a_screen() {
    for definition in manifest::definitions().expect("the types have definitions") {
        let kind = &definition["spec"]["names"]["kind"];
        let columns = definition["spec"]["versions"][0]["additionalPrinterColumns"].as_array().expect("columns");
        let shown = columns.iter().filter(|c| c["priority"].as_i64().unwrap_or(0) == 0).count();
        assert!(shown <= 8, "{kind} shows {shown} columns by default, expected 7 and its age");
        assert_eq!(columns.last().expect("columns")["name"], "AGE", "{kind} ends with its age");
    }
}

#[test]
fn the_chart_has_what_the_types_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/qianyun/templates/crds");
    let mut expected: Vec<String> = Vec::new();
    for file in manifest::chart_files().expect("the types have definitions") {
        let path = folder.join(&file.name);
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(found == file.text, "{} is stale: run cargo xtask crds", path.display());
        expected.push(file.name);
    }
    let mut found: Vec<String> = std::fs::read_dir(&folder)
        .expect("the chart has definitions")
        .map(|entry| entry.expect("the folder can be read").file_name().to_string_lossy().into_owned())
        .collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected, "files in {}", folder.display());
}

#[test]
fn no_value_of_an_enum_is_a_boolean_to_helm() {
    for file in manifest::chart_files().expect("the types have files") {
        for word in ["y", "n", "yes", "no", "on", "off"] {
            let bare = |line: &&str| line.trim_start().to_ascii_lowercase() == format!("- {word}");
            assert_eq!(file.text.lines().find(bare), None, "{}: YAML 1.1 reads it as true or false", file.name);
        }
    }
}
