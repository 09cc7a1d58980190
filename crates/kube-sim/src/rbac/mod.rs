//! Role-based access control: an authorizer that reads the roles and bindings of the server's own store.
//!
//! [`Rbac`] judges requests as a real server in RBAC mode does, with the same reasons and refusals; members of
//! `system:masters` may do everything. [`NoEscalation`] keeps users from granting what they do not hold. Rules of
//! aggregated ClusterRoles are gathered when they are asked for, as no controller writes them here.

mod escalation;
mod rules;
mod tokens;

use async_trait::async_trait;
use json_tree::{Value, json};

pub use escalation::NoEscalation;
pub use tokens::TokenTable;

use crate::auth::{Authorizer, Decision, UserInfo};
use crate::compiled::Compiled;
use crate::registry::GroupResource;
use crate::request::RequestInfo;
use crate::selector::LabelSelector;
use crate::server::{ApiServer, ApiServerBuilder};
use crate::store::Key;
use crate::value::{at, list, name, namespace, text, text_map};
use rules::Rule;

const GROUP: &str = "rbac.authorization.k8s.io";
/// The group whose members may do everything.
const MASTERS: &str = "system:masters";

/// The roles and bindings that every cluster in RBAC mode starts with.
const INITIAL: &str = include_str!("initial.json");

impl ApiServerBuilder {
    /// Turns on role-based access control: users come from `tokens`, rights from the roles and bindings in the store.
    #[must_use]
    pub fn rbac(self, tokens: TokenTable) -> Self {
        let escalation = std::sync::Arc::new(NoEscalation::default());
        self.authenticator(std::sync::Arc::new(tokens))
            .authorizer(std::sync::Arc::new(Rbac::default()))
            .admission(escalation)
    }
}

/// The RBAC authorizer.
#[derive(Debug, Default)]
pub struct Rbac {
    reader: Reader,
}

/// Who a binding is for.
#[derive(Debug, Clone)]
struct Subject {
    kind: String,
    name: String,
    namespace: String,
}

impl Subject {
    fn read(value: &Value, binding_namespace: &str) -> Self {
        let field = |field: &str| text(value, &[field]).unwrap_or_default().to_owned();
        let mut subject = Self {
            kind: field("kind"),
            name: field("name"),
            namespace: field("namespace"),
        };
        if subject.namespace.is_empty() {
            subject.namespace = binding_namespace.to_owned();
        }
        subject
    }

    fn is(&self, user: &UserInfo) -> bool {
        match self.kind.as_str() {
            "User" => user.name == self.name,
            "Group" => user.groups.contains(&self.name),
            "ServiceAccount" => user.name == format!("system:serviceaccount:{}:{}", self.namespace, self.name),
            _ => false,
        }
    }

    fn text(&self) -> String {
        match self.kind.as_str() {
            "ServiceAccount" => format!("{} \"{}/{}\"", self.kind, self.name, self.namespace),
            kind => format!("{kind} \"{}\"", self.name),
        }
    }
}

/// A RoleBinding or ClusterRoleBinding.
#[derive(Debug)]
struct Binding {
    /// Kind and name as reasons show them.
    title: String,
    role_kind: String,
    role_name: String,
    namespace: String,
    subjects: Vec<Subject>,
}

impl Binding {
    fn read(value: &Value) -> Self {
        let (name, namespace) = (name(value), namespace(value));
        let title = if namespace.is_empty() {
            format!("ClusterRoleBinding \"{name}\"")
        } else {
            format!("RoleBinding \"{name}/{namespace}\"")
        };
        Self {
            title,
            role_kind: text(value, &["roleRef", "kind"]).unwrap_or_default().to_owned(),
            role_name: text(value, &["roleRef", "name"]).unwrap_or_default().to_owned(),
            namespace: namespace.to_owned(),
            subjects: list(value, &["subjects"])
                .iter()
                .map(|subject| Subject::read(subject, namespace))
                .collect(),
        }
    }
}

/// A Role or ClusterRole.
#[derive(Debug)]
struct Role {
    rules: Vec<Rule>,
    /// Whose rules an aggregated role gathers.
    gathers: Vec<LabelSelector>,
    labels: std::collections::BTreeMap<String, String>,
}

impl Role {
    fn read(value: &Value) -> Self {
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let selectors = list(value, &["aggregationRule", "clusterRoleSelectors"]);
        Self {
            rules: rules::read(value),
            gathers: selectors
                .iter()
                .map(|selector| LabelSelector::from_object(Some(selector)))
                .collect(),
            labels: text_map(value, &["metadata", "labels"])
                .into_iter()
                .map(owned)
                .collect(),
        }
    }

    fn gathers(&self, other: &Self) -> bool {
        let labels = other
            .labels
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        self.gathers.iter().any(|selector| selector.matches(&labels))
    }
}

/// Reads roles and bindings from the store, each once per version.
#[derive(Debug, Default)]
struct Reader {
    roles: Compiled<Role>,
    cluster_roles: Compiled<Role>,
    bindings: Compiled<Binding>,
    cluster_bindings: Compiled<Binding>,
}

/// A binding that is for a user, with the subject that says so and the rules it grants.
struct Grant {
    binding: std::sync::Arc<Binding>,
    subject: String,
    rules: Vec<Rule>,
}

