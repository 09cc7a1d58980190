//! Help texts and completions.

use crate::transcript::Shell;

#[test]
fn help_of_the_program_and_of_a_command() {
    let shell = Shell::of_url("http://[SERVER]");
    insta::assert_snapshot!(shell.runs(&[&["--help"], &["get", "--help"], &["-h"], &[]]));
}

#[test]
fn completions_of_every_shell() {
    let shell = Shell::of_url("http://[SERVER]");
    for name in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let text = shell.run(&["completion", name]);
        assert!(
            text.len() > 1000 && text.contains("config-item") && !text.contains("\n! "),
            "{name}"
        );
    }
}

#[test]
fn colours_only_when_asked_for() {
    let shell = Shell::of_url("http://[SERVER]");
    for (args, coloured) in [
        (vec!["get", "clusters", "-l", "x"], false),
        (vec!["get", "clusters", "-l", "x", "--color", "always"], true),
    ] {
        let text = shell.run(&args);
        assert!(
            text.contains("selector \"x\"") && text.contains("\u{1b}[") == coloured,
            "{text}"
        );
    }
}
