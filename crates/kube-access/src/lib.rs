//! Clients of real and simulated clusters: discovery, apply, prune, evict, watch.
//!
//! An [`Access`] is the one handle of a cluster. Every request leaves through it: within the cluster's request budget, with a
//! time-out, repeated where that is safe, counted, and with an error that says whose fault it is ([`AccessError`]). In
//! [`Mode::DryRun`] no write leaves, which is decided in one place.
//!
//! On it stand [`apply`] (server-side apply of ordered components, with adoption, drift and conflicts), [`applyset`] (the
//! inventory, and pruning what left git), [`deletions`] (the grammar of `deletions.yaml`), [`diff`] (what applying would
//! change), [`watch`] (ordered watches of many kinds) and [`nodes`] (evictions, taints, cordons).
//!
//! What this crate deliberately does not do: it renders nothing and decides nothing about order between clusters, rollouts or
//! disruption; it has no drain. It shows no type of kube or k8s-openapi besides the request [`Body`] of services in process:
//! objects are JSON values, and what is written back is a patch or a whole applied object, never a typed one. It reads no
//! clock and draws no randomness of its own.
//!
//! ```
//! use std::sync::Arc;
//! use kube_access::apply::{Applier, Component, Memory};
//! use kube_access::applyset::ApplySet;
//! use kube_access::{Access, Context};
//! use ports::{SeededIds, SystemClock};
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A simulated cluster in process; Access::from_kubeconfig and Access::from_token lead to real ones.
//! let server = kube_sim::ApiServer::new(Arc::new(SystemClock), Arc::new(SeededIds::new(1)));
//! let context = Context::new("kube-1", Arc::new(SystemClock), Arc::new(SeededIds::new(2)));
//! let access = Access::from_service(context, server);
//!
//! let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "web"}, "data": {"k": "v"}});
//! let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web"}});
//! let components = [Component::new("web", [map, namespace])];
//!
//! let applier = Applier::new(access, ApplySet::default());
//! let plan = applier.plan(&components).await?;
//! assert_eq!(plan.to_string(), "namespaces: Namespace web\nweb/0: ConfigMap web/a; after Namespace web (it is its namespace)\n");
//!
//! let mut memory = Memory::default();
//! let first = applier.apply(&plan, &mut memory, None).await?;
//! assert_eq!(first.report.summary().get("created"), Some(&2));
//! let second = applier.apply(&plan, &mut memory, None).await?;
//! assert_eq!(second.report.calls.writes(), 0);
//! # Ok(())
//! # }
//! ```

mod access;
pub mod apply;
pub mod applyset;
mod backoff;
mod budget;
mod call;
mod connect;
mod counters;
pub mod deletions;
pub mod diff;
mod discovery;
mod error;
mod list;
pub mod nodes;
mod objects;
mod resource;
mod skew;
mod status;
pub mod watch;

pub use access::{Access, FIELD_MANAGER, Gate, Mode, Settings};
pub use backoff::Backoff;
pub use budget::Rate;
pub use call::{Depth, Verb};
pub use connect::{Body, Context, Endpoint};
pub use counters::Counts;
pub use discovery::Kinds;
pub use error::{AccessError, FieldConflict, InvalidField};
pub use list::{ListSink, Selection};
pub use resource::{ApiKind, GroupKind, ObjectKey};
