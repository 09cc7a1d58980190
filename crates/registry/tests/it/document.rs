//! The OpenAPI document: as checked in, and as a judge of every answer that the other tests see.

use std::path::Path;
use std::sync::OnceLock;

use registry::openapi_document;
use serde_json::Value;

use crate::support::{Answer, App};

fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(openapi_document)
}

/// Panics when the answer to an operation of the document has a status, content type or body that is not documented.
pub(crate) fn check(method: &str, path: &str, answer: &Answer) {
    let path = path.split('?').next().unwrap_or_default();
    let paths = document()["paths"].as_object().unwrap();
    let same = |template: &str| {
        let (mut a, mut b) = (template.split('/'), path.split('/'));
        loop {
            match (a.next(), b.next()) {
                (None, None) => return true,
                (Some(a), Some(b)) if a == b || (a.starts_with('{') && !b.is_empty()) => {}
                _ => return false,
            }
        }
    };
    let Some(item) = paths.iter().find(|(template, _)| same(template)).map(|(_, item)| item) else {
        return;
    };
    let Some(operation) = item.get(method.to_lowercase()) else {
        return;
    };
    let place = format!("{method} {path} -> {}: {}", answer.status, answer.text);
    let response = &operation["responses"][answer.status.to_string()];
    assert!(!response.is_null(), "undocumented status: {place}");
    let kind = answer.header("content-type");
    match response.get("content") {
        None => assert_eq!(answer.text, "", "{place}"),
        Some(content) => {
            let media = content
                .get(kind)
                .unwrap_or_else(|| panic!("undocumented type {kind:?}: {place}"));
            if kind.ends_with("json") {
                let problem = fault(&media["schema"], &answer.json(), "");
                assert_eq!(problem, None, "{place}");
            }
        }
    }
}

/// What is wrong with `value` by this schema, for the words that our document uses.
fn fault(schema: &Value, value: &Value, at: &str) -> Option<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        return fault(document().pointer(&reference[1..]).unwrap(), value, at);
    }
    if let Some(all) = schema["allOf"].as_array() {
        return all.iter().find_map(|one| fault(one, value, at));
    }
    if let Some(any) = schema["oneOf"].as_array() {
        let faults: Vec<_> = any.iter().map(|one| fault(one, value, at)).collect();
        return if faults.iter().any(Option::is_none) {
            None
        } else {
            faults.into_iter().next().flatten()
        };
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed = match &schema["type"] {
        Value::String(one) => one == kind,
        Value::Array(kinds) => kinds.iter().any(|one| one == kind),
        _ => true,
    };
    if !allowed {
        return Some(format!("{at}: {kind} is not {}", schema["type"]));
    }
    if let Some(names) = schema["enum"].as_array()
        && !names.contains(value)
    {
        return Some(format!("{at}: not one of {names:?}"));
    }
    if let Some(items) = value.as_array() {
        return items
            .iter()
            .enumerate()
            .find_map(|(i, item)| fault(&schema["items"], item, &format!("{at}[{i}]")));
    }
    let members = value.as_object()?;
    for name in schema["required"].as_array().into_iter().flatten() {
        if !members.contains_key(name.as_str().unwrap()) {
            return Some(format!("{at}: {name} is missing"));
        }
    }
    members.iter().find_map(|(name, member)| {
        let place = format!("{at}.{name}");
        match (schema["properties"].get(name), &schema["additionalProperties"]) {
            (Some(inner), _) => fault(inner, member, &place),
            (None, Value::Bool(false)) => Some(format!("{place}: not documented")),
            (None, Value::Object(_)) => fault(&schema["additionalProperties"], member, &place),
            (None, _) => None,
        }
    })
}

/// Set `UPDATE_OPENAPI=1` to write the file after a wanted change.
#[test]
fn the_checked_in_document_is_the_servers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi/registry.json");
    let made = format!("{}\n", serde_json::to_string_pretty(document()).unwrap());
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == made,
        "openapi/registry.json is not the server's: run this test with UPDATE_OPENAPI=1"
    );
}

#[test]
fn the_document_is_openapi_3_1_with_the_originals_operations() {
    assert_eq!(document()["openapi"], "3.1.0");
    let mut ids: Vec<&str> = document()["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    assert_eq!(
        ids,
        [
            "act",
            "addOrUpdateConfigItem",
            "addOrUpdateNodePoolConfigItem",
            "agreeAtGate",
            "approve",
            "cancelApprovals",
            "createCluster",
            "createInfrastructureAccount",
            "createOrUpdateNodePool",
            "deleteCluster",
            "deleteConfigItem",
            "deleteNodePool",
            "deleteNodePoolConfigItem",
            "endAct",
            "exportRegistry",
            "getCluster",
            "getEntry",
            "getInfrastructureAccount",
            "getUpdate",
            "importRegistry",
            "liftBlock",
            "liftBlocks",
            "listActs",
            "listApprovals",
            "listBlocks",
            "listChannels",
            "listClusters",
            "listEntries",
            "listEvidence",
            "listGateAgreements",
            "listInfrastructureAccounts",
            "listNodePools",
            "listRollouts",
            "listUpdates",
            "putEntry",
            "readChanges",
            "readHistory",
            "requestDecommission",
            "setBlock",
            "updateCluster",
            "updateInfrastructureAccount",
            "updateNodePool",
        ]
    );
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(value: &Value, found: &mut usize) {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            assert!(document().pointer(&reference[1..]).is_some(), "{reference}");
            *found += 1;
        }
        value.as_array().into_iter().flatten().for_each(|v| walk(v, found));
        value
            .as_object()
            .into_iter()
            .flat_map(|o| o.values())
            .for_each(|v| walk(v, found));
    }
    let mut found = 0;
    walk(document(), &mut found);
    assert!(found > 100, "{found}");
}

#[tokio::test(start_paused = true)]
async fn the_page_loads_nothing_from_elsewhere() {
    let app = App::new();
    let page = app.get("/docs").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    let script = app.get("/docs/page.js").await;
    for text in [&page.text, &script.text] {
        assert!(!text.contains("http://") && !text.contains("https://"), "{text}");
    }
    assert_eq!(app.get("/openapi.json").await.json(), *document());
}
