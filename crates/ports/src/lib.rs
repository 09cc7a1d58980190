//! Contracts between the engine and the world: small traits that adapters fill and simulations replace.
//!
//! Time, ids and randomness reach the engine only through [`Clock`] and [`Ids`]; the list of all clusters only through
//! [`Registry`]; work is shared between replicas only through [`Leases`]; stacks, node groups, instances and what belongs to them
//! only through [`cloud::Cloud`]; blocks, updates and evidence are written into the [`Ledger`]. What must be the same wherever it is
//! read is decided here once: which [`blocks`] hold, which [`approvals`] count, which [`acts`] move or hold the fleet, how a cluster stands in one word ([`standing`]). Every
//! error of an adapter says whose fault it is and whether trying again helps ([`Classified`]).
//!
//! What this crate deliberately does not do: it contains no adapter except the trivial system clock and id source, opens
//! no socket and no file, and knows no database, no HTTP and no Kubernetes client.
//!
//! Main types: [`Clock`], [`Ids`], [`Registry`], [`Ledger`], [`Leases`], [`cloud::Cloud`], [`config_source::ConfigSource`],
//! [`WriteContext`], [`RegistryError`], [`Fault`], [`Retry`].
//!
//! ```
//! use ports::{Classified, Fault, RegistryError, Retry};
//!
//! let error = RegistryError::NotFound { kind: "cluster", id: "kube-1".to_owned() };
//! assert_eq!(error.fault(), Fault::User);
//! assert_eq!(error.retry(), Retry::Never);
//! ```

pub mod acts;
pub mod approvals;
pub mod blocks;
pub mod channels;
mod clock;
pub mod cloud;
pub mod config_source;
mod error;
mod ids;
mod leases;
pub mod ledger;
pub mod prometheus;
pub mod promote;
pub mod registry;
pub mod standing;

pub use clock::{Clock, SimClock, SystemClock};
pub use error::{Classified, Fault, Retry};
pub use ids::{Ids, SeededIds, SystemIds};
pub use leases::{Lease, LeaseError, LeaseName, Leases};
pub use ledger::Ledger;
pub use prometheus::Prometheus;
pub use promote::Promote;
pub use registry::{Registry, RegistryError, WriteContext};
