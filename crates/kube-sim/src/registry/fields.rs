//! Which fields a field selector may name, for each resource.

use json_tree::Value;

/// A field that selectors may name besides `metadata.name` and `metadata.namespace`.
#[derive(Debug, Clone)]
pub(crate) struct SelectableField {
    pub(crate) name: String,
    pub(crate) path: Vec<String>,
    /// What an unset field counts as.
    pub(crate) unset: &'static str,
}

impl SelectableField {
    /// A field whose selector name is its path.
    pub(crate) fn plain(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            path: name.split('.').map(str::to_owned).collect(),
            unset: "",
        }
    }

    /// The value of the field in an object, as selectors compare it.
    pub(crate) fn read(&self, object: &Value) -> Box<str> {
        self.shown(self.path.iter().try_fold(object, |inner, key| inner.get(key.as_str())))
    }

    /// The same, given the value of one member of the object; none where the field lies elsewhere.
    pub(crate) fn read_in(&self, member: &str, value: &Value) -> Option<Box<str>> {
        let (first, rest) = self.path.split_first()?;
        let found = || rest.iter().try_fold(value, |inner, key| inner.get(key.as_str()));
        (first == member).then(|| self.shown(found()))
    }

    fn shown(&self, found: Option<&Value>) -> Box<str> {
        match found {
            Some(Value::String(text)) if !text.is_empty() => text.as_str().into(),
            Some(Value::Bool(flag)) => flag.to_string().into(),
            Some(Value::Number(number)) => number.to_string().into(),
            _ => self.unset.into(),
        }
    }
}

const PODS: &[(&str, &str)] = &[
    ("spec.nodeName", ""),
    ("spec.restartPolicy", ""),
    ("spec.schedulerName", ""),
    ("spec.serviceAccountName", ""),
    ("spec.hostNetwork", "false"),
    ("status.phase", ""),
    ("status.podIP", ""),
    ("status.nominatedNodeName", ""),
];

const EVENTS: &[(&str, &str)] = &[
    ("involvedObject.kind", ""),
    ("involvedObject.namespace", ""),
    ("involvedObject.name", ""),
    ("involvedObject.uid", ""),
    ("involvedObject.apiVersion", ""),
    ("involvedObject.resourceVersion", ""),
    ("involvedObject.fieldPath", ""),
    ("reason", ""),
    ("reportingComponent", ""),
    ("type", ""),
];

/// The selectable fields of a built-in resource.
pub(super) fn of(group: &str, plural: &str) -> Vec<SelectableField> {
    let table: &[(&str, &'static str)] = match (group, plural) {
        ("", "pods") => PODS,
        ("", "events") => EVENTS,
        ("events.k8s.io", "events") => {
            // The objects are kept in the core shape; only the names differ.
            return EVENTS
                .iter()
                .map(|(name, _)| {
                    let mut field = SelectableField::plain(name);
                    field.name = name
                        .replace("involvedObject.", "regarding.")
                        .replace("reportingComponent", "reportingController");
                    field
                })
                .collect();
        }
        ("", "nodes") => &[("spec.unschedulable", "false")],
        ("", "namespaces") => &[("status.phase", "")],
        ("", "secrets") => &[("type", "")],
        ("", "services") => &[("spec.clusterIP", ""), ("spec.type", "")],
        ("", "replicationcontrollers") | ("apps", "replicasets") => &[("status.replicas", "0")],
        ("batch", "jobs") => &[("status.successful", "0")],
        ("certificates.k8s.io", "certificatesigningrequests") => &[("spec.signerName", "")],
        _ => &[],
    };
    let mut fields: Vec<SelectableField> = table
        .iter()
        .map(|(name, unset)| SelectableField {
            unset,
            ..SelectableField::plain(name)
        })
        .collect();
    if (group, plural) == ("batch", "jobs") {
        // The selector keeps the field's old name.
        fields
            .iter_mut()
            .for_each(|field| field.path = vec!["status".to_owned(), "succeeded".to_owned()]);
    }
    fields
}
