//! `x-kubernetes-validations`: the rules in the schemas of custom resources.

use std::collections::BTreeMap;
use std::sync::Arc;

use json_tree::{Map, Value};
use kube_cel::cel::{Context, Program, Value as CelValue};

use super::{Expression, Refused, Wanted, map_value, number, optional, scope, text_value};
use crate::status::{FieldError, FieldErrorKind};
use crate::value::{at, flag, list, text};

/// The rules of one version of a custom resource, compiled.
#[derive(Debug)]
pub(crate) struct Rules {
    root: Node,
    /// Turns texts of the formats `date-time` and `duration` into values of these types.
    timestamp: Option<Program>,
    duration: Option<Program>,
}

/// How deep schemas are followed; the structure of deeper ones is refused elsewhere.
const DEEPEST: usize = 64;

/// One place of a schema: what is needed to show its values to rules, and the rules.
#[derive(Debug, Default)]
struct Node {
    rules: Vec<Rule>,
    /// Whether there are rules here or below.
    ruled: bool,
    kind: String,
    format: String,
    properties: BTreeMap<String, Node>,
    items: Option<Box<Node>>,
    additional: Option<Box<Node>>,
    embedded: bool,
    /// The keys by which items of lists are the same in old and new objects; none for lists that are replaced whole.
    keys: Option<Vec<String>>,
}

#[derive(Debug)]
struct Rule {
    condition: Expression,
    message: String,
    message_expression: Option<Expression>,
    reason: FieldErrorKind,
    field_path: String,
    /// Whether the rule compares with the old value, and whether it also runs without one.
    transition: bool,
    optional_old: bool,
}

const VARIABLES: &[&str] = &["self", "oldSelf", "apiVersion", "apiGroup", "kind"];

impl Rule {
    /// Reads a rule; rules that do not compile were refused when their definition was written.
    fn read(rule: &Value) -> Option<Self> {
        let field = |field: &str| text(rule, &[field]).unwrap_or_default().to_owned();
        let condition = Expression::compile(&field("rule"), VARIABLES, Wanted::Bool).ok()?;
        let message = field("messageExpression");
        Some(Self {
            transition: condition.reads("oldSelf"),
            message: field("message"),
            message_expression: Expression::compile(&message, VARIABLES, Wanted::Text)
                .ok()
                .filter(|_| !message.is_empty()),
            reason: match field("reason").as_str() {
                "FieldValueForbidden" => FieldErrorKind::Forbidden,
                "FieldValueRequired" => FieldErrorKind::Required,
                "FieldValueDuplicate" => FieldErrorKind::Duplicate,
                _ => FieldErrorKind::Invalid,
            },
            field_path: field("fieldPath"),
            optional_old: flag(rule, &["optionalOldSelf"]),
            condition,
        })
    }

    fn text(&self, scope: &Context<'_>) -> String {
        let dynamic = self
            .message_expression
            .as_ref()
            .and_then(|expression| expression.message(scope));
        dynamic.unwrap_or_else(|| {
            if self.message.is_empty() {
                format!("failed rule: {}", self.condition.source.trim())
            } else {
                self.message.trim().to_owned()
            }
        })
    }

    /// How the rule is named where its evaluation fails.
    fn name(&self) -> String {
        if self.message.is_empty() {
            format!("rule: {}", self.condition.source)
        } else {
            format!("rule: {}", self.message)
        }
    }
}

impl Node {
    fn read(schema: &Value, depth: usize) -> Self {
        if depth > DEEPEST {
            return Self::default();
        }
        let child = |schema: &Value| Self::read(schema, depth + 1);
        let properties = at(schema, &["properties"])
            .and_then(Value::as_object)
            .into_iter()
            .flatten();
        let properties: BTreeMap<String, Self> = properties
            .map(|(name, inner)| (name.to_string(), child(inner)))
            .collect();
        let items = at(schema, &["items"])
            .filter(|inner| inner.is_object())
            .map(|inner| Box::new(child(inner)));
        let additional = match at(schema, &["additionalProperties"]) {
            Some(Value::Bool(true)) => Some(Box::default()),
            Some(inner @ Value::Object(_)) => Some(Box::new(child(inner))),
            _ => None,
        };
        let rules: Vec<Rule> = list(schema, &["x-kubernetes-validations"])
            .iter()
            .filter_map(Rule::read)
            .collect();
        let below = properties
            .values()
            .chain(items.as_deref())
            .chain(additional.as_deref())
            .any(|node| node.ruled);
        let keys = || {
            list(schema, &["x-kubernetes-list-map-keys"])
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        };
        Self {
            ruled: below || !rules.is_empty(),
            rules,
            kind: text(schema, &["type"]).unwrap_or_default().to_owned(),
            format: text(schema, &["format"]).unwrap_or_default().to_owned(),
            properties,
            items,
            additional,
            embedded: flag(schema, &["x-kubernetes-embedded-resource"]),
            keys: (text(schema, &["x-kubernetes-list-type"]) == Some("map")).then(keys),
        }
    }

