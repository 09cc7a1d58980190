//! The server: its parts, how it is made, and how a request travels through it.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context as TaskContext, Poll};

use bytes::{Buf, Bytes};
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use json_tree::Value;
use ports::{Clock, Ids};

use crate::admission::{Admission, Review};
use crate::auth::{AllowAll, AnyoneIsAdmin, Authenticator, Authorizer, Decision, UserInfo, refusal};
use crate::body::ReplyBody;
use crate::local::Projection;
use crate::request::{MAX_URL, Options, RequestInfo, negotiate};
use crate::status::ApiError;
use crate::store::{State, Window};
use crate::view::{Shape, to_bytes};
use crate::{bootstrap, discovery, handlers, openapi};

/// What a server is like. The defaults suit tests and simulated clusters.
#[derive(Debug, Clone)]
pub struct Config {
    /// The version the server claims, as `/version` and the OpenAPI documents show it; by default the one whose
    /// answers it was compared with.
    pub version: String,
    /// First address and prefix length of the range that Services get their addresses from.
    pub service_range: (Ipv4Addr, u8),
    /// First and last port for Services of type NodePort.
    pub node_ports: (u16, u16),
    /// How many events a collection remembers: the longest backlog of a watch.
    pub event_window: usize,
    /// How many bytes of events a collection remembers.
    pub event_window_bytes: usize,
    /// The largest request body.
    pub max_body: usize,
    /// How many watches may be open.
    pub max_watches: usize,
    /// Whether each namespace gets a `default` ServiceAccount and pods need one that exists.
    pub service_accounts: bool,
    /// Whether dependents are collected when their owner goes; off for tests of lagging controllers.
    pub collect_garbage: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            version: "v1.36.2".to_owned(),
            service_range: (Ipv4Addr::new(10, 5, 0, 0), 16),
            node_ports: (30_000, 32_767),
            event_window: 1_000,
            event_window_bytes: 64 << 20,
            max_body: 3 << 20,
            max_watches: 10_000,
            service_accounts: true,
            collect_garbage: true,
        }
    }
}

