//! Templates and what they print.

use serde_json::json;

use super::*;

#[test]
fn templates_print_what_kubectl_would() {
    let value = json!({"items": [
        {"id": "a", "n": 1, "config_items": {"a.b": "x", "other_key": "y"}, "pools": [{"name": "p"}, {"name": "q"}]},
        {"id": "b", "n": 2, "config_items": {}, "pools": []},
        {"id": "c", "n": 3, "ready": true, "config_items": {"other_key": "z"}, "pools": [{"name": "r"}]},
    ]});
    for (template, expected) in [
        ("{.items[*].id}", "a b c"),
        ("{.items[0].id}", "a"),
        ("{.items[-1].id}", "c"),
        ("{.items[0:2].id}", "a b"),
        ("{.items[::2].id}", "a c"),
        ("{.items[1:].id}", "b c"),
        ("{.items[7].id}", ""),
        ("{.items[*].nothing}", ""),
        ("{.items[*]['id','n']}", "a 1 b 2 c 3"),
        ("{.items[0].config_items.a\\.b}", "x"),
        ("{.items[0].config_items['a.b']}", "x"),
        ("{range .items[*]}{.id}={.n}{\"\\n\"}{end}", "a=1\nb=2\nc=3\n"),
        (
            "{range .items[*]}{.id}:{range .pools[*]}[{.name}]{end};{end}",
            "a:[p][q];b:;c:[r];",
        ),
        ("{.items[?(@.n==2)].id}", "b"),
        ("{.items[?(@.n>=2)].id}", "b c"),
        ("{.items[?(@.id!=\"a\")].id}", "b c"),
        ("{.items[?(@.config_items.other_key==\"z\")].id}", "c"),
        ("{.items[?(@.ready)].id}", "c"),
        ("{..name}", "p q r"),
        ("{$.items[0].id}", "a"),
        ("{.items[1].pools}", "[]"),
        ("{.items[1].config_items}", "{}"),
        ("ids: {.items[*].id}!", "ids: a b c!"),
        ("plain", "plain"),
        ("{'quoted'}", "quoted"),
    ] {
        assert_eq!(
            Template::parse(template).map(|t| t.render(&value)).as_deref(),
            Ok(expected),
            "{template}"
        );
    }
    assert_eq!(Template::parse("{.}").unwrap().render(&json!("x")), "x");
}

#[test]
fn broken_templates_are_refused_with_the_place() {
    for (template, expected) in [
        ("{.items", "jsonpath, character 8: expected }"),
        (
            "{.items[}",
            "jsonpath, character 9: expected a number, *, ?( or a quoted name",
        ),
        (
            "{range .items[*]}{.id}",
            "jsonpath, character 23: {range} without {end}",
        ),
        ("{end}", "jsonpath, character 6: {end} without {range}"),
        (
            "{.items[?(@.n==)]}",
            "jsonpath, character 16: expected a path, a quoted text or a number",
        ),
        ("{\"x}", "jsonpath, character 5: a quoted text does not end"),
        ("{}", "jsonpath, character 2: expected a path such as .items[*].id"),
    ] {
        assert_eq!(
            Template::parse(template).unwrap_err().to_string(),
            expected,
            "{template}"
        );
    }
}

#[test]
fn single_paths_may_leave_out_braces_and_the_first_dot() {
    let value = json!({"status": {"current_version": "v"}});
    for text in [
        ".status.current_version",
        "{.status.current_version}",
        "status.current_version",
    ] {
        assert_eq!(Path::parse(text).unwrap().find(&value), [&json!("v")], "{text}");
    }
    assert!(Path::parse(".a b").is_err());
}
