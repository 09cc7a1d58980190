//! `render`, `diff`, `explain` and `lint` over a small tree of configuration.

use crate::transcript::Shell;

const REGISTRY: &str = "\
infrastructure_accounts: []
clusters:
- {id: 'aws:1:r:one', alias: one, infrastructure_account: 'aws:1', region: r, local_id: one, provider: simulated,
   api_server_url: https://one.example.org, channel: beta, environment: test, criticality_level: 1, lifecycle_status: ready,
   config_items: {size: '3', api_password: correct-horse-battery}, node_pools: [], status: {problems: []}}
- {id: 'aws:1:r:two', alias: two, infrastructure_account: 'aws:1', region: r, local_id: two, provider: simulated,
   api_server_url: https://two.example.org, channel: beta, environment: test, criticality_level: 1, lifecycle_status: ready,
   config_items: {size: '4', api_password: another-long-secret}, node_pools: [], status: {problems: []}}
";
const MANIFEST: &str = "\
apiVersion: v1
kind: Secret
metadata: {name: s, namespace: d}
data: {encoded: '{{ .Cluster.ConfigItems.api_password | base64 }}'}
stringData: {plain: '{{ .Cluster.ConfigItems.api_password }}'}
";
const SOURCE: [&str; 4] = ["--config-source", "main:dir:tree", "--registry", "registry.yaml"];

/// A tree with one manifest, and a registry of two clusters.
fn shell(manifest: &str) -> Shell {
    let shell = Shell::of_url("http://[SERVER]");
    shell.file("registry.yaml", REGISTRY);
    tree(&shell, "tree", manifest);
    shell
}

fn tree(shell: &Shell, name: &str, manifest: &str) {
    shell.file(&format!("{name}/cluster/config-defaults.yaml"), "size: \"2\"\n");
    shell.file(&format!("{name}/cluster/cluster.yaml"), "Resources: {}\n");
    shell.file(&format!("{name}/cluster/manifests/a/a.yaml"), manifest);
}

fn run(shell: &Shell, args: &[&str]) -> String {
    shell.run(&[args, &SOURCE].concat())
}

#[test]
fn an_unreachable_repository_is_one_error_for_its_clusters() {
    let shell = shell(MANIFEST);
    let text = shell.run(&[
        "render",
        "--all",
        "--config-source",
        "main:git:./nothing",
        "--registry",
        "registry.yaml",
    ]);
    let errors: Vec<&str> = text.lines().filter(|line| line.starts_with('!')).collect();
    assert_eq!(errors.len(), 1, "{text}");
    assert!(errors[0].starts_with("! error: 2 clusters (one, two): "), "{text}");
    assert!(
        errors[0].ends_with("(--offline uses what was fetched before)"),
        "{text}"
    );
    assert!(text.ends_with("= Some(1)\n"), "{text}");
}

#[test]
fn a_missing_key_concerns_the_cluster_without_it() {
    let shell = shell(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: d}\ndata: {k: '{{ .Cluster.ConfigItems.only_two }}'}\n",
    );
    shell.file("registry.yaml", &REGISTRY.replace("size: '4'", "only_two: '4'"));
    let text = run(&shell, &["render", "--all"]);
    assert_eq!(text.matches("! error: cluster one: ").count(), 1, "{text}");
    assert_eq!(text.matches("! error").count(), 1, "{text}");
    assert!(
        text.contains("# Source: two/manifests/a/a.yaml") && text.contains("= Some(1)"),
        "{text}"
    );
}

#[test]
fn secrets_are_masked_unless_asked_for() {
    let shell = shell(MANIFEST);
    let masked = run(&shell, &["render", "--cluster", "one"]);
    assert!(
        !masked.contains("correct-horse") && !masked.contains("Y29ycmVjdC"),
        "{masked}"
    );
    assert!(
        masked.contains("Source: one/manifests/a/a.yaml") && !masked.contains("= Some"),
        "{masked}"
    );
    let shown = run(&shell, &["render", "--cluster", "one", "--show-secrets"]);
    assert!(
        shown.contains("correct-horse-battery") && shown.contains("Y29ycmVjdC"),
        "{shown}"
    );
    let explained = run(&shell, &["explain", "config-item", "api_password", "--cluster", "one"]);
    assert!(
        explained.contains("api_password = ") && !explained.contains("correct-horse"),
        "{explained}"
    );
}