impl Reader {
    /// The rules of a role; the error says that it does not exist.
    fn rules(&self, server: &ApiServer, kind: &str, name: &str, namespace: &str) -> Result<Vec<Rule>, String> {
        if kind == "Role" {
            let id = GroupResource::new(GROUP, "roles");
            let role = self.roles.one(server, &id, &Key::new(namespace, name), Role::read);
            return role
                .map(|role| role.rules.clone())
                .ok_or_else(|| format!("role.{GROUP} \"{name}\" not found"));
        }
        let id = GroupResource::new(GROUP, "clusterroles");
        let role = self.cluster_roles.one(server, &id, &Key::new("", name), Role::read);
        let role = role.ok_or_else(|| format!("clusterrole.{GROUP} \"{name}\" not found"))?;
        let mut rules = role.rules.clone();
        if !role.gathers.is_empty() {
            self.gather(server, &role, &mut rules, 0);
        }
        Ok(rules)
    }

    /// Adds the rules that an aggregated role gathers; gathered roles may gather themselves, though not in circles.
    fn gather(&self, server: &ApiServer, role: &Role, rules: &mut Vec<Rule>, depth: usize) {
        const DEEPEST: usize = 4;
        let id = GroupResource::new(GROUP, "clusterroles");
        for other in self.cluster_roles.all(server, &id, "", Role::read) {
            if role.gathers(&other) {
                rules.extend(
                    other
                        .rules
                        .iter()
                        .filter(|rule| !rules.contains(rule))
                        .cloned()
                        .collect::<Vec<_>>(),
                );
                if !other.gathers.is_empty() && depth < DEEPEST {
                    self.gather(server, &other, rules, depth + 1);
                }
            }
        }
    }

    /// What is granted to a user in a namespace (empty for the cluster), and which roles were not found.
    fn grants(&self, server: &ApiServer, user: &UserInfo, namespace: &str) -> (Vec<Grant>, Vec<String>) {
        let mut bindings = self.cluster_bindings.all(
            server,
            &GroupResource::new(GROUP, "clusterrolebindings"),
            "",
            Binding::read,
        );
        if !namespace.is_empty() {
            bindings.extend(self.bindings.all(
                server,
                &GroupResource::new(GROUP, "rolebindings"),
                namespace,
                Binding::read,
            ));
        }
        let (mut grants, mut errors) = (Vec::new(), Vec::new());
        for binding in bindings {
            let Some(subject) = binding
                .subjects
                .iter()
                .find(|subject| subject.is(user))
                .map(Subject::text)
            else {
                continue;
            };
            match self.rules(server, &binding.role_kind, &binding.role_name, &binding.namespace) {
                Ok(rules) => grants.push(Grant {
                    binding,
                    subject,
                    rules,
                }),
                Err(error) if errors.contains(&error) => {}
                Err(error) => errors.push(error),
            }
        }
        (grants, errors)
    }
}

/// Several errors as one text.
fn joined(errors: &[String]) -> String {
    match errors {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

#[async_trait]
impl Authorizer for Rbac {
    async fn authorize(&self, server: &ApiServer, user: &UserInfo, request: &RequestInfo) -> Decision {
        if user.groups.iter().any(|group| group == MASTERS) {
            return Decision::Allow(String::new());
        }
        let (grants, errors) = self.reader.grants(server, user, &request.namespace);
        let found = grants
            .iter()
            .find(|grant| grant.rules.iter().any(|rule| rule.allows(request)));
        if let Some(Grant { binding, subject, .. }) = found {
            let (title, kind, role) = (&binding.title, &binding.role_kind, &binding.role_name);
            return Decision::Allow(format!("RBAC: allowed by {title} of {kind} \"{role}\" to {subject}"));
        }
        Decision::NoOpinion(if errors.is_empty() {
            String::new()
        } else {
            format!("RBAC: {}", joined(&errors))
        })
    }

    async fn rules(&self, server: &ApiServer, user: &UserInfo, namespace: &str) -> Value {
        let (grants, errors) = self.reader.grants(server, user, namespace);
        let (mut resources, mut paths) = (Vec::new(), Vec::new());
        for rule in grants.iter().flat_map(|grant| &grant.rules) {
            if !rule.urls.is_empty() {
                paths.push(json!({"verbs": rule.verbs, "nonResourceURLs": rule.urls}));
                continue;
            }
            let mut shown = json!({"verbs": rule.verbs, "apiGroups": rule.groups, "resources": rule.resources});
            if !rule.names.is_empty() {
                shown["resourceNames"] = json!(rule.names);
            }
            resources.push(shown);
        }
        let mut status =
            json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": !errors.is_empty()});
        if !errors.is_empty() {
            status["evaluationError"] = joined(&errors).into();
        }
        status
    }

    fn initial_objects(&self) -> Vec<Value> {
        // The text is part of this crate and a test reads it.
        serde_json::from_str(INITIAL).unwrap_or_default()
    }
}

/// Whether a role gathers the rules of others.
fn is_aggregated(role: &Value) -> bool {
    at(role, &["aggregationRule"]).is_some_and(|rule| !rule.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_initial_objects_can_be_read() {
        let objects = Rbac::default().initial_objects();
        assert!(objects.len() > 10);
        let admin = objects.iter().find(|object| name(object) == "cluster-admin").unwrap();
        assert_eq!(rules::read(admin), Rule::everything());
    }
}
