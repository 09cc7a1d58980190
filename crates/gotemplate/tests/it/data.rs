//! The data and functions that the expectations in `tests/data/go.json` were made with.

use gotemplate::{ElementType, Function, FunctionError, Functions, List, Map, ParamType, Record, Value};

pub(crate) fn root() -> Value {
    let items = Map::strings([("a", "false"), ("b", ""), ("list", "x=1,y=2"), ("cpu", "100m")]);
    let cluster = Map::new([("Environment", Value::from("test")), ("ConfigItems", items.into())]);
    let any = [
        Value::from(1),
        Value::from("a"),
        Value::Nil,
        Value::from(2.5),
        Value::from(true),
    ];
    let ints = List::of(ElementType::Int, [3, 1, 2].map(Value::from));
    let deep = Map::new([("k", Value::from("v"))]);
    let m = Map::new([("y", Value::Nil), ("x", Value::from(1)), ("deep", deep.into())]);
    let zones = Map::strings([("*", "s1,s2"), ("eu-central-1b", "s2"), ("eu-central-1a", "s1")]);
    let join = Function::new([ParamType::String, ParamType::Int], |_, args| match args {
        [Value::String(text), Value::Int(number)] => Ok(Value::from(format!("{text}{number}"))),
        _ => Err(FunctionError::new("unreachable")),
    });
    Value::from(Map::new([
        ("Cluster", Value::from(cluster)),
        ("azs", Value::strings(["eu-a", "eu-b"])),
        ("any", Value::list(any)),
        ("ints", ints.into()),
        ("m", m.into()),
        ("zones", zones.into()),
        ("n", Value::from(7)),
        ("neg", Value::from(-3)),
        ("u", Value::Uint(8)),
        ("million", Value::from(1_000_000.0)),
        ("g", Value::from(2.5)),
        ("tiny", Value::from(0.000_012_34)),
        ("third", Value::from(1.0 / 3.0)),
        ("s", Value::from("hello <b> & \"q\" 'x'")),
        ("empty", Value::from("")),
        ("t", Value::from(true)),
        ("no", Value::from(false)),
        ("nothing", Value::Nil),
        ("uni", Value::from("grüße\n")),
        ("pool", pool().into()),
        ("emptyList", Value::strings::<&str>([])),
        ("emptyMap", Map::new::<&str>([]).into()),
        ("fn", join.into()),
    ]))
}

fn pool() -> Record {
    let scale = Function::new(
        [ParamType::Float, ParamType::Int, ParamType::Int],
        |_, args| match args {
            [Value::Float(factor), Value::Int(by), Value::Int(unit)] => {
                Ok(Value::from((factor * *by as f64) as i64 + unit))
            }
            _ => Err(FunctionError::new("unreachable")),
        },
    );
    Record::new("*main.Pool")
        .field("Name", "worker")
        .field("MinSize", 3)
        .field("Items", Map::strings([("k", "v")]))
        .method("IsSpot", Function::constant(Value::from(true)))
        .method("Scale", scale)
}

pub(crate) fn functions() -> Functions {
    let text = |args: &[Value], at: usize| args.get(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    let int = |args: &[Value], at: usize| args.get(at).and_then(Value::as_int).unwrap_or_default();
    let range = |from: i64, to: i64| Value::from(Record::new("main.Range").field("From", from).field("To", to));
    let ranges = Value::from(List::of(ElementType::Object("main.Range"), [range(1, 2), range(3, 4)]));
    Functions::new()
        .with(
            "split",
            Function::new([ParamType::String, ParamType::String], move |_, args| {
                let (all, separator) = (text(args, 0), text(args, 1));
                let parts: Vec<&str> = if all.is_empty() {
                    Vec::new()
                } else {
                    all.split(&*separator).collect()
                };
                Ok(Value::strings(parts))
            }),
        )
        .with(
            "join",
            Function::new([ParamType::String, ParamType::StringList], move |_, args| {
                let items = args.get(1).and_then(Value::as_items).unwrap_or_default();
                let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                Ok(Value::from(items.join(&text(args, 0))))
            }),
        )
        .with(
            "parseInt64",
            Function::new([ParamType::String], move |_, args| {
                text(args, 0)
                    .parse::<i64>()
                    .map(Value::from)
                    .map_err(|_| FunctionError::new("not a number"))
            }),
        )
        .with(
            "half",
            Function::new([ParamType::Float], |_, args| match args {
                [Value::Float(number)] => Ok(Value::from(number / 2.0)),
                _ => Err(FunctionError::new("unreachable")),
            }),
        )
        .with(
            "add",
            Function::new([ParamType::Int, ParamType::Int], move |_, args| {
                Ok(Value::from(int(args, 0).wrapping_add(int(args, 1))))
            }),
        )
        .with(
            "upper",
            Function::new([ParamType::String], move |_, args| {
                Ok(Value::from(text(args, 0).to_uppercase()))
            }),
        )
        .with(
            "fail",
            Function::new([ParamType::String], |_, _| Err(FunctionError::new("bad input"))),
        )
        .with(
            "list",
            Function::variadic([], ParamType::Any, |_, args| Ok(Value::list(args.iter().cloned()))),
        )
        .with(
            "dict",
            Function::variadic([], ParamType::Any, |_, args| {
                let pairs = args.chunks_exact(2).map(|pair| match pair {
                    [Value::String(key), value] => Ok((key.clone(), value.clone())),
                    _ => Err(FunctionError::new("keys of a dict are strings")),
                });
                Ok(Value::from(Map::new(pairs.collect::<Result<Vec<_>, _>>()?)))
            }),
        )
        .with("ranges", Function::constant(ranges))
        .with("null", Function::constant(Value::Nil))
}
