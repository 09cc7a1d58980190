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
