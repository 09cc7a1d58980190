//! Arbitrary templates over arbitrary data: no panic, no hang, places lie inside the text, limits hold.
//!
//! The first byte is the number of bytes of data that follow it; the rest is the template.
#![no_main]

use gotemplate::{Execution, Function, Functions, Limits, Map, ParamType, ReadSet, Template, Value};
use libfuzzer_sys::fuzz_target;

fn functions() -> Functions {
    let list = Function::variadic([], ParamType::Any, |_, items| Ok(Value::list(items.iter().cloned())));
    Functions::new().with("list", list)
}

/// A map of a text, a list of the bytes and a map inside the map.
fn data(bytes: &[u8]) -> Value {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let numbers = bytes.iter().map(|byte| Value::from(i64::from(*byte)));
    let inner = Map::new([("b", Value::from(text.as_str()))]);
    Value::from(Map::new([
        ("a", Value::from(Map::new([("b", Value::from(text.as_str()))]))),
        ("b", Value::list(numbers)),
        ("c", Value::from(inner)),
    ]))
}

fn inside(text: &str, line: usize) {
    assert!(line >= 1 && line <= text.split('\n').count(), "line {line} of {text:?}");
}

fuzz_target!(|input: &[u8]| {
    let Some((&count, rest)) = input.split_first() else { return };
    let (bytes, text) = rest.split_at(usize::from(count).min(rest.len()));
    let Ok(text) = std::str::from_utf8(text) else { return };
    let functions = functions();
    let template = match Template::parse("fuzzed", text, &functions) {
        Ok(template) => template,
        Err(error) => return inside(text, error.line),
    };
    let limits = Limits {
        steps: 20_000,
        output_bytes: 1 << 16,
        produced_bytes: 1 << 18,
        ..Limits::default()
    };
    let data = data(bytes).labelled("Data");
    let mut reads = ReadSet::new();
    match Execution::new(&template, &functions).limits(limits).recorder(&mut reads).run(&data) {
        Ok(output) => assert!(output.len() <= limits.output_bytes),
        Err(error) => inside(text, error.line),
    }
});
