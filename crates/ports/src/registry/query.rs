//! Filters and pages.

use model::{AccountLifecycle, LifecycleStatus};

/// Equality filters over clusters; an absent one matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterFilter {
    /// By alias.
    pub alias: Option<String>,
    /// By URL of the Kubernetes API.
    pub api_server_url: Option<String>,
    /// By channel.
    pub channel: Option<String>,
    /// By criticality level.
    pub criticality_level: Option<i32>,
    /// By environment.
    pub environment: Option<String>,
    /// By account id.
    pub infrastructure_account: Option<String>,
    /// By state.
    pub lifecycle_status: Option<LifecycleStatus>,
    /// By local id.
    pub local_id: Option<String>,
    /// By provider.
    pub provider: Option<String>,
    /// By region.
    pub region: Option<String>,
    /// By cost center of the account.
    pub cost_center: Option<String>,
}

/// Equality filters over accounts; an absent one matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountFilter {
    /// By criticality level.
    pub criticality_level: Option<i32>,
    /// By environment.
    pub environment: Option<String>,
    /// By id at the provider.
    pub external_id: Option<String>,
    /// By state.
    pub lifecycle_status: Option<AccountLifecycle>,
    /// By name.
    pub name: Option<String>,
    /// By owner.
    pub owner: Option<String>,
    /// By kind (`type`).
    pub kind: Option<String>,
    /// By cost center.
    pub cost_center: Option<String>,
}

/// How much of a cluster is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Detail {
    /// Everything.
    #[default]
    Full,
    /// Without config items and node pools (`verbose=false`).
    Brief,
}

/// Which part of a list is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// Most entries of the answer; all when absent.
    pub limit: Option<usize>,
    /// [`Page::next`] of the page before.
    pub after: Option<String>,
}

impl PageRequest {
    /// The whole list in one answer.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// Where the next page starts; absent on the last page.
    pub next: Option<String>,
}
