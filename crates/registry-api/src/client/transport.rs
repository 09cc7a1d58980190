//! One call: token, attempts, waiting, and the answer or the refusal.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, IF_MATCH};
use http::{Method, StatusCode};
use ports::{Clock, Ids, RegistryError, WriteContext};
use reqwest::Url;
use serde::Serialize;

use super::error::{ClientError, WireError};
use super::options::ClientOptions;
use super::reply::Reply;
use super::retry::{LONGEST_WAIT, backoff, retry_after};

/// How long an open stream may be silent: the server sends a sign of life far more often.
const STREAM_SILENCE: Duration = Duration::from_secs(60);

/// What to ask for.
#[derive(Debug)]
pub(super) struct Call {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    headers: Vec<(HeaderName, String)>,
    body: Option<serde_json::Value>,
    /// Kind and id of the object, for servers whose "not found" has no body.
    pub(super) subject: Option<(&'static str, String)>,
}

impl Call {
    pub(super) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            subject: None,
        }
    }

    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// Adds a query parameter, when there is a value.
    pub(super) fn query(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    pub(super) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn about(mut self, kind: &'static str, id: impl ToString) -> Self {
        self.subject = Some((kind, id.to_string()));
        self
    }

    pub(super) fn body(mut self, body: &impl Serialize) -> Result<Self, RegistryError> {
        let value = serde_json::to_value(body).map_err(|error| RegistryError::Internal(Box::new(error)))?;
        self.body = Some(value);
        Ok(self)
    }

    /// Carries condition and request id of a write; the actor is whom the token names.
    ///
    /// Leases are a matter between those who share a store; the API has no word for them. A write under one is refused here,
    /// since sending it without its fence would break the promise that the fence makes.
    pub(super) fn context(mut self, context: &WriteContext) -> Result<Self, RegistryError> {
        if let Some((lease, _)) = &context.fence {
            let text = format!("a write under lease {lease} cannot be made over the registry API");
            return Err(RegistryError::Forbidden(text));
        }
        if let Some(revision) = context.expected {
            self = self.header(IF_MATCH, format!("\"{revision}\""));
        }
        if !context.request_id.is_empty() {
            self = self.header(HeaderName::from_static(crate::REQUEST_ID), context.request_id.clone());
        }
        Ok(self)
    }

    /// True when it may be sent again although it may have been carried out before.
    ///
    /// A conditional write may not: if it was, its own revision would refuse the repetition, and the writer would be told that
    /// somebody else has changed the object. Of the PATCHes only those of a state may: whoever reports it owns it, while the
    /// repetition of any other could undo what somebody wrote in between.
    fn repeatable(&self) -> bool {
        let conditional = self.headers.iter().any(|(name, _)| *name == IF_MATCH);
        match self.method {
            Method::GET => true,
            Method::POST => false,
            _ if conditional => false,
            Method::PATCH => self
                .body
                .as_ref()
                .and_then(serde_json::Value::as_object)
                .is_some_and(|body| {
                    body.keys()
                        .all(|member| matches!(member.as_str(), "status" | "lifecycle_status"))
                }),
            _ => true,
        }
    }
}

/// The connection pool and what every call shares.
pub(super) struct Transport {
    http: reqwest::Client,
    base: Url,
    token_file: Option<PathBuf>,
    timeout: Duration,
    retries: u32,
    busy_retries: u32,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn Ids>,
}

/// Nothing of a token is kept, and nothing of the pool is of interest.
impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

impl Transport {
    pub(super) fn new(options: &ClientOptions, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Result<Self, ClientError> {
        let base = base_url(&options.server)?;
        let mut builder = reqwest::Client::builder()
            .user_agent(&options.user_agent)
            .connect_timeout(options.request_timeout.min(Duration::from_secs(10)))
            .read_timeout(STREAM_SILENCE)
            // A redirect would carry the call, and perhaps the token, to a place that nobody named.
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        if let Some(path) = &options.ca_file {
            let pem = std::fs::read(path).map_err(|source| ClientError::CaFile {
                path: path.clone(),
                source,
            })?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).unwrap_or_default();
            if certificates.is_empty() {
                return Err(ClientError::NoCertificates { path: path.clone() });
            }
            builder = builder.tls_certs_only(certificates);
        }
        Ok(Self {
            http: builder.build().map_err(ClientError::Setup)?,
            base,
            token_file: options.token_file.clone(),
            timeout: options.request_timeout,
            retries: options.retries,
            busy_retries: options.busy_retries,
            clock,
            ids,
        })
    }

    /// URL of a call, without query: what errors name.
    fn place(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let joined = format!("{}{path}", self.base.path().trim_end_matches('/'));
        url.set_path(&joined);
        url
    }

