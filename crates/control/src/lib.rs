//! The lifecycle manager and the node rollouts of a fleet, running together over given ports.
//!
//! A [`Control`] runs one [`lifecycle::Manager`] for the fleet and one [`rollout::Rollout`] for each cluster that is ready and
//! has node pools. What a rollout is told about its pools ([`cluster_spec`]) follows from the registry entry and the config
//! items of its channel; whether it may go on ([`NodeGuard`]) from blocks, the state of the cluster and, when replicas share the
//! work, a lease ([`Replica`]). Rollouts start when clusters become ready, learn of changes from the registry's feed, and end
//! with the cluster. A pool that left the registry but still has groups is drained; the manager deletes its stack after that.
//!
//! [`CloudFacts`] and [`CloudsByProvider`] fill two ports of the manager with any [`ports::cloud::Cloud`].
//!
//! What this crate deliberately does not do: it opens no socket and no file, knows no concrete store, cloud or cluster, and
//! takes no decisions about updates, disruption or order; it reads no clock but [`ports::Clock`], so all of it runs on real
//! time, `S` times as fast, or on tokio's paused clock. Nothing is spawned: the futures belong to the caller.
//!
//! Main types: [`Control`], [`Handle`], [`Options`], [`RolloutView`].
//!
//! ```
//! use control::{Strategies, cluster_spec};
//! use model::Cluster;
//!
//! let cluster: Cluster = serde_json::from_value(serde_json::json!({
//!     "id": "aws:1:eu-central-1:kube-1", "alias": "shop", "infrastructure_account": "aws:1", "region": "eu-central-1",
//!     "local_id": "kube-1", "provider": "simulated", "api_server_url": "https://kube-1.example.org", "channel": "dev",
//!     "environment": "production", "criticality_level": 2, "lifecycle_status": "ready",
//!     "config_items": {"update_strategy": "clc"},
//!     "node_pools": [{"name": "worker", "profile": "worker-splitaz", "instance_types": ["m5.large"],
//!         "discount_strategy": "none", "min_size": 1, "max_size": 3}],
//! }))?;
//! let spec = cluster_spec(&cluster, &cluster.config_items, &Default::default(), Strategies::default())?;
//! assert_eq!(spec.pools[0].strategy, rollout::Strategy::Mark);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod control;
mod crew;
mod facts;
mod guard;
mod providers;
mod rollouts;
mod spec;
mod view;

pub use control::{Control, Options};
pub use facts::{CloudFacts, FactError};
pub use guard::{NodeGuard, Replica};
pub use providers::CloudsByProvider;
pub use rollouts::Rollouts;
pub use spec::{SpecError, Strategies, UPDATE_STRATEGY_ITEM, cluster_spec};
pub use view::{Handle, RolloutState, RolloutView};
