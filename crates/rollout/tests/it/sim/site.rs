//! A cluster with its cloud on one paused clock. Events of the cloud become nodes; everything is told to the oracle.

use std::sync::Arc;
use std::time::Duration;

use cloud_sim::{CloudSim, GroupSpec, InstanceChange, LaunchTemplateSpec, SubnetSpec, What, WorldOptions};
use disruption::PoolName;
use jiff::Timestamp;
use json_tree::{Value, json};
use kube_sim::{ApiServer, Place, UserInfo};
use kube_world::scheduler::KubeScheduler;
use kube_world::{EventDetail, NodeSpec, Profile, SharedWorld, World, controllers};
use ports::cloud::{GroupName, InstanceId, Market, NodeGroups, Tags, TemplateVersion};
use ports::{Clock, SeededIds, SimClock};
use rollout::{ClusterSpec, PoolSpec};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::case::Case;
use super::objects::{self, SPACE, Seat};
use super::oracle::Oracle;

pub(crate) const POOL: &str = "workers";
pub(crate) const CLUSTER: &str = "aws:123456789012:eu-central-1:kube-1";

pub(crate) struct Site {
    pub(crate) clock: SimClock,
    pub(crate) server: ApiServer,
    pub(crate) world: SharedWorld,
    pub(crate) cloud: CloudSim,
    pub(crate) spec: watch::Sender<ClusterSpec>,
    pub(crate) oracle: Arc<Oracle>,
    touched: Arc<Notify>,
    tasks: Vec<JoinHandle<()>>,
    template: LaunchTemplateSpec,
}

impl Site {
    pub(crate) async fn build(case: &Case) -> Self {
        let start: Timestamp = "2026-03-02T08:00:00Z".parse().unwrap();
        let clock = SimClock::starting_at(start);
        let shared: Arc<dyn Clock> = Arc::new(clock);
        let server = ApiServer::new(shared.clone(), Arc::new(SeededIds::child(case.seed, "api")));
        let scheduler = KubeScheduler::new(Arc::new(SeededIds::child(case.seed, "scheduler")));
        let profile = Profile {
            events: EventDetail::Nothing,
            ..Profile::default()
        };
        let builder = World::builder(server.clone()).seed(case.seed).profile(profile);
        let world = builder
            .controllers(controllers())
            .scheduler(Box::new(scheduler))
            .build();
        let world = SharedWorld::new(world);
        let (cloud, template) = account(case, &clock);
        let mut pool = PoolSpec::rolling(PoolName::from(POOL), case.policy.clone(), case.nodes);
        pool.spot = case.spot;
        let spec = ClusterSpec {
            id: CLUSTER.parse().unwrap(),
            tag_name: "kube-1".to_owned(),
            pools: vec![pool],
        };
        let mut site = Self {
            oracle: Arc::new(Oracle::new(case, &server, clock)),
            touched: Arc::new(Notify::new()),
            spec: watch::Sender::new(spec),
            tasks: Vec::new(),
            clock,
            server,
            world,
            cloud,
            template,
        };
        site.live();
        // Launched and registered before anything else happens.
        site.pass(Duration::from_secs(300)).await;
        let seats = site.seats().await;
        objects::plant(&mut *site.world.hold().await, case, seats);
        site.pass(Duration::from_secs(30)).await;
        site.oracle.begin();
        site
    }

    fn live(&mut self) {
        let (world, clock) = (self.world.clone(), self.clock);
        self.tasks.push(tokio::spawn(async move { world.run(&clock).await }));
        let bridge = Bridge {
            world: self.world.clone(),
            cloud: self.cloud.clone(),
            oracle: self.oracle.clone(),
        };
        let (touched, cloud) = (self.touched.clone(), self.cloud.clone());
        let wake = touched.clone();
        self.cloud.on_write(move || wake.notify_one());
        self.tasks.push(tokio::spawn(async move {
            let mut seen = 0;
            loop {
                bridge.turn(&mut seen).await;
                let wait = cloud
                    .next_due()
                    .map(|due| Duration::try_from(due.duration_since(clock.now())).unwrap_or_default());
                tokio::select! {
                    biased;
                    () = touched.notified() => {}
                    () = clock.sleep(wait.unwrap_or(Duration::from_secs(86_400))) => {}
                }
            }
        }));
    }

    async fn seats(&self) -> Vec<Seat> {
        let nodes = self.server.read_all("", "nodes", "");
        let seat = |node: &Value| Seat {
            node: node["metadata"]["name"].as_str().unwrap().to_owned(),
            zone: node["metadata"]["labels"]["topology.kubernetes.io/zone"]
                .as_str()
                .unwrap()
                .to_owned(),
        };
        nodes.iter().map(seat).collect()
    }

