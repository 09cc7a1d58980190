//! What the compiler of the real server refuses beyond syntax: undeclared names and results of a wrong type.
//!
//! This is no type checker. It knows the types of literals, operators and conversions, and lets everything pass that it
//! cannot tell.

use kube_cel::cel::ParseErrors;
use kube_cel::cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue};

use super::Wanted;

/// Names that the language itself declares.
const TYPES: &[&str] = &[
    "bool",
    "bytes",
    "double",
    "duration",
    "dyn",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "timestamp",
    "type",
    "uint",
    "google",
    "optional",
    "math",
    "sets",
    "base64",
    "strings",
    "lists",
    "jsonpatch",
    "format",
    "cel",
    "ip",
    "cidr",
    "url",
    "quantity",
    "semver",
    "authorizer",
];

/// Functions of the language and of Kubernetes' libraries.
const FUNCTIONS: &[&str] = &[
    "abs",
    "add",
    "allowed",
    "all",
    "asApproximateFloat",
    "asInteger",
    "base64",
    "bind",
    "bool",
    "bytes",
    "ceil",
    "charAt",
    "check",
    "cidr",
    "compareTo",
    "contains",
    "containsCIDR",
    "containsIP",
    "decode",
    "distinct",
    "double",
    "duration",
    "dyn",
    "dns1035Label",
    "dns1035LabelPrefix",
    "dns1123Label",
    "dns1123LabelPrefix",
    "dns1123Subdomain",
    "dns1123SubdomainPrefix",
    "byte",
    "date",
    "datetime",
    "uri",
    "uuid",
    "labelValue",
    "qualifiedName",
    "encode",
    "endsWith",
    "equivalent",
    "error",
    "errored",
    "escapeKey",
    "exists",
    "exists_one",
    "family",
    "fieldSelector",
    "filter",
    "find",
    "findAll",
    "first",
    "flatten",
    "floor",
    "format",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getEscapedPath",
    "getFullYear",
    "getHost",
    "getHostname",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getPort",
    "getQuery",
    "getScheme",
    "getSeconds",
    "greatest",
    "group",
    "has",
    "hasValue",
    "indexOf",
    "int",
    "intersects",
    "ip",
    "isCIDR",
    "isCanonical",
    "isFinite",
    "isGlobalUnicast",
    "isGreaterThan",
    "isIP",
    "isInf",
    "isInteger",
    "isLessThan",
    "isLinkLocalMulticast",
    "isLinkLocalUnicast",
    "isLoopback",
    "isNaN",
    "isQuantity",
    "isSemver",
    "isSorted",
    "isURL",
    "isUnspecified",
    "join",
    "labelSelector",
    "last",
    "lastIndexOf",
    "least",
    "lowerAscii",
    "major",
    "map",
    "masked",
    "matches",
    "max",
    "min",
    "minor",
    "name",
    "named",
    "namespace",
    "none",
    "of",
    "ofNonZeroValue",
    "optFlatMap",
    "optMap",
    "or",
    "orValue",
    "patch",
    "path",
    "prefixLength",
    "quantity",
    "range",
    "reason",
    "replace",
    "requestResource",
    "resource",
    "reverse",
    "round",
    "semver",
    "serviceAccount",
    "sign",
    "size",
    "slice",
    "sort",
    "sortBy",
    "split",
    "sqrt",
    "startsWith",
    "string",
    "sub",
    "subresource",
    "substring",
    "sum",
    "timestamp",
    "trim",
    "trunc",
    "type",
    "uint",
    "upperAscii",
    "url",
    "validate",
    "value",
    "max_",
    "bitAnd",
    "bitOr",
    "bitXor",
    "bitNot",
    "bitShiftLeft",
    "bitShiftRight",
    "quote",
    "transformList",
    "transformMap",
    "transformMapEntry",
    "unwrap",
    "unwrapOpt",
    "optional.of",
    "optional.none",
    "optional.ofNonZeroValue",
];

/// The errors of the parser in the form of the real server.
pub(super) fn syntax_text(source: &str, errors: &ParseErrors) -> String {
    let texts: Vec<String> = errors
        .errors
        .iter()
        .map(|error| placed(source, error.pos, &error.msg))
        .collect();
    format!("compilation failed: {}", texts.join("\n"))
}

