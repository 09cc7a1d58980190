//! CEL expressions as Kubernetes uses them: compiled on write, evaluated on JSON trees.
//!
//! Parser, interpreter and Kubernetes' own functions come from `kube-cel`. This module adds what a server needs around
//! them: values as the real server presents them, refusals of undeclared names and wrong result types, and its texts.

mod check;
mod rules;

use std::sync::Arc;

use json_tree::Value;
use kube_cel::KubeCelExt;
use kube_cel::cel::objects::{Key, Map, OptionalValue};
use kube_cel::cel::{Context, ExecutionError, Program, Value as CelValue};

pub(crate) use rules::{Rules, check_definition};

/// What an expression has to evaluate to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Bool,
    Text,
    /// A text or null, as audit annotations have it.
    TextOrNull,
    Anything,
}

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct Expression {
    pub(crate) source: String,
    program: Program,
}

/// Why an expression is refused on write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It does not parse or names what does not exist; the text of the compiler.
    Compile(String),
    /// It evaluates to this type instead.
    Type(&'static str),
}

impl Expression {
    /// Compiles an expression in which `variables` are declared.
    pub(crate) fn compile(source: &str, variables: &[&str], wanted: Wanted) -> Result<Self, Refused> {
        let program =
            Program::compile(source).map_err(|errors| Refused::Compile(check::syntax_text(source, &errors)))?;
        let undeclared = check::undeclared(program.expression(), source, variables);
        if !undeclared.is_empty() {
            return Err(Refused::Compile(undeclared));
        }
        match check::static_type(program.expression()) {
            Some(found) if !check::fits(found, wanted) => Err(Refused::Type(found)),
            _ => Ok(Self {
                source: source.to_owned(),
                program,
            }),
        }
    }

    /// Whether the expression reads a variable.
    pub(crate) fn reads(&self, variable: &str) -> bool {
        self.program.references().has_variable(variable)
    }

    /// Evaluates the expression; errors are the real server's texts.
    pub(crate) fn evaluate(&self, scope: &Context<'_>) -> Result<CelValue, String> {
        self.program.execute(scope).map_err(|error| error_text(&error))
    }

    /// Evaluates to true or false.
    pub(crate) fn holds(&self, scope: &Context<'_>) -> Result<bool, String> {
        match self.evaluate(scope)? {
            CelValue::Bool(truth) => Ok(truth),
            _ => Err("cel expression must evaluate to a bool".to_owned()),
        }
    }

    /// Evaluates to a text that can be a message: one line, not empty.
    pub(crate) fn message(&self, scope: &Context<'_>) -> Option<String> {
        match self.evaluate(scope) {
            Ok(CelValue::String(text)) => {
                let text = text.trim();
                (!text.is_empty() && !text.contains('\n')).then(|| text.to_owned())
            }
            _ => None,
        }
    }
}

/// The types that expressions compare `type(x)` with.
const TYPE_NAMES: &[&str] = &[
    "bool",
    "bytes",
    "double",
    "duration",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "timestamp",
    "uint",
];

/// An empty scope with all functions.
pub(crate) fn scope<'a>() -> Context<'a> {
    let mut scope = Context::default().with_all();
    // The interpreter has no type values; a name that no text of an object can be taken for stands for each type.
    scope.add_function("type", |value: CelValue| -> Result<CelValue, ExecutionError> {
        Ok(type_value(&value))
    });
    for name in TYPE_NAMES {
        scope.add_variable_from_value(*name, CelValue::Bytes(Arc::new(name.as_bytes().to_vec())));
    }
    scope
}

/// The type of a value.
fn type_value(value: &CelValue) -> CelValue {
    let name = match value {
        CelValue::Bool(_) => "bool",
        CelValue::Bytes(_) => "bytes",
        CelValue::Float(_) => "double",
        CelValue::Duration(_) => "duration",
        CelValue::Int(_) => "int",
        CelValue::List(_) => "list",
        CelValue::Map(_) => "map",
        CelValue::Null => "null_type",
        CelValue::String(_) => "string",
        CelValue::Timestamp(_) => "timestamp",
        CelValue::UInt(_) => "uint",
        CelValue::Function(..) | CelValue::Opaque(_) => "dyn",
    };
    CelValue::Bytes(Arc::new(name.as_bytes().to_vec()))
}

