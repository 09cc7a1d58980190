//! Server-side apply against Kubernetes' own library, on random objects.
//!
//! The driver `tests/oracle/main.go` is built when `go` and Debian's golang-k8s-sigs-structured-merge-diff-dev (4.1.2) are here;
//! otherwise the test says that it passes over. `KUBEMERGE_ORACLE` names a driver that is built already, with version 6 of the
//! library: then lists have to agree in their order, and emptied maps and lists in their form, in which 4.1.2 was different.
//! `KUBEMERGE_ORACLE_SEQUENCES` sets the number of random sequences.

mod driver;
mod random;

use std::collections::{BTreeMap, BTreeSet};

use json_tree::{Text, Value, json};
use kubemerge::apply::{self, ApplyError, ManagedFields, Operation, Writer};
use kubemerge::schema::{self, Schema};

use driver::Oracle;
use random::Rng;

/// Operations of one sequence; each starts from what the one before left.
const OPERATIONS: usize = 8;

/// A schema with everything that ownership tells apart.
fn crd() -> Value {
    let text = json!({"type": "string"});
    let texts = json!({"type": "object", "additionalProperties": text});
    let set = |items: Value| json!({"type": "array", "x-kubernetes-list-type": "set", "items": items});
    json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "replicas": {"type": "integer"}, "ratio": {"type": "number"}, "name": text, "paused": {"type": "boolean"},
        "port": {"x-kubernetes-int-or-string": true},
        "labels": texts,
        "nested": {"type": "object", "properties": {"a": text, "b": {"type": "object", "properties": {"c": {"type": "integer"}, "d": texts}}}},
        "one": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": text},
        "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"x": text, "y": {"type": "integer"}}},
        "ports": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "protocol"],
            "items": {"type": "object", "required": ["port"], "properties": {"port": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"},
                "name": text, "tags": set(json!({"type": "string"}))}}},
        "items": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "required": ["name"], "properties": {"name": text, "image": text, "limits": texts,
                "security": {"type": "object", "properties": {"user": {"type": "integer"}, "deep": {"type": "object", "properties": {"on": {"type": "boolean"}}}}},
                "env": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                    "items": {"type": "object", "required": ["name"], "properties": {"name": text, "value": text}}}}}},
        "set": set(json!({"type": "string"})), "numbers": set(json!({"type": "integer"})),
        "args": {"type": "array", "items": text},
        "objects": {"type": "array", "items": {"type": "object", "properties": {"a": text}}},
        "structs": {"type": "object", "additionalProperties": {"type": "object", "properties": {"v": text, "w": {"type": "integer"}}}},
        "sets": {"type": "object", "additionalProperties": set(json!({"type": "string"}))},
        "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"known": text}},
        "any": {"x-kubernetes-preserve-unknown-fields": true},
    }}}})
}

/// What an operation leaves, in a form that both sides can be brought into.
#[derive(Debug, PartialEq)]
enum Outcome {
    Done {
        object: Value,
        owners: BTreeMap<String, Value>,
    },
    Conflicts(Vec<String>),
    Refused,
}

struct Step<'a> {
    operation: Operation,
    manager: &'a str,
    force: bool,
    object: Value,
}

fn ours(schema: &Schema, live: Option<&Value>, step: &Step<'_>) -> (Outcome, Option<Value>) {
    let writer = Writer {
        schema,
        manager: step.manager,
        api_version: "v1",
        subresource: "",
        now: "2026-01-01T00:00:00Z".parse().unwrap(),
        ignored: None,
    };
    let result = match step.operation {
        Operation::Apply => apply::apply(live, &step.object, &writer, step.force).map(|applied| applied.object),
        Operation::Update => Ok(apply::update(live, &step.object, &writer).unwrap()),
    };
    match result {
        Ok(object) => {
            let (bare, owners) = split(&object);
            (Outcome::Done { object: bare, owners }, Some(object))
        }
        Err(ApplyError::Conflicts(conflicts)) => {
            let text = |one: &apply::Conflict| format!("{} {}", key(&one.manager), one.path);
            let mut all: Vec<String> = conflicts.0.iter().map(text).collect();
            all.sort();
            (Outcome::Conflicts(all), None)
        }
        Err(_) => (Outcome::Refused, None),
    }
}

fn key(id: &apply::ManagerId) -> String {
    format!("{}/{:?}", id.manager, id.operation)
}

/// The object without its metadata, and the owners by the names that the oracle gets.
fn split(object: &Value) -> (Value, BTreeMap<String, Value>) {
    let managed = ManagedFields::of(object).unwrap();
    let owners = managed
        .iter()
        .map(|(id, owned)| (key(id), owned.fields.to_fields_v1()))
        .collect();
    let mut bare = object.clone();
    if let Some(map) = bare.as_object_mut() {
        map.remove("metadata");
    }
    (bare, owners)
}

fn theirs(oracle: &mut Oracle, live: Option<&Value>, step: &Step<'_>) -> Outcome {
    let (bare, owners) = live.map_or((json!({}), BTreeMap::new()), split);
    let owners: BTreeMap<String, Value> = owners
        .into_iter()
        .map(|(name, fields)| {
            let applied = name.ends_with("/Apply");
            (name, json!({"applied": applied, "fields": fields}))
        })
        .collect();
    let operation = if step.operation == Operation::Apply {
        "apply"
    } else {
        "update"
    };
    let answer = oracle.ask(
        &json!({"live": bare, "object": step.object, "owners": owners, "operation": operation,
        "manager": format!("{}/{:?}", step.manager, step.operation), "force": step.force}),
    );
    if let Some(conflicts) = answer["conflicts"].as_array() {
        return Outcome::Conflicts(conflicts.iter().map(|text| text.as_str().unwrap().to_owned()).collect());
    }
    if answer["error"].is_string() {
        return Outcome::Refused;
    }
    let fields = |(name, owned): (&Text, &Value)| (name.to_string(), owned["fields"].clone());
    let owners = answer["owners"].as_object().into_iter().flatten().map(fields).collect();
    Outcome::Done {
        object: answer["object"].clone(),
        owners,
    }
}

