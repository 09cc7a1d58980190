//! Functions that templates call: closures with a declared signature, and the registry that names them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::limits::{Budget, LimitExceeded};
use crate::record::{Read, Recorder};
use crate::value::Value;

/// Why a function failed. Put names, types and rules into the text, never the argument's value: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FunctionError {
    /// The function's own words.
    #[error("{0}")]
    Failed(String),
    /// An argument of the wrong type.
    #[error("wrong type for value; expected {expected}; got {got}")]
    WrongType {
        /// The type wanted.
        expected: &'static str,
        /// The type given.
        got: String,
    },
    /// A bound of [`Limits`](crate::Limits).
    #[error("{0}")]
    Limit(LimitExceeded),
}

impl FunctionError {
    /// An error with the function's own words.
    pub fn new(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }

    /// An argument of the wrong type.
    pub fn wrong_type(expected: &'static str, got: &Value) -> Self {
        Self::WrongType {
            expected,
            got: got.type_name(),
        }
    }
}

impl From<LimitExceeded> for FunctionError {
    fn from(limit: LimitExceeded) -> Self {
        Self::Limit(limit)
    }
}

/// What a parameter takes. Untyped constants convert to the parameter's type as in Go; values do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParamType {
    /// Anything, nil included.
    Any,
    /// A boolean.
    Bool,
    /// A signed integer.
    Int,
    /// An unsigned integer.
    Uint,
    /// A floating point number; whole constants convert.
    Float,
    /// A string.
    String,
    /// Any list; nil arrives as [`Value::Nil`].
    List,
    /// A list whose declared elements are strings; nil arrives as [`Value::Nil`].
    StringList,
    /// Any map with string keys; nil arrives as [`Value::Nil`].
    Map,
    /// A function.
    Function,
}

impl ParamType {
    /// Go's name of the type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Float => "float64",
            Self::String => "string",
            Self::List => "[]interface {}",
            Self::StringList => "[]string",
            Self::Map => "map[string]interface {}",
            Self::Function => "func",
        }
    }

    pub(crate) fn takes_nil(self) -> bool {
        matches!(
            self,
            Self::Any | Self::List | Self::StringList | Self::Map | Self::Function
        )
    }

    pub(crate) fn accepts(self, value: &Value) -> bool {
        use crate::value::ElementType;
        match self {
            Self::Any => true,
            Self::Bool => matches!(value, Value::Bool(_)),
            Self::Int => matches!(value, Value::Int(_)),
            Self::Uint => matches!(value, Value::Uint(_)),
            Self::Float => matches!(value, Value::Float(_)),
            Self::String => matches!(value, Value::String(_)),
            Self::List => matches!(value, Value::List(_)),
            Self::StringList => matches!(value, Value::List(list) if list.element() == ElementType::String),
            Self::Map => matches!(value, Value::Map(_)),
            Self::Function => matches!(value, Value::Function(_)),
        }
    }
}

/// How many values printing walks for one step of the budget.
const NODES_PER_STEP: usize = 64;
/// How many bytes of string arguments count as one step.
const BYTES_PER_STEP: usize = 1024;

type Body = dyn Fn(&mut CallContext<'_>, &[Value]) -> Result<Value, FunctionError> + Send + Sync;

#[derive(Debug)]
struct Signature {
    fixed: Vec<ParamType>,
    rest: Option<ParamType>,
}

/// A function value: a closure with its signature. Cloning shares both.
///
/// The engine checks number and types of the arguments before it calls, so a body may match on them by slice pattern and answer with
/// [`FunctionError`] otherwise. A body must not panic.
#[derive(Clone)]
pub struct Function {
    signature: Arc<Signature>,
    body: Arc<Body>,
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function")
            .field("signature", &self.signature)
            .finish_non_exhaustive()
    }
}

impl Function {
    /// A function with exactly these parameters.
    pub fn new<F>(parameters: impl Into<Vec<ParamType>>, body: F) -> Self
    where
        F: Fn(&mut CallContext<'_>, &[Value]) -> Result<Value, FunctionError> + Send + Sync + 'static,
    {
        Self {
            signature: Arc::new(Signature {
                fixed: parameters.into(),
                rest: None,
            }),
            body: Arc::new(body),
        }
    }

    /// A function with these parameters and any number more of type `rest`.
    pub fn variadic<F>(parameters: impl Into<Vec<ParamType>>, rest: ParamType, body: F) -> Self
    where
        F: Fn(&mut CallContext<'_>, &[Value]) -> Result<Value, FunctionError> + Send + Sync + 'static,
    {
        Self {
            signature: Arc::new(Signature {
                fixed: parameters.into(),
                rest: Some(rest),
            }),
            body: Arc::new(body),
        }
    }

    /// A function or method without parameters that gives the same value each time.
    pub fn constant(value: Value) -> Self {
        Self::new([], move |_, _| Ok(value.clone()))
    }

    /// Calls it. The caller has checked the arguments.
    pub(crate) fn call(&self, context: &mut CallContext<'_>, arguments: &[Value]) -> Result<Value, FunctionError> {
        (self.body)(context, arguments)
    }

    pub(crate) fn fixed(&self) -> usize {
        self.signature.fixed.len()
    }

    pub(crate) fn is_variadic(&self) -> bool {
        self.signature.rest.is_some()
    }

    /// The type of the parameter at a position; the engine has checked the number.
    pub(crate) fn parameter(&self, at: usize) -> ParamType {
        self.signature
            .fixed
            .get(at)
            .copied()
            .or(self.signature.rest)
            .unwrap_or(ParamType::Any)
    }

    pub(crate) fn same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.body, &other.body)
    }
}

