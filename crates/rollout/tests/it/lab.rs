//! A cluster with its cloud, on one paused clock, with a small bridge: machines in service become nodes, those that shut
//! down leave.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloud_sim::{CloudSim, GroupSpec, InstanceChange, LaunchTemplateSpec, What, WorldOptions};
use disruption::{Environment, Policy, PoolName};
use jiff::{SignedDuration, Timestamp};
use json_tree::{Value, json};
use kube_access::{Access, Context};
use kube_sim::{ApiServer, Place, UserInfo};
use kube_world::scheduler::KubeScheduler;
use kube_world::{NodeSpec, SharedWorld, World, controllers};
use ports::cloud::{CloudError, GroupName, InstanceId, Market, NodeGroups, TemplateVersion};
use ports::{Clock, SeededIds, SimClock, WriteContext};
use rollout::{ClusterSpec, Handle, Means, PoolSpec, Refresh, Rollout};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::guard::TestGuard;
use crate::ledger::TestLedger;

/// What a lab is like.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) seed: u64,
    /// Pools with their sizes.
    pub(crate) pools: Vec<(&'static str, u32)>,
    pub(crate) spot: bool,
    pub(crate) environment: Environment,
    /// The bridge counts draining nodes; too slow for large clusters.
    pub(crate) watched: bool,
}

impl Options {
    pub(crate) fn new(seed: u64, nodes: u32) -> Self {
        Self {
            seed,
            pools: vec![("workers", nodes)],
            spot: false,
            environment: Environment::Test,
            watched: true,
        }
    }
}

pub(crate) struct Lab {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) server: ApiServer,
    pub(crate) world: SharedWorld,
    pub(crate) cloud: CloudSim,
    pub(crate) ledger: Arc<TestLedger>,
    pub(crate) guard: Arc<TestGuard>,
    pub(crate) spec: watch::Sender<ClusterSpec>,
    pub(crate) access: Access,
    engine: Option<(JoinHandle<()>, Handle)>,
    tasks: Vec<JoinHandle<()>>,
    /// The most nodes that were seen draining at once.
    pub(crate) most_draining: Arc<Mutex<usize>>,
    seed: u64,
    spot: bool,
}

const CLUSTER: &str = "aws:123456789012:eu-central-1:kube-1";

fn template(image: &str, spot: bool) -> LaunchTemplateSpec {
    let mut spec = LaunchTemplateSpec::new(image, "m5.large");
    if spot {
        spec.market = Market::Spot;
    }
    spec
}

impl Lab {
    /// A cluster whose nodes are there, without workload; the engine does not run yet.
    pub(crate) async fn new(options: &Options) -> Self {
        let start: Timestamp = "2026-03-02T08:00:00Z".parse().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SimClock::starting_at(start));
        let seed = options.seed;
        let server = ApiServer::new(clock.clone(), Arc::new(SeededIds::child(seed, "api")));
        let scheduler = KubeScheduler::new(Arc::new(SeededIds::child(seed, "scheduler")));
        let builder = World::builder(server.clone()).seed(seed).controllers(controllers());
        let world = SharedWorld::new(builder.scheduler(Box::new(scheduler)).build());

