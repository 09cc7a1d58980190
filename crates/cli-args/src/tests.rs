//! What the grammar takes and refuses.

use clap::Parser;

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("fleetwright").chain(line.split(' ').filter(|word| !word.is_empty())))
}

#[test]
fn the_grammar_is_sound() {
    command().debug_assert();
}

#[test]
fn lines_are_taken_or_refused() {
    for (line, taken) in [
        ("get clusters", true),
        ("get cluster kube-1 -o yaml -w", true),
        ("get cl -l channel=beta --no-headers --sort-by .alias", true),
        ("get np -c kube-1", true),
        ("get accounts -s http://h", true),
        ("get", false),
        ("get pods", false),
        ("get clusters -o xml", false),
        ("get clusters -o jsonpath=", false),
        ("delete cluster kube-1", true),
        ("delete -f x.yaml", true),
        ("delete", false),
        ("delete cluster", false),
        ("delete cluster kube-1 -f x.yaml", false),
        ("set config-item kube-1 a_b=c", true),
        ("set config-item kube-1 --from-file a_b=path", true),
        ("set config-item kube-1", false),
        ("set config-item kube-1 novalue", false),
        ("unset config-item kube-1", false),
        ("registry serve --database sqlite:x.db --no-auth", true),
        ("registry serve --oidc-issuer https://i", false),
        ("registry serve --tls-cert c.pem", false),
        ("registry serve --listen nonsense", false),
        ("block kube-1 --reason x --for 24h --scope nodes", true),
        ("block -l channel=beta --reason x --until 2026-12-01T06:00:00Z", true),
        ("block kube-1 --reason x --for 3d", true),
        ("block kube-1", false),
        ("block --reason x", false),
        ("block kube-1 -l channel=beta --reason x", false),
        ("block kube-1 --reason x --for 24h --until 2026-12-01T06:00:00Z", false),
        ("block kube-1 --reason x --for soon", false),
        ("unblock", false),
        ("unblock kube-1 --id b-1", true),
        ("cluster-update block canary broken", true),
        ("cluster-update block canary --reason broken", false),
        ("cluster-update status", true),
        ("get blocks", true),
        ("get rollouts -w", true),
        ("get evidence kube-1 -o wide", true),
        ("describe node n -c kube-1", true),
        ("describe node n", false),
        ("why node n --cluster kube-1 --policy test", true),
        ("why pod shop/cart-0 --cluster kube-1 -o json", true),
        ("why pod", false),
        ("controllers --enable node-lifecycle,node-shutdown --cluster-id c", true),
        ("controllers --enable everything --cluster-id c", false),
        ("controllers --cluster-id c", false),
        ("get updates kube-1 -w", true),
        ("describe update u-1", true),
        (
            "plan --config-source main:dir:. --all --to dev -o wide --detailed-exitcode",
            true,
        ),
        ("plan --config-source main:dir:. --to dev", false),
        ("shadow --config-source main:dir:.", true),
        ("shadow kube-1 --config-source main:dir:. -w --interval 1h", true),
        ("shadow --config-source main:dir:. -w -o json", false),
        ("adopt kube-1 --config-source main:dir:.", false),
        ("adopt kube-1 --reason x --plan plan-1 --config-source main:dir:.", true),
        ("hand-back kube-1 --reason x --config-source main:dir:.", true),
        ("serve --shadow https://r --shadow-token-file t", true),
        ("serve --shadow-token-file t", false),
        ("completion bash", true),
        ("completion csh", false),
        ("create", false),
        ("history cluster kube-1 --limit 0", false),
        ("up --port 0", true),
        (
            "sim up --clusters 3 --nodes 5 --profile shop --speed 60x --seed 7",
            true,
        ),
        ("sim up --profile nothing", false),
        ("sim up --speed 0", false),
        ("sim up --clusters 0", false),
        ("sim list", true),
        ("sim fault kill-node n -c sim-1 --simulation 12", true),
        ("sim fault kill-node", false),
        ("sim fault api 429=2 --verb list --verb get --chance 0.5 --for 1m", true),
        ("sim fault api 429 --chance 0.5 --every 2", false),
        ("sim fault api 404", false),
        ("sim fault clear", true),
        ("sim snapshot -c sim-1 -f x.yaml", true),
        ("sim load", false),
    ] {
        assert_eq!(parse(line).is_ok(), taken, "{line}");
    }
}

#[test]
fn values_of_config_items_do_not_show_in_debug_text() {
    let cli = parse("set config-item kube-1 db_token=hunter2").unwrap();
    let text = format!("{cli:?}");
    assert!(text.contains("db_token"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn every_shell_gets_a_script_that_knows_the_commands() {
    for shell in [
        ShellName::Bash,
        ShellName::Zsh,
        ShellName::Fish,
        ShellName::Powershell,
        ShellName::Elvish,
    ] {
        let script = String::from_utf8(completion_script(shell)).unwrap();
        assert!(
            script.contains("config-item") && script.contains("get-contexts"),
            "{shell:?}"
        );
    }
}

#[test]
fn man_pages_cover_every_command() {
    let files: Vec<String> = man_pages().unwrap().into_iter().map(|page| page.file).collect();
    for expected in [
        "fleetwright.1",
        "fleetwright-get.1",
        "fleetwright-registry-serve.1",
        "fleetwright-set-config-item.1",
    ] {
        assert!(files.iter().any(|file| file == expected), "{expected} in {files:?}");
    }
}

#[test]
fn commands_have_examples_and_environment_variables_are_declared_once() {
    fn leaves(command: &clap::Command) {
        let below: Vec<_> = command.get_subcommands().collect();
        if below.is_empty() {
            assert!(
                command
                    .get_after_help()
                    .is_some_and(|h| h.to_string().contains("fleetwright ")),
                "{command}"
            );
        }
        below.into_iter().for_each(leaves);
    }
    leaves(&command());
    let mut names: Vec<_> = env_vars::ALL.iter().map(|v| v.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), env_vars::ALL.len());
}