    /// Makes the call, as often as it may and must, and reads the whole answer.
    pub(super) async fn send(&self, call: Call) -> Result<Reply, RegistryError> {
        let mut attempt = 0;
        // Set once an attempt may have been carried out without our hearing of it.
        let mut in_doubt = false;
        loop {
            let failure = match self.once(&call).await {
                Ok(reply) if reply.status.is_success() => return Ok(reply),
                Ok(reply) => {
                    let wait = retry_after(&reply.headers, self.clock.now());
                    let error = reply.refusal(call.subject.as_ref());
                    let passing = is_passing(reply.status);
                    // A busy server has not begun; behind any other passing failure the write may have come through.
                    let untouched = reply.status.as_u16() == 429 || matches!(error, RegistryError::Busy { .. });
                    in_doubt |= passing && !untouched;
                    let again = passing && (call.repeatable() || (untouched && call.method != Method::POST));
                    let most = self.busy_retries;
                    Failure {
                        error,
                        again,
                        wait,
                        most,
                    }
                }
                Err(Lost::Before(error)) => return Err(error),
                Err(Lost::NoConnection(error)) => Failure {
                    error,
                    again: true,
                    wait: None,
                    most: self.retries,
                },
                Err(Lost::Underway(error)) => {
                    in_doubt = true;
                    Failure {
                        error,
                        again: call.repeatable(),
                        wait: None,
                        most: self.retries,
                    }
                }
            };
            let gone = matches!(failure.error, RegistryError::NotFound { .. });
            if gone && in_doubt && attempt > 0 && call.method == Method::DELETE {
                return Ok(Reply::empty(self.place(&call.path).to_string()));
            }
            attempt += 1;
            let wait = failure.wait.unwrap_or_else(|| backoff(attempt, self.ids.as_ref()));
            if !failure.again || attempt > failure.most || wait > LONGEST_WAIT {
                return Err(if in_doubt && call.method != Method::GET {
                    unsure(failure.error)
                } else {
                    failure.error
                });
            }
            self.clock.sleep(wait).await;
        }
    }

    /// One attempt with the whole answer.
    async fn once(&self, call: &Call) -> Result<Reply, Lost> {
        let url = self.place(&call.path).to_string();
        let request = self.request(call, "application/json").map_err(Lost::Before)?;
        let lost = |source: reqwest::Error| Lost::on_the_way(&url, source);
        let response = request.timeout(self.timeout).send().await.map_err(lost)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.map_err(lost)?;
        Ok(Reply {
            url: url.clone(),
            status,
            headers,
            body,
        })
    }

