//! A configuration of a few files, and clusters that follow it.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::Cluster;
use model::config_tree::{ConfigTree, TreeFile};
use ports::config_source::SourceName;
use rehearse::{ClusterInput, Scenario, SourceSides, Tips, Workload};
use render::Facts;
use serde_json::json;

const MAIN: &str =
    "Resources:\n  Role: {Type: 'AWS::IAM::Role', Properties: {RoleName: '{{ .Cluster.LocalID }}-role'}}\n";
const POOL: &str = "\
Resources:
{{ $data := . }}
{{ range $az := .Values.availability_zones }}
  AutoScalingGroup{{ azID $az }}:
    Type: AWS::AutoScaling::AutoScalingGroup
    Properties:
      MinSize: 0
      MaxSize: {{ $data.NodePool.MaxSize }}
      VPCZoneIdentifier: ['{{ index $data.Values.subnets $az }}']
      LaunchTemplate: {LaunchTemplateId: !Ref LaunchTemplate, Version: !GetAtt LaunchTemplate.LatestVersionNumber}
{{ end }}
  LaunchTemplate:
    Type: AWS::EC2::LaunchTemplate
    Properties:
      LaunchTemplateData: {InstanceType: '{{ .NodePool.InstanceType }}', ImageId: IMAGE}
";
const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n";

/// A configuration whose nodes are made from this image.
pub(crate) fn tree(id: &str, image: &str) -> Arc<ConfigTree> {
    tree_of(id, &POOL.replace("IMAGE", image), NAMESPACE)
}

/// A configuration with this stack of pools and this manifest.
pub(crate) fn tree_of(id: &str, pool: &str, manifest: &str) -> Arc<ConfigTree> {
    let files = [
        ("cluster/cluster.yaml", MAIN),
        ("cluster/config-defaults.yaml", "drain_poll_interval: 1m\n"),
        ("cluster/node-pools/worker-splitaz/stack.yaml", pool),
        ("cluster/node-pools/worker-splitaz/userdata.yaml", "#cloud-config\n"),
        ("cluster/manifests/00-base/namespace.yaml", manifest),
    ];
    let file = |(path, text): (&str, &str)| {
        let file = TreeFile {
            id: text.to_owned(),
            content: text.as_bytes().into(),
        };
        (path.to_owned(), file)
    };
    Arc::new(ConfigTree {
        id: id.to_owned(),
        files: files.into_iter().map(file).collect(),
    })
}

pub(crate) fn cluster(alias: &str, environment: &str, nodes: u32) -> Cluster {
    serde_json::from_value(json!({"id": format!("aws:123456789012:eu-central-1:{alias}"), "alias": alias,
        "infrastructure_account": "aws:123456789012", "region": "eu-central-1", "local_id": alias, "provider": "simulated",
        "api_server_url": format!("https://{alias}.example.org"), "channel": "beta", "environment": environment,
        "criticality_level": 1, "lifecycle_status": "ready",
        "node_pools": [{"name": "workers", "profile": "worker-splitaz", "instance_types": ["m5.xlarge"],
            "discount_strategy": "none", "min_size": nodes, "max_size": nodes, "config_items": {}}]}))
    .unwrap()
}

pub(crate) fn input(cluster: Cluster, workload: Workload) -> ClusterInput {
    let zones = ["eu-central-1a", "eu-central-1b", "eu-central-1c"];
    let mut subnets: BTreeMap<String, String> = zones
        .iter()
        .map(|zone| ((*zone).to_owned(), format!("subnet-{}", &zone[zone.len() - 1..])))
        .collect();
    subnets.insert("*".to_owned(), "subnet-a,subnet-b,subnet-c".to_owned());
    ClusterInput {
        cluster,
        owner: "team-shop".to_owned(),
        account_name: "shop".to_owned(),
        facts: Arc::new(Facts {
            simulated: true,
            subnets: Some(subnets),
            availability_zones: Some(zones.map(str::to_owned).into()),
            ..Facts::default()
        }),
        workload,
    }
}

/// A scenario between two trees.
pub(crate) fn between(from: &Arc<ConfigTree>, to: &Arc<ConfigTree>, clusters: Vec<ClusterInput>) -> Scenario {
    let mut scenario = Scenario::new(&from.id, &to.id);
    scenario.sources.push(SourceSides {
        name: SourceName::new("main").unwrap(),
        from: Tips::all_at(Arc::clone(from)),
        to: Tips::all_at(Arc::clone(to)),
    });
    scenario.clusters = clusters;
    scenario
}
