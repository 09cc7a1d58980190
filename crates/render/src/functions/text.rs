//! Functions on texts, lists and maps.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gotemplate::{CallContext, ElementType, Function, Functions, List, Map, ParamType, Value};
use sha2::{Digest, Sha256};

use super::{Outcome, charge_items, failed, int, of_string, string};

/// At least as long as anything but a string prints in a list.
const SHORT_TEXT: usize = 330;

pub(super) fn add(functions: &mut Functions) {
    functions
        .add("getAWSAccountID", of_string(account_after_colon))
        .add("accountID", of_string(account_id))
        .add("awsValidID", of_string(|id| Ok(Value::from(id.replace(':', "__")))))
        .add("base64", of_string(|text| Ok(Value::from(STANDARD.encode(text)))))
        .add("base64Decode", of_string(base64_decode))
        .add(
            "sha256",
            of_string(|text| Ok(Value::from(hex::encode(Sha256::digest(text))))),
        )
        .add(
            "azID",
            of_string(|zone| Ok(Value::from(zone.rsplit('-').next().unwrap_or(zone)))),
        )
        .add("mountUnitName", of_string(mount_unit_name))
        .add("parseInt64", of_string(parse_int64))
        .add(
            "split",
            Function::new([ParamType::String, ParamType::String], |context, arguments| {
                split(context, string(arguments, 0)?, string(arguments, 1)?)
            }),
        )
        .add(
            "hasPrefix",
            Function::new([ParamType::String, ParamType::String], |_, arguments| {
                Ok(Value::from(string(arguments, 0)?.starts_with(string(arguments, 1)?)))
            }),
        )
        .add(
            "hasSuffix",
            Function::new([ParamType::String, ParamType::String], |_, arguments| {
                Ok(Value::from(string(arguments, 0)?.ends_with(string(arguments, 1)?)))
            }),
        )
        .add(
            "dict",
            Function::variadic([], ParamType::Any, |context, arguments| {
                charge_items(context, arguments.len())?;
                dict(arguments)
            }),
        )
        .add(
            "list",
            Function::variadic([], ParamType::Any, |context, arguments| {
                charge_items(context, arguments.len())?;
                Ok(Value::list(arguments.iter().cloned()))
            }),
        )
        .add(
            "append",
            Function::variadic([ParamType::StringList], ParamType::String, |context, arguments| {
                append(context, arguments)
            }),
        )
        .add("join", join())
        .add("indent", indent())
        .add("indexedList", indexed_list());
}

/// The part after the first colon; the original crashes when there is none.
fn account_after_colon(account: &str) -> Outcome {
    match account.split(':').nth(1) {
        Some(id) => Ok(Value::from(id)),
        None => Err(failed("invalid account (expected type:id)")),
    }
}

fn account_id(account: &str) -> Outcome {
    match account.split_once(':') {
        Some((_, id)) if !id.contains(':') => Ok(Value::from(id)),
        _ => Err(failed("invalid account (expected type:id)")),
    }
}

fn base64_decode(text: &str) -> Outcome {
    // Go's decoder skips line ends.
    let packed: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let bytes = STANDARD.decode(packed).map_err(|_| failed("illegal base64 data"))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Value::from(text)),
        Err(_) => Err(failed("base64 data is not UTF-8 text")),
    }
}

fn mount_unit_name(path: &str) -> Outcome {
    match path.strip_prefix('/') {
        Some(relative) => Ok(Value::from(relative.replace('/', "-"))),
        None => Err(failed("not an absolute path")),
    }
}

/// Base 10 with an optional sign; no underscores, no spaces.
fn parse_int64(text: &str) -> Outcome {
    text.parse::<i64>()
        .map(Value::from)
        .map_err(|_| failed("strconv.ParseInt: the value is not a decimal integer of 64 bits"))
}

