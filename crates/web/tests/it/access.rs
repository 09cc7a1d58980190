//! Who may look and who may change, where tokens are asked for.

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use http::{Request, StatusCode};
use registry::Access;
use registry::auth::{AuthError, Authenticate, Caller, Role};

use crate::support::world;

struct Two;

#[async_trait]
impl Authenticate for Two {
    async fn identify(&self, token: &str) -> Result<Caller, AuthError> {
        let role = match token {
            "reads" => Role::Reader,
            "works" => Role::Operator,
            _ => return Err(AuthError::Unknown),
        };
        Ok(Caller {
            name: token.to_owned(),
            role,
        })
    }
}

fn with(token: &str, request: http::request::Builder) -> http::request::Builder {
    request
        .header("cookie", format!("fleetwright_token={token}"))
        .header("sec-fetch-site", "same-origin")
}

#[tokio::test]
async fn a_visitor_signs_in_with_a_token() {
    let world = world(Access::Tokens(Arc::new(Two))).await;
    for path in ["/", "/clusters/shop", "/updates", "/rollouts", "/blocks"] {
        let (status, page) = world.get(path).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(page.contains("Sign in") && !page.contains("team/shop"), "{path}");
    }
    let (status, headers, _) = world.post("/login", "token=reads").await;
    let cookie = headers["set-cookie"].to_str().unwrap();
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert!(
        cookie.starts_with("fleetwright_token=reads;")
            && cookie.contains("HttpOnly")
            && cookie.contains("SameSite=Strict")
    );
    let (status, _, page) = world.post("/login", "token=nobody").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(page.contains("the token is not known"));
    let (status, _, _) = world
        .send(with("reads", Request::get("/")).body(Body::empty()).unwrap())
        .await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_reader_sees_no_form_and_may_send_none() {
    let world = world(Access::Tokens(Arc::new(Two))).await;
    for (token, form, status) in [
        ("reads", false, StatusCode::FORBIDDEN),
        ("works", true, StatusCode::SEE_OTHER),
    ] {
        let (_, _, page) = world
            .send(with(token, Request::get("/clusters/shop")).body(Body::empty()).unwrap())
            .await;
        assert_eq!(page.contains("id=\"block-form\""), form);
        let request = with(token, Request::post("/clusters/shop/block"));
        let (found, _, _) = world
            .send(
                request
                    .body(Body::from("reason=a&owner=b&hours=1&scope=nodes"))
                    .unwrap(),
            )
            .await;
        assert_eq!(found, status);
    }
}

#[tokio::test]
async fn the_stream_needs_a_token_as_well() {
    let world = world(Access::Tokens(Arc::new(Two))).await;
    let (status, _) = world.get("/live").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}
