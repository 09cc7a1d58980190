//! What a template read is recorded, however it got there.

use gotemplate::{CallContext, Execution, Function, Functions, Map, ParamType, ReadSet, Record, Template, Value};

fn check(template: &str, expected: &[&str]) {
    let items = Map::strings([("a", "1"), ("b", "2")]);
    let pool = Record::new("*api.NodePool")
        .field("Name", "worker")
        .with_provenance("NodePool");
    let data = Value::from(Map::new([
        (
            "Cluster",
            Value::from(Map::new([
                ("ConfigItems", Value::from(items)),
                ("Region", Value::from("eu")),
            ])),
        ),
        ("NodePool", pool.into()),
        ("List", Value::list([Map::strings([("x", "y")]).into()])),
    ]))
    .labelled("");
    let functions = Functions::new()
        .with(
            "wrap",
            Function::new([ParamType::Any], |_, args| {
                Ok(Value::from(Map::new([(
                    "Cluster",
                    args.first().cloned().unwrap_or_default(),
                )])))
            }),
        )
        .with(
            "firstKey",
            Function::new([ParamType::Map], |context: &mut CallContext<'_>, args| {
                if let Some(map) = args.first() {
                    context.record_key(map, "a");
                }
                Ok(Value::Nil)
            }),
        );
    let parsed = Template::parse("t", template, &functions).unwrap();
    let mut reads = ReadSet::new();
    let _ = Execution::new(&parsed, &functions).recorder(&mut reads).run(&data);
    assert_eq!(reads.paths(), expected, "{template}");
}

#[test]
fn reads_are_recorded() {
    check("text", &[]);
    check(
        "{{ .Cluster.ConfigItems.a }}",
        &["Cluster", "Cluster.ConfigItems", "Cluster.ConfigItems.a"],
    );
    check(
        "{{ index .Cluster.ConfigItems \"b\" }}",
        &["Cluster", "Cluster.ConfigItems", "Cluster.ConfigItems.b"],
    );
    check("{{ index . \"Cluster\" \"Region\" }}", &["Cluster", "Cluster.Region"]);
    check("{{ $c := .Cluster }}{{ $c.Region }}", &["Cluster", "Cluster.Region"]);
    check(
        "{{ range .Cluster.ConfigItems }}{{ end }}",
        &["Cluster", "Cluster.ConfigItems", "Cluster.ConfigItems.*"],
    );
    check(
        "{{ len .Cluster.ConfigItems }}",
        &["Cluster", "Cluster.ConfigItems", "Cluster.ConfigItems.*"],
    );
    check(
        "{{ with wrap .Cluster }}{{ .Cluster.Region }}{{ end }}",
        &["Cluster", "Cluster.Region"],
    );
    check("{{ .NodePool.Name }}", &["NodePool", "NodePool.Name"]);
    check(
        "{{ firstKey .Cluster.ConfigItems }}",
        &["Cluster", "Cluster.ConfigItems", "Cluster.ConfigItems.a"],
    );
    check("{{ range .List }}{{ .x }}{{ end }}", &["List", "List[0].x"]);
}

#[test]
fn absent_and_whole_reads_count() {
    check(
        "{{ .Cluster.ConfigItems.none }}",
        &["Cluster", "Cluster.ConfigItems", "Cluster.ConfigItems.none"],
    );
    check(
        "{{ index .Cluster.ConfigItems \"none\" }}",
        &["Cluster", "Cluster.ConfigItems", "Cluster.ConfigItems.none"],
    );
    check("{{ if false }}{{ .Cluster.Region }}{{ end }}", &[]);
    check(
        "{{ print .Cluster }}",
        &["Cluster", "Cluster.*", "Cluster.ConfigItems.*"],
    );
}