/// An error at a line and column, both from one, with the line and a mark below it.
fn placed(source: &str, pos: (isize, isize), message: &str) -> String {
    let index = usize::try_from(pos.0 - 1).unwrap_or(0);
    let line = source.lines().nth(index).unwrap_or_default();
    let dots = ".".repeat(usize::try_from(pos.1 - 1).unwrap_or(0));
    format!("ERROR: <input>:{}:{}: {message}\n | {line}\n | {dots}^", pos.0, pos.1)
}

/// Looks through an expression for names that nothing declares.
struct Names<'a> {
    source: &'a str,
    declared: Vec<String>,
    found: Vec<String>,
}

/// The errors about undeclared names; empty if there are none.
pub(super) fn undeclared(expression: &IdedExpr, source: &str, variables: &[&str]) -> String {
    let declared = variables.iter().chain(TYPES).map(|name| (*name).to_owned()).collect();
    let mut names = Names {
        source,
        declared,
        found: Vec::new(),
    };
    names.visit(expression);
    if names.found.is_empty() {
        String::new()
    } else {
        format!("compilation failed: {}", names.found.join("\n"))
    }
}

impl Names<'_> {
    fn visit(&mut self, expression: &IdedExpr) {
        match &expression.expr {
            Expr::Ident(name) => {
                if !name.starts_with(['@', '_']) && !self.declared.contains(name) {
                    self.report(name, false);
                }
            }
            Expr::Call(call) => {
                let known =
                    |name: &str| FUNCTIONS.contains(&name) || !name.starts_with(|c: char| c.is_ascii_alphabetic());
                if !known(call.func_name.rsplit('.').next().unwrap_or_default()) {
                    self.report(&call.func_name, true);
                }
                call.target.iter().for_each(|target| self.visit(target));
                call.args.iter().for_each(|argument| self.visit(argument));
            }
            Expr::Comprehension(loops) => {
                self.visit(&loops.iter_range);
                let before = self.declared.len();
                self.declared.extend([loops.iter_var.clone(), loops.accu_var.clone()]);
                self.declared.extend(loops.iter_var2.clone());
                for part in [&loops.accu_init, &loops.loop_cond, &loops.loop_step, &loops.result] {
                    self.visit(part);
                }
                self.declared.truncate(before);
            }
            Expr::List(list) => list.elements.iter().for_each(|element| self.visit(element)),
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.entry(&entry.expr)),
            Expr::Struct(object) => object.entries.iter().for_each(|entry| self.entry(&entry.expr)),
            Expr::Select(select) => self.visit(&select.operand),
            Expr::Literal(_) | Expr::Unspecified => {}
        }
    }

    fn entry(&mut self, entry: &EntryExpr) {
        match entry {
            EntryExpr::StructField(field) => self.visit(&field.value),
            EntryExpr::MapEntry(entry) => {
                self.visit(&entry.key);
                self.visit(&entry.value);
            }
        }
    }

    fn report(&mut self, name: &str, function: bool) {
        let offset = self.place(name, function);
        let before = self.source.get(..offset).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let pos = (isize::try_from(line).unwrap_or(1), isize::try_from(column).unwrap_or(1));
        let text = placed(
            self.source,
            pos,
            &format!("undeclared reference to '{name}' (in container '')"),
        );
        if !self.found.contains(&text) {
            self.found.push(text);
        }
    }

    /// Where a name stands as a word of its own; for functions the bracket after it.
    fn place(&self, name: &str, function: bool) -> usize {
        let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
        let found = self.source.match_indices(name).find(|(at, _)| {
            let before = self.source.get(..*at).and_then(|text| text.chars().next_back());
            let after = self.source.get(at + name.len()..).and_then(|text| text.chars().next());
            let bracket = !function || after == Some('(');
            !before.is_some_and(part_of_word) && !after.is_some_and(part_of_word) && bracket
        });
        found.map_or(0, |(at, _)| if function { at + name.len() } else { at })
    }
}

