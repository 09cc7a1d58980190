//! A real tree must render byte for byte.

use std::collections::BTreeMap;
use std::sync::Arc;

use render::{Outcome, Renderer};

use crate::support::{files, fixture, fixture_input};

fn differing(outcome: &Outcome, expected: &BTreeMap<String, String>) -> Vec<String> {
    let texts: BTreeMap<String, Arc<str>> = outcome.desired.texts();
    let mut wrong = Vec::new();
    for (path, text) in expected {
        match texts.get(path) {
            None => wrong.push(format!("{path}: missing")),
            Some(found) if **found != **text => {
                let line = found.lines().zip(text.lines()).position(|(a, b)| a != b);
                let line = line.unwrap_or_else(|| found.lines().count().min(text.lines().count()));
                let at = |text: &str| {
                    text.lines()
                        .nth(line)
                        .unwrap_or("<end>")
                        .chars()
                        .take(200)
                        .collect::<String>()
                };
                wrong.push(format!(
                    "{path}:{}: {:?} instead of {:?}",
                    line + 1,
                    at(found),
                    at(text)
                ));
            }
            Some(_) => {}
        }
    }
    wrong.extend(
        texts
            .keys()
            .filter(|path| !expected.contains_key(*path))
            .map(|path| format!("{path}: not expected")),
    );
    wrong
}

#[test]
fn fact_48_the_whole_tree_renders_byte_for_byte() {
    let Some(folder) = fixture() else { return };
    let outcome = Renderer::new().render(&fixture_input(&folder));
    let errors: Vec<String> = outcome.errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors, Vec::<String>::new());
    let wrong = differing(&outcome, &files(&folder.join("expected")));
    assert_eq!(wrong, Vec::<String>::new());
}

/// The items that the fixture's cluster lacks for other environments (fact 48).
const MORE: [&str; 6] = [
    "skipper_ingress_encryption_key",
    "skipper_oauth2_authorization_key",
    "skipper_oauth2_client_id",
    "skipper_oauth2_client_secret",
    "skipper_oauth2_encryption_key",
    "emergency_access_service_opsgenie_api_key",
];

fn in_environment(folder: &std::path::Path, environment: &str) -> render::Input {
    let mut input = fixture_input(folder);
    let mut cluster = (*input.cluster).clone();
    cluster.environment = environment.to_owned();
    input.cluster = Arc::new(cluster);
    input
}

/// Adds every item that rendering still asks for, by its name only.
fn complete(mut input: render::Input) -> render::Input {
    let renderer = Renderer::new();
    for _ in 0..20 {
        let outcome = renderer.render(&input);
        let missing: Vec<String> = outcome
            .errors
            .iter()
            .filter_map(|e| e.missing_key().map(str::to_owned))
            .collect();
        if missing.is_empty() {
            break;
        }
        let mut cluster = (*input.cluster).clone();
        for key in missing {
            cluster.config_items.insert(key.parse().unwrap(), "ZHVtbXk=".to_owned());
        }
        input.cluster = Arc::new(cluster);
    }
    input
}

#[test]
fn fact_48_counts_of_each_environment() {
    let Some(folder) = fixture() else { return };
    for (environment, objects, deletions) in [("e2e", 373, 57), ("production", 370, 56), ("test", 372, 51)] {
        let input = complete(in_environment(&folder, environment));
        let added = input.cluster.config_items.len() - fixture_input(&folder).cluster.config_items.len();
        assert!(added <= MORE.len(), "{environment}: {added}");
        let desired = Renderer::new().render(&input).into_result().unwrap();
        assert_eq!(desired.objects().count(), objects, "{environment}");
        assert_eq!(desired.deletions.post_apply.len(), deletions, "{environment}");
        if environment == "e2e" {
            let manifests: Vec<_> = desired.components.iter().flat_map(|c| &c.manifests).collect();
            assert_eq!(manifests.len(), 250, "manifest files");
            assert_eq!(manifests.iter().filter(|m| m.content.objects.is_empty()).count(), 29);
            assert_eq!(desired.defaults.len(), 468);
        }
    }
}

