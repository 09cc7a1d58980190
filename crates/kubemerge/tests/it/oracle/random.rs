//! Random objects of a schema, from few names and values, so that managers meet often.

use json_tree::{Map, Value, json};

/// SplitMix64: a small generator with one number of state, the same on every machine.
pub(super) struct Rng {
    state: u64,
    /// Whether lists may have items with the same key.
    pub(super) duplicates: bool,
}

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1),
            duplicates: false,
        }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn name(rng: &mut Rng) -> String {
    NAMES[rng.below(NAMES.len())].to_owned()
}

/// A random object of a schema, most fields absent.
pub(super) fn object(rng: &mut Rng, schema: &Value) -> Value {
    let mut out = value(rng, schema);
    while out.get("spec").is_none_or(Value::is_null) {
        out["spec"] = value(rng, &schema["properties"]["spec"]);
    }
    out
}

fn value(rng: &mut Rng, schema: &Value) -> Value {
    if rng.chance(2) {
        return Value::Null;
    }
    if schema["x-kubernetes-int-or-string"] == true {
        return if rng.chance(50) {
            json!(rng.below(3))
        } else {
            json!(name(rng))
        };
    }
    match schema["type"].as_str() {
        Some("string") => json!(name(rng)),
        Some("integer") => json!(rng.below(3)),
        Some("number") => [json!(1), json!(1.0), json!(0.5)][rng.below(3)].clone(),
        Some("boolean") => json!(rng.chance(50)),
        Some("array") => list(rng, schema),
        Some(_) => map(rng, schema),
        None => anything(rng, 3),
    }
}

fn map(rng: &mut Rng, schema: &Value) -> Value {
    let mut out = Map::new();
    let must = |name: &str| {
        schema["required"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one == name))
    };
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        if must(name) || rng.chance(25) {
            let mut one = value(rng, field);
            while must(name) && one.is_null() {
                one = value(rng, field);
            }
            out.insert(name.clone(), one);
        }
    }
    if let Some(values) = schema.get("additionalProperties") {
        for _ in 0..rng.below(4) {
            let key = name(rng);
            out.insert(key, value(rng, values));
        }
    } else if schema["x-kubernetes-preserve-unknown-fields"] == true {
        for _ in 0..rng.below(3) {
            let key = name(rng);
            out.insert(key, anything(rng, 2));
        }
    }
    Value::Object(out)
}

/// A list; items of sets and list maps are distinct, most of the time.
fn list(rng: &mut Rng, schema: &Value) -> Value {
    let kind = schema["x-kubernetes-list-type"].as_str().unwrap_or("atomic");
    let mut out: Vec<Value> = Vec::new();
    for _ in 0..rng.below(4) {
        let mut item = value(rng, &schema["items"]);
        while kind != "atomic" && item.is_null() {
            item = value(rng, &schema["items"]);
        }
        let identity = |item: &Value| match kind {
            "map" => {
                let keys = schema["x-kubernetes-list-map-keys"].as_array().unwrap();
                let of = |key: &Value| {
                    let key = key.as_str().unwrap();
                    item.get(key)
                        .unwrap_or(&schema["items"]["properties"][key]["default"])
                        .clone()
                };
                Value::from(keys.iter().map(of).collect::<Vec<_>>())
            }
            _ => item.clone(),
        };
        let known = kind != "atomic" && out.iter().any(|other| identity(other) == identity(&item));
        if !known || (rng.duplicates && rng.chance(4)) {
            out.push(item);
        }
    }
    Value::from(out)
}

fn anything(rng: &mut Rng, depth: usize) -> Value {
    match rng.below(if depth == 0 { 2 } else { 5 }) {
        0 => json!(name(rng)),
        1 => json!(rng.below(3)),
        2 => Value::from((0..rng.below(3)).map(|_| anything(rng, depth - 1)).collect::<Vec<_>>()),
        _ => {
            let mut out = Map::new();
            for _ in 0..rng.below(3) {
                let key = name(rng);
                out.insert(key, anything(rng, depth - 1));
            }
            Value::Object(out)
        }
    }
}

/// An edited object: members come from one or the other, lists from one of them.
pub(super) fn blend(rng: &mut Rng, a: &Value, b: &Value) -> Value {
    let (Value::Object(left), Value::Object(right)) = (a, b) else {
        return if rng.chance(70) { a.clone() } else { b.clone() };
    };
    let mut out = Map::new();
    for (name, value) in left {
        match right.get(name) {
            Some(other) => {
                out.insert(name.clone(), blend(rng, value, other));
            }
            None if rng.chance(85) => {
                out.insert(name.clone(), value.clone());
            }
            None => {}
        }
    }
    for (name, value) in right.iter().filter(|(name, _)| !left.contains_key(name)) {
        if rng.chance(40) {
            out.insert(name.clone(), value.clone());
        }
    }
    Value::Object(out)
}
