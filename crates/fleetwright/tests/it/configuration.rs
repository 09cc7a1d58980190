//! `config`, and what is in force.

use crate::server;
use crate::transcript::Shell;

#[tokio::test(flavor = "multi_thread")]
async fn contexts() {
    let server = server::with_fleet().await;
    let shell = Shell::at(&server);
    let url = server.url.as_str();
    let bare = || {
        let mut command = shell.command();
        command.env_remove("FLEETWRIGHT_SERVER");
        command
    };
    let lines: Vec<Vec<&str>> = vec![
        vec!["config", "get-contexts"],
        vec!["config", "use-context", "test"],
        vec![
            "config",
            "set-context",
            "test",
            "--server",
            url,
            "--default-output",
            "name",
        ],
        vec![
            "config",
            "set-context",
            "production",
            "--server",
            "https://registry.example.org",
            "--token-file",
            "token",
        ],
        vec!["config", "get-contexts"],
        vec!["get", "clusters"],
        vec!["get", "clusters", "-o", "jsonpath={.items[0].alias}{\"\\n\"}"],
        vec!["config", "use-context", "production"],
        vec!["config", "view"],
        vec!["config", "view", "--context", "test", "--request-timeout", "5"],
        vec!["config", "set-context", "production", "--server", ""],
        vec!["config", "view", "-o", "json"],
        vec!["config", "use-context", "nothing"],
        vec!["get", "clusters", "--context", "nothing"],
        vec!["config", "set-context", "x", "--default-output", "xml"],
        vec!["get", "clusters", "--config", "nothing.yaml"],
    ];
    let text: Vec<String> = lines.iter().map(|args| shell.run_with(args, "", bare())).collect();
    insta::assert_snapshot!(squeezed(&text.join("\n")));
    let file = std::fs::read_to_string(shell.home.path().join(".config/fleetwright/config.yaml")).unwrap();
    assert!(
        file.starts_with("contexts:\n") && file.contains("current-context: production\n"),
        "{file}"
    );
}

#[test]
fn the_environment_counts() {
    let shell = Shell::of_url("http://from-environment");
    let mut text = shell.run(&["config", "view"]);
    let mut command = shell.command();
    command
        .env("FLEETWRIGHT_TOKEN_FILE", "/t")
        .env("FLEETWRIGHT_OUTPUT", "wide")
        .env("XDG_CONFIG_HOME", "/etc/xdg");
    text.push_str(&shell.run_with(&["config", "view", "-s", "http://flag"], "", command));
    let mut command = shell.command();
    command.env("FLEETWRIGHT_REQUEST_TIMEOUT", "soon");
    text.push_str(&shell.run_with(&["config", "view"], "", command));
    shell.file("bad.yaml", "current-context: a\nservers: []\n");
    text.push_str(&shell.run(&["config", "view", "--config", "bad.yaml"]));
    insta::assert_snapshot!(squeezed(&text));
}

/// Columns are as wide as the path of the home directory, which differs from machine to machine.
fn squeezed(text: &str) -> String {
    regex::Regex::new(" {4,}")
        .unwrap()
        .replace_all(text, "   ")
        .into_owned()
}
