//! Conditions on objects in CEL, the language of Kubernetes' own policies.

use std::fmt;
use std::sync::Arc;

use kube_cel::KubeCelExt as _;
use kube_cel::cel::common::ast::{EntryExpr, Expr, IdedExpr};
use kube_cel::cel::objects::{Key, Map};
use kube_cel::cel::{Context, Program, Value as CelValue};
use serde_json::Value;

/// The names that a condition can read.
const NAMES: [&str; 2] = ["object", "cluster"];

/// Why an expression is no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// It does not parse.
    #[error("is no CEL expression: {0}")]
    Syntax(String),
    /// It reads a name that it is not given.
    #[error("reads {0:?}; it is given \"object\" and \"cluster\"")]
    Unknown(String),
}

/// A condition on one object of a cluster, compiled. It reads `object`, the object as JSON, and `cluster`, with the members
/// `alias`, `channel`, `environment` and `region`.
///
/// ```
/// use plan::health::Condition;
/// use serde_json::json;
///
/// let condition = Condition::compile("object.status.availableReplicas >= 2").unwrap();
/// assert_eq!(condition.holds(&json!({"status": {"availableReplicas": 3}}), &json!({})), Ok(true));
/// assert!(Condition::compile("self.x == 1").is_err());
/// ```
#[derive(Clone)]
pub struct Condition {
    source: String,
    program: Arc<Program>,
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.source).finish()
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Condition {
    /// Compiles an expression.
    ///
    /// # Errors
    /// If it does not parse, or reads a name that it is not given.
    pub fn compile(source: &str) -> Result<Self, ConditionError> {
        let program = Program::compile(source).map_err(|errors| {
            let text = errors.to_string();
            ConditionError::Syntax(text.lines().next().unwrap_or_default().to_owned())
        })?;
        let mut known: Vec<String> = NAMES.map(str::to_owned).to_vec();
        let unknown = unknown(program.expression(), &mut known);
        match unknown {
            Some(name) => Err(ConditionError::Unknown(name)),
            None => Ok(Self {
                source: source.to_owned(),
                program: Arc::new(program),
            }),
        }
    }

    /// The expression.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the condition holds for an object.
    ///
    /// # Errors
    /// In words, when it cannot be evaluated or comes to something else than true or false; that is no "no".
    pub fn holds(&self, object: &Value, cluster: &Value) -> Result<bool, String> {
        let mut scope = Context::default().with_all();
        scope.add_variable_from_value("object", value(object));
        scope.add_variable_from_value("cluster", value(cluster));
        match self.program.execute(&scope) {
            Ok(CelValue::Bool(truth)) => Ok(truth),
            Ok(_) => Err("comes to something else than true or false".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The first name that an expression reads and nobody gives it: neither a caller nor a loop around it.
fn unknown(expression: &IdedExpr, known: &mut Vec<String>) -> Option<String> {
    match &expression.expr {
        // The names that begin so are the parser's own.
        Expr::Ident(name) => (!name.starts_with(['@', '_']) && !known.contains(name)).then(|| name.clone()),
        Expr::Call(call) => {
            let mut parts = call.target.iter().map(|target| &**target).chain(&call.args);
            parts.find_map(|part| unknown(part, known))
        }
        Expr::Comprehension(of) => {
            let range = unknown(&of.iter_range, known);
            let outer = known.len();
            known.extend([of.iter_var.clone(), of.accu_var.clone()]);
            known.extend(of.iter_var2.clone());
            let parts = [&of.accu_init, &of.loop_cond, &of.loop_step, &of.result];
            let found = range.or_else(|| parts.into_iter().find_map(|part| unknown(part, known)));
            known.truncate(outer);
            found
        }
        Expr::List(list) => list.elements.iter().find_map(|part| unknown(part, known)),
        Expr::Map(map) => map.entries.iter().find_map(|entry| in_entry(&entry.expr, known)),
        Expr::Struct(of) => of.entries.iter().find_map(|entry| in_entry(&entry.expr, known)),
        Expr::Select(select) => unknown(&select.operand, known),
        Expr::Literal(_) | Expr::Unspecified => None,
    }
}

fn in_entry(entry: &EntryExpr, known: &mut Vec<String>) -> Option<String> {
    match entry {
        EntryExpr::StructField(field) => unknown(&field.value, known),
        EntryExpr::MapEntry(entry) => unknown(&entry.key, known).or_else(|| unknown(&entry.value, known)),
    }
}

/// A JSON tree as expressions see it; whole numbers are `int`, as in Kubernetes.
fn value(json: &Value) -> CelValue {
    match json {
        Value::Null => CelValue::Null,
        Value::Bool(truth) => CelValue::Bool(*truth),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => CelValue::Int(int),
            (_, Some(uint)) => CelValue::UInt(uint),
            _ => CelValue::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => CelValue::String(Arc::new(text.clone())),
        Value::Array(items) => CelValue::List(Arc::new(items.iter().map(value).collect())),
        Value::Object(map) => {
            let entries = map
                .iter()
                .map(|(key, inner)| (Key::String(Arc::new(key.clone())), value(inner)));
            CelValue::Map(Map {
                map: Arc::new(entries.collect()),
            })
        }
    }
}
