//! Which crate may know which: the table of ARCHITECTURE.md, held against `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use serde_json::Value;

use crate::run::cargo;

/// Crates of ours with their floor and the ones of ours that they may use. A crate that is not here fails the check, so a
/// new one is placed on purpose.
const LAYERS: &[(&str, u8, &[&str])] = &[
    ("model", 0, &[]),
    ("yaml", 0, &[]),
    ("gotemplate", 0, &[]),
    ("json-tree", 0, &[]),
    ("kubemerge", 0, &["json-tree"]),
    ("render", 0, &["model", "yaml", "gotemplate"]),
    ("disruption", 0, &["model"]),
    ("plan", 0, &["model", "yaml", "render", "disruption"]),
    ("ports", 1, &["model"]),
    ("registry-api", 1, &["model", "ports"]),
    ("store", 2, &["model", "ports"]),
    ("git-source", 2, &["model", "ports"]),
    ("kube-sim", 2, &["model", "ports", "yaml", "json-tree", "kubemerge"]),
    ("kube-world", 2, &["model", "ports", "json-tree", "kube-sim"]),
    ("cloud-sim", 2, &["model", "ports", "yaml"]),
    ("kube-access", 2, &["model", "ports", "yaml"]),
    (
        "twin",
        3,
        &[
            "model",
            "ports",
            "json-tree",
            "kube-sim",
            "kube-world",
            "cloud-sim",
            "yaml",
        ],
    ),
    (
        "lifecycle",
        3,
        &["model", "ports", "yaml", "render", "disruption", "plan", "kube-access"],
    ),
    (
        "shadow",
        3,
        &["model", "ports", "render", "plan", "kube-access", "lifecycle"],
    ),
    ("rollout", 3, &["model", "ports", "disruption", "kube-access"]),
    (
        "control",
        3,
        &[
            "model",
            "ports",
            "render",
            "disruption",
            "kube-access",
            "lifecycle",
            "rollout",
        ],
    ),
    (
        "controllers",
        3,
        &["model", "ports", "disruption", "kube-access", "rollout"],
    ),
    ("service", 3, &["model", "ports"]),
    ("registry", 3, &["model", "ports", "registry-api", "service", "yaml"]),
    (
        "web",
        3,
        &["model", "ports", "plan", "service", "registry", "lifecycle", "rollout"],
    ),
    (
        "rehearse",
        4,
        &[
            "model",
            "ports",
            "render",
            "disruption",
            "plan",
            "json-tree",
            "kube-access",
            "kube-sim",
            "cloud-sim",
            "store",
            "lifecycle",
            "rollout",
            "control",
            "twin",
        ],
    ),
    ("cli-args", 4, &["model"]),
    ("top", 4, &["model", "ports"]),
    ("fleetwright", 4, &["*"]),
    ("testkit", 4, &["model", "ports"]),
    ("xtask", 4, &[]),
];

/// Dependencies that pure crates (floor 0) may not have: a runtime, a client, a database, a socket.
const IMPURE: &[&str] = &[
    "tokio", "reqwest", "hyper", "axum", "sqlx", "gix", "kube", "tower", "rand",
];

/// Broken edges, in words.
///
/// # Errors
/// When `cargo metadata` cannot be run or read.
pub(crate) fn check() -> anyhow::Result<Vec<String>> {
    let output = cargo(["metadata", "--format-version", "1", "--no-deps"])
        .output()
        .context("cargo metadata")?;
    let metadata: Value = serde_json::from_slice(&output.stdout).context("output of cargo metadata")?;
    let table: BTreeMap<&str, (u8, &[&str])> = LAYERS.iter().map(|(n, f, e)| (*n, (*f, *e))).collect();
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for package in metadata["packages"].as_array().context("packages of cargo metadata")? {
        let name = package["name"].as_str().unwrap_or_default();
        seen.insert(name.to_owned());
        let Some((floor, allowed)) = table.get(name) else {
            problems.push(format!(
                "crate {name} has no place in xtask/src/layers.rs and ARCHITECTURE.md"
            ));
            continue;
        };
        // Development dependencies may point anywhere below the programs: a test may stand on more than the crate does.
        let ordinary = |d: &&Value| d["kind"].as_str().unwrap_or_default() != "dev";
        for dependency in package["dependencies"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(ordinary)
        {
            let on = dependency["name"].as_str().unwrap_or_default();
            let ours = table.contains_key(on);
            if ours && !allowed.contains(&"*") && !allowed.contains(&on) {
                problems.push(format!("{name} (floor {floor}) may not use {on}"));
            }
            if !ours && *floor == 0 && IMPURE.contains(&on) {
                problems.push(format!("{name} is pure and may not use {on}"));
            }
        }
    }
    problems.extend(
        LAYERS
            .iter()
            .filter(|(n, ..)| !seen.contains(*n))
            .map(|(n, ..)| format!("crate {n} of the table is gone")),
    );
    Ok(problems)
}
