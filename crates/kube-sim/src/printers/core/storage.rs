//! Tables of volumes and claims.

use json_tree::Value;

use super::name;
use crate::printers::Env;
use crate::printers::text::age;
use crate::value::{at, list, text};

/// Access modes in their short form.
fn access_modes(object: &Value, path: &[&str]) -> String {
    let short = |mode: &str| match mode {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOncePod" => "RWOP",
        _ => "",
    };
    list(object, path)
        .iter()
        .filter_map(|mode| mode.as_str().map(short))
        .collect::<Vec<_>>()
        .join(",")
}

fn phase(object: &Value) -> String {
    if at(object, &["metadata", "deletionTimestamp"]).is_some() {
        return "Terminating".to_owned();
    }
    text(object, &["status", "phase"]).unwrap_or_default().to_owned()
}

pub(super) fn volume(volume: &Value, env: &Env) -> Vec<Value> {
    let claim = match (
        text(volume, &["spec", "claimRef", "namespace"]),
        text(volume, &["spec", "claimRef", "name"]),
    ) {
        (Some(namespace), Some(name)) => format!("{namespace}/{name}"),
        _ => String::new(),
    };
    let unset = |path: &[&str]| {
        text(volume, path)
            .filter(|text| !text.is_empty())
            .unwrap_or("<unset>")
            .to_owned()
    };
    vec![
        name(volume),
        text(volume, &["spec", "capacity", "storage"])
            .unwrap_or_default()
            .into(),
        access_modes(volume, &["spec", "accessModes"]).into(),
        text(volume, &["spec", "persistentVolumeReclaimPolicy"])
            .unwrap_or_default()
            .into(),
        phase(volume).into(),
        claim.into(),
        text(volume, &["spec", "storageClassName"]).unwrap_or_default().into(),
        unset(&["spec", "volumeAttributesClassName"]).into(),
        text(volume, &["status", "reason"]).unwrap_or_default().into(),
        age(volume, env).into(),
        unset(&["spec", "volumeMode"]).into(),
    ]
}

pub(super) fn claim(claim: &Value, env: &Env) -> Vec<Value> {
    let bound = text(claim, &["spec", "volumeName"]).unwrap_or_default();
    let (capacity, modes) = if bound.is_empty() {
        (String::new(), String::new())
    } else {
        let capacity = text(claim, &["status", "capacity", "storage"]).unwrap_or_default();
        (capacity.to_owned(), access_modes(claim, &["status", "accessModes"]))
    };
    let unset = |path: &[&str]| {
        text(claim, path)
            .filter(|text| !text.is_empty())
            .unwrap_or("<unset>")
            .to_owned()
    };
    vec![
        name(claim),
        phase(claim).into(),
        bound.into(),
        capacity.into(),
        modes.into(),
        text(claim, &["spec", "storageClassName"]).unwrap_or_default().into(),
        unset(&["spec", "volumeAttributesClassName"]).into(),
        age(claim, env).into(),
        unset(&["spec", "volumeMode"]).into(),
    ]
}