#[test]
fn fact_49_a_missing_item_names_its_places() {
    let Some(folder) = fixture() else { return };
    let outcome = Renderer::new().render(&in_environment(&folder, "production"));
    let errors: Vec<String> = outcome.errors.iter().map(ToString::to_string).collect();
    let has = |part: &str| errors.iter().any(|error| error.contains(part));
    assert!(
        has("manifests/skipper/secret.yaml:13:30") && has("skipper_ingress_encryption_key"),
        "{errors:#?}"
    );
    assert!(has("skipper/deployment.yaml:66:39"), "{errors:#?}");
}

fn text(desired: &render::DesiredCluster, path: &str) -> String {
    desired
        .texts()
        .get(path)
        .unwrap_or_else(|| panic!("{path}"))
        .to_string()
}

#[test]
fn facts_50_to_55_single_values() {
    let Some(folder) = fixture() else { return };
    let e2e = Renderer::new().render(&fixture_input(&folder)).desired;
    let production = Renderer::new()
        .render(&complete(in_environment(&folder, "production")))
        .into_result()
        .unwrap();
    let all = |desired: &render::DesiredCluster, directory: &str| {
        let texts = desired
            .texts()
            .into_iter()
            .filter(|(path, _)| path.starts_with(directory));
        texts.map(|(_, text)| text.to_string()).collect::<String>()
    };
    let configs = all(&e2e, "manifests/infrastructure-configs/");
    assert!(configs.contains("max-nodes: \"507\""), "fact 50");
    assert!(
        all(&production, "manifests/infrastructure-configs/").contains("max-nodes: \"1019\""),
        "fact 50"
    );
    assert!(
        all(&e2e, "manifests/kube-cluster-autoscaler/").contains("--max-nodes-total=507"),
        "fact 50"
    );
    let hpa = text(&e2e, "manifests/skipper/hpa.yaml");
    assert!(
        hpa.contains("minReplicas: 1\n") && hpa.contains("maxReplicas: 50\n"),
        "fact 51"
    );
    let skipper = text(&e2e, "manifests/skipper/deployment.yaml");
    assert!(skipper.contains("282m") && skipper.contains("v0.21.220"), "fact 51");
    let admission = text(&e2e, "manifests/01-admission-control/config.yaml");
    for group in [
        "node-reboot-tests",
        "node-tests",
        "skipper-ingress",
        "worker-arm64",
        "worker-karpenter",
    ] {
        let line = format!("pod.automatic-topology-spread.pools.dedicated.{group}: \"true\"");
        assert!(admission.contains(&line), "fact 52: {group}");
    }
    let gpu = text(&e2e, "pools/worker-gpu/stack.yaml");
    assert!(
        gpu.contains("472446402450") && gpu.contains("present:NoSchedule"),
        "fact 53"
    );
    assert!(text(&e2e, "cluster.yaml").len() > 51_200, "fact 54");
    let size = text(&e2e, "etcd/stack.yaml").len();
    assert!((8_000..11_000).contains(&size), "fact 54: {size}");
    let controller = all(&production, "manifests/cluster-lifecycle-controller/");
    assert!(controller.contains("6h") && controller.contains("72h"), "fact 55");
}

#[test]
fn explain_knows_file_and_line_of_a_default() {
    let Some(folder) = fixture() else { return };
    let input = fixture_input(&folder);
    let explanation = Renderer::new().explain(&input, "vm_dirty_bytes");
    assert!(matches!(explanation.layers.first(), Some((render::Layer::Cluster, _))));
    let Some((render::Layer::Default { file, version, line }, _)) = explanation.layers.get(1) else {
        panic!("no default: {:?}", explanation.layers.len());
    };
    let text = input.config.sources()[0]
        .tree
        .text("cluster/config-defaults.yaml")
        .unwrap();
    assert_eq!((&**file, &**version), ("main/cluster/config-defaults.yaml", "93eb84d"));
    assert!(text.lines().nth(line - 1).unwrap().starts_with("vm_dirty_bytes"));
    assert!(!explanation.readers.is_empty());
}
