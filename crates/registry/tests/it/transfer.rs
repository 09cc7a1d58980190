//! Import and export.

use axum::body::Body;
use serde_json::json;

use crate::support::{App, CLUSTER, account, cluster};

const YAML: &str = "\
infrastructure_accounts:
- {id: 'aws:123456789012', type: aws, name: test, owner: team/bar, cost_center: '0000123', environment: test,
   criticality_level: 1, external_id: '123456789012', lifecycle_status: ready}
clusters:
- id: aws:123456789012:eu-central-1:kube-1
  alias: kube-1
  infrastructure_account: aws:123456789012
  region: eu-central-1
  local_id: kube-1
  provider: zalando-aws
  api_server_url: https://kube-1.foo.example.org/
  channel: alpha
  environment: test
  criticality_level: 1
  lifecycle_status: ready
  owner: team/bar
  account_name: test
  config_items:
    a_key: \"yes\"
";

async fn import(app: &App, mode: &str, text: &str) -> crate::support::Answer {
    let headers = [("content-type", "application/yaml")];
    app.send(
        "POST",
        &format!("/api/v1/import?mode={mode}"),
        &headers,
        Body::from(text.to_owned()),
    )
    .await
}

#[tokio::test(start_paused = true)]
async fn a_file_registry_goes_in_and_comes_out() {
    let app = App::new();
    let report = import(&app, "create", YAML).await;
    assert_eq!(report.status, 200, "{}", report.text);
    assert_eq!(report.json()["created"].as_array().unwrap().len(), 2);
    assert_eq!(app.get(CLUSTER).await.json()["config_items"]["a_key"], "yes");
    assert_eq!(import(&app, "create", YAML).await.status, 409);
    let exported = app.get("/api/v1/export").await;
    assert_eq!(exported.header("content-type"), "application/yaml");
    assert!(exported.text.contains("owner: team/bar"), "{}", exported.text);
    let again = import(&app, "apply", &exported.text).await.json();
    assert_eq!(again["unchanged"].as_array().unwrap().len(), 2, "{again}");
    let changed = import(&app, "apply", &exported.text.replace("channel: alpha", "channel: beta"))
        .await
        .json();
    assert_eq!(changed["updated"].as_array().unwrap().len(), 1, "{changed}");
}

#[tokio::test(start_paused = true)]
async fn json_is_offered_and_taken() {
    let app = App::filled().await;
    let exported = app
        .send(
            "GET",
            "/api/v1/export",
            &[("accept", "application/json")],
            Body::empty(),
        )
        .await;
    assert_eq!(exported.json()["clusters"][0]["account_name"], "test");
    let answer = app.call("POST", "/api/v1/import?mode=apply", exported.json()).await;
    assert_eq!(answer.json()["unchanged"].as_array().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_document_with_one_mistake_writes_nothing() {
    let app = App::new();
    let mut second = cluster("kube-2");
    second["alais"] = json!("x");
    let document = json!({"infrastructure_accounts": [account()], "clusters": [cluster("kube-1"), second]});
    let answer = app.call("POST", "/api/v1/import", document).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["fields"], "clusters[1].alais");
    assert_eq!(app.get("/infrastructure-accounts").await.json()["items"], json!([]));
    for (text, detail) in [
        ("clusters: [", "YAML"),
        ("clusters:\n- id: a\n  id: b\n", "line 3"),
        (
            "clusters:\n- config_items: {a_key: 0644}\n",
            "clusters[0].config_items.a_key: must be a string",
        ),
    ] {
        let answer = import(&app, "create", text).await;
        assert_eq!(answer.status, 400);
        assert!(answer.text.contains(detail), "{}", answer.text);
    }
}
