//! Two clusters that are asked for, in a simulated cloud, under control.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use control::{CloudFacts, CloudsByProvider, Control, Handle, Options};
use jiff::Timestamp;
use json_tree::Value;
use kube_access::{Access, Context};
use kube_sim::ApiServer;
use lifecycle::connect::{CloudSource, Connector, Trouble};
use lifecycle::{Configuration, Reach, Settings};
use model::{Cluster, ClusterId};
use ports::config_source::ConfigSources;
use ports::registry::Detail;
use ports::{Clock, Registry, SeededIds, SimClock, WriteContext};
use store::MemoryRegistry;
use tokio::task::JoinHandle;
use twin::{ClusterSpec, Fleet, FleetSpec, SharedFleet};

use testkit::source::{TestSource, tree};

const POOL: &str = "\
Resources:
{{ with $azs := .Values.availability_zones }}{{ range $az := $azs }}
  Group{{ azID $az }}:
    Type: AWS::AutoScaling::AutoScalingGroup
    Properties:
      MinSize: 1
      MaxSize: '{{ $.Cluster.ConfigItems.most }}'
      VPCZoneIdentifier: ['{{ index $.Values.subnets $az }}']
      LaunchTemplate: {LaunchTemplateId: !Ref LaunchTemplate, Version: !GetAtt LaunchTemplate.LatestVersionNumber}
{{ end }}{{ end }}
  LaunchTemplate:
    Type: AWS::EC2::LaunchTemplate
    Properties:
      LaunchTemplateData: {InstanceType: '{{ .NodePool.InstanceType }}', ImageId: '{{ .Cluster.ConfigItems.image }}'}
";
const MAIN: &str =
    "Resources:\n  Role: {Type: 'AWS::IAM::Role', Properties: {RoleName: '{{ .Cluster.LocalID }}-role'}}\n";
const SETTINGS: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: default}\ndata: {image: '{{ .Cluster.ConfigItems.image }}'}\n";

pub(crate) fn context(actor: &str) -> WriteContext {
    WriteContext::by(actor, "request-1")
}

pub(crate) fn id(alias: &str) -> ClusterId {
    format!("aws:123456789012:eu-central-1:{alias}").parse().unwrap()
}

fn cluster(alias: &str) -> Cluster {
    serde_json::from_value(serde_json::json!({
        "id": id(alias), "alias": alias, "infrastructure_account": "aws:123456789012", "region": "eu-central-1",
        "local_id": alias, "provider": "simulated", "api_server_url": format!("https://{alias}.example.org"),
        "channel": "dev", "environment": "test", "criticality_level": 1, "lifecycle_status": "requested",
        "node_pools": [{"name": "worker", "profile": "worker", "instance_types": ["m5.large"],
            "discount_strategy": "none", "min_size": 3, "max_size": 9}],
    }))
    .unwrap()
}

struct Servers(BTreeMap<String, Access>);

#[async_trait]
impl Connector for Servers {
    async fn open(&self, cluster: &Cluster) -> Result<Access, Trouble> {
        Ok(self.0[cluster.alias.as_str()].clone())
    }
}

pub(crate) struct Lab {
    pub(crate) clock: Arc<SimClock>,
    pub(crate) registry: Arc<MemoryRegistry>,
    pub(crate) source: Arc<TestSource>,
    pub(crate) servers: BTreeMap<String, ApiServer>,
    pub(crate) fleet: SharedFleet,
    pub(crate) clouds: Arc<dyn CloudSource>,
    reach: Arc<Reach>,
    control: Option<(JoinHandle<()>, Handle)>,
    life: JoinHandle<()>,
}

