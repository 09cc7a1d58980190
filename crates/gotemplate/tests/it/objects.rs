//! Objects, functions as data, suggestions, missing keys, secrets.

use std::sync::Arc;

use gotemplate::{
    CallContext, ErrorKind, Execution, Function, FunctionError, Functions, Map, MissingKey, Object, ParamType, Record,
    Template, Value,
};

use crate::data::{functions, root};

fn check(template: &str, expected: Result<&str, &str>) {
    let functions = functions();
    let parsed = Template::parse("f.yaml", template, &functions).unwrap();
    let result = Execution::new(&parsed, &functions)
        .run(&root())
        .map_err(|error| error.kind.to_string());
    assert_eq!(
        result.as_deref(),
        expected.map_err(str::to_owned).as_deref(),
        "{template}"
    );
}

#[test]
fn suggests_the_nearest_name() {
    check(
        "{{ .Cluster.ConfigItems.cpus }}",
        Err(r#"map has no entry for key "cpus" (did you mean "cpu"?)"#),
    );
    check(
        "{{ .pool.MinSise }}",
        Err(r#"can't evaluate field MinSise in type *main.Pool (did you mean "MinSize"?)"#),
    );
    check(
        "{{ .pool.IsSpott }}",
        Err(r#"can't evaluate field IsSpott in type *main.Pool (did you mean "IsSpot"?)"#),
    );
    check(
        "{{ define \"labels\" }}{{ end }}{{ template \"lables\" }}",
        Err(r#"template "lables" not defined (did you mean "labels"?)"#),
    );
    let error = Template::parse("f.yaml", "\n {{ uper 1 }}", &functions()).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"template: f.yaml:2:4: function "uper" not defined (did you mean "upper"?)"#
    );
    let error = Template::parse("f.yaml", "{{ $name := 1 }}{{ $nam }}", &functions()).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"template: f.yaml:1:19: undefined variable "$nam" (did you mean "$name"?)"#
    );
}

#[test]
fn errors_carry_their_parts() {
    let functions = functions();
    let parsed = Template::parse("main/x.yaml", "a\nb: {{ .Cluster.ConfigItems.zzzzzzz }}", &functions).unwrap();
    let error = Execution::new(&parsed, &functions).run(&root()).unwrap_err();
    assert_eq!(
        (&*error.template, &*error.executing, error.line, error.column),
        ("main/x.yaml", "main/x.yaml", 2, 14)
    );
    assert_eq!(error.expression, ".Cluster.ConfigItems.zzzzzzz");
    assert_eq!(
        error.kind,
        ErrorKind::MissingKey {
            key: "zzzzzzz".into(),
            suggestion: None
        }
    );
}

#[test]
fn missing_keys_by_option() {
    let functions = functions();
    let parsed = Template::parse(
        "t",
        "[{{ .Cluster.ConfigItems.nope }}][{{ .nope }}][{{ .nope.x }}]",
        &functions,
    )
    .unwrap();
    let run = |option| {
        Execution::new(&parsed, &functions)
            .missing_key(option)
            .run(&root())
            .unwrap()
    };
    assert_eq!(run(MissingKey::Nothing), "[<no value>][<no value>][<no value>]");
    assert_eq!(run(MissingKey::Zero), "[][<no value>][<no value>]");
}

/// A method on a map's entry, as `.Values.InstanceInfo.AvailableStorage 0.9 …` uses it (fact 41).
#[test]
fn functions_in_maps_are_called_like_methods() {
    let storage = Function::new(
        [ParamType::Float, ParamType::Int, ParamType::Int],
        |_, args| match args {
            [Value::Float(share), Value::Int(unit), Value::Int(_)] => Ok(Value::from(format!("{share}x{unit}"))),
            _ => Err(FunctionError::new("unreachable")),
        },
    );
    let info = Map::new([("AvailableStorage", Value::from(storage))]);
    let data = Value::from(Map::new([("InstanceInfo", info.into())]));
    let functions = functions();
    let text = "{{ .InstanceInfo.AvailableStorage 0.9 (parseInt64 \"550\") 858993459 }}";
    let parsed = Template::parse("t", text, &functions).unwrap();
    assert_eq!(Execution::new(&parsed, &functions).run(&data).unwrap(), "0.9x550");
}

#[derive(Debug)]
struct Account;

impl Object for Account {
    fn type_name(&self) -> &str {
        "*api.Account"
    }

    fn field(&self, name: &str) -> Option<Value> {
        (name == "Owner").then(|| Value::from("team"))
    }

    fn field_names(&self) -> Vec<&str> {
        vec!["Owner"]
    }
}

#[test]
fn objects_are_a_trait() {
    let data = Value::from(Map::new([("Account", Value::Object(Arc::new(Account)))]));
    let functions = Functions::new();
    let run = |text: &str| {
        let parsed = Template::parse("t", text, &functions).unwrap();
        Execution::new(&parsed, &functions)
            .run(&data)
            .map_err(|error| error.kind.to_string())
    };
    assert_eq!(
        run("{{ .Account.Owner }} {{ .Account }} {{ if .Account }}y{{ end }}").unwrap(),
        "team {team} y"
    );
    assert_eq!(
        run("{{ .Account.Ownr }}").unwrap_err(),
        r#"can't evaluate field Ownr in type *api.Account (did you mean "Owner"?)"#
    );
    assert_eq!(
        run("{{ index .Account \"Owner\" }}").unwrap_err(),
        "error calling index: can't index item of type *api.Account"
    );
}

#[test]
fn functions_carry_data_and_replace_gos_own() {
    let cluster = "kube-1".to_owned();
    let functions = Functions::new()
        .with(
            "cluster",
            Function::new([], move |context: &mut CallContext<'_>, _| {
                Ok(Value::from(format!("{cluster}@{}", context.template())))
            }),
        )
        .with("len", Function::new([ParamType::Any], |_, _| Ok(Value::from("own"))));
    let parsed = Template::parse("a.yaml", "{{ cluster }} {{ len 1 }}", &functions).unwrap();
    assert_eq!(
        Execution::new(&parsed, &functions).run(&Value::Nil).unwrap(),
        "kube-1@a.yaml own"
    );
    let error = Execution::new(&parsed, &Functions::new()).run(&Value::Nil).unwrap_err();
    assert_eq!(error.kind, ErrorKind::UnknownFunction("cluster".into()));
}

/// Whatever fails, the secret stays out of the error's text.
#[test]
fn errors_never_show_data() {
    let secret = "s3cr3t";
    let record = Record::new("T")
        .field("F", secret)
        .method("M", Function::new([], |_, _| Err(FunctionError::new("no"))));
    let data = Value::from(Map::new([
        ("s", Value::from(secret)),
        ("l", Value::strings([secret])),
        ("m", Map::strings([("k", secret)]).into()),
        ("o", record.into()),
    ]));
    let functions = functions();
    for text in [
        "{{ .s.x }}",
        "{{ .s 1 }}",
        "{{ index .s .s }}",
        "{{ index .l .s }}",
        "{{ index .m 1 }}",
        "{{ eq .s 1 }}",
        "{{ lt .s 1 }}",
        "{{ eq .l .l }}",
        "{{ eq .m .m }}",
        "{{ range .s }}{{ end }}",
        "{{ half .s }}",
        "{{ add .s 1 }}",
        "{{ slice .s 9 }}",
        "{{ slice .l .s }}",
        "{{ call .s }}",
        "{{ upper .l }}",
        "{{ .o.F.x }}",
        "{{ .o.M }}",
        "{{ .o.F 1 }}",
        "{{ .m.k.x }}",
        "{{ .m.z }}",
        "{{ len .o }}",
        "{{ dict 1 .s }}",
        "{{ parseInt64 .s }}",
        "{{ fail .s }}",
        "{{ $x := .s }}{{ $x.y }}",
        "{{ template \"n\" .s }}",
        "{{ join .s .s }}",
        "{{ index .l 7 }}",
        "{{ printf .l }}",
        "{{ ge .l 1 }}",
        "{{ range $a, $b := .s }}{{ end }}",
    ] {
        let parsed = Template::parse("t", text, &functions).unwrap();
        let error = Execution::new(&parsed, &functions).run(&data).unwrap_err();
        assert!(
            !error.to_string().contains(secret) && !format!("{error:?}").contains(secret),
            "{text}: {error}"
        );
    }
}
