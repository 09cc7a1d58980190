//! Which host a request without token may be meant for.
//!
//! Open access trusts whoever reaches the loopback address. A web page can make a browser on this machine do that, by giving
//! its own name the address 127.0.0.1 (DNS rebinding); the browser then takes the answers for the page's own. The name
//! stays in the request, so only names are answered to that nobody else can own.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::uri::Authority;
use http::{HeaderMap, Uri, header};
use registry_api::ErrorKind;
use service::Exchange;

use super::Access;
use crate::error::{ApiError, dress};
use crate::state::AppState;

/// Refuses requests for another host, where access is open.
pub(crate) async fn check_host(State(state): State<AppState>, request: Request, next: Next) -> Response {
    match refusal(&state.access, &request) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    }
}

/// The same for routes outside the shell, which would dress the refusal.
pub(crate) async fn check_host_bare(State(access): State<Access>, request: Request, next: Next) -> Response {
    match refusal(&access, &request) {
        Some(refusal) => dress(&Exchange::of(&request), refusal.into_response()),
        None => next.run(request).await,
    }
}

fn refusal(access: &Access, request: &Request) -> Option<ApiError> {
    let open = matches!(access, Access::Open(_));
    (open && !is_local(request.uri(), request.headers())).then(|| {
        let detail = "without tokens the server answers only where the host is localhost or a loopback address";
        ApiError::new(ErrorKind::Forbidden, detail)
    })
}

/// True when every host that the request names is this machine. A browser always names one; HTTP/2 does in the URI.
fn is_local(uri: &Uri, headers: &HeaderMap) -> bool {
    let in_headers = headers.get_all(header::HOST).iter().all(|value| {
        value
            .to_str()
            .is_ok_and(|text| text.parse().is_ok_and(|host| is_loopback(&host)))
    });
    in_headers && uri.authority().is_none_or(is_loopback)
}

fn is_loopback(authority: &Authority) -> bool {
    let host = authority.host();
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    host.eq_ignore_ascii_case("localhost")
        || address
            .unwrap_or(host)
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_names_that_nobody_else_can_own_are_local() {
        for (host, expected) in [
            ("127.0.0.1", true),
            ("127.0.0.1:8080", true),
            ("127.8.9.10:1", true),
            ("localhost", true),
            ("LocalHost:65535", true),
            ("[::1]", true),
            ("[::1]:8080", true),
            ("[::ffff:127.0.0.1]", true),
            ("rebound.example.org", false),
            ("rebound.example.org:8080", false),
            ("localhost.example.org", false),
            ("127.0.0.1.example.org", false),
            ("0.0.0.0", false),
            ("10.0.0.1", false),
            ("[fe80::1]", false),
            ("2130706433", false),
            ("", false),
            ("a b", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            assert_eq!(is_local(&Uri::from_static("/x"), &headers), expected, "{host}");
            headers.append(header::HOST, HeaderValue::from_static("rebound.example.org"));
            assert!(!is_local(&Uri::from_static("/x"), &headers), "{host} and another");
        }
        let none = HeaderMap::new();
        assert!(is_local(&Uri::from_static("/x"), &none));
        assert!(is_local(&Uri::from_static("http://localhost:1/x"), &none));
        assert!(!is_local(&Uri::from_static("http://rebound.example.org/x"), &none));
    }
}
