//! The functions that templates may call besides Go's own: exactly the contract's 42 plus `indent` and `join`.

mod der;
mod network;
mod pools;
mod sizes;
mod text;
mod trust;

use std::collections::BTreeSet;
use std::sync::Arc;

use gotemplate::{CallContext, Function, FunctionError, Functions, ParamType, Value};

use crate::facts::Facts;
pub(crate) use pools::taints;

type Outcome = Result<Value, FunctionError>;

/// Renders a sibling for `manifestHash`: given the calling file and the relative name, its digest.
pub(crate) type HashSibling = dyn Fn(&mut CallContext<'_>, &str) -> Result<String, FunctionError> + Send + Sync;

/// All names, for parsing before any cluster is known.
pub(crate) fn names() -> BTreeSet<String> {
    let all = build(&Arc::new(Facts::default()), None);
    gotemplate::FunctionNames::names(&all)
        .into_iter()
        .map(str::to_owned)
        .collect()
}

/// The functions over one cluster's facts. Without `siblings`, `manifestHash` is an error, as it is inside itself.
pub(crate) fn build(facts: &Arc<Facts>, siblings: Option<Arc<HashSibling>>) -> Functions {
    let mut functions = Functions::new();
    text::add(&mut functions);
    sizes::add(&mut functions);
    network::add(&mut functions);
    trust::add(&mut functions);
    pools::add(&mut functions);
    cloud(&mut functions, facts);
    let hash = Function::new([ParamType::String], move |context, arguments| {
        let name = string(arguments, 0)?;
        match &siblings {
            Some(render) => render(context, name).map(Value::from),
            None => Err(FunctionError::new("manifestHash is not reentrant")),
        }
    });
    functions.add("manifestHash", hash);
    functions
}

fn cloud(functions: &mut Functions, facts: &Arc<Facts>) {
    let known = Arc::clone(facts);
    functions.add(
        "amiID",
        Function::new([ParamType::String, ParamType::String], move |context, arguments| {
            note_facts(context);
            let (name, owner) = (string(arguments, 0)?, string(arguments, 1)?);
            known
                .image(name, owner)
                .map(Value::from)
                .ok_or_else(|| FunctionError::new(format!("fact images: no image {name} of owner {owner} is known")))
        }),
    );
    let known = Arc::clone(facts);
    functions.add(
        "instanceTypeCPUQuantity",
        Function::new([ParamType::String], move |context, arguments| {
            note_facts(context);
            let kind = instance(&known, string(arguments, 0)?)?;
            Ok(Value::from(kind.vcpu.to_string()))
        }),
    );
    let known = Arc::clone(facts);
    functions.add(
        "instanceTypeMemoryQuantity",
        Function::new([ParamType::String], move |context, arguments| {
            note_facts(context);
            let kind = instance(&known, string(arguments, 0)?)?;
            let memory = model::quantity::Quantity::from_units(kind.memory, model::quantity::Format::BinarySi);
            Ok(Value::from(memory.to_string()))
        }),
    );
}

/// Records that the result depends on the facts, which arguments alone do not tell.
fn note_facts(context: &mut CallContext<'_>) {
    if let Some(recorder) = context.recorder() {
        recorder.read(&"Facts".into(), gotemplate::Read::Whole);
    }
}

fn instance(facts: &Facts, name: &str) -> Result<crate::facts::InstanceType, FunctionError> {
    facts
        .instance_type(name)
        .ok_or_else(|| FunctionError::new(format!("fact instance_types: type {name} is not known")))
}

/// A string argument. Parameter types are checked before the call, so the error is for a registration mistake.
fn string(arguments: &[Value], at: usize) -> Result<&str, FunctionError> {
    let value = arguments.get(at).unwrap_or(&Value::Nil);
    value.as_str().ok_or_else(|| FunctionError::wrong_type("string", value))
}

fn int(arguments: &[Value], at: usize) -> Result<i64, FunctionError> {
    let value = arguments.get(at).unwrap_or(&Value::Nil);
    value.as_int().ok_or_else(|| FunctionError::wrong_type("int64", value))
}

fn float(arguments: &[Value], at: usize) -> Result<f64, FunctionError> {
    match arguments.get(at).unwrap_or(&Value::Nil) {
        Value::Float(value) => Ok(*value),
        other => Err(FunctionError::wrong_type("float64", other)),
    }
}

/// Counts the room of a list or map before it is made, each value with what it refers to: a short text may ask for a long list.
fn charge_items(context: &mut CallContext<'_>, items: usize) -> Result<(), FunctionError> {
    const ITEM_BYTES: usize = 48;
    context.charge(items.saturating_mul(ITEM_BYTES))
}

/// Counts the room of a list of records with a few fields, one for each part of a comma list, before it is made.
fn charge_records(context: &mut CallContext<'_>, text: &str) -> Result<(), FunctionError> {
    const RECORD_ITEMS: usize = 12;
    let records = text.matches(',').count().saturating_add(1);
    charge_items(context, records.saturating_mul(RECORD_ITEMS))
}

/// A function of a comma list that makes a record of each part.
fn of_comma_list(body: impl Fn(&str) -> Outcome + Send + Sync + 'static) -> Function {
    Function::new([ParamType::String], move |context, arguments| {
        let text = string(arguments, 0)?;
        charge_records(context, text)?;
        body(text)
    })
}

/// A function of one string.
fn of_string(body: impl Fn(&str) -> Outcome + Send + Sync + 'static) -> Function {
    Function::new([ParamType::String], move |_, arguments| body(string(arguments, 0)?))
}

fn failed(text: impl Into<String>) -> FunctionError {
    FunctionError::new(text)
}