/// What a function may use besides its arguments.
pub struct CallContext<'a> {
    pub(crate) recorder: Option<&'a mut (dyn Recorder + 'a)>,
    pub(crate) budget: Budget,
    pub(crate) template: &'a str,
}

impl fmt::Debug for CallContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallContext")
            .field("template", &self.template)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

impl<'a> CallContext<'a> {
    /// The name of the template being executed, usually its file.
    pub fn template(&self) -> &str {
        self.template
    }

    /// The execution's recorder, to hand on to an execution inside a function.
    pub fn recorder(&mut self) -> Option<&mut (dyn Recorder + 'a)> {
        self.recorder.as_deref_mut()
    }

    /// Says that the function read one member of a map or object.
    pub fn record_key(&mut self, container: &Value, key: &str) {
        self.record(container, Read::Key(key));
    }

    /// Says that the function read a map or object as a whole.
    pub fn record_whole(&mut self, container: &Value) {
        self.record(container, Read::Whole);
    }

    fn record(&mut self, container: &Value, read: Read<'_>) {
        if let Some(recorder) = self.recorder.as_deref_mut()
            && let Some(provenance) = container.provenance()
        {
            recorder.read(&provenance, read);
        }
    }

    /// Says that a value and all maps inside it were read, as printing does.
    ///
    /// Lists share their items, so a short template can build one that is endless when walked: the walk counts as work first.
    pub(crate) fn record_deep(&mut self, value: &Value) -> Result<(), LimitExceeded> {
        self.budget.work(value.nodes(), NODES_PER_STEP)?;
        if self.recorder.is_some() {
            self.record_inside(value);
        }
        Ok(())
    }

    fn record_inside(&mut self, value: &Value) {
        match value {
            Value::List(list) => list.items().iter().for_each(|item| self.record_inside(item)),
            Value::Map(map) => {
                self.record_whole(value);
                map.entries().values().for_each(|item| self.record_inside(item));
            }
            Value::Object(_) => self.record_whole(value),
            _ => {}
        }
    }

    /// Counts bytes that a function is about to produce; functions whose result can outgrow their arguments call it first.
    /// Results are counted by the engine as well.
    pub fn charge(&mut self, bytes: usize) -> Result<(), FunctionError> {
        Ok(self.budget.produce(bytes)?)
    }

    /// How many bytes may still be produced.
    pub fn bytes_left(&self) -> usize {
        self.budget.produced_left()
    }

    /// Counts the arguments of a call: each is a step, and long strings are more.
    pub(crate) fn charge_arguments(&mut self, values: &[Value]) -> Result<(), LimitExceeded> {
        let bytes = values.iter().filter_map(Value::as_str).map(str::len).sum();
        self.budget.work(values.len(), 1)?;
        self.budget.work(bytes, BYTES_PER_STEP)
    }

    /// Counts one step of work, for functions that loop.
    pub fn step(&mut self) -> Result<(), FunctionError> {
        Ok(self.budget.step()?)
    }
}

/// The names of the functions that templates may call besides Go's own. Parsing needs only these.
pub trait FunctionNames {
    /// Whether there is such a function.
    fn knows(&self, name: &str) -> bool;

    /// All names, for suggestions.
    fn names(&self) -> Vec<&str>;
}

/// The functions of one execution, by name. They may carry a cluster's data.
#[derive(Debug, Clone, Default)]
pub struct Functions {
    by_name: BTreeMap<Arc<str>, Function>,
}

impl Functions {
    /// Only Go's own functions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function; a second one of the same name replaces the first, also one of Go's own.
    pub fn add(&mut self, name: impl Into<Arc<str>>, function: Function) -> &mut Self {
        self.by_name.insert(name.into(), function);
        self
    }

    /// Adds a function and hands the registry on.
    #[must_use]
    pub fn with(mut self, name: impl Into<Arc<str>>, function: Function) -> Self {
        self.add(name, function);
        self
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Function> {
        self.by_name.get(name)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

impl FunctionNames for Functions {
    fn knows(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    fn names(&self) -> Vec<&str> {
        self.by_name.keys().map(|name| &**name).collect()
    }
}

impl FunctionNames for BTreeSet<String> {
    fn knows(&self, name: &str) -> bool {
        self.contains(name)
    }

    fn names(&self) -> Vec<&str> {
        self.iter().map(String::as_str).collect()
    }
}

impl FunctionNames for [&str] {
    fn knows(&self, name: &str) -> bool {
        self.contains(&name)
    }

    fn names(&self) -> Vec<&str> {
        self.to_vec()
    }
}
