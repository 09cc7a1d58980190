//! Facts 13 to 15: sources, layers, components; provenance of values.

use std::collections::BTreeMap;
use std::sync::Arc;

use render::{Config, Facts, Input, Layer, Renderer, Source};

use crate::support::{r1, tree};

const CM: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: y}\n";

fn two_sources() -> Config {
    let main = tree(
        "A",
        [
            ("cluster/cluster.yaml", "main"),
            ("cluster/config-defaults.yaml", "kk: 1\nonly_main: m\n"),
            ("cluster/manifests/web/config.yaml", CM),
            ("cluster/manifests/web/deployment.yaml", CM),
            ("cluster/manifests/web/x.swp", "junk {{"),
            ("cluster/manifests/web-b/config.yaml", CM),
        ],
    );
    let extra = tree(
        "B",
        [
            ("cluster/cluster.yaml", "extra"),
            ("cluster/config-defaults.yaml", "\n{{ if true }}\nkk: 2\n{{ end }}\n"),
            ("cluster/manifests/web/config.yaml", CM),
        ],
    );
    let source = |name: &str, tree| Source {
        name: name.to_owned(),
        tree,
    };
    Config::new(vec![source("main", main), source("extra", extra)])
}

#[test]
fn facts_13_and_14_components_of_several_sources() {
    let input = Input::new(Arc::new(r1()), two_sources(), Arc::new(Facts::default()));
    let desired = Renderer::new().render(&input).into_result().unwrap();
    let names: Vec<(String, Vec<String>)> = desired
        .components
        .iter()
        .map(|c| (c.name.clone(), c.manifests.iter().map(|m| m.path.clone()).collect()))
        .collect();
    let owned = |text: &str| text.to_owned();
    assert_eq!(
        names,
        [
            (
                owned("main/web"),
                vec![
                    owned("main/cluster/manifests/web/config.yaml"),
                    owned("main/cluster/manifests/web/deployment.yaml")
                ]
            ),
            (
                owned("main/web-b"),
                vec![owned("main/cluster/manifests/web-b/config.yaml")]
            ),
            (
                owned("extra/web"),
                vec![owned("extra/cluster/manifests/web/config.yaml")]
            ),
        ]
    );
    assert_eq!(&*desired.main_stack.unwrap().text, "main");
    assert_eq!(desired.config, "main=A;extra=B");
    assert!(desired.version.starts_with("main=A;extra=B#"));
}

#[test]
fn fact_15_layers() {
    let mut cluster = r1();
    let renderer = Renderer::new();
    let item = |cluster: &model::Cluster| {
        let input = Input::new(Arc::new(cluster.clone()), two_sources(), Arc::new(Facts::default()));
        let outcome = renderer.render(&input);
        (outcome.desired.items["kk"].clone(), renderer.explain(&input, "kk"))
    };
    let (value, explanation) = item(&cluster);
    assert_eq!(value, "2");
    let layer = |file: &str, version: &str, line| Layer::Default {
        file: file.into(),
        version: version.into(),
        line,
    };
    let extra = (layer("extra/cluster/config-defaults.yaml", "B", 3), "2".to_owned());
    let main = (layer("main/cluster/config-defaults.yaml", "A", 1), "1".to_owned());
    assert_eq!(explanation.layers, [extra.clone(), main.clone()]);
    cluster.config_items.insert("kk".parse().unwrap(), "3".to_owned());
    let (value, explanation) = item(&cluster);
    assert_eq!(value, "3");
    assert_eq!(explanation.layers, [(Layer::Cluster, "3".to_owned()), extra, main]);
}

#[test]
fn encrypted_items_are_facts() {
    let mut cluster = r1();
    cluster
        .config_items
        .insert("secret".parse().unwrap(), "aws:kms:AQID".to_owned());
    let files = [
        ("cluster/cluster.yaml", "{{ .Cluster.ConfigItems.secret }}"),
        (
            "cluster/manifests/a/a.yaml",
            "{{ if false }}{{ .Cluster.ConfigItems.secret }}{{ end }}",
        ),
    ];
    let mut input = Input::new(
        Arc::new(cluster),
        Config::single(tree("A", files)),
        Arc::new(Facts::default()),
    );
    let errors: Vec<String> = Renderer::new()
        .render(&input)
        .errors
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        errors,
        [
            "main/cluster/cluster.yaml: rendered with unknown data (missing facts: decrypted value of config item secret)"
        ]
    );
    input.facts = Arc::new(Facts {
        decrypted: BTreeMap::from([("aws:kms:AQID".to_owned(), "plain".to_owned())]),
        ..Facts::default()
    });
    let desired = Renderer::new().render(&input).into_result().unwrap();
    assert_eq!(&*desired.main_stack.unwrap().text, "plain");
}

#[test]
fn a_missing_main_stack_is_an_error_and_hides_nothing() {
    let files = [
        ("cluster/manifests/a/a.yaml", CM),
        ("cluster/manifests/b/b.yaml", "{{ .Cluster.ConfigItems.nope }}"),
        ("cluster/manifests/c/c.yaml", "{{ fail }}"),
        ("cluster/manifests/deletions.yaml", "post_apply: [{kind: Pod}]"),
    ];
    let input = Input::new(
        Arc::new(r1()),
        Config::single(tree("A", files)),
        Arc::new(Facts::default()),
    );
    let outcome = Renderer::new().render(&input);
    let errors: Vec<String> = outcome.errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors.len(), 4, "{errors:?}");
    assert_eq!(
        errors[0],
        "main/cluster/manifests/deletions.yaml: rendered text: post_apply[0]: one of name, selector and labels is required"
    );
    assert_eq!(errors[1], "cluster/cluster.yaml: no such file in the configuration");
    assert_eq!(outcome.desired.objects().count(), 1);
}

#[test]
fn defaults_see_no_items() {
    let files = [
        ("cluster/cluster.yaml", "x"),
        (
            "cluster/config-defaults.yaml",
            "ok: \"{{ .Cluster.Environment }}{{ len .Cluster.ConfigItems }}\"\nmode: 0644\nflag: yes\n",
        ),
    ];
    let input = Input::new(
        Arc::new(r1()),
        Config::single(tree("A", files)),
        Arc::new(Facts::default()),
    );
    let desired = Renderer::new().render(&input).into_result().unwrap();
    assert_eq!(
        (&*desired.items["ok"], &*desired.items["mode"], &*desired.items["flag"]),
        ("test0", "0644", "yes")
    );
}

#[test]
fn links_that_a_checkout_wrote_as_text_are_followed() {
    let files = [
        ("cluster/cluster.yaml", "./other.yaml"),
        ("cluster/other.yaml", "{{ .Cluster.LocalID }}"),
    ];
    let input = Input::new(
        Arc::new(r1()),
        Config::single(tree("A", files)),
        Arc::new(Facts::default()),
    );
    let desired = Renderer::new().render(&input).into_result().unwrap();
    assert_eq!(&*desired.main_stack.unwrap().text, "kube-1");
}
