//! Any text is parsed or refused, any parsed template renders or fails; nothing panics or hangs.

use gotemplate::{Execution, Functions, Limits, Map, Template, Value};
use proptest::prelude::*;

use crate::data::{functions, root};

fn fragment() -> impl Strategy<Value = String> {
    let pieces = vec![
        "{{",
        "}}",
        "{{-",
        "-}}",
        "{{- ",
        " -}}",
        "{{ ",
        " }}",
        "/*",
        "*/",
        "if ",
        "else",
        "else if ",
        "end",
        "{{ end }}",
        "range ",
        "with ",
        "define ",
        "block ",
        "template ",
        "break",
        "continue",
        "\"",
        "'",
        "`",
        "\\",
        "(",
        ")",
        "|",
        ",",
        ":=",
        "=",
        "$",
        "$x",
        ".",
        ".a",
        ".Cluster.ConfigItems.a",
        ".pool.Scale ",
        ".ints",
        "print ",
        "printf ",
        "\"%d%s%[3]*.[2]*v\" ",
        "index ",
        "slice ",
        "len ",
        "call .fn ",
        "list ",
        "and ",
        "or ",
        "not ",
        "eq ",
        "lt ",
        "html ",
        "js ",
        "0x",
        "1e9",
        "0b2",
        "-",
        "+1",
        "'a'",
        "nil",
        "true",
        "1",
        "99999999999999999999",
        " ",
        "\n",
        "é",
        "\u{a0}",
        "text",
        "\"t\"",
        "{{ if .t }}",
        "{{ range .ints }}",
        "{{ $x := 1 }}",
        "{{ .uni }}",
        "\0",
    ];
    prop_oneof![8 => prop::sample::select(pieces).prop_map(str::to_owned), 1 => any::<String>()]
}

fn survives(text: &str) {
    let functions = functions();
    let limits = Limits {
        steps: 20_000,
        output_bytes: 100_000,
        produced_bytes: 1_000_000,
        ..Limits::default()
    };
    if let Ok(template) = Template::parse("t", text, &functions) {
        let _ = Execution::new(&template, &functions).limits(limits).run(&root());
    }
}

fn run(text: &str, data: Value) -> String {
    let functions = Functions::new();
    let template = Template::parse("t", text, &functions).unwrap();
    Execution::new(&template, &functions).run(&data).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_panics(pieces in prop::collection::vec(fragment(), 0..40)) {
        survives(&pieces.concat());
    }

    #[test]
    fn no_action_panics(pieces in prop::collection::vec(fragment(), 0..8)) {
        survives(&format!("a {{{{ {} }}}} b", pieces.join(" ")));
    }

    #[test]
    fn no_format_panics(format in "[%+# 0-9.*\\[\\]a-zA-Zé]{0,12}", number: i64, text: String, float: f64) {
        let data = Map::new([
            ("f", Value::from(format)), ("n", Value::from(number)), ("s", Value::from(text)), ("d", Value::from(float)),
            ("l", Value::list([Value::Nil, Value::from(float)])),
        ]);
        let functions = Functions::new();
        let template = Template::parse("t", "{{ printf .f .n .s .d .l nil }}", &functions).unwrap();
        let _ = Execution::new(&template, &functions).run(&Value::from(data));
    }

    #[test]
    fn text_without_actions_is_itself(text in "[^{]{0,80}") {
        prop_assert_eq!(run(&text, Value::Nil), text);
    }

    #[test]
    fn integers_print_as_rust_prints_them(number: i64, width in 0_usize..30) {
        let data = Value::from(number);
        prop_assert_eq!(run("{{ . }}", data.clone()), number.to_string());
        prop_assert_eq!(run("{{ printf \"%x\" . }}", data.clone()), if number < 0 { format!("-{:x}", number.unsigned_abs()) } else { format!("{number:x}") });
        prop_assert_eq!(run(&format!("{{{{ printf \"%{width}d\" . }}}}"), data.clone()), format!("{number:width$}"));
        prop_assert_eq!(run(&format!("{{{{ printf \"%0{width}d\" . }}}}"), data.clone()), format!("{number:0width$}"));
        prop_assert_eq!(run(&format!("{{{{ printf \"%-+{width}d\" . }}}}"), data), format!("{number:<+width$}"));
    }

    #[test]
    fn floats_read_back(number: f64) {
        prop_assume!(number.is_finite());
        let text = run("{{ . }}", Value::from(number));
        prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), number.to_bits(), "{}", text);
    }

    #[test]
    fn strings_survive_quoting(text: String) {
        let quoted = run("{{ printf \"%q\" . }}", Value::from(text.as_str()));
        prop_assert_eq!(run(&format!("{{{{ {quoted} }}}}"), Value::Nil), text);
    }

    #[test]
    fn places_are_inside_the_text(pieces in prop::collection::vec(fragment(), 0..20)) {
        let text = pieces.concat();
        if let Err(error) = Template::parse("t", text.as_str(), &functions()) {
            let line = text.split('\n').nth(error.line - 1);
            prop_assert!(line.is_some_and(|line| error.column <= line.len()), "{}", error);
        }
    }
}
