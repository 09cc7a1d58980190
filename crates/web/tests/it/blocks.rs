//! Blocks are set and lifted on the page, by the same rules as through the API.

use axum::body::Body;
use http::{Request, StatusCode};
use ports::blocks;

use crate::support::{open, world};

const FORM: &str = "reason=quarter+end&owner=team%2Fshop&ticket=&hours=5&scope=all";

#[tokio::test]
async fn a_block_is_set_shown_and_lifted() {
    let world = world(open()).await;
    let (status, headers, _) = world.post("/clusters/shop/block", FORM).await;
    assert_eq!(
        (status, headers["location"].to_str().unwrap()),
        (StatusCode::SEE_OTHER, "/clusters/shop")
    );
    let held = blocks::open(&*world.store, None).await.unwrap();
    assert_eq!(
        (held.len(), held[0].block.reason.as_str(), held[0].block.by.as_str()),
        (1, "quarter end", "anonymous")
    );
    let (_, page) = world.get("/clusters/shop").await;
    assert!(
        page.contains("quarter end") && page.contains("id=\"unblock\""),
        "{page}"
    );
    let (_, page) = world.get("/").await;
    assert!(page.contains("class=\"tile blocked\" id=\"tile-shop\""));
    let (_, page) = world.get("/blocks").await;
    assert!(page.contains("quarter end") && page.contains("team/shop"));
    let (status, _, _) = world.post("/clusters/shop/unblock", "").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert!(blocks::open(&*world.store, None).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_form_that_cannot_be_taken_changes_nothing() {
    let world = world(open()).await;
    for (form, status, sentence) in [
        (
            FORM.replace("hours=5", "hours=9999"),
            StatusCode::BAD_REQUEST,
            "hours: must be a number from 1 to 336",
        ),
        (
            FORM.replace("reason=quarter+end", "reason="),
            StatusCode::BAD_REQUEST,
            "reason",
        ),
        (
            FORM.replace("scope=all", "scope=some"),
            StatusCode::BAD_REQUEST,
            "scope: must be one of nodes, all",
        ),
    ] {
        let (found, _, page) = world.post("/clusters/shop/block", &form).await;
        assert_eq!(found, status, "{form}");
        assert!(page.contains(sentence), "{page}");
    }
    let (status, _, _) = world.post("/clusters/nope/block", FORM).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(blocks::open(&*world.store, None).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_page_of_another_site_cannot_set_one() {
    let world = world(open()).await;
    for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
        let request = Request::post("/clusters/shop/block")
            .header("host", "localhost")
            .header(name, value);
        let (status, _, _) = world.send(request.body(Body::from(FORM)).unwrap()).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
    }
    assert!(blocks::open(&*world.store, None).await.unwrap().is_empty());
}
