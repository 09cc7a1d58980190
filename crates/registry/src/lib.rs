//! The Cluster Registry as a server: REST operations, access control, change feed, OpenAPI document.
//!
//! The operations are those of the API that the original Cluster Lifecycle Manager speaks, at the same paths, plus paging,
//! revisions (`ETag`, `If-Match`), a change feed, histories, import and export. Every refusal is a problem document
//! ([`registry_api::ErrorBody`]). The server stands on any [`ports::Registry`] and
//! [`ports::Ledger`]; it adds what only exists on the wire:
//! strict reading of requests, who may do what, and the form of answers.
//!
//! What this crate deliberately does not do: it stores nothing, opens no database, and decides nothing about clusters. It
//! reads time and ids only through `ports`, and files only for tokens.
//!
//! Main types: [`Server`] (configure, bind, run, or take the [`axum::Router`]), [`BoundServer`], [`Access`], [`Limits`];
//! module [`auth`] (tokens, roles); function [`openapi_document`].
//!
//! # Paging
//! Lists answer everything, as the original does, unless `limit` (1 to 1000, larger ones are refused) asks for a page;
//! `continue` of the answer, handed back as it is, asks for the next one.
//!
//! # Revisions
//! Answers of single objects carry `ETag`, lists of clusters and accounts a member `revisions` in the order of `items`. A
//! removal below a cluster that was bound to a revision (`If-Match`) answers with the one that it made.
//!
//! # Roles
//! `reader` reads; `operator` also writes status, config items, blocks and agreements to deletions; `admin` writes
//! everything.
//!
//! ```
//! use std::sync::Arc;
//! use ports::{Registry, SystemClock, SystemIds};
//! use registry::{Access, BindError, Loopback, Server};
//! use service::Shutdown;
//!
//! async fn run(store: Arc<dyn Registry>, shutdown: Shutdown) -> Result<(), Box<dyn std::error::Error>> {
//!     let server = Server::new(store, Arc::new(SystemClock), Arc::new(SystemIds), shutdown);
//!     let address = "127.0.0.1:0".parse()?;
//!     let server = server.bind(address, Access::Open(Loopback::new(address)?)).await?;
//!     println!("serving on {}", server.address());
//!     server.run().await; // until shutdown begins
//!     Ok(())
//! }
//! assert!(Loopback::new("0.0.0.0:0".parse()?).is_err());
//! # Ok::<(), std::net::AddrParseError>(())
//! ```

pub mod auth;
mod error;
mod extract;
mod limits;
mod metrics;
mod openapi;
mod routes;
mod server;
mod state;

pub use auth::{Access, Loopback, NotLoopback};
pub use limits::Limits;
pub use openapi::openapi_document;
pub use server::{BindError, BoundServer, Server};
