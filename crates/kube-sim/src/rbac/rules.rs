//! Rules of roles: what they allow, and whether one set of rules covers another.

use json_tree::Value;

use crate::request::RequestInfo;
use crate::value::list;

/// One rule of a role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) verbs: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) resources: Vec<String>,
    pub(crate) names: Vec<String>,
    pub(crate) urls: Vec<String>,
}

fn texts(value: &Value, field: &str) -> Vec<String> {
    list(value, &[field])
        .iter()
        .filter_map(|text| text.as_str().map(str::to_owned))
        .collect()
}

fn has(list: &[String], wanted: &str) -> bool {
    list.iter().any(|text| text == "*" || text == wanted)
}

/// Reads the rules of a role.
pub(crate) fn read(role: &Value) -> Vec<Rule> {
    list(role, &["rules"]).iter().map(Rule::read).collect()
}

impl Rule {
    fn read(rule: &Value) -> Self {
        Self {
            verbs: texts(rule, "verbs"),
            groups: texts(rule, "apiGroups"),
            resources: texts(rule, "resources"),
            names: texts(rule, "resourceNames"),
            urls: texts(rule, "nonResourceURLs"),
        }
    }

    /// The rule that allows everything on resources, and the one that allows all other paths.
    pub(crate) fn everything() -> [Self; 2] {
        let all = || vec!["*".to_owned()];
        [
            Self {
                verbs: all(),
                groups: all(),
                resources: all(),
                ..Self::default()
            },
            Self {
                verbs: all(),
                urls: all(),
                ..Self::default()
            },
        ]
    }

    /// Whether the rule allows a request.
    pub(crate) fn allows(&self, info: &RequestInfo) -> bool {
        if !has(&self.verbs, &info.verb) {
            return false;
        }
        if !info.is_resource {
            return self.urls.iter().any(|url| url_covers(url, &info.path));
        }
        has(&self.groups, &info.group)
            && self.allows_resource(&info.resource, &info.subresource)
            && (self.names.is_empty() || self.names.contains(&info.name))
    }

    fn allows_resource(&self, resource: &str, subresource: &str) -> bool {
        if subresource.is_empty() {
            return has(&self.resources, resource);
        }
        self.resources.iter().any(|allowed| {
            allowed == "*"
                || allowed
                    .split_once('/')
                    .is_some_and(|(main, sub)| (main == "*" || main == resource) && sub == subresource)
        })
    }

    /// Takes the rule apart into rules about one verb on one resource (or one path) each.
    fn parts(&self) -> Vec<Self> {
        let mut parts = Vec::new();
        let one = |text: &String| vec![text.clone()];
        for group in &self.groups {
            for resource in &self.resources {
                for verb in &self.verbs {
                    let part = Self {
                        verbs: one(verb),
                        groups: one(group),
                        resources: one(resource),
                        ..Self::default()
                    };
                    if self.names.is_empty() {
                        parts.push(part);
                        continue;
                    }
                    parts.extend(self.names.iter().map(|name| Self {
                        names: one(name),
                        ..part.clone()
                    }));
                }
            }
        }
        for url in &self.urls {
            parts.extend(self.verbs.iter().map(|verb| Self {
                verbs: one(verb),
                urls: one(url),
                ..Self::default()
            }));
        }
        parts
    }

    /// Whether everything that `part` allows is allowed by this rule.
    fn covers(&self, part: &Self) -> bool {
        let all = |owned: &[String], wanted: &[String]| wanted.iter().all(|text| has(owned, text));
        let resource = |wanted: &String| {
            let sub = wanted.split_once('/').map(|(_, sub)| format!("*/{sub}"));
            self.resources
                .iter()
                .any(|own| own == "*" || own == wanted || Some(own) == sub.as_ref())
        };
        let names = if part.names.is_empty() {
            self.names.is_empty()
        } else {
            self.names.is_empty() || part.names.iter().all(|name| self.names.contains(name))
        };
        all(&self.verbs, &part.verbs)
            && all(&self.groups, &part.groups)
            && part.resources.iter().all(resource)
            && names
            && part
                .urls
                .iter()
                .all(|url| self.urls.iter().any(|own| url_covers(own, url)))
    }

    /// The rule as escalation refusals print it.
    fn text(&self) -> String {
        let fields = [
            ("APIGroups", &self.groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.urls),
            ("ResourceNames", &self.names),
            ("Verbs", &self.verbs),
        ];
        let shown = fields.into_iter().filter(|(_, list)| !list.is_empty());
        let shown: Vec<String> = shown.map(|(name, list)| format!("{name}:{}", quoted(list))).collect();
        format!("{{{}}}", shown.join(", "))
    }
}

fn url_covers(own: &str, wanted: &str) -> bool {
    own == "*" || own == wanted || own.strip_suffix('*').is_some_and(|start| wanted.starts_with(start))
}