/// The parts of a server that all its handles share.
pub(crate) struct Core {
    state: Mutex<State>,
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    authenticator: Arc<dyn Authenticator>,
    authorizer: Arc<dyn Authorizer>,
    admission: Vec<Arc<dyn Admission>>,
    pub(crate) projection: OnceLock<Arc<dyn Projection>>,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Core {
    /// The lock is never held across an await. A panic elsewhere leaves the data as whole as each write left it.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The time as objects carry it: whole seconds.
    pub(crate) fn now_text(&self) -> String {
        time_text(self.now())
    }
}

/// A time as objects carry it: whole seconds, UTC.
pub(crate) fn time_text(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

/// A Kubernetes API server in memory. Handles are cheap to clone and share one server.
///
/// It is a [`tower::Service`] for HTTP requests with any body, so `kube::Client::new(server, "default")` talks to it
/// without a socket; [`crate::serve`] offers the same over HTTP.
#[derive(Debug, Clone)]
pub struct ApiServer {
    pub(crate) core: Arc<Core>,
}

/// Puts a server together.
#[derive(Debug)]
pub struct ApiServerBuilder {
    config: Config,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    authenticator: Arc<dyn Authenticator>,
    authorizer: Arc<dyn Authorizer>,
    admission: Vec<Arc<dyn Admission>>,
}

impl ApiServerBuilder {
    /// Replaces the configuration.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Finds the users behind requests; by default everybody is the administrator.
    #[must_use]
    pub fn authenticator(mut self, authenticator: Arc<dyn Authenticator>) -> Self {
        self.authenticator = authenticator;
        self
    }

    /// Decides who may do what; by default everybody may do everything.
    #[must_use]
    pub fn authorizer(mut self, authorizer: Arc<dyn Authorizer>) -> Self {
        self.authorizer = authorizer;
        self
    }

    /// Adds an admission plugin after those that are there.
    #[must_use]
    pub fn admission(mut self, admission: Arc<dyn Admission>) -> Self {
        self.admission.push(admission);
        self
    }

    /// Makes the server, with the namespaces and objects that every cluster has.
    #[must_use]
    pub fn build(mut self) -> ApiServer {
        // Policies are objects of the server, so every server has the plugin; it does nothing until there is a binding.
        self.admission.insert(0, Arc::new(crate::policies::Policies::default()));
        let window = Window {
            events: self.config.event_window.max(1),
            bytes: self.config.event_window_bytes,
        };
        let core = Core {
            state: Mutex::new(State::new(window)),
            config: self.config,
            clock: self.clock,
            ids: self.ids,
            authenticator: self.authenticator,
            authorizer: self.authorizer,
            admission: self.admission,
            projection: OnceLock::new(),
        };
        bootstrap::fill(&core);
        bootstrap::add(&core, core.authorizer.initial_objects());
        ApiServer { core: Arc::new(core) }
    }
}

impl ApiServer {
    /// A server with default configuration.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self::builder(clock, ids).build()
    }

    /// Begins a server on this clock, with uids and generated names from this source.
    #[must_use]
    pub fn builder(clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> ApiServerBuilder {
        ApiServerBuilder {
            config: Config::default(),
            clock,
            ids,
            authenticator: Arc::new(AnyoneIsAdmin),
            authorizer: Arc::new(AllowAll),
            admission: Vec::new(),
        }
    }

    /// The number of the newest write.
    #[must_use]
    pub fn resource_version(&self) -> u64 {
        self.core.state().version()
    }

    /// Forgets all past versions, as a compaction of a real cluster's store does: watches and paged lists that lag get
    /// `410 Expired`.
    pub fn compact(&self) {
        self.core.state().compact();
    }

    /// How many watches are open.
    #[must_use]
    pub fn open_watches(&self) -> usize {
        self.core.state().watchers()
    }

    /// The current object of a kind as a tree; for authorizers and admission plugins, which read much and must not go
    /// through authorization themselves. `namespace` is empty for cluster-scoped objects.
    #[must_use]
    pub fn read(&self, group: &str, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        let id = crate::registry::GroupResource::new(group, resource);
        self.core
            .state()
            .get(&id, &crate::store::Key::new(namespace, name))
            .map(|object| object.value())
    }

    /// All current objects of a kind as trees, in order of namespace and name; an empty namespace means all.
    #[must_use]
    pub fn read_all(&self, group: &str, resource: &str, namespace: &str) -> Vec<Value> {
        let id = crate::registry::GroupResource::new(group, resource);
        let state = self.core.state();
        let objects: Vec<_> = state.collection(&id).map_or_else(Vec::new, |collection| {
            let wanted = collection.objects.iter();
            wanted
                .filter(|(key, _)| namespace.is_empty() || *key.namespace() == *namespace)
                .map(|(_, o)| o.clone())
                .collect()
        });
        drop(state);
        objects.iter().map(|object| object.value()).collect()
    }

    /// The current time on the server's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.core.now()
    }

    pub(crate) fn authorizer(&self) -> &Arc<dyn Authorizer> {
        &self.core.authorizer
    }

    pub(crate) fn authenticator(&self) -> &Arc<dyn Authenticator> {
        &self.core.authenticator
    }

    /// Runs the mutating half of admission.
    pub(crate) async fn mutate(&self, review: &mut Review) -> Result<(), ApiError> {
        for plugin in &self.core.admission {
            plugin.mutate(self, review).await?;
        }
        Ok(())
    }

    /// Runs the validating half of admission.
    pub(crate) async fn validate(&self, review: &mut Review) -> Result<(), ApiError> {
        for plugin in &self.core.admission {
            plugin.validate(self, review).await?;
        }
        Ok(())
    }

    pub(crate) fn has_admission(&self, group: &str) -> bool {
        self.core.admission.iter().any(|plugin| plugin.active(self, group))
    }

    async fn respond<B>(self, request: Request<B>) -> Response<ReplyBody>
    where
        B: http_body::Body + Send,
        B::Data: Buf + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let mut warnings = Vec::new();
        let core = self.core.clone();
        let answer = self.answer(parts, body, &mut warnings).await;
        let mut response = answer.unwrap_or_else(|error| error_response(&error));
        let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&core.now());
        if let Some(date) = date.ok().and_then(|date| HeaderValue::from_str(&date).ok()) {
            response.headers_mut().insert(header::DATE, date);
        }
        for warning in warnings {
            if let Ok(value) = HeaderValue::from_str(&warning_header(&warning)) {
                response.headers_mut().append(header::WARNING, value);
            }
        }
        response
    }

    async fn answer<B>(
        self,
        parts: http::request::Parts,
        body: B,
        warnings: &mut Vec<String>,
    ) -> Result<Response<ReplyBody>, ApiError>
    where
        B: http_body::Body + Send,
        B::Data: Buf + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
        if path.len() + query.len() > MAX_URL {
            return Err(ApiError::new(
                414,
                "BadRequest",
                format!("URI is too long: limit is {MAX_URL} bytes"),
            ));
        }
        let options = Options::parse(query, &parts.method)?;
        let by_name = options.field_selector.contains("metadata.name");
        let info = RequestInfo::parse(&parts.method, path, options.watch, by_name)?;
        let user = self.identify(&parts.headers).await?;
        if let Decision::Deny(reason) | Decision::NoOpinion(reason) =
            self.authorizer().authorize(&self, &user, &info).await
        {
            return Err(refusal(&user, &info, &reason));
        }
        let body = self.collect(body).await?;
        let mut context = Context {
            shape: negotiate(&parts.headers, &options),
            as_of: parts.extensions.get::<AsOf>().copied(),
            content_type: text_header(&parts.headers, &header::CONTENT_TYPE),
            accept: text_header(&parts.headers, &header::ACCEPT),
            user_agent: text_header(&parts.headers, &header::USER_AGENT),
            server: self,
            method: parts.method,
            info,
            options,
            user,
            body,
            warnings: Vec::new(),
        };
        let answer = if context.info.is_resource {
            handlers::dispatch(&mut context).await
        } else if context.info.path.starts_with("/openapi") {
            openapi::answer(&context)
        } else {
            discovery::answer(&context)
        };
        *warnings = context.warnings;
        answer
    }

    async fn collect<B>(&self, body: B) -> Result<Bytes, ApiError>
    where
        B: http_body::Body + Send,
        B::Data: Buf + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let limit = self.core.config.max_body;
        match Limited::new(body, limit).collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(ApiError::too_large(limit)),
            Err(error) => Err(ApiError::bad_request(format!("the body could not be read: {error}"))),
        }
    }

    /// The user, or whom the user impersonates.
    async fn identify(&self, headers: &HeaderMap) -> Result<UserInfo, ApiError> {
        let user = self.authenticator().authenticate(self, headers).await?;
        let Some(name) = headers.get("impersonate-user").and_then(|value| value.to_str().ok()) else {
            return Ok(user);
        };
        let groups: Vec<String> = headers
            .get_all("impersonate-group")
            .iter()
            .filter_map(|value| value.to_str().ok().map(str::to_owned))
            .collect();
        let wanted = [("users", name)]
            .into_iter()
            .chain(groups.iter().map(|group| ("groups", group.as_str())));
        for (resource, wanted) in wanted {
            let info = RequestInfo {
                verb: "impersonate".to_owned(),
                is_resource: true,
                resource: resource.to_owned(),
                name: wanted.to_owned(),
                version: "v1".to_owned(),
                ..RequestInfo::default()
            };
            if let Decision::Deny(reason) | Decision::NoOpinion(reason) =
                self.authorizer().authorize(self, &user, &info).await
            {
                return Err(refusal(&user, &info, &reason));
            }
        }
        let mut groups = groups;
        groups.push("system:authenticated".to_owned());
        Ok(UserInfo {
            name: name.to_owned(),
            groups,
            ..UserInfo::default()
        })
    }
}