fn error_text(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
        ExecutionError::DivisionByZero(_) => "division by zero".to_owned(),
        ExecutionError::RemainderByZero(_) => "modulus by zero".to_owned(),
        ExecutionError::IndexOutOfBounds(CelValue::Int(index)) => format!("index out of bounds: {index}"),
        ExecutionError::NoSuchOverload
        | ExecutionError::ValuesNotComparable(..)
        | ExecutionError::UnsupportedBinaryOperator(..)
        | ExecutionError::UnsupportedUnaryOperator(..) => "no such overload".to_owned(),
        ExecutionError::Overflow(..) => "integer overflow".to_owned(),
        ExecutionError::FunctionError { message, .. } => message.clone(),
        other => other.to_string(),
    }
}

/// A text as a CEL value.
pub(crate) fn text_value(text: &str) -> CelValue {
    CelValue::String(Arc::new(text.to_owned()))
}

/// A map as a CEL value.
pub(crate) fn map_value(entries: impl Iterator<Item = (String, CelValue)>) -> CelValue {
    let map = entries
        .map(|(key, value)| (Key::String(Arc::new(key)), value))
        .collect();
    CelValue::Map(Map { map: Arc::new(map) })
}

/// An optional value that may be absent, as `optionalOldSelf` rules see `oldSelf`.
pub(crate) fn optional(value: Option<CelValue>) -> CelValue {
    CelValue::Opaque(Arc::new(value.map_or_else(OptionalValue::none, OptionalValue::of)))
}

fn number(number: &json_tree::Number) -> CelValue {
    match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(int), _, _) => CelValue::Int(int),
        (_, Some(uint), _) => CelValue::UInt(uint),
        (_, _, float) => CelValue::Float(float.unwrap_or(f64::NAN)),
    }
}

/// A JSON tree as admission expressions see it: keys as they are, whole numbers as `int`.
pub(crate) fn value(json: &Value) -> CelValue {
    match json {
        Value::Null => CelValue::Null,
        Value::Bool(truth) => CelValue::Bool(*truth),
        Value::Number(found) => number(found),
        Value::String(text) => text_value(text),
        Value::Array(items) => CelValue::List(Arc::new(items.iter().map(value).collect())),
        Value::Object(map) => map_value(map.iter().map(|(key, inner)| (key.to_string(), value(inner)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use json_tree::json;

    fn run(source: &str, object: &Value) -> Result<bool, String> {
        let expression =
            Expression::compile(source, &["object", "request"], Wanted::Bool).map_err(|e| format!("{e:?}"))?;
        let mut scope = scope();
        scope.add_variable_from_value("object", value(object));
        expression.holds(&scope)
    }

    #[test]
    fn expressions_read_objects() {
        let object = json!({
            "metadata": {"name": "a", "namespace": "ns", "annotations": {"x.org/y": "z"}},
            "spec": {"replicas": 3, "list": ["a", "b"]}});
        let check = |source: &str, expected: Result<bool, &str>| {
            assert_eq!(run(source, &object), expected.map_err(str::to_owned), "{source}");
        };
        check("object.spec.replicas > 2", Ok(true));
        check("object.metadata.namespace == 'ns'", Ok(true));
        check("object.metadata.annotations['x.org/y'] == 'z'", Ok(true));
        check("has(object.spec.none)", Ok(false));
        check("object.spec.none == 1", Err("no such key: none"));
        check("object.spec.list.all(x, x.size() == 1)", Ok(true));
        check("object.spec.list.exists(x, x == 'b')", Ok(true));
        check("quantity('1Gi').isGreaterThan(quantity('1Mi'))", Ok(true));
        check("1 / (object.spec.replicas - 3) == 1", Err("division by zero"));
        check("['a'][5] == 'b'", Err("index out of bounds: 5"));
        check("object.metadata.name > 1", Err("no such overload"));
        check("type(object.spec.replicas) == int", Ok(true));
        check("'a' in object.spec.list", Ok(true));
        check("'%s-%d'.format(['a', 1]) == 'a-1'", Ok(true));
    }
}