/// Makes equal what may differ. Go prints 1.0 as 1. Version 4.1.2 ordered merged lists in another way and left null in place of
/// what had become empty; `strict` holds both sides to the order and form of version 6.
fn level(value: &mut Value, strict: bool) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(|item| level(item, strict));
            if !strict {
                items.sort_by_key(Value::to_string);
                if items.is_empty() {
                    *value = Value::Null;
                }
            }
        }
        Value::Object(map) => {
            map.values_mut().for_each(|item| level(item, strict));
            if !strict {
                map.retain(|_, item| !item.is_null());
                if map.is_empty() {
                    *value = Value::Null;
                }
            }
        }
        Value::Number(number) if number.as_f64() == Some(1.0) => *value = Value::from(1),
        _ => {}
    }
}

/// Takes away that somebody owns a set or list map as such, without its items: version 4.1.2 keeps the list when an apply
/// takes the last item out of it, where version 6 takes it away.
fn forget_lists(fields: &mut Value) {
    const LISTS: [&str; 7] = ["f:ports", "f:items", "f:set", "f:numbers", "f:tags", "f:env", "f:sets"];
    if let Some(map) = fields.as_object_mut() {
        map.values_mut().for_each(forget_lists);
        map.retain(|name, below| !(LISTS.contains(&name.as_str()) && *below == json!({})));
    }
}

/// Whether both sides say the same.
fn agree(ours: &mut Outcome, theirs: &mut Outcome, strict: bool) -> bool {
    for outcome in [&mut *ours, &mut *theirs] {
        if let Outcome::Done { object, owners } = outcome {
            level(object, strict);
            if !strict {
                owners.values_mut().for_each(forget_lists);
                owners.retain(|_, fields| *fields != json!({}));
            }
        }
    }
    ours == theirs
}

/// The parts of two outcomes that differ, to be read by people.
fn explain(ours: &Outcome, theirs: &Outcome) -> String {
    let (Outcome::Done { object: a, owners: x }, Outcome::Done { object: b, owners: y }) = (ours, theirs) else {
        return format!("ours:   {ours:?}\ntheirs: {theirs:?}");
    };
    let mut out = if a == b {
        String::new()
    } else {
        format!("object\n  ours:   {a}\n  theirs: {b}\n")
    };
    for name in x.keys().chain(y.keys()).collect::<BTreeSet<_>>() {
        let show = |owners: &BTreeMap<String, Value>| owners.get(name).map_or("none".to_owned(), Value::to_string);
        if x.get(name) != y.get(name) {
            out.push_str(&format!("{name}\n  ours:   {}\n  theirs: {}\n", show(x), show(y)));
        }
    }
    out
}

#[test]
fn random_applies_agree_with_the_library() {
    let Some(mut oracle) = Oracle::start(&driver::notation(&crd())) else {
        println!("passing over: no Go oracle (go and golang-k8s-sigs-structured-merge-diff-dev are needed)");
        return;
    };
    let sequences = std::env::var("KUBEMERGE_ORACLE_SEQUENCES").map_or(150, |text| text.parse().unwrap());
    let (description, schema) = (crd(), schema::from_crd(&crd()).unwrap());
    let (mut compared, mut conflicts, mut refused, mut differences) = (0, 0, 0, 0);
    for seed in 0..sequences {
        let mut rng = Rng::new(seed);
        let mut live: Option<Value> = None;
        for _ in 0..OPERATIONS {
            let operation = if rng.chance(70) {
                Operation::Apply
            } else {
                Operation::Update
            };
            // Version 4.1.2 cannot read duplicate items (an apply with them is refused by all).
            rng.duplicates = oracle.strict || operation == Operation::Apply;
            let fresh = random::object(&mut rng, &description);
            let object = match (&live, operation) {
                (Some(live), Operation::Update) if rng.chance(60) => random::blend(&mut rng, &split(live).0, &fresh),
                _ => fresh,
            };
            let manager = ["a", "b", "c"][rng.below(3)];
            let step = Step {
                operation,
                manager,
                force: rng.chance(35),
                object,
            };
            let (mut ours, next) = ours(&schema, live.as_ref(), &step);
            let mut theirs = theirs(&mut oracle, live.as_ref(), &step);
            compared += 1;
            conflicts += usize::from(matches!(ours, Outcome::Conflicts(_)));
            refused += usize::from(matches!(ours, Outcome::Refused));
            if !agree(&mut ours, &mut theirs, oracle.strict) {
                differences += 1;
                if differences <= 5 {
                    let (before, owners) = live.as_ref().map(split).unwrap_or_default();
                    let (config, force) = (&step.object, step.force);
                    println!(
                        "seed {seed}: {operation:?} by {manager}, force {force}\nlive:   {before}\nowners: {owners:?}\nobject: {config}"
                    );
                    println!("{}", explain(&ours, &theirs));
                }
            }
            live = next.or(live);
            // An object that nobody owns anything of is outside what the library decides.
            if live
                .as_ref()
                .is_some_and(|live| ManagedFields::of(live).unwrap().is_empty())
            {
                break;
            }
        }
    }
    println!("compared {compared} operations, {conflicts} ended in conflicts, {refused} were refused");
    assert_eq!(differences, 0, "operations differ");
    assert!(compared > sequences && conflicts > 0, "the sequences reach conflicts");
}