impl<B> tower::Service<Request<B>> for ApiServer
where
    B: http_body::Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<ReplyBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let server = self.clone();
        Box::pin(async move { Ok(server.respond(request).await) })
    }
}

/// Rides on a request that a lagging cache is to answer: a single object is read as it was at this version. Nobody outside
/// of the crate can ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AsOf(pub(crate) u64);

/// One request on its way.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) server: ApiServer,
    pub(crate) method: http::Method,
    pub(crate) info: RequestInfo,
    pub(crate) options: Options,
    pub(crate) user: UserInfo,
    pub(crate) content_type: String,
    pub(crate) accept: String,
    pub(crate) user_agent: String,
    pub(crate) shape: Result<Shape, ApiError>,
    pub(crate) as_of: Option<AsOf>,
    pub(crate) body: Bytes,
    pub(crate) warnings: Vec<String>,
}

impl Context {
    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.server.core
    }

    /// Who owns the fields this request sets: the named manager, or the program that asks.
    pub(crate) fn manager(&self) -> String {
        if self.options.field_manager.is_empty() {
            let program = self.user_agent.split('/').next().unwrap_or_default();
            if program.is_empty() {
                "unknown".to_owned()
            } else {
                program.chars().take(128).collect()
            }
        } else {
            self.options.field_manager.clone()
        }
    }
}

fn text_header(headers: &HeaderMap, name: &header::HeaderName) -> String {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned()
}

fn warning_header(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    format!("299 - \"{}\"", clean.replace('\\', "\\\\").replace('"', "\\\""))
}

/// An answer in JSON.
pub(crate) fn json_response(code: u16, body: impl Into<ReplyBody>) -> Response<ReplyBody> {
    let mut response = Response::new(body.into());
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An answer in plain text.
pub(crate) fn text_response(code: u16, text: impl Into<Bytes>) -> Response<ReplyBody> {
    let mut response = json_response(code, text.into());
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

impl From<Bytes> for ReplyBody {
    fn from(bytes: Bytes) -> Self {
        Self::whole(bytes)
    }
}

pub(crate) fn error_response(error: &ApiError) -> Response<ReplyBody> {
    let mut response = json_response(error.code, to_bytes(&error.to_value()));
    let retry = error.details.as_ref().map_or(0, |details| details.retry_after_seconds);
    if retry > 0
        && let Ok(value) = HeaderValue::from_str(&retry.to_string())
    {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}