        let mut place = WorldOptions::new("123456789012", "eu-central-1", seed);
        place.start = start;
        let cloud = CloudSim::new(place.unthrottled(), clock.clone());
        let image = cloud.add_image("123456789012", "node-image-1");
        let mut pools = Vec::new();
        for (name, size) in &options.pools {
            cloud
                .create_launch_template(name, template(&image, options.spot))
                .unwrap();
            let mut group = GroupSpec::new(name, name, 0, *size, *size);
            group.version = TemplateVersion::Number(1);
            group.tags = [
                ("kubernetes.io/cluster/kube-1", "owned"),
                ("NodePool", name),
                ("k8s.io/cluster-autoscaler/enabled", ""),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
            cloud.create_group(group).unwrap();
            let policy = Policy::of(options.environment);
            let mut pool = PoolSpec::rolling(PoolName::from(*name), policy, *size);
            pool.spot = options.spot;
            pools.push(pool);
        }
        let spec = ClusterSpec {
            id: CLUSTER.parse().unwrap(),
            tag_name: "kube-1".to_owned(),
            pools,
        };
        let context = Context::new("kube-1", clock.clone(), Arc::new(SeededIds::child(seed, "jitter")));
        let access = Access::from_service(context, server.clone());
        let mut lab = Self {
            ledger: Arc::new(TestLedger::new(clock.clone())),
            guard: Arc::new(TestGuard::new(None)),
            spec: watch::Sender::new(spec),
            most_draining: Arc::default(),
            engine: None,
            tasks: Vec::new(),
            clock,
            server,
            world,
            cloud,
            access,
            seed,
            spot: options.spot,
        };
        lab.live(options.watched);
        lab.pass(300).await;
        lab
    }

    fn live(&mut self, watched: bool) {
        let (world, clock) = (self.world.clone(), self.clock.clone());
        self.tasks.push(tokio::spawn(async move { world.run(&clock).await }));
        let (world, clock, cloud) = (self.world.clone(), self.clock.clone(), self.cloud.clone());
        let (server, most) = (self.server.clone(), Arc::clone(&self.most_draining));
        self.tasks.push(tokio::spawn(async move {
            let mut seen = 0;
            loop {
                for event in cloud.changes_since(seen) {
                    seen = event.sequence;
                    if let What::Instance { id, change, .. } = event.what {
                        bridge(&world, &cloud, &id, &change).await;
                    }
                }
                let nodes = if watched {
                    server.read_all("", "nodes", "")
                } else {
                    Vec::new()
                };
                let draining = |node: &&Value| node["metadata"]["labels"]["lifecycle-status"] == "draining";
                let count = nodes.iter().filter(draining).count();
                {
                    let mut most = most.lock().unwrap();
                    *most = (*most).max(count);
                }
                // What the engine asks of the cloud is seen within seconds while anything is under way there.
                let now = clock.now();
                let due = cloud
                    .next_due()
                    .map_or(60, |due| due.duration_since(now).as_secs().clamp(1, 60));
                clock.sleep(Duration::from_secs(due.unsigned_abs())).await;
            }
        }));
    }

