//! What can be wrong with a fleet that is asked for.

use jiff::Timestamp;

/// Why a fleet could not be made, loaded or changed.
#[derive(Debug, thiserror::Error)]
pub enum TwinError {
    /// Two clusters have the same id or alias.
    #[error("two clusters are called {name:?}")]
    DuplicateCluster {
        /// The name.
        name: String,
    },
    /// There is no cluster of this name.
    #[error("there is no cluster {name:?}")]
    NoCluster {
        /// The name.
        name: String,
    },
    /// A profile of this name does not exist.
    #[error("there is no profile {name:?}; there are shop, stateful, batch and zalando")]
    NoProfile {
        /// The name.
        name: String,
    },
    /// A machine shape names an amount that cannot be read.
    #[error("pool {pool:?}: {field} {value:?} is no amount of a resource")]
    Shape {
        /// The pool.
        pool: String,
        /// The field of the shape.
        field: &'static str,
        /// The text.
        value: String,
    },
    /// The simulated cloud refused a group.
    #[error("pool {pool:?}: the cloud refused its group")]
    Cloud {
        /// The pool.
        pool: String,
        /// Why.
        #[source]
        source: ports::cloud::CloudError,
    },
    /// The clock shows an earlier time than the snapshot was taken at.
    #[error("the snapshot was taken at {taken}, and the clock shows {now}")]
    ClockBehind {
        /// When it was taken.
        taken: Timestamp,
        /// What the clock shows.
        now: Timestamp,
    },
    /// A snapshot is not in the form that this version writes.
    #[error("the snapshot of the fleet cannot be read")]
    Snapshot(#[source] serde_json::Error),
    /// The objects of a cluster could not be loaded.
    #[error("cluster {cluster:?}: its objects cannot be loaded")]
    Objects {
        /// The cluster.
        cluster: String,
        /// Why.
        #[source]
        source: kube_sim::SnapshotError,
    },
}
