//! Who looks at a page: everybody where access is open, otherwise whoever signed in with a token.
//!
//! Browsers cannot add a bearer token to links, so signing in keeps it in a cookie that scripts cannot read and other sites
//! cannot make the browser send.

use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use maud::html;
use registry::Access;
use registry::auth::{AuthError, Caller, Role};

use crate::form::{self, Ask};
use crate::page::{Frame, Refusal, page, plain};
use crate::server::Pages;

const COOKIE: &str = "fleetwright_token";
/// The actor of changes through open access.
const ANONYMOUS: &str = "anonymous";

/// Whoever asks for a page.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    pub(crate) caller: Caller,
    /// Whether there is a cookie to sign out of.
    pub(crate) signed_in: bool,
}

impl Visitor {
    /// The caller, when it may change something.
    pub(crate) fn operator(&self) -> Result<&Caller, Refusal> {
        match self.caller.role {
            Role::Operator | Role::Admin => Ok(&self.caller),
            Role::Reader => Err(Refusal::Forbidden(self.caller.name.clone())),
        }
    }
}

impl FromRequestParts<Pages> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, pages: &Pages) -> Result<Self, Response> {
        let authenticator = match &pages.access {
            Access::Open(_) => {
                let caller = Caller {
                    name: ANONYMOUS.to_owned(),
                    role: Role::Admin,
                };
                return Ok(Self {
                    caller,
                    signed_in: false,
                });
            }
            Access::Tokens(authenticator) => authenticator,
        };
        let Some(token) = cookie(&parts.headers) else {
            return Err(sign_in(StatusCode::UNAUTHORIZED, ""));
        };
        match authenticator.identify(&token).await {
            Ok(caller) => Ok(Self {
                caller,
                signed_in: true,
            }),
            Err(AuthError::Unavailable(why)) => Err(plain(StatusCode::SERVICE_UNAVAILABLE, &why)),
            Err(error) => Err(sign_in(StatusCode::UNAUTHORIZED, &error.to_string())),
        }
    }
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let all = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let pairs = all
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let found = pairs.into_iter().find(|(name, _)| *name == COOKIE)?;
    Some(found.1.to_owned()).filter(|token| !token.is_empty())
}

/// The page to sign in on.
fn sign_in(status: StatusCode, why: &str) -> Response {
    let caller = Caller {
        name: String::new(),
        role: Role::Reader,
    };
    let ask = Ask::default();
    let frame = Frame {
        title: "Sign in",
        ask: &ask,
        caller: &caller,
        signed_in: false,
        world: None,
        refresh: 0,
    };
    let body = html! {
        form.card.narrow method="post" action="/login" {
            h1 { "Sign in" }
            @if !why.is_empty() { p.problem role="alert" { (why) } }
            label { "Token" input type="password" name="token" autocomplete="current-password" required autofocus; }
            button type="submit" { "Sign in" }
            p.note { "The same token as for the command line. It stays in a cookie of this browser." }
        }
    };
    let mut response = page(&frame, &body);
    *response.status_mut() = status;
    response
}

/// Takes the token.
pub(crate) async fn login(State(pages): State<Pages>, headers: HeaderMap, body: String) -> Response {
    if let Err(refusal) = same_origin(&headers) {
        return refusal.into_response();
    }
    let Access::Tokens(authenticator) = &pages.access else {
        return home();
    };
    let token = form::pairs(&body).remove("token").unwrap_or_default();
    let token = token.trim();
    let sound = !token.is_empty()
        && token
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b';' | b',' | b'"' | b'\\'));
    if !sound {
        return sign_in(
            StatusCode::BAD_REQUEST,
            "token: must be the text of a token, without spaces and quotes",
        );
    }
    match authenticator.identify(token).await {
        Ok(_) => with_cookie(
            home(),
            &format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict{}", secure(&pages)),
        ),
        Err(AuthError::Unavailable(why)) => plain(StatusCode::SERVICE_UNAVAILABLE, &why),
        Err(error) => sign_in(StatusCode::UNAUTHORIZED, &error.to_string()),
    }
}

/// Forgets the token.
pub(crate) async fn logout(State(pages): State<Pages>, headers: HeaderMap) -> Response {
    if let Err(refusal) = same_origin(&headers) {
        return refusal.into_response();
    }
    with_cookie(
        home(),
        &format!(
            "{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict{}",
            secure(&pages)
        ),
    )
}

fn secure(pages: &Pages) -> &'static str {
    if pages.tls { "; Secure" } else { "" }
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

fn home() -> Response {
    to("/")
}

/// Sends the browser on, so that reloading does not send a form again.
pub(crate) fn to(place: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(value) = HeaderValue::from_str(place) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

/// Refuses forms that the page of another site made a browser send. Browsers say where a form comes from in one of these
/// headers; a request that has neither is not a browser's form.
pub(crate) fn same_origin(headers: &HeaderMap) -> Result<(), Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return if site == "same-origin" {
            Ok(())
        } else {
            Err(Refusal::Foreign)
        };
    }
    let origin = text("origin")
        .and_then(|origin| origin.split_once("://"))
        .map(|(_, host)| host);
    match (origin, text("host")) {
        (Some(origin), Some(host)) if origin.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(Refusal::Foreign),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_other_sites_are_refused() {
        for (headers, taken) in [
            (vec![("sec-fetch-site", "same-origin")], true),
            (
                vec![
                    ("sec-fetch-site", "cross-site"),
                    ("origin", "http://localhost:1"),
                    ("host", "localhost:1"),
                ],
                false,
            ),
            (vec![("origin", "http://localhost:1"), ("host", "localhost:1")], true),
            (vec![("origin", "http://evil.example"), ("host", "localhost:1")], false),
            (vec![("origin", "null"), ("host", "localhost:1")], false),
            (vec![("host", "localhost:1")], false),
        ] {
            let map = headers
                .iter()
                .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)));
            assert_eq!(same_origin(&map.collect()).is_ok(), taken, "{headers:?}");
        }
    }

    #[test]
    fn the_token_is_found_among_cookies() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::COOKIE,
            HeaderValue::from_static("a=b; fleetwright_token=t1; c=d"),
        );
        assert_eq!(cookie(&headers).as_deref(), Some("t1"));
        headers.insert(header::COOKIE, HeaderValue::from_static("a=b; fleetwright_token="));
        assert_eq!(cookie(&headers), None);
    }
}
