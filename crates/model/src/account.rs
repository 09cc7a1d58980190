//! Infrastructure accounts: where clusters live and who pays for them.

use serde::{Deserialize, Serialize};

use crate::invalid::check_line;
use crate::{AccountId, Invalid, Validate};

/// State of an infrastructure account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum AccountLifecycle {
    /// Asked for, nothing exists yet.
    Requested,
    /// Being set up.
    Creating,
    /// In use; only ready accounts lend their owner and name to clusters.
    Ready,
    /// Gone.
    Decommissioned,
}

/// An account of a cloud provider or data centre; all nine fields are required on create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InfrastructureAccount {
    /// Global id, such as `aws:123456789012`.
    pub id: AccountId,
    /// Kind of account: `aws`, `gcp`, `dc`.
    #[serde(rename = "type")]
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 1024, pattern = r"^[^\x00-\x1f\x7f-\x9f]+$")
    )]
    pub kind: String,
    /// Human name.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 1024, pattern = r"^[^\x00-\x1f\x7f-\x9f]+$")
    )]
    pub name: String,
    /// Owner, such as `team/bar`.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 1024, pattern = r"^[^\x00-\x1f\x7f-\x9f]+$")
    )]
    pub owner: String,
    /// Cost center; a string, since leading zeros count.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 1024, pattern = r"^[^\x00-\x1f\x7f-\x9f]+$")
    )]
    pub cost_center: String,
    /// Environment, such as `production` or `test`.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 1024, pattern = r"^[^\x00-\x1f\x7f-\x9f]+$")
    )]
    pub environment: String,
    /// 1 non-critical, 2 standard production, 3 PCI.
    pub criticality_level: i32,
    /// Id of the account at its provider.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 1024, pattern = r"^[^\x00-\x1f\x7f-\x9f]+$")
    )]
    pub external_id: String,
    /// State of the account.
    pub lifecycle_status: AccountLifecycle,
}

impl Validate for InfrastructureAccount {
    fn check(&self, problems: &mut Vec<Invalid>) {
        for (field, value) in [
            ("type", &self.kind),
            ("name", &self.name),
            ("owner", &self.owner),
            ("cost_center", &self.cost_center),
            ("environment", &self.environment),
            ("external_id", &self.external_id),
        ] {
            check_line(field, value, problems);
        }
    }
}

/// A change to an account: members that are absent stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct InfrastructureAccountUpdate {
    /// Must equal the account's id when given: ids never change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<AccountId>,
    /// New kind.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// New name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// New cost center.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_center: Option<String>,
    /// New environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// New criticality level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub criticality_level: Option<i32>,
    /// New id at the provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// New state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle_status: Option<AccountLifecycle>,
}

impl InfrastructureAccountUpdate {
    /// The account with this change made.
    ///
    /// # Errors
    /// The broken rules when the result is not a sound account, or when `id` differs from the account's.
    pub fn apply(self, to: &InfrastructureAccount) -> Result<InfrastructureAccount, Vec<Invalid>> {
        if let Some(id) = self.id.filter(|id| *id != to.id) {
            return Err(vec![Invalid::new(
                "id",
                format!("cannot be changed from {}", to.id),
                id,
            )]);
        }
        let old = to.clone();
        let new = InfrastructureAccount {
            id: old.id,
            kind: self.kind.unwrap_or(old.kind),
            name: self.name.unwrap_or(old.name),
            owner: self.owner.unwrap_or(old.owner),
            cost_center: self.cost_center.unwrap_or(old.cost_center),
            environment: self.environment.unwrap_or(old.environment),
            criticality_level: self.criticality_level.unwrap_or(old.criticality_level),
            external_id: self.external_id.unwrap_or(old.external_id),
            lifecycle_status: self.lifecycle_status.unwrap_or(old.lifecycle_status),
        };
        new.validate()?;
        Ok(new)
    }
}
