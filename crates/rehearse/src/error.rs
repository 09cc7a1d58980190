//! Why a rehearsal could not be held.

/// Why a rehearsal could not be held. What goes wrong in the rehearsal itself is part of its report.
#[derive(Debug, thiserror::Error)]
pub enum RehearseError {
    /// The configuration of a side cannot be rendered for a cluster.
    #[error("cluster {cluster}: {side} cannot be rendered: {why}")]
    Render {
        /// Alias of the cluster.
        cluster: String,
        /// Which side, in the user's words.
        side: String,
        /// The errors of the templates.
        why: String,
    },
    /// The twin did not reach the version that the rehearsal starts from.
    #[error("cluster {cluster}: the twin does not reach {from}: {why}")]
    NotThere {
        /// Alias of the cluster.
        cluster: String,
        /// The version before, in the user's words.
        from: String,
        /// What kept it.
        why: String,
    },
    /// The twin's parts refused.
    #[error("the twin cannot be built")]
    Twin(#[from] twin::TwinError),
    /// The twin's registry refused a cluster or an account.
    #[error("the registry of the twin refused {what}")]
    Registry {
        /// What was written or read.
        what: String,
        /// Why.
        #[source]
        source: ports::RegistryError,
    },
    /// The simulated cloud refused.
    #[error("cluster {cluster}: the simulated cloud refused")]
    Cloud {
        /// Alias of the cluster.
        cluster: String,
        /// Why.
        #[source]
        source: ports::cloud::CloudError,
    },
    /// The sources of configuration do not fit together.
    #[error("the configuration cannot be read: {0}")]
    Sources(String),
    /// No runtime could be made, or a thread of it ended early.
    #[error("the simulation cannot be run: {0}")]
    Runtime(String),
}
