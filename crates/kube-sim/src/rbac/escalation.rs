//! Nobody grants what he does not hold: the check on writes of roles and bindings.

use async_trait::async_trait;
use json_tree::Value;

use super::rules::{self, Rule, missing, quoted};
use super::{GROUP, MASTERS, Rbac, Reader, is_aggregated, joined};
use crate::admission::{Admission, Operation, Review};
use crate::auth::{Authorizer, Decision, UserInfo};
use crate::request::RequestInfo;
use crate::server::ApiServer;
use crate::status::ApiError;
use crate::value::{remove, text};

/// Refuses writes of roles and bindings that would grant more than the writer holds. The verbs `escalate` and `bind` on
/// the role exempt from it, as does membership in `system:masters`.
#[derive(Debug, Default)]
pub struct NoEscalation {
    reader: Reader,
    rbac: Rbac,
}

#[async_trait]
impl Admission for NoEscalation {
    fn active(&self, _server: &ApiServer, group: &str) -> bool {
        group == GROUP
    }

    async fn mutate(&self, _server: &ApiServer, _review: &mut Review) -> Result<(), ApiError> {
        Ok(())
    }

    async fn validate(&self, server: &ApiServer, review: &mut Review) -> Result<(), ApiError> {
        let exempt = review.group != GROUP
            || !review.subresource.is_empty()
            || !matches!(review.operation, Operation::Create | Operation::Update)
            || review.user.groups.iter().any(|group| group == MASTERS)
            || only_owners_change(review);
        if exempt {
            return Ok(());
        }
        match review.resource.as_str() {
            "roles" | "clusterroles" => self.role(server, review).await,
            _ => self.binding(server, review).await,
        }
    }
}

/// What the garbage collector has to be able to change without holding any rights.
fn only_owners_change(review: &Review) -> bool {
    let strip = |object: &Value| {
        let mut object = object.clone();
        for field in ["ownerReferences", "finalizers", "managedFields"] {
            remove(&mut object, &["metadata", field]);
        }
        object
    };
    review.operation == Operation::Update && strip(&review.object) == strip(&review.old_object)
}

impl NoEscalation {
    async fn allowed(
        &self,
        server: &ApiServer,
        user: &UserInfo,
        verb: &str,
        role: (&str, &str),
        namespace: &str,
    ) -> bool {
        let (resource, name) = role;
        let info = RequestInfo {
            verb: verb.to_owned(),
            is_resource: true,
            group: GROUP.to_owned(),
            version: "v1".to_owned(),
            resource: resource.to_owned(),
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            ..RequestInfo::default()
        };
        matches!(self.rbac.authorize(server, user, &info).await, Decision::Allow(_))
    }

    async fn role(&self, server: &ApiServer, review: &Review) -> Result<(), ApiError> {
        if self
            .allowed(
                server,
                &review.user,
                "escalate",
                (&review.resource, &review.name),
                &review.namespace,
            )
            .await
        {
            return Ok(());
        }
        self.confirm(server, review, &rules::read(&review.object))?;
        let aggregated = is_aggregated(&review.object) || is_aggregated(&review.old_object);
        if aggregated && self.confirm(server, review, &Rule::everything()).is_err() {
            let why = "must have cluster-admin privileges to use the aggregationRule";
            return Err(ApiError::forbidden(GROUP, &review.resource, &review.name, why));
        }
        Ok(())
    }

    async fn binding(&self, server: &ApiServer, review: &Review) -> Result<(), ApiError> {
        let field = |field: &str| text(&review.object, &["roleRef", field]).unwrap_or_default();
        let (kind, name) = (field("kind"), field("name"));
        let resource = if kind == "Role" { "roles" } else { "clusterroles" };
        if self
            .allowed(server, &review.user, "bind", (resource, name), &review.namespace)
            .await
        {
            return Ok(());
        }
        let granted = self.reader.rules(server, kind, name, &review.namespace);
        // The real server names the binding's resource and the role's name.
        let granted = granted.map_err(|_| ApiError::not_found(GROUP, &review.resource, name))?;
        self.confirm(server, review, &granted)
    }

    fn confirm(&self, server: &ApiServer, review: &Review, wanted: &[Rule]) -> Result<(), ApiError> {
        let (grants, errors) = self.reader.grants(server, &review.user, &review.namespace);
        let owned: Vec<Rule> = grants.into_iter().flat_map(|grant| grant.rules).collect();
        let missing = missing(&owned, wanted);
        if missing.is_empty() {
            return Ok(());
        }
        let mut why = format!(
            "user {:?} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
            review.user.name,
            quoted(&review.user.groups),
            missing.join("\n")
        );
        if !errors.is_empty() {
            why.push_str(&format!("; resolution errors: {}", joined(&errors)));
        }
        Err(ApiError::forbidden(GROUP, &review.resource, &review.name, &why))
    }
}