#[cfg(unix)]
#[test]
fn files_with_secrets_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let shell = shell(MANIFEST);
    let path = shell.home.path().join("out/one/manifests/a/a.yaml");
    run(&shell, &["render", "--cluster", "one", "--output", "out"]);
    assert!(!std::fs::read_to_string(&path).unwrap().contains("correct-horse"));
    // Written over a file that others can read.
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    run(
        &shell,
        &["render", "--cluster", "one", "--output", "out", "--show-secrets"],
    );
    assert!(std::fs::read_to_string(&path).unwrap().contains("correct-horse"));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn exit_codes_of_diff() {
    let shell = shell("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: d}\ndata: {k: a}\n");
    tree(
        &shell,
        "other",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: d}\ndata: {k: b}\n",
    );
    let same = run(&shell, &["diff", "--all"]);
    assert!(!same.contains("= Some"), "{same}");
    let differs = run(&shell, &["diff", "--all", "--to-config-source", "main:dir:other"]);
    assert!(differs.ends_with("= Some(1)\n"), "{differs}");
    // The edit is told once for both; the objects are listed after it.
    assert!(
        differs.contains("manifests/a/a.yaml    2 clusters (one, two)\n"),
        "{differs}"
    );
    assert_eq!(differs.matches("+ data: {k: b}").count(), 1, "{differs}");
    let trouble = run(&shell, &["diff", "--cluster", "three"]);
    assert!(trouble.ends_with("= Some(2)\n"), "{trouble}");
}

#[test]
fn wrong_selections_and_files() {
    let shell = shell(MANIFEST);
    for (args, expected) in [
        (
            vec!["render", "--cluster", "three"],
            "! error: cluster \"three\" not found: it is neither an id nor an alias of the registry\n= Some(1)\n",
        ),
        (
            vec!["render", "-l", "channel=none"],
            "! error: no cluster matches the selection\n= Some(1)\n",
        ),
    ] {
        let text = run(&shell, &args);
        assert_eq!(text.split_once('\n').unwrap().1, expected);
    }
}

/// The error lines of a run.
fn errors(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("! error")).collect()
}

#[test]
fn a_bad_argument_and_a_broken_document_are_one_error_each_and_leave_the_rest() {
    for (manifest, expected) in [
        ("a: '{{ asgSize 20 3 }}'\n", "pool size must be an exact multiple of 3"),
        ("a: [1\nb: 2\n", "tree/cluster/manifests/b/b.yaml"),
    ] {
        let shell = shell(MANIFEST);
        shell.file("tree/cluster/manifests/b/b.yaml", manifest);
        let text = run(&shell, &["render", "--all"]);
        let expected = expected.trim_start_matches("tree/");
        assert_eq!(errors(&text).len(), 1, "{text}");
        assert!(
            errors(&text)[0].starts_with("! error: 2 clusters (one, two): "),
            "{text}"
        );
        assert!(errors(&text)[0].contains(expected), "{text}");
        assert!(
            text.contains("# Source: one/manifests/a/a.yaml") && text.ends_with("= Some(1)\n"),
            "{text}"
        );
    }
}