/// The type of an expression where it can be told, by the names that the real server uses.
pub(super) fn static_type(expression: &IdedExpr) -> Option<&'static str> {
    match &expression.expr {
        Expr::Literal(literal) => Some(match literal {
            LiteralValue::Boolean(_) => "bool",
            LiteralValue::Bytes(_) => "bytes",
            LiteralValue::Double(_) => "double",
            LiteralValue::Int(_) => "int",
            LiteralValue::Null => "null_type",
            LiteralValue::String(_) => "string",
            LiteralValue::UInt(_) => "uint",
        }),
        Expr::Select(select) if select.test => Some("bool"),
        Expr::Select(select) if is_untyped(&select.operand) => Some("dyn"),
        Expr::Call(call) => match call.func_name.as_str() {
            "_==_" | "_!=_" | "_<_" | "_<=_" | "_>_" | "_>=_" | "_&&_" | "_||_" | "!_" | "@in" | "has" => Some("bool"),
            "string" if call.target.is_none() => Some("string"),
            "int" | "size" => Some("int"),
            "double" if call.target.is_none() => Some("double"),
            "startsWith" | "endsWith" | "contains" | "matches" | "isQuantity" | "isURL" | "isIP" | "isCIDR" => {
                Some("bool")
            }
            "_+_" | "_-_" | "_*_" | "_/_" | "_%_" => {
                let mut types = call.args.iter().map(static_type);
                let (left, right) = (types.next().flatten()?, types.next().flatten()?);
                (left == right && left != "dyn").then_some(left)
            }
            "_?_:_" => {
                let (yes, no) = (
                    call.args.get(1).and_then(static_type)?,
                    call.args.get(2).and_then(static_type)?,
                );
                (yes == no).then_some(yes)
            }
            _ => None,
        },
        Expr::List(_) => Some("list"),
        Expr::Map(_) => Some("map"),
        _ => None,
    }
}

/// Whether an expression is a path into an object of unknown structure.
fn is_untyped(expression: &IdedExpr) -> bool {
    match &expression.expr {
        Expr::Ident(name) => matches!(name.as_str(), "object" | "oldObject" | "params"),
        Expr::Select(select) => !select.test && is_untyped(&select.operand),
        _ => false,
    }
}

/// Whether a result of this type is what is wanted; results that are only known when they are there pass for conditions.
pub(super) fn fits(found: &str, wanted: Wanted) -> bool {
    match wanted {
        Wanted::Bool => found == "bool" || found == "dyn",
        Wanted::Text => found == "string",
        Wanted::TextOrNull => found == "string" || found == "null_type" || found == "dyn",
        Wanted::Anything => true,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Expression, Refused};
    use super::*;

    #[test]
    fn refusals_read_as_on_a_real_server() {
        let check = |source: &str, wanted: Wanted, expected: Result<(), Refused>| {
            assert_eq!(
                Expression::compile(source, &["object"], wanted).map(drop),
                expected,
                "{source}"
            );
        };
        let refused = |text: &str| Err(Refused::Compile(format!("compilation failed: {text}")));
        check("object.a == 1", Wanted::Bool, Ok(()));
        check(
            "object.data +",
            Wanted::Bool,
            refused(
                "ERROR: <input>:1:14: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | object.data +\n | .............^",
            ),
        );
        check(
            "foo == 1",
            Wanted::Bool,
            refused("ERROR: <input>:1:1: undeclared reference to 'foo' (in container '')\n | foo == 1\n | ^"),
        );
        check(
            "foo(1) && object.bar()",
            Wanted::Bool,
            refused(
                "ERROR: <input>:1:4: undeclared reference to 'foo' (in container '')\n | foo(1) && object.bar()\n | ...^\nERROR: <input>:1:21: undeclared reference to 'bar' (in container '')\n | foo(1) && object.bar()\n | ....................^",
            ),
        );
        check("1 + 1", Wanted::Bool, Err(Refused::Type("int")));
        check("object.data.zz", Wanted::Text, Err(Refused::Type("dyn")));
        check("'a' + string(object.x)", Wanted::Text, Ok(()));
        check("object.list.map(x, x.name).exists(y, y == 'b')", Wanted::Bool, Ok(()));
    }
}
