//! A Kubernetes API in memory.
//!
//! An [`ApiServer`] answers the Kubernetes API as kube-apiserver does: discovery, all built-in kinds that platforms use,
//! CustomResourceDefinitions, watches, server-side apply, evictions, tables for kubectl, and errors in the real server's
//! words. It is a `tower::Service`, so kube-rs calls it in process, and [`serve`] offers it over HTTP to kubectl and
//! everything else. Servers are small: hundreds fit into one process.
//!
//! It is the bench of tests and rehearsals, so it must be honest and must replay: it reads no wall clock and draws no
//! random numbers of its own ([`ports::Clock`], [`ports::Ids`]), iterates in order, and does what follows from a write
//! (garbage collection, namespace deletion) before it answers.
//!
//! What this crate deliberately does not do: it runs no pods and no controllers, keeps nothing on disk, answers
//! in JSON only (it reads protobuf, which kubectl sends), and evaluates CEL without checking types. Authentication,
//! authorization and admission are traits ([`Authenticator`], [`Authorizer`], [`Admission`]); by default everybody may do
//! everything. [`ApiServerBuilder::rbac`] turns on roles and tokens, [`ApiServerBuilder::webhooks`] admission webhooks;
//! policies in CEL always count.
//!
//! [`FaultyApi`] stands before a server and makes it refuse, dawdle, forget and cut by a plan.
//!
//! Main types: [`ApiServer`], [`Config`], [`ApiError`], [`RequestInfo`], [`Review`]. What runs inside the same process, such
//! as simulated controllers, writes through [`Local`] and follows all writes through a [`Tap`].
//!
//! ```
//! use std::sync::Arc;
//! use kube_sim::ApiServer;
//! use ports::{SeededIds, SystemClock};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let server = ApiServer::new(Arc::new(SystemClock), Arc::new(SeededIds::new(1)));
//! let request = http::Request::get("/api/v1/namespaces/default").body(String::new()).unwrap();
//! let response = server.clone().oneshot(request).await.unwrap();
//! assert_eq!(response.status(), 200);
//! assert!(server.read("", "namespaces", "", "kube-system").is_some());
//! # }
//! ```

mod admission;
mod auth;
mod body;
mod bootstrap;
mod cel;
mod compiled;
mod convert;
mod crd;
mod discovery;
mod events;
mod faults;
mod gc;
mod handlers;
mod jsonpath;
mod local;
mod openapi;
mod policies;
mod printers;
mod rbac;
mod registry;
mod request;
mod schema;
mod selector;
mod serve;
mod server;
mod snapshot;
mod status;
mod store;
mod strategy;
mod value;
mod view;
mod watch;
mod webhooks;
mod wire;

pub use admission::{Admission, Operation, Review};
pub use auth::{AllowAll, AnyoneIsAdmin, Authenticator, Authorizer, Decision, TokenRequest, UserInfo};
pub use body::ReplyBody;
pub use events::{NewEvent, Subject};
pub use faults::{Calls, Fault, FaultEvent, FaultPlan, FaultRule, FaultyApi, FaultyBody, Requests};
pub use local::{DeleteOptions, Local, Place, Projection, Stored, Tap, Write};
pub use policies::Policies;
pub use rbac::{NoEscalation, Rbac, TokenTable};
pub use request::{Propagation, RequestInfo};
pub use selector::LabelSelector;
pub use serve::serve;
pub use server::{ApiServer, ApiServerBuilder, Config};
pub use snapshot::{Identity, SnapshotError};
pub use status::{ApiError, Cause, Details, FieldError, FieldErrorKind};
pub use webhooks::{
    AllowAllWebhooks, CallError, LoopbackWebhooks, WebhookAuthorizer, WebhookCaller, WebhookTarget, Webhooks,
};
