//! Path parameters.

use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use model::{AccountId, ClusterId, ConfigKey, Invalid, NodePoolName};
use ports::approvals::Guarded;
use ports::ledger::{EntryId, EntryKind};
use ports::registry::ObjectKind;
use registry_api::ErrorKind;
use utoipa::IntoParams;

use crate::error::ApiError;
use crate::state::AppState;

/// The parameters of one path, decoded.
struct Segments {
    params: RawPathParams,
    problems: Vec<Invalid>,
}

impl Segments {
    async fn of(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::new(ErrorKind::Malformed, "the path is not UTF-8"))?;
        Ok(Self {
            params,
            problems: Vec::new(),
        })
    }

    fn take<T: FromStr<Err = Invalid>>(&mut self, name: &'static str) -> Option<T> {
        let text = self
            .params
            .iter()
            .find(|(key, _)| *key == name)
            .map_or("", |(_, value)| value);
        text.parse()
            .map_err(|problem: Invalid| {
                self.problems.push(Invalid {
                    field: name.to_owned(),
                    ..problem
                })
            })
            .ok()
    }
}

/// An extractor for a set of named parameters, each parsed into its type; every broken one is listed.
macro_rules! path_type {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty),+ }) => {
        $(#[$doc])*
        #[derive(IntoParams)]
        #[into_params(parameter_in = Path)]
        pub(crate) struct $name {
            $($(#[$field_doc])* pub(crate) $field: $kind),+
        }

        impl FromRequestParts<AppState> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
                let mut segments = Segments::of(parts, state).await?;
                $(let $field = segments.take(stringify!($field));)+
                match ($($field,)+) {
                    ($(Some($field),)+) => Ok(Self { $($field),+ }),
                    _ => Err(segments.problems.into()),
                }
            }
        }
    };
}

path_type!(
    /// Names an account.
    AccountPath {
        /// Id of the account.
        account_id: AccountId
    }
);
path_type!(
    /// Names a cluster.
    ClusterPath {
        /// Id of the cluster.
        cluster_id: ClusterId
    }
);
path_type!(
    /// Names a config item of a cluster.
    ClusterItemPath {
        /// Id of the cluster.
        cluster_id: ClusterId,
        /// Key of the config item.
        config_key: ConfigKey
    }
);
path_type!(
    /// Names a node pool.
    PoolPath {
        /// Id of the cluster.
        cluster_id: ClusterId,
        /// Name of the node pool.
        node_pool_name: NodePoolName
    }
);
path_type!(
    /// Names a config item of a node pool.
    PoolItemPath {
        /// Id of the cluster.
        cluster_id: ClusterId,
        /// Name of the node pool.
        node_pool_name: NodePoolName,
        /// Key of the config item.
        config_key: ConfigKey
    }
);

path_type!(
    /// Names a cluster whose blocks are meant.
    BlocksPath {
        /// Id of the cluster.
        cluster_id: ClusterId
    }
);
path_type!(
    /// Names a block.
    BlockPath {
        /// Id of the cluster.
        cluster_id: ClusterId,
        /// Id of the block.
        #[param(value_type = String, pattern = "^[!-.0-~]{1,200}$")]
        block_id: EntryId
    }
);
path_type!(
    /// Names what a cluster was agreed to or asked for.
    ApprovalsPath {
        /// What it is to.
        #[param(value_type = registry_api::GuardedName)]
        what: Guarded,
        /// Id of the cluster.
        cluster_id: ClusterId
    }
);
path_type!(
    /// Names a pause, a freeze or a fast lane.
    ActPath {
        /// What it is.
        what: registry_api::ActName,
        /// Its id; that of a pause is the name of its channel.
        #[param(value_type = String, pattern = "^[!-.0-~]{1,200}$")]
        act_id: EntryId
    }
);
path_type!(
    /// Names a kind of entries.
    EntriesPath {
        /// The kind.
        #[param(value_type = String, pattern = "^[a-z0-9-]{1,40}$")]
        entry_kind: EntryKind
    }
);
path_type!(
    /// Names an entry.
    EntryPath {
        /// The kind.
        #[param(value_type = String, pattern = "^[a-z0-9-]{1,40}$")]
        entry_kind: EntryKind,
        /// The id within the kind.
        #[param(value_type = String, pattern = "^[!-.0-~]{1,200}$")]
        entry_id: EntryId
    }
);
path_type!(
    /// Names an update.
    UpdatePath {
        /// Id of the update.
        #[param(value_type = String, pattern = "^[!-.0-~]{1,200}$")]
        update_id: EntryId
    }
);

/// Names an object whose history is asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct HistoryPath {
    /// Kind of the object.
    #[param(value_type = registry_api::ObjectKindName)]
    pub(crate) kind: ObjectKind,
    /// Id of the object.
    #[param(value_type = ClusterId)]
    pub(crate) id: String,
}

impl FromRequestParts<AppState> for HistoryPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let mut segments = Segments::of(parts, state).await?;
        // Ids of accounts and clusters follow the same pattern.
        match (segments.take("kind"), segments.take::<ClusterId>("id")) {
            (Some(kind), Some(id)) => Ok(Self { kind, id: id.into() }),
            _ => Err(segments.problems.into()),
        }
    }
}