    pub(crate) async fn pass(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// Starts the engine; one that runs is dropped where it stands.
    pub(crate) fn start_engine(&mut self, cut: Option<u64>) {
        self.stop_engine();
        self.guard = Arc::new(TestGuard::new(cut));
        let context = Context::new(
            "kube-1",
            self.clock.clone(),
            Arc::new(SeededIds::child(self.seed, "again")),
        );
        let means = Means {
            access: Access::from_service(context, self.server.clone()),
            cloud: Arc::new(self.cloud.clone()),
            ledger: self.ledger.clone(),
            guard: self.guard.clone(),
            clock: self.clock.clone(),
            context: WriteContext::by("rollout", "test"),
            refresh: Refresh::default(),
        };
        self.access = means.access.clone();
        let (engine, handle) = Rollout::new(means, self.spec.subscribe());
        let task = tokio::spawn(async move { engine.run().await.unwrap() });
        self.engine = Some((task, handle));
    }

    pub(crate) fn stop_engine(&mut self) {
        if let Some((task, _)) = self.engine.take() {
            task.abort();
        }
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.engine.as_ref().unwrap().1
    }

    /// The pools get a new definition.
    pub(crate) async fn new_definition(&self, pool: &str) {
        let image = self.cloud.add_image("123456789012", "node-image-2");
        let version = self
            .cloud
            .add_launch_template_version(pool, template(&image, self.spot))
            .unwrap();
        let group = GroupName::from(pool);
        let version = TemplateVersion::Number(version);
        let set = self.cloud.set_group_template_version(&group, version).await;
        // A drawn fault may hide the answer; the work is done all the same.
        assert!(
            matches!(set, Ok(()) | Err(CloudError::OutcomeUnknown { .. })),
            "{set:?}"
        );
        if let Some((_, handle)) = &self.engine {
            handle.nudge();
        }
    }

    pub(crate) async fn create(&self, group: &str, resource: &str, object: Value) {
        let place = Place {
            group,
            version: "v1",
            resource,
            namespace: "default",
        };
        self.server
            .local(UserInfo::admin())
            .create(place, object)
            .await
            .unwrap();
    }

    pub(crate) async fn deployment(&self, name: &str, replicas: u32) {
        let labels = json!({"app": name, "team": "shop"});
        let object = json!({"metadata": {"name": name, "namespace": "default"}, "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": labels}, "spec": {
                "terminationGracePeriodSeconds": 30,
                "containers": [{"name": "app", "image": "app:1", "resources": {"requests": {"cpu": "100m"}},
                    "readinessProbe": {"httpGet": {"path": "/", "port": 80}}}]}}}});
        self.create("apps", "deployments", object).await;
    }

    pub(crate) async fn budget(&self, name: &str, max_unavailable: u32) {
        let object = json!({"metadata": {"name": name, "namespace": "default"},
            "spec": {"maxUnavailable": max_unavailable, "selector": {"matchLabels": {"app": name}}}});
        self.create("policy", "poddisruptionbudgets", object).await;
    }

    pub(crate) fn nodes(&self) -> Vec<Value> {
        self.server.read_all("", "nodes", "")
    }

    /// Waits until every machine of the pool has the pool's definition and the record is closed; the hours that it took.
    pub(crate) async fn rolled(&self, pool: &str, hours: i64) -> f64 {
        let begin = self.clock.now();
        let end = begin + SignedDuration::from_hours(hours);
        loop {
            self.pass(60).await;
            let group = self.cloud.group(&GroupName::from(pool)).await.unwrap();
            let current = |one: &ports::cloud::GroupInstance| one.launch_template == group.launch_template;
            let open = self.ledger.all(rollout::ROLLOUT_KIND).iter().any(|entry| entry.open);
            let marked = self.nodes().iter().any(is_marked);
            if group.instances.iter().all(current) && !open && !marked {
                return self.clock.now().duration_since(begin).as_secs_f64() / 3600.0;
            }
            if self.clock.now() > end {
                let status = match &self.engine {
                    Some((_, handle)) => serde_json::to_string_pretty(&handle.status().await.as_deref()).unwrap(),
                    None => String::new(),
                };
                panic!("not rolled after {hours} hours: {status}\n{}", self.cloud.log_text());
            }
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.stop_engine();
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

pub(crate) fn is_marked(node: &Value) -> bool {
    let taints = node["spec"]["taints"].as_array();
    let tainted = taints
        .into_iter()
        .flatten()
        .any(|taint| taint["key"] == "decommission-pending");
    tainted || node["metadata"]["labels"]["lifecycle-status"] != "ready" || node["spec"]["unschedulable"] == true
}

async fn bridge(world: &SharedWorld, cloud: &CloudSim, id: &InstanceId, change: &InstanceChange) {
    match change {
        InstanceChange::Running => {
            let Some(instance) = cloud.instance(id) else { return };
            let group = instance.group.as_ref().map(ToString::to_string).unwrap_or_default();
            let mut spec = NodeSpec::new(id.as_str())
                .label("lifecycle-status", "ready")
                .label("node.kubernetes.io/node-pool", &group)
                .label("topology.kubernetes.io/zone", &instance.zone);
            spec.provider_id = instance.provider_id();
            spec.capacity.insert("cpu".to_owned(), "32".to_owned());
            if cloud.is_never_ready(id) {
                spec.ready_delay = None;
            }
            world.hold().await.add_node(spec);
        }
        InstanceChange::ShuttingDown | InstanceChange::Terminated => {
            world.hold().await.remove_node(id.as_str());
        }
        _ => {}
    }
}