#[test]
fn a_document_that_breaks_in_one_cluster_concerns_that_cluster() {
    let shell = shell(MANIFEST);
    shell.file(
        "tree/cluster/manifests/b/b.yaml",
        "{{ if eq .Cluster.Alias \"two\" }}a: [1\n{{ end }}",
    );
    let text = run(&shell, &["render", "--all"]);
    assert_eq!(errors(&text).len(), 1, "{text}");
    assert!(errors(&text)[0].starts_with("! error: cluster two: "), "{text}");
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_tree_is_one_error() {
    let shell = shell(MANIFEST);
    std::os::unix::fs::symlink("/etc/hostname", shell.path("tree/cluster/manifests/out.yaml")).unwrap();
    let text = run(&shell, &["render", "--all"]);
    assert_eq!(errors(&text).len(), 1, "{text}");
    assert!(errors(&text)[0].contains("leads out of the source"), "{text}");
    assert!(!text.contains("--offline"), "{text}");
}

#[test]
fn a_secret_that_changes_shows_that_it_does_and_not_what_it_is() {
    let shell = shell(MANIFEST);
    tree(&shell, "other", &MANIFEST.replace("plain: '", "plain: 'x"));
    let text = run(&shell, &["diff", "--all", "--to-config-source", "main:dir:other"]);
    assert!(text.contains("+ stringData: {plain: 'x<masked>'}"), "{text}");
    assert!(
        !text.contains("correct-horse") && !text.contains("another-long"),
        "{text}"
    );
    assert!(text.ends_with("= Some(1)\n"), "{text}");
}

#[test]
fn an_error_on_both_sides_is_told_once() {
    let shell = shell("a: '{{ asgSize 20 3 }}'\n");
    let text = run(&shell, &["diff", "--all"]);
    assert_eq!(errors(&text).len(), 1, "{text}");
    assert!(
        !text.contains("nothing differs") && text.ends_with("= Some(2)\n"),
        "{text}"
    );
}

/// A repository of the tree at `tree`, with the branch `beta` alone.
pub(crate) fn repository(shell: &Shell) {
    let git = |args: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.current_dir(shell.path("tree")).env("HOME", shell.home.path());
        let author = [
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.org",
            "-c",
            "init.defaultBranch=beta",
        ];
        let output = command.args(author).args(args).output().unwrap();
        assert!(
            output.status.success(),
            "git {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "one"]);
}

#[test]
fn a_missing_channel_concerns_the_clusters_that_follow_it() {
    let shell = shell(MANIFEST);
    repository(&shell);
    let two = REGISTRY.replace(
        "local_id: two, provider: simulated,\n   api_server_url: https://two.example.org, channel: beta",
        "local_id: two, provider: simulated,\n   api_server_url: https://two.example.org, channel: gamma",
    );
    assert_ne!(two, REGISTRY);
    shell.file("registry.yaml", &two);
    let from = ["--config-source", "main:git:./tree", "--registry", "registry.yaml"];
    for command in ["render", "lint"] {
        let text = shell.run(&[&[command, "--all"], &from[..]].concat());
        let wrong: Vec<&str> = errors(&text)
            .into_iter()
            .filter(|line| line.contains("gamma"))
            .collect();
        assert_eq!(wrong.len(), 1, "{text}");
        assert!(wrong[0].starts_with("! error: cluster two: "), "{text}");
        assert!(text.ends_with("= Some(1)\n"), "{text}");
        assert_eq!(
            command == "render",
            text.contains("# Source: one/manifests/a/a.yaml"),
            "{text}"
        );
        assert!(!text.contains("# Source: two/"), "{text}");
    }
    let text = shell.run(&[&["diff", "--all", "--to", "gamma"], &from[..]].concat());
    assert_eq!(errors(&text).len(), 1, "{text}");
    assert!(
        errors(&text)[0].starts_with("! error: 2 clusters (one, two): "),
        "{text}"
    );
    assert!(text.ends_with("= Some(2)\n"), "{text}");
}

#[test]
fn files_and_flags_that_cannot_be_read() {
    let shell = shell(MANIFEST);
    shell.file("broken.yaml", "clusters: [\n");
    shell.file("other.yaml", "clusters:\n- {id: 'aws:1:r:one', alias: ONE}\n");
    shell.file(
        "facts.yaml",
        "defaults: {vpc_id: vpc-1, no_such_fact: hunter2-secret}\n",
    );
    shell.file("facts-list.yaml", "- a\n");
    let registry = |file: &'static str| vec!["--config-source", "main:dir:tree", "--registry", file];
    let more = |flags: &[&'static str]| [&SOURCE[..], flags].concat();
    for (flags, part) in [
        (more(&["-l", "a in (b"]), "selector"),
        (more(&["-l", "=x"]), "selector"),
        (more(&["--facts", "facts.yaml"]), "facts.yaml: "),
        (more(&["--facts", "facts-list.yaml"]), "facts-list.yaml: "),
        (more(&["--facts", "nothing.yaml"]), "nothing.yaml: "),
        (registry("nothing.yaml"), "nothing.yaml: "),
        (registry("broken.yaml"), "broken.yaml: "),
        (registry("other.yaml"), "other.yaml: "),
        (more(&["--config-source", "main:dir:other"]), "main"),
        (
            vec!["--config-source", "main:nothing:tree", "--registry", "registry.yaml"],
            "main:nothing:tree",
        ),
    ] {
        let all: &[&str] = if flags.contains(&"-l") { &[] } else { &["--all"] };
        for command in ["render", "lint"] {
            let text = shell.run(&[&[command], all, &flags].concat());
            assert_eq!(errors(&text).len(), 1, "{text}");
            assert!(errors(&text)[0].contains(part), "{part}: {text}");
            assert!(text.ends_with("= Some(1)\n") && !text.contains("hunter2"), "{text}");
        }
    }
}

#[test]
fn a_wrong_override_of_the_channel_concerns_its_cluster() {
    let shell = shell(MANIFEST);
    for wrong in ["a=b=c", "="] {
        let item = format!("size: '4', override_channel: '{wrong}'");
        shell.file("registry.yaml", &REGISTRY.replace("size: '4'", &item));
        let text = run(&shell, &["render", "--all"]);
        assert_eq!(errors(&text).len(), 1, "{wrong}: {text}");
        assert!(
            errors(&text)[0].starts_with("! error: cluster two: "),
            "{wrong}: {text}"
        );
        assert!(
            text.contains("# Source: one/manifests/a/a.yaml") && text.ends_with("= Some(1)\n"),
            "{text}"
        );
    }
}

#[test]
fn an_output_directory_that_cannot_be_written_is_one_error() {
    let shell = shell(MANIFEST);
    shell.file("out", "a file where a directory should be\n");
    let text = run(&shell, &["render", "--all", "--output", "out"]);
    assert_eq!(errors(&text).len(), 1, "{text}");
    assert!(
        errors(&text)[0].starts_with("! error: out/one/cluster.yaml: "),
        "{text}"
    );
    assert!(text.ends_with("= Some(1)\n"), "{text}");
}

#[test]
fn lint_says_what_is_wrong_in_two_forms() {
    let shell = shell(
        "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: {name: x}\nspec: {minAvailable: '{{ .Cluster.ConfigItems.size }}'}\n",
    );
    shell.file("tree/cluster/config-defaults.yaml", "size: \"2\"\nnever_read: x\n");
    shell.file("registry.yaml", &REGISTRY.replace("size: '4'", "sise: '4'"));
    let text = run(&shell, &["lint", "--all", "--kubernetes-version", "1.31"]);
    let found: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("error ") || line.starts_with("warning "))
        .collect();
    let expected = [
        "warning unknown-item sise: no default, template or schema knows this item; did you mean size?    cluster two",
        "warning unused-item never_read: has a default that no template reads",
        "warning missing-namespace main/cluster/manifests/a/a.yaml: PodDisruptionBudget x has no namespace and would go to default    2 clusters (one, two)",
        "error removed-api main/cluster/manifests/a/a.yaml: PodDisruptionBudget x uses policy/v1beta1, which Kubernetes 1.25 removed; use policy/v1    2 clusters (one, two)",
    ];
    for line in expected {
        assert!(found.contains(&line), "{line}\n{text}");
    }
    assert!(text.contains("! 1 errors, ") && text.ends_with("= Some(1)\n"), "{text}");
    assert!(!text.contains("correct-horse"), "{text}");
    let json = run(&shell, &["lint", "--all", "--kubernetes-version", "1.31", "-o", "json"]);
    let body: String = json
        .lines()
        .skip(1)
        .filter(|line| !line.starts_with(['!', '=']))
        .collect();
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    let findings = body["findings"].as_array().unwrap();
    assert_eq!(findings.len(), found.len());
    let removed = findings
        .iter()
        .find(|finding| finding["rule"] == "removed-api")
        .unwrap();
    assert_eq!(removed["severity"], "error");
    assert_eq!(removed["clusters"], serde_json::json!(["aws:1:r:one", "aws:1:r:two"]));
    // Without a version to hold it against, nothing is removed.
    let text = run(&shell, &["lint", "--all"]);
    assert!(!text.contains("removed-api") && !text.contains("= Some"), "{text}");
    let text = run(&shell, &["lint", "--all", "--kubernetes-version", "soon"]);
    assert!(
        text.contains("--kubernetes-version") && text.ends_with("= Some(1)\n"),
        "{text}"
    );
}

#[test]
fn secrets_inside_of_encoded_files_are_masked() {
    let shell = shell(MANIFEST);
    let pool = "node_pools: [{name: ww, profile: worker, instance_types: [m5.large], discount_strategy: none, min_size: 0, max_size: 1, config_items: {}}]";
    shell.file("registry.yaml", &REGISTRY.replace("node_pools: []", pool));
    let item = ".Cluster.ConfigItems.api_password";
    shell.file(
        "tree/cluster/node-pools/worker/files.yaml",
        &format!("files:\n- path: /whole\n  data: {{{{ base64 {item} }}}}\n- path: /inside\n  data: {{{{ printf `password: %s` {item} | base64 }}}}\n- path: /harmless\n  data: {{{{ base64 `nothing to hide here` }}}}\n"),
    );
    shell.file(
        "tree/cluster/node-pools/worker/userdata.yaml",
        &format!("#cloud-config\np: {{{{ {item} }}}}\n"),
    );
    shell.file(
        "tree/cluster/node-pools/worker/stack.yaml",
        "UserData: {{ .Values.UserData }}\n",
    );
    shell.file("facts.yaml", "defaults: {simulated: true}\n");
    let args = ["render", "--cluster", "one", "--facts", "facts.yaml"];
    let text = run(&shell, &args);
    assert_eq!(errors(&text), Vec::<&str>::new(), "{text}");
    assert!(
        text.contains("- path: /whole\n  data: <masked>\n- path: /inside\n  data: <masked>\n"),
        "{text}"
    );
    assert!(text.contains("data: bm90aGluZyB0byBoaWRlIGhlcmU="), "{text}");
    assert!(text.contains("UserData: <masked>\n"), "{text}");
    let shown = run(&shell, &[&args[..], &["--show-secrets"]].concat());
    assert!(
        shown.contains("UserData: H4sI") && !shown.contains("<masked>"),
        "{shown}"
    );
}

/// Exit codes are terraform's where they are asked for.
#[test]
fn exit_codes_and_formats_of_plan() {
    let shell = shell("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, namespace: x}\ndata: {k: a}\n");
    tree(
        &shell,
        "other",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, namespace: x}\ndata: {k: b}\n",
    );
    let other = ["plan", "--all", "--to-config-source", "main:dir:other"];
    let detailed = ["--detailed-exitcode"];
    let same = run(&shell, &["plan", "--all", "--detailed-exitcode"]);
    assert!(same.contains("No changes. ") && !same.contains("= Some"), "{same}");
    let text = run(&shell, &other);
    assert!(text.contains("  ~ ConfigMap x/m    2 clusters (one, two)\n"), "{text}");
    assert!(
        text.contains("data.k: \"a\" -> \"b\"\n") && !text.contains("= Some"),
        "{text}"
    );
    let changes = run(&shell, &[&other[..], &detailed[..]].concat());
    assert!(changes.ends_with("= Some(2)\n"), "{changes}");
    let missing = run(&shell, &["plan", "--cluster", "three", "--detailed-exitcode"]);
    assert!(missing.ends_with("= Some(1)\n"), "{missing}");
    let wide = run(&shell, &[&other[..], &["-o", "wide"]].concat());
    assert!(
        wide.contains("CLUSTER   KIND        NAME   ACTION   MESSAGE\none       ConfigMap   x/m    change   data.k\n"),
        "{wide}"
    );
    let markdown = run(&shell, &[&other[..], &["-o", "markdown"]].concat());
    assert!(
        markdown.contains("<!-- fleetwright-plan -->\n### 2 of 2 clusters change"),
        "{markdown}"
    );
    run(&shell, &[&other[..], &["--out", "plan.json"]].concat());
    let saved = std::fs::read_to_string(shell.path("plan.json")).unwrap();
    let json = run(&shell, &[&other[..], &["-o", "json"]].concat());
    let id = serde_json::from_str::<serde_json::Value>(&saved).unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(json.contains(&id) && text.contains(&id), "{id} in {json}");
    // Bound to its inputs: other facts, another plan.
    shell.file("facts.yaml", "defaults: {vpc_id: vpc-1}\n");
    let moved = run(&shell, &[&other[..], &["--facts", "facts.yaml"]].concat());
    assert!(!moved.contains(&id), "{moved}");
}

#[test]
fn a_plan_holds_no_secret_and_names_clusters_that_fail() {
    let shell = shell(MANIFEST);
    tree(&shell, "other", &MANIFEST.replace("plain:", "renamed:"));
    let other = [
        "plan",
        "--all",
        "--to-config-source",
        "main:dir:other",
        "--out",
        "plan.json",
    ];
    let text = run(&shell, &other);
    let saved = std::fs::read_to_string(shell.path("plan.json")).unwrap();
    for secret in [
        "correct-horse-battery",
        "another-long-secret",
        "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5",
    ] {
        assert!(!text.contains(secret) && !saved.contains(secret), "{text}{saved}");
    }
    assert!(
        text.contains("~ Secret d/s") && saved.contains("<masked>"),
        "{text}{saved}"
    );
    tree(&shell, "other", &MANIFEST.replace("api_password", "nobody_has"));
    let text = run(&shell, &other);
    assert!(
        text.contains("2 clusters could not be planned.") && text.ends_with("= Some(1)\n"),
        "{text}"
    );
}
