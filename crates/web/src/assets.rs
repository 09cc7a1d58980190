//! Style and script, under addresses that change with their content.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("assets/style.css");
const SCRIPT: &str = include_str!("assets/live.js");

static STYLE_PATH: LazyLock<String> = LazyLock::new(|| path(STYLE, "css"));
static SCRIPT_PATH: LazyLock<String> = LazyLock::new(|| path(SCRIPT, "js"));

fn path(content: &str, kind: &str) -> String {
    let hash = hex::encode(Sha256::digest(content.as_bytes()));
    format!("/assets/{}.{kind}", hash.get(..16).unwrap_or(&hash))
}

/// Where the style is.
pub(crate) fn style_path() -> &'static str {
    &STYLE_PATH
}

/// Where the script is.
pub(crate) fn script_path() -> &'static str {
    &SCRIPT_PATH
}

/// The style.
pub(crate) async fn style() -> Response {
    asset(STYLE, "text/css; charset=utf-8")
}

/// The script.
pub(crate) async fn script() -> Response {
    asset(SCRIPT, "text/javascript; charset=utf-8")
}

fn asset(content: &'static str, kind: &'static str) -> Response {
    let mut response = content.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_stays_small_and_comes_from_here() {
        assert!(STYLE.len() + SCRIPT.len() < 200 * 1024);
        for text in [STYLE, SCRIPT] {
            assert!(!text.contains("http:") && !text.contains("https:") && !text.contains("@import"));
        }
        assert!(style_path().starts_with("/assets/") && style_path() != script_path());
    }
}
