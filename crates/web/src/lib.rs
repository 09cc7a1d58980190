//! The pages of Fleetwright: the fleet, each cluster, updates, rollouts and blocks, for people with a browser.
//!
//! Everything is rendered on the server and works without JavaScript; a small script makes the pages live by server-sent
//! events. Every view has an address that reproduces it, filters and order included, and every table can be had as TSV and
//! JSON under the same address. Nothing comes from another host.
//!
//! Pages read the registry and the ledger, and through [`Surroundings`] what only a running system knows: where channels
//! stand, how rollouts go, what runs on the nodes. A server that knows nothing of it leaves those parts out.
//!
//! What this crate deliberately does not do: it keeps no state, decides nothing about clusters, and changes nothing but
//! blocks. Those it sets and lifts by [`ports::blocks`], as the API does; a request that another site's page made a browser
//! send is refused.
//!
//! Main types: [`Pages`], [`Surroundings`], [`ChannelHead`], [`Workloads`].
//!
//! ```
//! use std::sync::Arc;
//! use ports::{Ledger, Registry, SystemClock, SystemIds};
//! use registry::Access;
//! use web::{Alone, Pages};
//!
//! fn pages(registry: Arc<dyn Registry>, ledger: Arc<dyn Ledger>, access: Access) -> axum::Router {
//!     Pages::new(registry, ledger, Arc::new(SystemClock), Arc::new(SystemIds), access)
//!         .surroundings(Arc::new(Alone))
//!         .router()
//! }
//! ```

mod actions;
mod assets;
mod fleet;
mod form;
mod known;
mod live;
mod movement;
mod page;
mod pages;
mod server;
mod session;
mod steps;
mod surroundings;
mod table;
mod words;
mod workloads;

pub use server::Pages;
pub use surroundings::{Alone, ChannelHead, ItemOrigin, Surroundings};
pub use workloads::{NodeView, PodState, PodView, Workloads};
