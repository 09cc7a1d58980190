//! Intrinsic functions: from a value as written to the value that a resource gets.

use serde_json::{Map, Value};

use super::Template;

/// What functions ask for besides the template.
pub(crate) trait Scope {
    /// Value of a parameter, a pseudo parameter or the id of a resource; `None` when there is no such name.
    fn reference(&self, name: &str) -> Option<Value>;
    /// An attribute of a resource.
    fn attribute(&self, name: &str, attribute: &str) -> Result<Value, String>;
    /// What another stack exports under a name.
    fn import(&self, name: &str) -> Result<Value, String>;
    /// Zones of a region.
    fn zones(&self) -> Vec<String>;
}

/// Evaluates values of one template.
pub(crate) struct Evaluator<'a> {
    pub(crate) template: &'a Template,
    pub(crate) scope: &'a dyn Scope,
}

/// The deepest nesting of conditions that refer to each other.
const MAX_DEPTH: usize = 64;

impl Evaluator<'_> {
    /// The value; `None` for `AWS::NoValue`, which removes the member that it stands in.
    pub(crate) fn value(&self, value: &Value) -> Result<Option<Value>, String> {
        match value {
            Value::Array(items) => {
                let items = items.iter().filter_map(|item| self.value(item).transpose());
                Ok(Some(Value::Array(items.collect::<Result<_, _>>()?)))
            }
            Value::Object(map) => {
                if let Some((name, argument)) = function(map) {
                    return self.function(name, argument);
                }
                let mut result = Map::new();
                for (key, value) in map {
                    if let Some(value) = self.value(value)? {
                        result.insert(key.clone(), value);
                    }
                }
                Ok(Some(Value::Object(result)))
            }
            other => Ok(Some(other.clone())),
        }
    }

    /// The value, where one must be.
    fn needed(&self, value: &Value) -> Result<Value, String> {
        Ok(self.value(value)?.unwrap_or_default())
    }

    /// The value as text.
    pub(crate) fn string(&self, value: &Value) -> Result<String, String> {
        Ok(text(&self.needed(value)?))
    }

    /// Whether a named condition holds.
    pub(crate) fn condition(&self, name: &str) -> Result<bool, String> {
        self.named_condition(name, 0)
    }

    fn named_condition(&self, name: &str, depth: usize) -> Result<bool, String> {
        if depth > MAX_DEPTH {
            return Err(format!(
                "Template format error: Circular dependency in condition {name}"
            ));
        }
        let expression = self.template.conditions.get(name);
        let expression =
            expression.ok_or_else(|| format!("Template format error: Unresolved condition dependency {name}"))?;
        self.truth(expression, depth + 1)
    }

    fn truth(&self, expression: &Value, depth: usize) -> Result<bool, String> {
        let Some((name, argument)) = expression.as_object().and_then(function) else {
            return match text(expression).as_str() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err("Template format error: Conditions can only be boolean operations on parameters and other conditions".to_owned()),
            };
        };
        let list = argument.as_array().map(Vec::as_slice).unwrap_or_default();
        match (name, list) {
            ("Condition", _) => self.named_condition(argument.as_str().unwrap_or_default(), depth),
            ("Fn::Equals", [one, other]) => Ok(text(&self.needed(one)?) == text(&self.needed(other)?)),
            ("Fn::Not", [one]) => Ok(!self.truth(one, depth)?),
            ("Fn::And", [_, ..]) => list
                .iter()
                .try_fold(true, |all, one| Ok(self.truth(one, depth)? && all)),
            ("Fn::Or", [_, ..]) => list
                .iter()
                .try_fold(false, |any, one| Ok(self.truth(one, depth)? || any)),
            _ => Err(format!(
                "Template error: every {name} object in a condition must have its arguments in a list"
            )),
        }
    }

    fn function(&self, name: &str, argument: &Value) -> Result<Option<Value>, String> {
        let list = argument.as_array().map(Vec::as_slice).unwrap_or_default();
        let value = match (name, list) {
            ("Ref", _) => return self.reference(argument.as_str().unwrap_or_default()),
            ("Fn::If", [condition, yes, no]) => {
                let holds = self.condition(condition.as_str().unwrap_or_default())?;
                return self.value(if holds { yes } else { no });
            }
            ("Fn::GetAtt", [resource, attribute]) => {
                let attribute = self.string(attribute)?;
                self.scope
                    .attribute(resource.as_str().unwrap_or_default(), &attribute)?
            }
            ("Fn::Sub", [template, Value::Object(variables)]) => self.substitute(template, Some(variables))?,
            ("Fn::Sub", _) => self.substitute(argument, None)?,
            ("Fn::Join", [separator, items]) => {
                let items = self.needed(items)?;
                let items = items.as_array().ok_or("Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined")?;
                Value::String(
                    items
                        .iter()
                        .map(text)
                        .collect::<Vec<_>>()
                        .join(&self.string(separator)?),
                )
            }
            ("Fn::Select", [index, items]) => {
                let index: usize = self
                    .string(index)?
                    .parse()
                    .map_err(|_| "Template error: Fn::Select requires an index".to_owned())?;
                let items = self.needed(items)?;
                let chosen = items.as_array().and_then(|items| items.get(index)).cloned();
                chosen.ok_or_else(|| {
                    format!("Template error: Fn::Select cannot select nonexistent value at index {index}")
                })?
            }
            ("Fn::Split", [separator, source]) => {
                let (separator, source) = (self.string(separator)?, self.string(source)?);
                Value::Array(source.split(separator.as_str()).map(|part| part.into()).collect())
            }
            ("Fn::FindInMap", [map, first, second, ..]) => self.find_in_map(map, first, second)?,
            ("Fn::Base64", _) => {
                use base64::Engine;
                Value::String(base64::engine::general_purpose::STANDARD.encode(self.string(argument)?))
            }
            ("Fn::GetAZs", _) => Value::Array(self.scope.zones().into_iter().map(Value::String).collect()),
            ("Fn::ImportValue", _) => self.scope.import(&self.string(argument)?)?,
            ("Condition", _) => Value::Bool(self.condition(argument.as_str().unwrap_or_default())?),
            ("Fn::Equals" | "Fn::And" | "Fn::Or" | "Fn::Not", _) => {
                Value::Bool(self.truth(&Value::Object(Map::from_iter([(name.to_owned(), argument.clone())])), 0)?)
            }
            _ => {
                return Err(format!(
                    "Template error: {name} is unsupported or has the wrong arguments"
                ));
            }
        };
        Ok(Some(value))
    }

    fn reference(&self, name: &str) -> Result<Option<Value>, String> {
        if name == "AWS::NoValue" {
            return Ok(None);
        }
        let found = self.scope.reference(name);
        found.map(Some).ok_or_else(|| format!("Template format error: Unresolved resource dependencies [{name}] in the Resources block of the template"))
    }

    fn find_in_map(&self, map: &Value, first: &Value, second: &Value) -> Result<Value, String> {
        let (map, first, second) = (self.string(map)?, self.string(first)?, self.string(second)?);
        let found = self
            .template
            .mappings
            .get(&map)
            .and_then(|map| map.get(&first))
            .and_then(|row| row.get(&second));
        found
            .cloned()
            .ok_or_else(|| format!("Template error: Unable to get mapping for {map}::{first}::{second}"))
    }

    fn substitute(&self, template: &Value, variables: Option<&Map<String, Value>>) -> Result<Value, String> {
        let Some(template) = template.as_str() else {
            return Err(
                "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments.".to_owned(),
            );
        };
        let mut result = String::with_capacity(template.len());
        for part in sub_parts(template) {
            match part {
                SubPart::Text(text) => result.push_str(text),
                SubPart::Literal(text) => {
                    result.push_str("${");
                    result.push_str(text);
                    result.push('}');
                }
                SubPart::Variable(name) => {
                    let value = match (variables.and_then(|v| v.get(name)), name.split_once('.')) {
                        (Some(value), _) => self.needed(value)?,
                        (None, Some((resource, attribute))) => self.scope.attribute(resource, attribute)?,
                        (None, None) => self.reference(name)?.unwrap_or_default(),
                    };
                    result.push_str(&text(&value));
                }
            }
        }
        Ok(Value::String(result))
    }
}