impl Lab {
    /// Clusters that are asked for and do not exist; nothing runs but the world.
    pub(crate) async fn new(aliases: &[&str]) -> Self {
        let clock = Arc::new(SimClock::starting_at(Timestamp::from_second(1_750_000_000).unwrap()));
        let registry = Arc::new(MemoryRegistry::new(clock.clone()));
        let mut spec = FleetSpec::new(7);
        for alias in aliases {
            registry
                .create_cluster(cluster(alias), &context("setup"))
                .await
                .unwrap();
            let place = ClusterSpec::new(id(alias).as_str()).alias(alias);
            spec = spec.cluster(place.place("123456789012", "eu-central-1").on_cloud());
        }
        let fleet = Fleet::build(spec, clock.clone()).await.unwrap();
        let (mut servers, mut accesses) = (BTreeMap::new(), BTreeMap::new());
        for (n, one) in (0_u64..).zip(fleet.clusters()) {
            let alias = one.spec().alias.clone();
            let context = Context::new(&alias, clock.clone(), Arc::new(SeededIds::new(n)));
            accesses.insert(alias.clone(), Access::from_service(context, one.api()));
            servers.insert(alias, one.server().clone());
        }
        let clouds: Arc<dyn CloudSource> = Arc::new(CloudsByProvider::new(Arc::new(fleet.clouds().clone())));
        let given = render::Facts {
            simulated: true,
            ..render::Facts::default()
        };
        let source = Arc::new(TestSource::new());
        let reach = Reach {
            registry: registry.clone(),
            ledger: registry.clone(),
            configuration: Configuration::new(ConfigSources::new(vec![source.clone()]).unwrap()),
            connector: Arc::new(Servers(accesses)),
            facts: Arc::new(CloudFacts::new(clouds.clone(), clock.clone(), given)),
            clouds: clouds.clone(),
            clock: clock.clone(),
            ids: Arc::new(SeededIds::new(9)),
            settings: Settings::default(),
        };
        let fleet = SharedFleet::new(fleet);
        let world = fleet.clone();
        Self {
            clock,
            registry,
            source,
            servers,
            fleet,
            clouds,
            reach: Arc::new(reach),
            control: None,
            life: tokio::spawn(async move { world.run().await }),
        }
    }

    /// Commits a configuration whose nodes have this image, with more defaults of config items.
    pub(crate) fn commit(&self, commit: &str, image: &str, defaults: &str) {
        self.commit_with(commit, image, defaults, &[]);
    }

    /// The same with further files.
    pub(crate) fn commit_with(&self, commit: &str, image: &str, defaults: &str, more: &[(&str, &str)]) {
        let defaults = format!("image: {image}\n{defaults}");
        let most = if defaults.contains("most:") {
            ""
        } else {
            "most: \"3\"\n"
        };
        let defaults = format!("{most}{defaults}");
        let mut files = vec![
            ("cluster/config-defaults.yaml", defaults.as_str()),
            ("cluster/cluster.yaml", MAIN),
            ("cluster/node-pools/worker/stack.yaml", POOL),
            ("cluster/node-pools/worker/userdata.yaml", "#cloud-config\n"),
            ("cluster/manifests/base/settings.yaml", SETTINGS),
        ];
        files.extend(more);
        self.source.commit("dev", tree(commit, &files));
        if let Some((_, handle)) = &self.control {
            handle.configuration_moved();
        }
    }

    pub(crate) fn start(&mut self, options: Options) {
        self.stop();
        let (control, handle) = Control::new(self.reach.clone(), options);
        let running = tokio::spawn(control.run(std::future::pending()));
        self.control = Some((running, handle));
    }

    /// Drops the control where it stands.
    pub(crate) fn stop(&mut self) {
        if let Some((running, _)) = self.control.take() {
            running.abort();
        }
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.control.as_ref().unwrap().1
    }

    pub(crate) async fn pass(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// Lets time pass until something holds, for so many minutes at most.
    pub(crate) async fn until(&self, minutes: u64, what: &str, holds: impl AsyncFn() -> bool) {
        for _ in 0..minutes * 6 {
            if holds().await {
                return;
            }
            self.pass(10).await;
        }
        let mut all = Vec::new();
        for alias in self.servers.keys() {
            all.push(self.cluster(alias).await.status);
        }
        panic!(
            "{what}: not within {minutes} minutes; {all:?} {:?}",
            self.handle().rollouts().await
        );
    }

    pub(crate) async fn cluster(&self, alias: &str) -> Cluster {
        self.registry
            .get_cluster(&id(alias), Detail::Full)
            .await
            .unwrap()
            .object
    }

    /// Whether a cluster has the version of this commit.
    pub(crate) async fn has(&self, alias: &str, commit: &str) -> bool {
        let cluster = self.cluster(alias).await;
        cluster.status.current_version == model::ClusterVersion::of(commit, &cluster).to_string()
    }

    pub(crate) fn nodes(&self, alias: &str) -> Vec<Value> {
        self.servers[alias].read_all("", "nodes", "")
    }

    /// Names of nodes that are ready and open to pods, sorted.
    pub(crate) fn open_nodes(&self, alias: &str) -> Vec<String> {
        let ready = |node: &&Value| {
            let conditions = node["status"]["conditions"].as_array();
            let ready = conditions
                .into_iter()
                .flatten()
                .any(|one| one["type"] == "Ready" && one["status"] == "True");
            ready
                && node["spec"]["unschedulable"] != true
                && node["metadata"]["labels"]["lifecycle-status"] != "draining"
        };
        let nodes = self.nodes(alias);
        let mut names: Vec<String> = nodes
            .iter()
            .filter(ready)
            .map(|node| node["metadata"]["name"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.stop();
        self.life.abort();
    }
}
