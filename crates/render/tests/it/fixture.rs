//! A real tree must render byte for byte.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

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

/// Parsed templates and results are shared by these tests; that a warm renderer gives what a cold one gives is a test of its own.
fn renderer() -> &'static Renderer {
    static SHARED: OnceLock<Renderer> = OnceLock::new();
    SHARED.get_or_init(Renderer::new)
}

/// An environment with every item that rendering asks for, given by its name only. Gives how many were added.
fn complete(folder: &std::path::Path, environment: &str) -> (usize, Outcome) {
    let mut input = in_environment(folder, environment);
    for added in 0.. {
        let outcome = renderer().render(&input);
        let missing = outcome.errors.iter().find_map(|error| error.missing_key());
        let Some(missing) = missing else {
            return (added, outcome);
        };
        assert!(added < MORE.len(), "{environment}: {missing}");
        let mut cluster = (*input.cluster).clone();
        cluster
            .config_items
            .insert(missing.parse().unwrap(), "ZHVtbXk=".to_owned());
        input.cluster = Arc::new(cluster);
    }
    unreachable!("there are not that many items");
}

#[test]
fn fact_48_counts_of_each_environment() {
    let Some(folder) = fixture() else { return };
    for (environment, objects, deletions) in [("e2e", 373, 57), ("production", 370, 56), ("test", 372, 51)] {
        let (added, outcome) = complete(&folder, environment);
        let desired = outcome.into_result().unwrap();
        if environment == "production" {
            assert_eq!(added, MORE.len());
        }
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
    let outcome = renderer().render(&in_environment(&folder, "production"));
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
fn facts_50_51_and_54_single_values() {
    let Some(folder) = fixture() else { return };
    let e2e = renderer().render(&fixture_input(&folder)).desired;
    let production = complete(&folder, "production").1.into_result().unwrap();
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
    assert!(text(&e2e, "cluster.yaml").len() > 51_200, "fact 54");
    let size = text(&e2e, "etcd/stack.yaml").len();
    assert!((8_000..11_000).contains(&size), "fact 54: {size}");
}

/// The lines of a text with this word, without spaces around them.
fn lines<'t>(text: &'t str, word: &str) -> Vec<&'t str> {
    text.lines().map(str::trim).filter(|line| line.contains(word)).collect()
}

#[test]
fn fact_52_groups_of_pools() {
    let Some(folder) = fixture() else { return };
    let e2e = renderer().render(&fixture_input(&folder)).desired;
    let admission = text(&e2e, "manifests/01-admission-control/config.yaml");
    let spread = "pod.automatic-topology-spread.pools.";
    // The default group is absent, since one of its pools is restricted to some zones.
    let groups = [
        "node-reboot-tests",
        "node-tests",
        "skipper-ingress",
        "worker-arm64",
        "worker-karpenter",
    ];
    let expected = groups.map(|group| format!("{spread}dedicated.{group}: \"true\""));
    assert_eq!(lines(&admission, spread), expected);
    let provider = "pod.node-lifecycle.provider.";
    let expected = [
        "default",
        "node-reboot-tests",
        "node-tests",
        "skipper-ingress",
        "worker-arm64",
        "worker-combined",
        "worker-karpenter",
        "master",
    ];
    let by = |group| {
        if group == "worker-karpenter" {
            "karpenter"
        } else {
            "zalando"
        }
    };
    let expected = expected.map(|group| format!("{provider}{group}: \"{}\"", by(group)));
    assert_eq!(lines(&admission, provider), expected);
}

#[test]
fn fact_53_a_pool_with_a_group_per_zone() {
    let Some(folder) = fixture() else { return };
    let e2e = renderer().render(&fixture_input(&folder)).desired;
    let gpu = text(&e2e, "pools/worker-gpu/stack.yaml");
    let document = yaml::load_value(&gpu, &yaml::Options::manifests()).unwrap().value;
    let resources = document["Resources"].as_object().unwrap();
    let groups: BTreeMap<&str, &serde_json::Value> = resources
        .iter()
        .filter(|(_, resource)| resource["Type"] == "AWS::AutoScaling::AutoScalingGroup")
        .map(|(name, resource)| (name.as_str(), resource))
        .collect();
    assert_eq!(
        groups.keys().copied().collect::<Vec<_>>(),
        ["AutoScalingGroup1a", "AutoScalingGroup1b"]
    );
    for (name, group) in groups {
        let group = &group["Properties"];
        assert_eq!(
            (&group["MinSize"], &group["MaxSize"]),
            (&"0".into(), &"3".into()),
            "{name}"
        );
        let policy = &group["MixedInstancesPolicy"];
        assert_eq!(
            policy["InstancesDistribution"]["OnDemandPercentageAboveBaseCapacity"], 0,
            "{name}"
        );
        assert_eq!(
            policy["LaunchTemplate"]["Overrides"].as_array().unwrap().len(),
            11,
            "{name}"
        );
        let tags = group["Tags"].as_array().unwrap();
        let tag = |part: &str| {
            let found = tags.iter().find(|tag| tag["Key"].as_str().unwrap().contains(part));
            found.map(|tag| tag["Value"].as_str().unwrap())
        };
        assert_eq!(tag("/resources/ephemeral-storage"), Some("472446402450"), "{name}");
        let taints = tags.iter().filter(|tag| tag["Value"] == "present:NoSchedule");
        assert_eq!(taints.count(), 1, "{name}");
    }
}

#[test]
fn fact_55_the_promises_to_pods() {
    let Some(folder) = fixture() else { return };
    let e2e = renderer().render(&fixture_input(&folder)).desired;
    let production = complete(&folder, "production").1.into_result().unwrap();
    for (desired, values) in [
        (e2e, ["2h", "8h", "1h", "1h", "5m"]),
        (production, ["6h", "72h", "1h", "6h", "5m"]),
    ] {
        let arguments = [
            "grace-period",
            "min-pod-lifetime",
            "min-healthy-sibling-lifetime",
            "min-unhealthy-sibling-lifetime",
            "force-evict-interval",
        ];
        let pairs = arguments.iter().zip(values);
        let expected: Vec<String> = pairs.map(|(name, value)| format!("- --drain-{name}={value}")).collect();
        let controller = text(&desired, "manifests/cluster-lifecycle-controller/deployment.yaml");
        assert_eq!(lines(&controller, "--drain-"), expected);
    }
}

#[test]
fn explain_knows_file_and_line_of_a_default() {
    let Some(folder) = fixture() else { return };
    let input = fixture_input(&folder);
    let explanation = renderer().explain(&input, "vm_dirty_bytes");
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