    /// Opens a stream: one attempt, the head of the answer only.
    pub(super) async fn open(&self, call: &Call) -> Result<(String, reqwest::Response), RegistryError> {
        let url = self.place(&call.path).to_string();
        let request = self.request(call, "text/event-stream")?;
        let opening = tokio::time::timeout(self.timeout, request.send());
        let silent = || {
            RegistryError::Unavailable(Box::new(WireError::Feed {
                url: url.clone(),
                rule: "the server did not begin to answer in time",
            }))
        };
        let response = opening
            .await
            .map_err(|_| silent())?
            .map_err(|source| Lost::on_the_way(&url, source).error())?;
        if response.status().is_success() {
            return Ok((url, response));
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.unwrap_or_default();
        Err(Reply {
            url,
            status,
            headers,
            body,
        }
        .refusal(None))
    }

    fn request(&self, call: &Call, accept: &'static str) -> Result<reqwest::RequestBuilder, RegistryError> {
        let mut url = self.place(&call.path);
        if !call.query.is_empty() {
            url.query_pairs_mut()
                .extend_pairs(call.query.iter().map(|(name, value)| (*name, value.as_str())));
        }
        let mut request = self.http.request(call.method.clone(), url).header(ACCEPT, accept);
        for (name, value) in &call.headers {
            request = request.header(name.clone(), value.as_str());
        }
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        if let Some(token) = self.authorization()? {
            request = request.header(AUTHORIZATION, token);
        }
        Ok(request)
    }

    /// The token file is read for each request: it is small, and a renewed token counts at once, however it was renewed.
    fn authorization(&self) -> Result<Option<HeaderValue>, RegistryError> {
        let Some(path) = &self.token_file else { return Ok(None) };
        let refuse =
            |why: &dyn fmt::Display| RegistryError::Unauthorized(format!("token file {}: {why}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| refuse(&error))?;
        let token = text.trim();
        if token.is_empty() {
            return Err(refuse(&"is empty"));
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| refuse(&"must hold one line of printable characters"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// Says that a write whose answer was lost may have been carried out; other failures say enough themselves.
fn unsure(error: RegistryError) -> RegistryError {
    match error {
        RegistryError::Unavailable(source) => RegistryError::Unavailable(Box::new(WireError::Unsure { source })),
        other => other,
    }
}

struct Failure {
    error: RegistryError,
    again: bool,
    wait: Option<Duration>,
    /// How often the call may be repeated.
    most: u32,
}

/// No answer.
enum Lost {
    /// The request could not be made up; trying again would not help.
    Before(RegistryError),
    /// The server cannot have seen the request.
    NoConnection(RegistryError),
    /// The server may have carried it out.
    Underway(RegistryError),
}

impl Lost {
    fn on_the_way(url: &str, source: reqwest::Error) -> Self {
        let connecting = source.is_connect();
        let action = match (connecting, source.is_timeout()) {
            (true, _) => "cannot connect to",
            (false, true) => "no answer in time from",
            (false, false) => "the connection broke to",
        };
        let wire = WireError::Request {
            action,
            url: url.to_owned(),
            source: source.without_url(),
        };
        let error = RegistryError::Unavailable(Box::new(wire));
        if connecting {
            Self::NoConnection(error)
        } else {
            Self::Underway(error)
        }
    }

    fn error(self) -> RegistryError {
        match self {
            Self::Before(error) | Self::NoConnection(error) | Self::Underway(error) => error,
        }
    }
}

/// True for answers of a server that may soon answer better.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

fn base_url(text: &str) -> Result<Url, ClientError> {
    let refuse = |rule| ClientError::Server {
        url: without_credentials(text),
        rule,
    };
    let url = Url::parse(text).map_err(|_| refuse("must be a URL such as https://registry.example.org"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(refuse("must start with http:// or https:// and name a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("must not hold a user name or password: use a token file"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("must not hold a query or fragment"));
    }
    Ok(url)
}

/// What stands before an `@` may be a password.
fn without_credentials(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            let head = text.get(..scheme + 3).unwrap_or_default();
            format!("{head}<hidden>{}", text.get(at..).unwrap_or_default())
        }
        (None, Some(at)) => format!("<hidden>{}", text.get(at..).unwrap_or_default()),
        _ => text.to_owned(),
    }
}

/// A proxy has no way to this machine's own addresses.
fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        host == "localhost"
            || host
                .trim_matches(['[', ']'])
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_servers() {
        for (text, expected) in [
            ("https://registry.example.org", Ok("https://registry.example.org/x")),
            ("http://h:8080/base/path/", Ok("http://h:8080/base/path/x")),
            ("http://h/base", Ok("http://h/base/x")),
            (
                "registry.example.org",
                Err("server \"registry.example.org\": must be a URL such as https://registry.example.org"),
            ),
            (
                "ftp://h",
                Err("server \"ftp://h\": must start with http:// or https:// and name a host"),
            ),
            (
                "http://me:hunter2@h",
                Err("server \"http://<hidden>@h\": must not hold a user name or password: use a token file"),
            ),
            (
                "http://h?a=b",
                Err("server \"http://h?a=b\": must not hold a query or fragment"),
            ),
        ] {
            let options = ClientOptions::new(text);
            let made = Transport::new(
                &options,
                Arc::new(ports::SystemClock),
                Arc::new(ports::SeededIds::new(1)),
            );
            let place = made.map(|t| t.place("/x").to_string()).map_err(|e| e.to_string());
            assert_eq!(
                place.as_deref().map_err(String::as_str),
                expected.map_err(|e: &str| e),
                "{text}"
            );
        }
    }

    #[test]
    fn what_may_be_sent_again_after_a_lost_answer() {
        let body = serde_json::json!({"x": 1});
        for (method, body, repeatable, conditionally) in [
            (Method::GET, None, true, true),
            (Method::PUT, Some(body.clone()), true, false),
            (Method::DELETE, None, true, false),
            (Method::POST, Some(body), false, false),
            (
                Method::PATCH,
                Some(serde_json::json!({"status": {}, "lifecycle_status": "ready"})),
                true,
                false,
            ),
            (
                Method::PATCH,
                Some(serde_json::json!({"status": {}, "channel": "beta"})),
                false,
                false,
            ),
            (
                Method::PATCH,
                Some(serde_json::json!({"config_items": {}})),
                false,
                false,
            ),
        ] {
            let mut call = Call::new(method.clone(), "/");
            call.body = body.clone();
            assert_eq!(call.repeatable(), repeatable, "{method} {body:?}");
            assert_eq!(
                call.header(IF_MATCH, "\"1\"").repeatable(),
                conditionally,
                "{method} {body:?}"
            );
        }
    }
}