    pub(crate) async fn pass(&self, time: Duration) {
        self.clock.sleep(time).await;
    }

    pub(crate) fn keep(&mut self, task: JoinHandle<()>) {
        self.tasks.push(task);
    }

    /// Something was done to the cloud from the outside.
    pub(crate) fn touch(&self) {
        self.touched.notify_one();
    }

    /// The pool gets another definition.
    pub(crate) async fn define(&self) {
        let mut template = self.template.clone();
        let count = self
            .cloud
            .group(&GroupName::from(POOL))
            .await
            .map_or(0, |group| group.desired);
        template.user_data = Some(format!("{}-{count}", self.clock.now()));
        let version = self.cloud.add_launch_template_version(POOL, template).unwrap();
        let version = TemplateVersion::Number(version);
        for _ in 0..20 {
            let set = self
                .cloud
                .set_group_template_version(&GroupName::from(POOL), version)
                .await;
            let is = self.cloud.group_now(&GroupName::from(POOL)).unwrap().launch_template;
            if set.is_ok() || is.is_some_and(|is| is.version == version) {
                return;
            }
        }
        panic!("the cloud refuses a new version");
    }

    /// As the people of the cluster.
    pub(crate) async fn patch(&self, kind: (&str, &str), namespace: &str, name: &str, patch: &Value) {
        let place = Place {
            group: kind.0,
            version: "v1",
            resource: kind.1,
            namespace,
        };
        // What is gone needs no patch.
        let _ = self.server.local(UserInfo::admin()).patch(place, name, "", patch).await;
    }

    pub(crate) async fn budget(&self, name: &str, spec: Option<Value>) {
        match spec {
            Some(spec) => {
                self.patch(("policy", "poddisruptionbudgets"), SPACE, name, &json!({"spec": spec}))
                    .await
            }
            None => {
                let place = Place {
                    group: "policy",
                    version: "v1",
                    resource: "poddisruptionbudgets",
                    namespace: SPACE,
                };
                let options = kube_sim::DeleteOptions::default();
                let _ = self.server.local(UserInfo::admin()).delete(place, name, &options).await;
            }
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn account(case: &Case, clock: &SimClock) -> (CloudSim, LaunchTemplateSpec) {
    let mut options = WorldOptions::new("123456789012", "eu-central-1", case.seed).unthrottled();
    options.start = clock.now();
    options.any_image = true;
    options.zones = case.zones.to_owned();
    options.subnets = case
        .zones
        .chars()
        .map(|zone| SubnetSpec {
            id: format!("subnet-{zone}"),
            zone,
            tags: Tags::new(),
        })
        .collect();
    let cloud = CloudSim::new(options, Arc::new(*clock));
    let mut template = LaunchTemplateSpec::new("ami-1", "m5.large");
    if case.spot {
        template.market = Market::Spot;
    }
    cloud.create_launch_template(POOL, template.clone()).unwrap();
    let mut group = GroupSpec::new(POOL, POOL, 0, case.nodes, case.nodes);
    group.version = TemplateVersion::Number(1);
    group.tags = [
        ("kubernetes.io/cluster/kube-1", "owned"),
        ("NodePool", POOL),
        ("k8s.io/cluster-autoscaler/enabled", ""),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    cloud.create_group(group).unwrap();
    (cloud, template)
}

/// Turns what happens in the cloud into nodes.
struct Bridge {
    world: SharedWorld,
    cloud: CloudSim,
    oracle: Arc<Oracle>,
}

impl Bridge {
    async fn turn(&self, seen: &mut u64) {
        for event in self.cloud.changes_since(*seen) {
            *seen = event.sequence;
            self.oracle.cloud(&event);
            if let What::Instance { id, change, .. } = event.what {
                self.change(&id, &change).await;
            }
        }
    }

    async fn change(&self, id: &InstanceId, change: &InstanceChange) {
        match change {
            InstanceChange::Running => {
                let Some(instance) = self.cloud.instance(id) else {
                    return;
                };
                let mut spec = NodeSpec::new(id.as_str())
                    .label("lifecycle-status", "ready")
                    .label("node.kubernetes.io/node-pool", POOL)
                    .label("topology.kubernetes.io/zone", &instance.zone)
                    .capacity("cpu", "16");
                spec.provider_id = instance.provider_id();
                if self.cloud.is_never_ready(id) {
                    spec.ready_delay = None;
                }
                self.world.hold().await.add_node(spec);
            }
            InstanceChange::ShuttingDown | InstanceChange::Terminated => {
                self.world.hold().await.remove_node(id.as_str());
            }
            _ => {}
        }
    }
}
