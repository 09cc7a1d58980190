//! The part of JSONPath that printer columns use: fields, indexes, wildcards and equality filters.

use json_tree::{List, Value};

#[derive(Debug, PartialEq)]
enum Step {
    Field(String),
    Index(i64),
    All,
    /// `[?(@.a.b=="text")]`
    Filter(Vec<String>, String),
}

/// The first value at a path, if there is one.
pub(crate) fn first<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    let steps = parse(path)?;
    let mut here = vec![value];
    for step in &steps {
        here = here.into_iter().flat_map(|value| enter(value, step)).collect();
    }
    here.into_iter().next()
}

fn enter<'v>(value: &'v Value, step: &Step) -> Vec<&'v Value> {
    match step {
        Step::Field(name) => value.get(name.as_str()).into_iter().collect(),
        Step::Index(at) => {
            let list = value.as_array().map_or(&[][..], List::as_slice);
            let place = if *at < 0 {
                i64::try_from(list.len()).unwrap_or(0) + at
            } else {
                *at
            };
            usize::try_from(place)
                .ok()
                .and_then(|place| list.get(place))
                .into_iter()
                .collect()
        }
        Step::All => match value {
            Value::Array(list) => list.iter().collect(),
            Value::Object(map) => map.values().collect(),
            _ => Vec::new(),
        },
        Step::Filter(path, wanted) => {
            let matches = |item: &&Value| {
                let found = path.iter().try_fold(*item, |inner, key| inner.get(key.as_str()));
                found.is_some_and(|found| {
                    found
                        .as_str()
                        .map_or_else(|| Value::to_string(found).as_str() == wanted, |text| text == wanted)
                })
            };
            value
                .as_array()
                .map_or(&[][..], List::as_slice)
                .iter()
                .filter(matches)
                .collect()
        }
    }
}

fn parse(path: &str) -> Option<Vec<Step>> {
    let path = path
        .trim()
        .trim_start_matches('{')
        .trim_end_matches('}')
        .trim_start_matches('$');
    let (mut steps, mut rest) = (Vec::new(), path);
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let end = closing(inner)?;
            steps.push(bracket(inner.get(..end)?)?);
            rest = inner.get(end + 1..)?;
            continue;
        }
        let name = rest.strip_prefix('.').unwrap_or(rest);
        // A dot may be part of a name if it is escaped, as in annotations.
        let (mut field, mut used, mut escaped) = (String::new(), name.len(), false);
        for (at, c) in name.char_indices() {
            match c {
                '\\' if !escaped => escaped = true,
                '.' | '[' if !escaped => {
                    used = at;
                    break;
                }
                _ => {
                    escaped = false;
                    field.push(c);
                }
            }
        }
        match field.as_str() {
            "" => {}
            "*" => steps.push(Step::All),
            _ => steps.push(Step::Field(field)),
        }
        let next = name.get(used..)?;
        if next.len() >= rest.len() {
            return None;
        }
        rest = next;
    }
    Some(steps)
}

/// The place of the bracket that closes, quotes respected.
fn closing(text: &str) -> Option<usize> {
    let (mut quote, mut depth) = (None, 0_u32);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return Some(at),
            (None, ']') => depth -= 1,
            _ => {}
        }
    }
    None
}

fn bracket(text: &str) -> Option<Step> {
    let text = text.trim();
    if text == "*" {
        return Some(Step::All);
    }
    if let Some(filter) = text.strip_prefix("?(").and_then(|text| text.strip_suffix(')')) {
        let (path, wanted) = filter.split_once("==")?;
        let path = path.trim().strip_prefix('@')?;
        let wanted = wanted.trim().trim_matches(['"', '\'']);
        let path = path
            .split('.')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        return Some(Step::Filter(path, wanted.to_owned()));
    }
    if let Ok(at) = text.parse() {
        return Some(Step::Index(at));
    }
    Some(Step::Field(text.trim_matches(['"', '\'']).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use json_tree::json;

    #[test]
    fn paths_of_printer_columns_are_read() {
        let value = json!({"spec": {"a.b": 1, "list": [{"x": 1}, {"x": 2}]},
            "status": {"conditions": [{"type": "A", "status": "no"}, {"type": "Ready", "status": "True"}]}});
        for (path, expected) in [
            (".spec.list[1].x", Some(json!(2))),
            (".spec.list[-1].x", Some(json!(2))),
            (".spec.list[*].x", Some(json!(1))),
            (".spec['a.b']", Some(json!(1))),
            (".spec.a\\.b", Some(json!(1))),
            (".status.conditions[?(@.type==\"Ready\")].status", Some(json!("True"))),
            (".missing.x", None),
            (".spec.list[", None),
        ] {
            assert_eq!(first(&value, path).cloned(), expected, "{path}");
        }
    }
}
