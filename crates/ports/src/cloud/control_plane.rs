//! Control planes that the cloud runs itself.

use async_trait::async_trait;

use super::CloudError;

/// A managed control plane (cloud fact 5.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlPlane {
    /// Name.
    pub name: String,
    /// Kubernetes version, such as `1.31`.
    pub version: String,
    /// True once it answers.
    pub active: bool,
    /// URL of the API.
    pub endpoint: String,
    /// Certificate authority, PEM in base64.
    pub certificate_authority: String,
    /// URL of the issuer of service account tokens.
    pub oidc_issuer: String,
    /// Network of services, IPv4 or IPv6.
    pub service_cidr: String,
}

/// Managed control planes of one account and region.
#[async_trait]
pub trait ControlPlanes: Send + Sync {
    /// One by name; the registry's alias of the cluster is its name (cloud fact 5.3).
    async fn control_plane(&self, name: &str) -> Result<ControlPlane, CloudError>;
}