/// The empty string gives nothing at all, so that a `range` over it runs its `else` (fact 22).
fn split(context: &mut CallContext<'_>, text: &str, separator: &str) -> Outcome {
    if text.is_empty() {
        return Ok(Value::strings(Vec::<String>::new()));
    }
    // A text of commas becomes a list many times its size.
    charge_items(context, text.matches(separator).count() + 1)?;
    context.charge(text.len())?;
    if separator.is_empty() {
        return Ok(Value::strings(text.chars().map(String::from)));
    }
    Ok(Value::strings(text.split(separator)))
}

fn dict(arguments: &[Value]) -> Outcome {
    if arguments.is_empty() || !arguments.len().is_multiple_of(2) {
        return Err(failed(format!(
            "dict: invalid number of arguments: {}",
            arguments.len()
        )));
    }
    let mut entries = BTreeMap::new();
    for (i, pair) in arguments.chunks_exact(2).enumerate() {
        let [key, value] = pair else { continue };
        let Some(key) = key.as_str() else {
            return Err(failed(format!("dict: key argument {} must be string", i * 2)));
        };
        if entries.insert(key.to_owned(), value.clone()).is_some() {
            return Err(failed(format!("dict: duplicate key {key}")));
        }
    }
    Ok(Value::from(Map::new(entries)))
}

fn append(context: &mut CallContext<'_>, arguments: &[Value]) -> Outcome {
    let (first, rest) = arguments
        .split_first()
        .ok_or_else(|| failed("append: a list is needed"))?;
    let start = first.as_items().unwrap_or_default();
    charge_items(context, start.len() + rest.len())?;
    Ok(Value::from(List::of(
        ElementType::String,
        start.iter().chain(rest).cloned(),
    )))
}

/// Joins any list: strings as they are, other values as `fmt.Sprint` prints them, nil left out.
fn join() -> Function {
    Function::new([ParamType::String, ParamType::Any], |context, arguments| {
        let separator = string(arguments, 0)?;
        let value = arguments.get(1).unwrap_or(&Value::Nil);
        let Some(items) = value.as_items() else {
            return Ok(Value::from(sprint(value)));
        };
        // Items may be one long text many times over, so that each is counted before it is copied.
        let mut joined = String::new();
        let shown = items.iter().filter(|item| !matches!(item, Value::Nil));
        for (i, item) in shown.enumerate() {
            let between = if i == 0 { "" } else { separator };
            let length = item.as_str().map_or(SHORT_TEXT, str::len);
            context.charge(between.len().saturating_add(length))?;
            joined.push_str(between);
            joined.push_str(&sprint(item));
        }
        Ok(Value::from(joined))
    })
}

fn sprint(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        other => other.type_name(),
    }
}

/// n spaces before every line, empty ones too.
fn indent() -> Function {
    Function::new([ParamType::Int, ParamType::String], |context, arguments| {
        let spaces = usize::try_from(int(arguments, 0)?).map_err(|_| failed("indent: negative count"))?;
        let text = string(arguments, 1)?;
        let lines = text.split('\n').count();
        context.charge(spaces.saturating_mul(lines).saturating_add(text.len()))?;
        let pad = " ".repeat(spaces);
        Ok(Value::from(format!("{pad}{}", text.replace('\n', &format!("\n{pad}")))))
    })
}

fn indexed_list() -> Function {
    Function::new([ParamType::String, ParamType::Int], |context, arguments| {
        let (template, length) = (string(arguments, 0)?, int(arguments, 1)?);
        if length < 0 {
            return Err(failed(format!("expecting non-negative integer, got: {length}")));
        }
        let mut items = Vec::new();
        for i in 0..length {
            context.step()?;
            let index = i.to_string();
            let more = template.matches('$').count().saturating_mul(index.len());
            context.charge(template.len().saturating_add(more).saturating_add(1))?;
            let item = template.replace('$', &index);
            items.push(item);
        }
        Ok(Value::from(items.join(",")))
    })
}