    /// The item of an old list that is the same as a new one.
    fn correlated<'v>(&self, old: &'v Value, item: &Value) -> Option<&'v Value> {
        let keys = self.keys.as_ref()?;
        old.as_array()?
            .iter()
            .find(|known| keys.iter().all(|key| known.get(key) == item.get(key)))
    }
}

/// A field of an object as CEL names it: reserved words and special characters are spelled out.
fn escaped(name: &str) -> String {
    const RESERVED: &[&str] = &[
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ];
    if RESERVED.contains(&name) {
        return format!("__{name}__");
    }
    if !name.contains("__") && !name.contains(['.', '-', '/']) {
        return name.to_owned();
    }
    name.replace("__", "__underscores__")
        .replace('.', "__dot__")
        .replace('-', "__dash__")
        .replace('/', "__slash__")
}

/// What a walk over an object carries along.
struct Walk<'r> {
    rules: &'r Rules,
    base: Context<'r>,
    errors: Vec<FieldError>,
}

impl Rules {
    /// Compiles the rules of a schema.
    pub(crate) fn new(schema: &Value) -> Self {
        let root = Node::read(schema, 0);
        let program = |source: &str| Program::compile(source).ok().filter(|_| root.ruled);
        Self {
            timestamp: program("timestamp(text)"),
            duration: program("duration(text)"),
            root,
        }
    }

    /// Judges an object; `structural` are the errors of its structure, some of which keep rules from being checked.
    pub(crate) fn judge(&self, object: &Value, old: Option<&Value>, structural: &[FieldError]) -> Vec<FieldError> {
        if !self.root.ruled {
            return Vec::new();
        }
        let blocks = |error: &FieldError| {
            use FieldErrorKind::{NotSupported, Required, TooLong, TooMany, TypeInvalid};
            matches!(error.kind, NotSupported | Required | TooLong | TooMany | TypeInvalid)
        };
        if structural.iter().any(blocks) {
            const UNCHECKED: &str = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";
            return vec![FieldError::invalid("<nil>", Value::Null, UNCHECKED)];
        }
        let mut walk = Walk {
            rules: self,
            base: scope(),
            errors: Vec::new(),
        };
        walk.visit(&self.root, object, old, "", true);
        walk.errors
    }

    fn value(&self, node: Option<&Node>, json: &Value) -> CelValue {
        match json {
            Value::Null => CelValue::Null,
            Value::Bool(truth) => CelValue::Bool(*truth),
            Value::Number(found) => match node.map(|node| node.kind.as_str()) {
                Some("number") => CelValue::Float(found.as_f64().unwrap_or(f64::NAN)),
                _ => number(found),
            },
            Value::String(text) => self.text(node, text),
            Value::Array(items) => {
                let inner = node.and_then(|node| node.items.as_deref());
                CelValue::List(Arc::new(items.iter().map(|item| self.value(inner, item)).collect()))
            }
            Value::Object(map) => self.object(node, map),
        }
    }

    fn object(&self, node: Option<&Node>, map: &Map) -> CelValue {
        let entries = map.iter().map(|(key, inner)| {
            let property = node.and_then(|node| node.properties.get(key.as_str()));
            let additional = node.and_then(|node| node.additional.as_deref());
            // Only declared fields are names; keys of maps are data.
            let name = if additional.is_some() && property.is_none() {
                key.to_string()
            } else {
                escaped(key)
            };
            (name, self.value(property.or(additional), inner))
        });
        let missing = node.filter(|node| node.embedded).into_iter().flat_map(|_| {
            ["apiVersion", "kind"]
                .into_iter()
                .filter(|key| !map.contains_key(key))
                .map(|key| (key.to_owned(), text_value("")))
        });
        map_value(entries.chain(missing))
    }

    fn text(&self, node: Option<&Node>, text: &str) -> CelValue {
        let program = match node.map(|node| node.format.as_str()) {
            Some("date-time") => self.timestamp.as_ref(),
            Some("duration") => self.duration.as_ref(),
            _ => None,
        };
        let typed = program.and_then(|program| {
            let mut scope = scope();
            scope.add_variable_from_value("text", text_value(text));
            program.execute(&scope).ok()
        });
        typed.unwrap_or_else(|| text_value(text))
    }
}

