//! Tables, and the same as files.

use http::StatusCode;
use serde_json::json;

use crate::support::{open, world};

#[tokio::test]
async fn every_list_is_a_file_too() {
    let world = world(open()).await;
    let fleet = world.json("/?download=json&sort=-cluster").await;
    let names: Vec<_> = fleet
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["cluster"].clone())
        .collect();
    assert_eq!(names, ["shop-test", "shop", "blog"]);
    assert_eq!((&fleet[0]["ready"], &fleet[0]["state"]), (&json!(2), &json!("failing")));
    let (_, tsv) = world.get("/?download=tsv&q=blog").await;
    let lines: Vec<&str> = tsv.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(
        lines[0].starts_with("Cluster\tEnvironment\tChannel\tState")
            && lines[1].starts_with("blog\tproduction\tbeta\tbehind")
    );
    let updates = world.json("/updates?download=json").await;
    assert_eq!(
        (&updates[0]["cluster"], &updates[0]["progress"]),
        (&json!("shop-test"), &json!("failing"))
    );
    assert_eq!(world.json("/blocks?download=json").await, json!([]));
    let pods = world.json("/clusters/shop?download=json&table=pods").await;
    assert_eq!((&pods[0]["node"], &pods[1]["node"]), (&json!("node-1"), &json!("")));
}

#[tokio::test]
async fn a_view_that_cannot_be_had_names_field_rule_and_value() {
    let world = world(open()).await;
    for (address, sentence) in [
        ("/?sort=age", "sort: must be one of cluster, environment"),
        ("/?view=map", "view: must be one of tiles, table"),
        ("/?state=bad", "state: must be one of failing"),
        ("/updates?download=pdf", "download: must be one of tsv, json"),
        ("/updates?show=all", "show: must be one of open, over"),
        (
            "/clusters/shop?download=tsv&table=x",
            "table: must be one of nodes, pods",
        ),
    ] {
        let (status, page) = world.get(address).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{address}");
        assert!(page.contains(sentence), "{address}: {page}");
    }
}