/// A list of texts as error texts show it: `["a" "b"]`.
pub(crate) fn quoted(list: &[String]) -> String {
    let quoted: Vec<String> = list.iter().map(|text| format!("{text:?}")).collect();
    format!("[{}]", quoted.join(" "))
}

/// What `wanted` allows and `owned` does not, as texts; empty if nothing is missing.
pub(crate) fn missing(owned: &[Rule], wanted: &[Rule]) -> Vec<String> {
    let uncovered = wanted
        .iter()
        .flat_map(Rule::parts)
        .filter(|part| !owned.iter().any(|rule| rule.covers(part)));
    let mut compact: Vec<Rule> = Vec::new();
    for part in uncovered {
        let same = |known: &&mut Rule| {
            known.urls.is_empty()
                && part.urls.is_empty()
                && (&known.groups, &known.resources, &known.names) == (&part.groups, &part.resources, &part.names)
        };
        match compact.iter_mut().find(same) {
            Some(known) => known.verbs.extend(
                part.verbs
                    .into_iter()
                    .filter(|verb| !known.verbs.contains(verb))
                    .collect::<Vec<_>>(),
            ),
            None => compact.push(part),
        }
    }
    let mut texts: Vec<String> = compact.iter().map(Rule::text).collect();
    texts.sort();
    texts.dedup();
    texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use json_tree::json;

    fn rule(verbs: &[&str], groups: &[&str], resources: &[&str], names: &[&str]) -> Rule {
        Rule::read(&json!({"verbs": verbs, "apiGroups": groups, "resources": resources, "resourceNames": names}))
    }

    fn info(verb: &str, group: &str, resource: &str, subresource: &str, name: &str) -> RequestInfo {
        RequestInfo {
            verb: verb.to_owned(),
            is_resource: true,
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            name: name.to_owned(),
            ..RequestInfo::default()
        }
    }

    #[test]
    fn rules_allow_what_they_name() {
        let check = |rule: &Rule, info: &RequestInfo, expected: bool| {
            assert_eq!(rule.allows(info), expected, "{rule:?} {info:?}");
        };
        let pods = rule(&["get"], &[""], &["pods"], &[]);
        check(&pods, &info("get", "", "pods", "", "a"), true);
        check(&pods, &info("list", "", "pods", "", ""), false);
        check(&pods, &info("get", "", "pods", "log", "a"), false);
        check(&pods, &info("get", "apps", "pods", "", "a"), false);
        check(
            &rule(&["get"], &[""], &["pods/log"], &[]),
            &info("get", "", "pods", "log", "a"),
            true,
        );
        check(
            &rule(&["get"], &["*"], &["*/scale"], &[]),
            &info("get", "apps", "deployments", "scale", "a"),
            true,
        );
        check(
            &rule(&["get"], &["*"], &["*/scale"], &[]),
            &info("get", "apps", "deployments", "", "a"),
            false,
        );
        check(
            &rule(&["*"], &["*"], &["*"], &[]),
            &info("patch", "apps", "deployments", "status", "a"),
            true,
        );
        check(
            &rule(&["get"], &[""], &["pods"], &["a"]),
            &info("get", "", "pods", "", "a"),
            true,
        );
        check(
            &rule(&["get"], &[""], &["pods"], &["a"]),
            &info("get", "", "pods", "", "b"),
            false,
        );
        let paths = Rule::read(&json!({"verbs": ["get"], "nonResourceURLs": ["/healthz", "/apis/*"]}));
        let path = |path: &str| RequestInfo {
            verb: "get".to_owned(),
            path: path.to_owned(),
            ..RequestInfo::default()
        };
        check(&paths, &path("/healthz"), true);
        check(&paths, &path("/apis/apps"), true);
        check(&paths, &path("/metrics"), false);
    }

    #[test]
    fn missing_rights_read_as_on_a_real_server() {
        let own = [rule(&["get", "list"], &[""], &["configmaps"], &[])];
        let check = |wanted: &[Rule], expected: &[&str]| assert_eq!(missing(&own, wanted), expected);
        check(&[rule(&["get"], &[""], &["configmaps"], &["x"])], &[]);
        check(
            &[
                rule(&["get", "list"], &[""], &["secrets", "configmaps"], &[]),
                rule(&["*"], &["apps"], &["deployments"], &["x"]),
            ],
            &[
                r#"{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}"#,
                r#"{APIGroups:["apps"], Resources:["deployments"], ResourceNames:["x"], Verbs:["*"]}"#,
            ],
        );
        check(
            &Rule::everything(),
            &[
                r#"{APIGroups:["*"], Resources:["*"], Verbs:["*"]}"#,
                r#"{NonResourceURLs:["*"], Verbs:["*"]}"#,
            ],
        );
    }
}
