//! Waves that go by what health checks find: done is what was found healthy.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use futures::StreamExt as _;
use json_tree::json;
use kube_sim::ApiServer;
use model::HealthState;
use model::acts::FastLane;
use model::config_tree::ConfigTree;
use plan::policy::FleetPolicy;
use plan::waves::Phase;
use ports::Registry as _;
use ports::acts::perform;
use ports::registry::ObjectKind;

use super::fleet::Fleet;
use crate::bench::context;
use crate::health::{deployment, verdict};
use crate::updates::commit;

/// A commit with Deployment `front` at this image.
fn release(id: &str, image: &str) -> ConfigTree {
    let front = deployment("front", image);
    commit(id, "1", &[("cluster/manifests/front/deployment.yaml", front.as_str())])
}

/// What Deployment controllers would do in all clusters of a fleet.
struct Controllers {
    /// Clusters whose pods do not get available, whatever their image.
    sick: Arc<Mutex<BTreeSet<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Controllers {
    /// Says of each Deployment that its pods are available, unless the cluster is sick, or of type `gpu` and the image is bad.
    fn over(fleet: &Fleet) -> Self {
        let sick: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        let (registry, servers) = (fleet.bench.registry.clone(), fleet.bench.servers.clone());
        let (clock, ill) = (fleet.bench.clock.clone(), sick.clone());
        let gpu: BTreeSet<String> = fleet
            .aliases
            .iter()
            .filter(|alias| alias.ends_with('4') || alias.ends_with('9'))
            .cloned()
            .collect();
        let task = tokio::spawn(async move {
            use ports::Clock as _;
            // Something was applied somewhere whenever an entry of the ledger changes; a minute passes in any case.
            let mut feed = registry.watch(0).await.unwrap();
            loop {
                tokio::select! {
                    biased;
                    Some(Ok(change)) = feed.next() => {
                        if change.kind != ObjectKind::Entry || !change.id.starts_with("health/") {
                            continue;
                        }
                    }
                    () = clock.sleep(std::time::Duration::from_secs(60)) => {}
                }
                for (alias, (server, _)) in servers.iter() {
                    let is_sick = ill.lock().unwrap().contains(alias);
                    control(server, is_sick, gpu.contains(alias));
                }
            }
        });
        Self { sick, task }
    }

    fn ail(&self, alias: &str) {
        self.sick.lock().unwrap().insert(alias.to_owned());
    }

    fn heal(&self, alias: &str) {
        self.sick.lock().unwrap().remove(alias);
    }
}

impl Drop for Controllers {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One look of a Deployment controller.
fn control(server: &ApiServer, sick: bool, gpu: bool) {
    let Some(mut object) = server.read("apps", "deployments", "web", "front") else {
        return;
    };
    let image = object["spec"]["template"]["spec"]["containers"][0]["image"].as_str();
    let bad = sick || (gpu && image.is_some_and(|image| image.ends_with("bad")));
    let pods = if bad { 0 } else { 2 };
    let status = json!({
        "observedGeneration": object["metadata"]["generation"], "replicas": 2, "updatedReplicas": 2,
        "availableReplicas": pods, "readyReplicas": pods,
    });
    if object["status"] != status {
        object["kind"] = "Deployment".into();
        object["apiVersion"] = "apps/v1".into();
        object["status"] = status;
        server.place(object);
    }
}

/// A fleet with the default rules, health checks among them.
async fn checked(channels: &[(&str, usize)]) -> (Fleet, Controllers) {
    let fleet = Fleet::of(channels).await;
    fleet.policies.replace(FleetPolicy::default());
    let controllers = Controllers::over(&fleet);
    (fleet, controllers)
}

async fn everywhere(fleet: &Fleet, id: &str) {
    fleet
        .until(id, 12, async |fleet| {
            fleet.behind(Some("beta"), id).await.is_empty() && fleet.run("beta").await.over.is_some()
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_wave_waits_until_the_one_before_was_found_healthy() {
    let (fleet, _controllers) = checked(&[("beta", 20)]).await;
    fleet.commit("beta", release("one", "front:1"));
    everywhere(&fleet, "one").await;
    let turns = fleet.turns().await;
    let moment = |suffix: &str, last: bool| {
        let own = turns.values().filter(|turn| turn.wave == suffix).map(|turn| turn.begun);
        if last { own.max() } else { own.min() }.unwrap()
    };
    // The check time is a minute in test and five in production.
    let waves = [
        ("test criticality 1, canaries", "test criticality 1, up to 25%", 60),
        ("test criticality 1, up to 25%", "test criticality 1, the rest", 60),
        ("test criticality 1, the rest", "production criticality 2, canaries", 60),
        (
            "production criticality 2, canaries",
            "production criticality 2, up to 25%",
            300,
        ),
        (
            "production criticality 2, up to 25%",
            "production criticality 2, the rest",
            300,
        ),
    ];
    for (ahead, behind, check) in waves {
        let pause = moment(behind, false).duration_since(moment(ahead, true));
        assert!(pause.as_secs() >= check, "{behind}: {pause:?}");
    }
    let most = fleet.most();
    assert!(most.fleet <= 10 && most.waves <= 5, "{most:?}");
    assert_eq!(fleet.phase("beta").await, Phase::Resting);
}

#[tokio::test(start_paused = true)]
async fn f3_incident_18_a_commit_that_applies_everywhere_and_makes_one_type_sick_halts_by_the_verdict() {
    let (fleet, _controllers) = checked(&[("beta", 20)]).await;
    fleet.commit("beta", release("one", "front:1"));
    everywhere(&fleet, "one").await;
    fleet.commit("beta", release("bad", "front:bad"));
    fleet
        .until("the channel halts", 1, async |fleet| {
            fleet.phase("beta").await == Phase::Halted
        })
        .await;
    // It was applied cleanly, and nobody else begins.
    assert_eq!(
        fleet.bench.cluster("beta-04").await.status.current_version,
        fleet.bench.version("beta-04", "bad").await
    );
    fleet.bench.pass_time(7_200).await;
    let touched = fleet.touched("bad").await;
    assert_eq!(touched.into_iter().collect::<Vec<_>>(), ["beta-00", "beta-04"]);
    let run = fleet.run("beta").await;
    assert_eq!(run.over, None);
    let halt = run.halt.unwrap();
    assert_eq!(halt.clusters, ["beta-04"]);
    let causes: Vec<(&str, &str)> = halt
        .causes
        .iter()
        .map(|cause| (cause.about.as_str(), cause.says.as_str()))
        .collect();
    assert_eq!(causes, [("Deployment web/front (front)", "0 of 2 pods are available")]);
    assert_eq!(verdict(&fleet.bench, "beta-00").await.state, HealthState::Healthy);

    fleet.first();
    fleet.commit("beta", release("fix", "front:3"));
    everywhere(&fleet, "fix").await;
    assert_eq!(
        fleet.first().as_deref(),
        Some("beta-04"),
        "what is sick is mended first"
    );
    assert!(fleet.run("beta").await.halt.is_none(), "W6");
    assert_eq!(verdict(&fleet.bench, "beta-04").await.state, HealthState::Healthy);
}

#[tokio::test(start_paused = true)]
async fn a_verdict_that_turns_halts_what_still_walks_and_lets_it_go_on_when_it_turns_back() {
    let (fleet, controllers) = checked(&[("beta", 20)]).await;
    fleet.commit("beta", release("one", "front:1"));
    fleet
        .until("the second wave has begun", 2, async |fleet| {
            fleet.touched("one").await.len() > 2
        })
        .await;
    controllers.ail("beta-00");
    fleet
        .until("the canary turned red", 2, async |fleet| {
            fleet.phase("beta").await == Phase::Halted
        })
        .await;
    let touched = fleet.touched("one").await;
    fleet.bench.pass_time(3_600).await;
    assert_eq!(fleet.touched("one").await, touched, "nobody else begins");
    assert_eq!(fleet.run("beta").await.halt.unwrap().clusters, ["beta-00"]);
    controllers.heal("beta-00");
    everywhere(&fleet, "one").await;

    // One that turns when everybody has it opens the change again: there is something to be seen to.
    controllers.ail("beta-19");
    fleet
        .until("it is halted", 2, async |fleet| {
            fleet.phase("beta").await == Phase::Halted
        })
        .await;
    let run = fleet.run("beta").await;
    assert_eq!((run.over, run.commit), (None, true));
    controllers.heal("beta-19");
    everywhere(&fleet, "one").await;
}

#[tokio::test(start_paused = true)]
async fn incident_10_a_manager_that_starts_in_the_middle_of_a_check_waits_for_its_end() {
    let (mut fleet, _controllers) = checked(&[("beta", 20)]).await;
    fleet.commit("beta", release("one", "front:1"));
    fleet
        .until("the canaries have it", 1, async |fleet| {
            fleet.behind(None, "one").await.len() == 18
        })
        .await;
    assert_eq!(verdict(&fleet.bench, "beta-00").await.state, HealthState::Checking);
    fleet.start();
    fleet.bench.pass_time(20).await;
    assert_eq!(fleet.touched("one").await.len(), 2, "they are checked and not done");
    everywhere(&fleet, "one").await;
}

#[tokio::test(start_paused = true)]
async fn a_fast_lane_does_not_wait_for_checks_and_says_so_and_halts_by_a_verdict_all_the_same() {
    let (fleet, _controllers) = checked(&[("beta", 20)]).await;
    let lane = FastLane {
        channel: "beta".to_owned(),
        config: "hotfix-".to_owned(),
        reason: "CVE-2026-1".to_owned(),
        ..FastLane::default()
    };
    let bench = &fleet.bench;
    let with: (&dyn ports::Clock, &dyn ports::Ids) = (&*bench.clock, &bench.ids);
    perform(&*bench.registry, with, lane, &context("alice")).await.unwrap();
    let asked = fleet.now();
    fleet.commit("beta", release("hotfix-1", "front:1"));
    fleet
        .until("all have it", 1, async |fleet| {
            fleet.behind(None, "hotfix-1").await.is_empty()
        })
        .await;
    let took = fleet.now().duration_since(asked);
    assert!(
        took.as_secs() < 300,
        "a check in production alone takes as long: {took:?}"
    );
    let turns = fleet.turns().await;
    let passed = |alias: &str| turns[alias].passed.clone().unwrap();
    assert!(passed("beta-00").unchecked.is_empty(), "{:?}", passed("beta-00"));
    assert!(
        passed("beta-19").unchecked.contains(&"beta-00".to_owned()),
        "{:?}",
        passed("beta-19")
    );
    // They are checked all the same.
    fleet.bench.pass_time(600).await;
    assert_eq!(verdict(bench, "beta-19").await.state, HealthState::Healthy);
    fleet.commit("beta", release("hotfix-2", "front:bad"));
    fleet
        .until("it halts", 1, async |fleet| fleet.phase("beta").await == Phase::Halted)
        .await;
}