impl Walk<'_> {
    fn visit(&mut self, node: &Node, value: &Value, old: Option<&Value>, path: &str, root: bool) {
        if !node.ruled || value.is_null() {
            return;
        }
        self.check(node, value, old, path, root);
        match value {
            Value::Object(map) => {
                for (key, inner) in map {
                    let before = old.and_then(|old| old.get(key));
                    if let Some(child) = node.properties.get(key.as_str()) {
                        let path = if path.is_empty() {
                            key.to_string()
                        } else {
                            format!("{path}.{key}")
                        };
                        self.visit(child, inner, before, &path, false);
                    } else if let Some(child) = &node.additional {
                        self.visit(child, inner, before, &format!("{path}[{key}]"), false);
                    }
                }
            }
            Value::Array(items) => {
                let Some(child) = &node.items else { return };
                for (place, item) in items.iter().enumerate() {
                    let before = old.and_then(|old| node.correlated(old, item));
                    self.visit(child, item, before, &format!("{path}[{place}]"), false);
                }
            }
            _ => {}
        }
    }

    fn check(&mut self, node: &Node, value: &Value, old: Option<&Value>, path: &str, root: bool) {
        if node.rules.is_empty() {
            return;
        }
        let mut scope = self.base.new_inner_scope();
        scope.add_variable_from_value("self", self.rules.value(Some(node), value));
        if root {
            for name in ["apiVersion", "kind"] {
                scope.add_variable_from_value(name, text_value(text(value, &[name]).unwrap_or_default()));
            }
        }
        let shown_old = old.map(|old| self.rules.value(Some(node), old));
        let mut found = Vec::new();
        for rule in &node.rules {
            if rule.transition && old.is_none() && !rule.optional_old {
                continue;
            }
            let mut scope = scope.new_inner_scope();
            match &shown_old {
                before if rule.optional_old => scope.add_variable_from_value("oldSelf", optional(before.clone())),
                Some(before) => scope.add_variable_from_value("oldSelf", before.clone()),
                None => {}
            }
            found.extend(verdict(rule, node, value, path, &scope));
        }
        self.errors.extend(found);
    }
}

fn verdict(rule: &Rule, node: &Node, value: &Value, path: &str, scope: &Context<'_>) -> Option<FieldError> {
    let field = match (path, rule.field_path.as_str()) {
        ("", "") => "<nil>".to_owned(),
        ("", below) => below.trim_start_matches('.').to_owned(),
        (path, below) => format!("{path}{below}"),
    };
    let shown = (!value.is_object() && !value.is_array()).then(|| value.clone());
    match rule.condition.holds(scope) {
        Ok(true) => None,
        Ok(false) => {
            let message = rule.text(scope);
            let (value, detail) = match rule.reason {
                FieldErrorKind::Invalid => (shown, message),
                FieldErrorKind::Duplicate => (shown, String::new()),
                _ => (None, message),
            };
            Some(FieldError {
                field,
                kind: rule.reason,
                value,
                detail,
            })
        }
        Err(why) => {
            let detail = format!("{why} evaluating {}", rule.name());
            Some(FieldError {
                field,
                kind: FieldErrorKind::Invalid,
                value: Some(node.kind.as_str().into()),
                detail,
            })
        }
    }
}

/// The errors of the rules in a definition.
pub(crate) fn check_definition(definition: &Value) -> Vec<FieldError> {
    let versions = list(definition, &["spec", "versions"]);
    let schema = |version: &Value| at(version, &["schema", "openAPIV3Schema"]).cloned();
    let mut errors = Vec::new();
    // Where all versions have one schema, the real server keeps it once and names that place.
    let first = versions.first().and_then(schema);
    if versions.iter().all(|version| schema(version) == first) {
        if let Some(schema) = first {
            check_schema(&schema, "spec.validation.openAPIV3Schema", None, 0, &mut errors);
        }
        return errors;
    }
    for (place, version) in versions.iter().enumerate() {
        if let Some(schema) = schema(version) {
            check_schema(
                &schema,
                &format!("spec.versions[{place}].schema.openAPIV3Schema"),
                None,
                0,
                &mut errors,
            );
        }
    }
    errors
}

