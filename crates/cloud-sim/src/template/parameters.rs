//! Parameters of a template: what the caller gave, defaults, and the rules that values must keep.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Template, text};

/// The values that hold, by name. `previous` fills in what an update leaves out.
pub(crate) fn effective_parameters(
    template: &Template,
    given: &BTreeMap<String, String>,
    previous: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, String> {
    let unknown: Vec<_> = given
        .keys()
        .filter(|name| !template.parameters.contains_key(*name))
        .cloned()
        .collect();
    if !unknown.is_empty() {
        return Err(format!(
            "Parameters: [{}] do not exist in the template",
            unknown.join(", ")
        ));
    }
    let mut values = BTreeMap::new();
    let mut missing = Vec::new();
    for (name, spec) in &template.parameters {
        let value = given.get(name).or_else(|| previous.get(name)).cloned();
        match value.or_else(|| spec.get("Default").map(text)) {
            Some(value) => {
                check(name, spec, &value)?;
                values.insert(name.clone(), value);
            }
            None => missing.push(name.clone()),
        }
    }
    if !missing.is_empty() {
        return Err(format!("Parameters: [{}] must have values", missing.join(", ")));
    }
    Ok(values)
}

fn check(name: &str, spec: &Value, value: &str) -> Result<(), String> {
    let explained = |rule: String| match spec.get("ConstraintDescription").map(text) {
        Some(description) => format!("Parameter {name} failed to satisfy constraint: {description}"),
        None => rule,
    };
    if let Some(allowed) = spec.get("AllowedValues").and_then(Value::as_array)
        && !allowed.iter().any(|one| text(one) == value)
    {
        return Err(explained(format!("Parameter '{name}' must be one of AllowedValues")));
    }
    let bound = |key: &str| spec.get(key).and_then(|bound| text(bound).parse::<f64>().ok());
    let size = |key: &str| spec.get(key).and_then(|bound| text(bound).parse::<usize>().ok());
    let length = value.chars().count();
    if let Some(least) = size("MinLength").filter(|least| length < *least) {
        return Err(explained(format!(
            "Parameter '{name}' must contain at least {least} characters"
        )));
    }
    if let Some(most) = size("MaxLength").filter(|most| length > *most) {
        return Err(explained(format!(
            "Parameter '{name}' must contain at most {most} characters"
        )));
    }
    if spec.get("Type").and_then(Value::as_str) == Some("Number") {
        let Ok(number) = value.parse::<f64>() else {
            return Err(format!("Parameter '{name}' must be a number"));
        };
        if let Some(least) = bound("MinValue").filter(|least| number < *least) {
            return Err(explained(format!(
                "Parameter '{name}' must be a number not less than {least}"
            )));
        }
        if let Some(most) = bound("MaxValue").filter(|most| number > *most) {
            return Err(explained(format!(
                "Parameter '{name}' must be a number not greater than {most}"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    type Case = (&'static [(&'static str, &'static str)], Result<usize, &'static str>);

    #[test]
    fn values_are_filled_in_and_checked() {
        let parameters = json!({
            "Env": {"Type": "String", "Default": "test", "AllowedValues": ["test", "production"]},
            "Count": {"Type": "Number", "MinValue": 1},
            "Name": {"Type": "String", "MaxLength": 3},
        })
        .as_object()
        .cloned()
        .unwrap();
        let template = Template {
            parameters,
            ..Template::default()
        };
        let cases: &[Case] = &[
            (&[("Count", "2"), ("Name", "abc")], Ok(3)),
            (&[("Count", "2")], Err("Parameters: [Name] must have values")),
            (
                &[("Other", "1")],
                Err("Parameters: [Other] do not exist in the template"),
            ),
            (
                &[("Env", "x"), ("Count", "2"), ("Name", "a")],
                Err("Parameter 'Env' must be one of AllowedValues"),
            ),
            (
                &[("Count", "0"), ("Name", "a")],
                Err("Parameter 'Count' must be a number not less than 1"),
            ),
            (
                &[("Count", "1"), ("Name", "abcd")],
                Err("Parameter 'Name' must contain at most 3 characters"),
            ),
        ];
        for (given, expected) in cases {
            let given = given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let result = effective_parameters(&template, &given, &BTreeMap::new());
            assert_eq!(result.map(|v| v.len()), expected.map_err(str::to_owned), "{given:?}");
        }
    }
}
