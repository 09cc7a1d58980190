//! What the pages show.

use http::StatusCode;
use serde_json::json;

use crate::support::{open, world};

#[tokio::test]
async fn the_fleet_has_channels_tiles_and_what_needs_attention() {
    let world = world(open()).await;
    let (status, page) = world.get("/").await;
    assert_eq!(status, StatusCode::OK);
    for wanted in [
        "Channel beta",
        "Roll &lt;the&gt; proxy",
        "1 of 2",
        "class=\"tile current\" id=\"tile-shop\"",
        "class=\"tile behind\" id=\"tile-blog\"",
        "class=\"tile failing\" id=\"tile-shop-test\"",
        "pools/workers: no capacity in eu-central-1a",
        "2 of 3 nodes",
    ] {
        assert!(page.contains(wanted), "{wanted} is missing in {page}");
    }
    assert!(
        page.find("Channel dev").unwrap() < page.find("Channel beta").unwrap(),
        "channels stand in the order of travel"
    );
}

#[tokio::test]
async fn the_pages_show_what_a_channel_waits_for_what_each_cluster_waits_for_and_alarms() {
    let world = world(open()).await;
    let now = world.now();
    let run = json!({"channel": "beta", "config": "c0ffee1234", "since": now, "commit": true, "phase": "moving"});
    world.put("run", "beta", &run).await;
    let pause = json!({"channel": "beta", "reason": "looking", "by": "alice"});
    world.put("pause", "beta", &pause).await;
    let alarm = json!({"kind": "version-debt", "subject": "blog", "since": now, "says": "has been behind its channel for 14d1h"});
    world.put("alarm", "version-debt:blog", &alarm).await;
    let said = "cluster blog waits on channel beta is paused by alice";
    let (_, fleet) = world.get("/").await;
    for wanted in [
        "class=\"wave pill waiting\">paused<",
        "wave 1 of 1 (production, canaries): 0 of 1 done",
        "class=\"tile waiting\" id=\"tile-blog\"",
        said,
        "has been behind its channel for 14d1h",
    ] {
        assert!(fleet.contains(wanted), "{wanted} is missing in {fleet}");
    }
    let (_, page) = world.get("/clusters/blog").await;
    assert!(page.contains(said) && page.contains("14d1h"), "{page}");
    let (_, page) = world.get("/clusters/shop").await;
    assert!(!page.contains("waits on") && !page.contains("14d1h"), "{page}");
}

#[tokio::test]
async fn where_nobody_reads_git_a_channel_stands_at_what_managers_wrote_down() {
    let world = world(open()).await;
    let (_, before) = world.get("/?channel=dev").await;
    assert!(before.contains("where it stands is not known here"), "{before}");
    let now = world.now();
    let run = json!({"channel": "dev", "config": "feed0042cafe", "since": now, "over": now, "commit": true, "phase": "resting"});
    world.put("run", "dev", &run).await;
    let (_, after) = world.get("/?channel=dev").await;
    for wanted in ["title=\"feed0042cafe\"", "0 of 1"] {
        assert!(after.contains(wanted), "{wanted} is missing in {after}");
    }
}

#[tokio::test]
async fn an_address_narrows_the_fleet() {
    let world = world(open()).await;
    for (address, shown, hidden) in [
        ("/?state=failing", "tile-shop-test", "tile-blog"),
        ("/?channel=beta", "tile-blog", "tile-shop-test"),
        ("/?environment=test", "tile-shop-test", "tile-blog"),
        ("/?q=blog", "tile-blog", "tile-shop-test"),
    ] {
        let (status, page) = world.get(address).await;
        assert_eq!(status, StatusCode::OK);
        assert!(
            page.contains(&format!("id=\"{shown}\"")) && !page.contains(&format!("id=\"{hidden}\"")),
            "{address}"
        );
    }
}

#[tokio::test]
async fn a_cluster_has_its_update_pools_nodes_and_masked_items() {
    let world = world(open()).await;
    let (status, page) = world.get("/clusters/shop-test").await;
    assert_eq!(status, StatusCode::OK);
    for wanted in [
        "no capacity in eu-central-1a",
        "worker-splitaz",
        "waits for a new node",
        "cluster shop-test does not answer",
        "dns_replicas",
    ] {
        assert!(page.contains(wanted), "{wanted} is missing");
    }
    assert!(!page.contains("hunter2"), "secrets are masked");
    let (_, page) = world.get("/clusters/shop").await;
    for wanted in [
        "id=\"node-node-1\"",
        "shop/cart-1, Pending",
        "Pods without a node",
        "reserved 0.2 cores",
    ] {
        assert!(page.contains(wanted), "{wanted} is missing");
    }
}

#[tokio::test]
async fn an_update_has_its_steps_with_the_failing_leaf_open() {
    let world = world(open()).await;
    let (status, page) = world.get("/updates/shop-test.1").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("<details id=\"step-pools\" open>"), "{page}");
    assert!(page.contains("<details id=\"step-manifests\">"), "{page}");
}

#[tokio::test]
async fn what_is_not_there_is_said_by_name() {
    let world = world(open()).await;
    for (address, sentence) in [
        ("/clusters/nope", "there is no cluster &quot;nope&quot;"),
        ("/updates/nope.1", "there is no update &quot;nope.1&quot;"),
    ] {
        let (status, page) = world.get(address).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(page.contains(sentence), "{page}");
    }
}

#[tokio::test]
async fn pages_come_from_here_alone_and_may_not_be_framed() {
    let world = world(open()).await;
    let (_, headers, page) = world
        .send(http::Request::get("/").body(axum::body::Body::empty()).unwrap())
        .await;
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(
        !page.contains("style=") && !page.contains("onclick"),
        "the policy forbids inline style and script"
    );
    for asset in page.split('"').filter(|part| part.starts_with("/assets/")) {
        assert_eq!(world.get(asset).await.0, StatusCode::OK, "{asset}");
    }
}