/// `replaced` is the path of a list around this place whose items cannot be told apart between two versions.
fn check_schema(schema: &Value, path: &str, replaced: Option<&str>, depth: usize, errors: &mut Vec<FieldError>) {
    if depth > DEEPEST {
        return;
    }
    for (place, rule) in list(schema, &["x-kubernetes-validations"]).iter().enumerate() {
        check_rule(
            schema,
            rule,
            &format!("{path}.x-kubernetes-validations[{place}]"),
            replaced,
            errors,
        );
    }
    for (name, inner) in at(schema, &["properties"])
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        check_schema(
            inner,
            &format!("{path}.properties[{name}]"),
            replaced,
            depth + 1,
            errors,
        );
    }
    if let Some(inner) = at(schema, &["items"]) {
        let kept = text(schema, &["x-kubernetes-list-type"]) == Some("map");
        let replaced = if kept { replaced } else { replaced.or(Some(path)) };
        check_schema(inner, &format!("{path}.items"), replaced, depth + 1, errors);
    }
    if let Some(inner) = at(schema, &["additionalProperties"]) {
        check_schema(
            inner,
            &format!("{path}.additionalProperties"),
            replaced,
            depth + 1,
            errors,
        );
    }
}

fn check_rule(schema: &Value, rule: &Value, path: &str, replaced: Option<&str>, errors: &mut Vec<FieldError>) {
    let field = |field: &str| text(rule, &[field]).unwrap_or_default();
    let (source, message) = (field("rule"), field("message"));
    let reasons = [
        "FieldValueDuplicate",
        "FieldValueForbidden",
        "FieldValueInvalid",
        "FieldValueRequired",
    ];
    if source.trim().is_empty() {
        errors.push(FieldError::required(format!("{path}.rule"), "rule is not specified"));
        return;
    }
    if source.contains('\n') && message.is_empty() {
        errors.push(FieldError::required(
            format!("{path}.message"),
            "message must be specified if rule contains line breaks",
        ));
    }
    if !field("reason").is_empty() && !reasons.contains(&field("reason")) {
        errors.push(FieldError::not_supported(
            format!("{path}.reason"),
            field("reason"),
            &reasons,
        ));
    }
    let fields = field("fieldPath");
    if !fields.is_empty() && !path_exists(schema, fields) {
        errors.push(FieldError::invalid(
            format!("{path}.fieldPath"),
            fields,
            "must be a valid path",
        ));
    }
    match Expression::compile(source, VARIABLES, Wanted::Bool) {
        Ok(condition) => {
            if let Some(around) = replaced.filter(|_| condition.reads("oldSelf")) {
                let why = format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {around}");
                errors.push(FieldError::invalid(format!("{path}.rule"), source, why));
            }
        }
        Err(refused) => errors.push(refusal(
            rule,
            format!("{path}.rule"),
            refused,
            "cel expression must evaluate to a bool",
        )),
    }
    let dynamic = field("messageExpression");
    if !dynamic.is_empty()
        && let Err(refused) = Expression::compile(dynamic, VARIABLES, Wanted::Text)
    {
        let field = format!("{path}.messageExpression");
        errors.push(refusal(
            rule,
            field,
            refused,
            "messageExpression must evaluate to a string",
        ));
    }
}

/// Whether a simple path of fields exists below a schema.
fn path_exists(schema: &Value, path: &str) -> bool {
    let mut here = schema;
    for step in path.trim_start_matches('.').split('.') {
        let name = step.split('[').next().unwrap_or_default();
        match at(here, &["properties", name]).or_else(|| at(here, &["additionalProperties"])) {
            Some(inner) => here = inner,
            None => return false,
        }
    }
    true
}

/// The error for a rule; the real server shows the whole rule in the notation of its own language.
fn refusal(rule: &Value, field: String, refused: Refused, wanted: &str) -> FieldError {
    let quoted = |name: &str| {
        let text = Value::from(text(rule, &[name]).unwrap_or_default()).to_string();
        text.replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026")
    };
    let or_null = |name: &str| at(rule, &[name]).map_or_else(|| "null".to_owned(), Value::to_string);
    let shown = format!(
        "{{\"Rule\":{},\"Message\":{},\"MessageExpression\":{},\"Reason\":{},\"FieldPath\":{},\"OptionalOldSelf\":{}}}",
        quoted("rule"),
        quoted("message"),
        quoted("messageExpression"),
        or_null("reason"),
        quoted("fieldPath"),
        or_null("optionalOldSelf")
    );
    let why = match refused {
        Refused::Compile(text) => text,
        Refused::Type(_) => wanted.to_owned(),
    };
    FieldError {
        field,
        kind: FieldErrorKind::Invalid,
        value: None,
        detail: format!("{shown}: {why}"),
    }
}