/// The function that a map is, if it is one: a single key that names it.
pub(super) fn function(map: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, argument) = map.iter().next()?;
    let known = name == "Ref" || name.starts_with("Fn::") || (name == "Condition" && argument.is_string());
    (map.len() == 1 && known).then_some((name.as_str(), argument))
}

/// A piece of the text of `Fn::Sub`.
pub(super) enum SubPart<'t> {
    Text(&'t str),
    /// `${!text}`, which stays `${text}`.
    Literal(&'t str),
    Variable(&'t str),
}

/// Takes the text of `Fn::Sub` apart. An opening without an end is plain text.
pub(super) fn sub_parts(template: &str) -> Vec<SubPart<'_>> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, remainder)) = after.split_once('}') else {
            break;
        };
        parts.push(SubPart::Text(before));
        parts.push(match name.strip_prefix('!') {
            Some(literal) => SubPart::Literal(literal),
            None => SubPart::Variable(name.trim()),
        });
        rest = remainder;
    }
    parts.push(SubPart::Text(rest));
    parts
}

/// A scalar as the text that stacks hand on; structures print as JSON.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Names;

    impl Scope for Names {
        fn reference(&self, name: &str) -> Option<Value> {
            (name != "Missing").then(|| json!(format!("<{name}>")))
        }
        fn attribute(&self, name: &str, attribute: &str) -> Result<Value, String> {
            Ok(json!(format!("<{name}.{attribute}>")))
        }
        fn import(&self, name: &str) -> Result<Value, String> {
            Err(format!("No export named {name} found."))
        }
        fn zones(&self) -> Vec<String> {
            vec!["z1".to_owned(), "z2".to_owned()]
        }
    }

    #[test]
    fn functions_evaluate_as_the_provider_does_it() {
        let mut template = Template::default();
        template.mappings.insert("M".to_owned(), json!({"r": {"x": [1, 2]}}));
        template
            .conditions
            .insert("Yes".to_owned(), json!({"Fn::Equals": ["a", "a"]}));
        template
            .conditions
            .insert("No".to_owned(), json!({"Fn::Not": [{"Condition": "Yes"}]}));
        template
            .conditions
            .insert("Loop".to_owned(), json!({"Condition": "Loop"}));
        let evaluator = Evaluator {
            template: &template,
            scope: &Names,
        };
        let cases = [
            (json!({"Ref": "A"}), Ok(Some(json!("<A>")))),
            (
                json!({"a": {"Ref": "AWS::NoValue"}, "b": [1, {"Ref": "AWS::NoValue"}]}),
                Ok(Some(json!({"b": [1]}))),
            ),
            (
                json!({"Fn::Sub": "x-${A}-${!B}-${C.D}-$${E"}),
                Ok(Some(json!("x-<A>-${B}-<C.D>-$${E"))),
            ),
            (json!({"Fn::Sub": ["${v}${A}", {"v": 7}]}), Ok(Some(json!("7<A>")))),
            (json!({"Fn::Join": [",", ["a", 1, true]]}), Ok(Some(json!("a,1,true")))),
            (
                json!({"Fn::Select": ["1", {"Fn::Split": ["-", "a-b-c"]}]}),
                Ok(Some(json!("b"))),
            ),
            (json!({"Fn::FindInMap": ["M", "r", "x"]}), Ok(Some(json!([1, 2])))),
            (
                json!({"Fn::If": ["No", 1, {"Fn::If": ["Yes", 2, 3]}]}),
                Ok(Some(json!(2))),
            ),
            (json!({"Fn::Base64": "hi"}), Ok(Some(json!("aGk=")))),
            (json!({"Fn::GetAZs": ""}), Ok(Some(json!(["z1", "z2"])))),
            (json!({"Fn::ImportValue": "x"}), Err("No export named x found.")),
            (
                json!({"Fn::FindInMap": ["M", "r", "y"]}),
                Err("Template error: Unable to get mapping for M::r::y"),
            ),
            (
                json!({"Fn::If": ["Loop", 1, 2]}),
                Err("Template format error: Circular dependency in condition Loop"),
            ),
            (
                json!({"Effect": "Allow", "Condition": {"Bool": {"x": true}}}),
                Ok(Some(json!({"Effect": "Allow", "Condition": {"Bool": {"x": true}}}))),
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(evaluator.value(&value), expected.map_err(str::to_owned), "{value}");
        }
    }
}
