//! Many seeds of mixed load: rollouts, scaling, evictions, deaths of nodes, losses in the cloud, clocks that are set. At every
//! step the laws hold.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use cloud_sim::FaultPlan;
use jiff::SignedDuration;
use json_tree::{Value, json};
use kube_sim::{DeleteOptions, Place, UserInfo};
use ports::Clock;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use twin::{Cluster, ClusterSpec, PoolSpec, Profile};

use crate::support::Lab;

/// So many seeds run in the usual test run; `FLEETWRIGHT_SEEDS=1000` runs a thousand.
const SEEDS: u64 = 8;

fn specs(seed: u64) -> [ClusterSpec; 2] {
    let profile = |at: u64| Profile::ALL[usize::try_from((seed + at) % 4).unwrap()];
    let given = ClusterSpec::new("given")
        .pool(PoolSpec::new("workers", 4))
        .profile(profile(0))
        .pods_per_node(6);
    let cloud = ClusterSpec::new("cloud")
        .pool(PoolSpec::new("spot", 3).bounds(2, 5).spot())
        .profile(profile(1))
        .pods_per_node(6)
        .autoscaler(kube_world::autoscaler::Options::default());
    [given, cloud]
}

fn place<'a>(group: &'a str, resource: &'a str, namespace: &'a str) -> Place<'a> {
    let version = "v1";
    Place {
        group,
        version,
        resource,
        namespace,
    }
}

/// One of the objects of a kind, drawn.
fn one(cluster: &Cluster, group: &str, resource: &str, random: &mut StdRng) -> Option<(String, String)> {
    let all = cluster.server().read_all(group, resource, "");
    let at = random.random_range(0..all.len().max(1));
    let object = all.get(at)?;
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    Some((text("namespace"), text("name")))
}

/// Something that users, operators or bad luck do. Refusals are part of it.
async fn disturb(lab: &mut Lab, random: &mut StdRng) {
    let at = random.random_range(0..2);
    let id = ["given", "cloud"][at];
    let cluster = &lab.fleet.clusters()[at];
    let admin = cluster.server().local(UserInfo::admin());
    let act = random.random_range(0..10);
    match act {
        0 | 1 => {
            let resource = ["deployments", "statefulsets"][usize::from(random.random_bool(0.3))];
            if let Some((namespace, name)) = one(cluster, "apps", resource, random) {
                let patch = if act == 0 {
                    json!({"spec": {"replicas": random.random_range(0..7)}})
                } else {
                    json!({"spec": {"template": {"metadata": {"annotations": {"again": lab.clock.now().to_string()}}}}})
                };
                let _ = admin
                    .patch(place("apps", resource, &namespace), &name, "", &patch)
                    .await;
            }
        }
        2 | 3 => {
            for _ in 0..3 {
                if let Some((namespace, name)) = one(cluster, "", "pods", random) {
                    let _ = match act {
                        2 => admin.evict(&namespace, &name).await,
                        _ => {
                            let place = place("", "pods", &namespace);
                            admin.delete(place, &name, &DeleteOptions::default()).await.map(|_| ())
                        }
                    };
                }
            }
        }
        4 => {
            if let Some((_, name)) = one(cluster, "", "nodes", random) {
                let cordon = json!({"spec": {"unschedulable": random.random_bool(0.5).then_some(true)}});
                let _ = admin.patch(place("", "nodes", ""), &name, "", &cordon).await;
            }
        }
        5 | 6 => {
            if let Some((_, name)) = one(cluster, "", "nodes", random) {
                let act = |cluster: &mut Cluster| match act {
                    5 => cluster.world_mut().kill_node(&name),
                    _ => cluster.world_mut().revive_node(&name),
                };
                lab.fleet.with(id, act).unwrap();
            }
        }
        8 => {
            // Longer than every grace period and back-off, or shorter than most of them.
            let bound = [30, 7_200][usize::from(random.random_bool(0.5))];
            let by = SignedDuration::from_secs(random.random_range(-bound..=bound));
            lab.fleet.with(id, |cluster| cluster.set_clock(by)).unwrap();
        }
        7 => {
            let sim = lab.fleet.clouds().sim("123456789012", "eu-central-1");
            let all = sim.instances_now();
            let at = random.random_range(0..all.len().max(1));
            if let Some(instance) = all.get(at).filter(|one| one.state.is_alive()) {
                match random.random_bool(0.5) {
                    true => sim.interrupt_spot(&instance.id),
                    false => sim.kill_instance(&instance.id),
                }
            }
        }
        _ => {
            if let Some((namespace, name)) = one(cluster, "apps", "deployments", random) {
                let place = place("apps", "deployments", &namespace);
                let _ = admin.delete(place, &name, &DeleteOptions::default()).await;
            }
        }
    }
}

/// The numbers of every budget against the pods that it is about.
fn budgets(cluster: &Cluster, seed: u64) {
    let pods = cluster.server().read_all("", "pods", "");
    for budget in cluster.server().read_all("policy", "poddisruptionbudgets", "") {
        let wanted: BTreeMap<String, Value> =
            json_tree::from_value(&budget["spec"]["selector"]["matchLabels"]).unwrap();
        let disrupted = &budget["status"]["disruptedPods"];
        let healthy = pods.iter().filter(|pod| {
            let conditions = pod["status"]["conditions"].as_array();
            let ready = conditions
                .into_iter()
                .flatten()
                .any(|one| one["type"] == "Ready" && one["status"] == "True");
            let name = pod["metadata"]["name"].as_str().unwrap();
            pod["metadata"]["namespace"] == budget["metadata"]["namespace"]
                && wanted
                    .iter()
                    .all(|(key, value)| pod["metadata"]["labels"][key] == *value)
                && ready
                && pod["metadata"]["deletionTimestamp"].is_null()
                && disrupted[name].is_null()
        });
        let status = |field: &str| budget["status"][field].as_i64().unwrap_or(0);
        let healthy = i64::try_from(healthy.count()).unwrap();
        let name = &budget["metadata"]["name"];
        let conditions = budget["status"]["conditions"].as_array();
        if conditions
            .into_iter()
            .flatten()
            .any(|one| one["reason"] == "SyncFailed")
        {
            // Pods whose controller is gone: as upstream, nothing is allowed and the other numbers stay.
            assert_eq!(status("disruptionsAllowed"), 0, "seed {seed}: budget {name}");
            continue;
        }
        assert_eq!(status("currentHealthy"), healthy, "seed {seed}: budget {name}");
        let none = status("expectedPods") == 0;
        let allowed = if none {
            0
        } else {
            (healthy - status("desiredHealthy")).max(0)
        };
        assert_eq!(status("disruptionsAllowed"), allowed, "seed {seed}: budget {name}");
    }
}

/// Half an hour of trouble, half an hour of peace; the lines and digest of the log.
pub(crate) async fn story(seed: u64) -> (u64, String) {
    let mut lab = Lab::with_cloud_faults(
        seed,
        specs(seed),
        FaultPlan {
            never_ready_per_mille: 50,
            spot_loss_per_mille: 100,
            ..FaultPlan::default()
        },
    )
    .await;
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..15 {
        disturb(&mut lab, &mut random).await;
        lab.pass_as(random.random_range(1..240), seed).await;
        for cluster in lab.fleet.clusters() {
            budgets(cluster, seed);
        }
    }
    lab.pass_as(1_800, seed).await;
    (lab.fleet.log().lines(), lab.fleet.log().digest())
}

#[test]
fn seeds_of_mixed_load_keep_what_must_hold() {
    let seeds = std::env::var("FLEETWRIGHT_SEEDS")
        .ok()
        .and_then(|text| text.parse().ok());
    let seeds: u64 = seeds.unwrap_or(SEEDS);
    let told = AtomicU64::new(0);
    // Two at a time; each seed has a runtime of its own.
    std::thread::scope(|scope| {
        for part in 0..2 {
            let told = &told;
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                for seed in (part..seeds).step_by(2) {
                    let (lines, _) = runtime.block_on(story(seed));
                    // A story in which nothing happens would keep every law.
                    assert!(lines > 200, "seed {seed} has {lines} lines");
                    told.fetch_add(lines, Ordering::Relaxed);
                }
            });
        }
    });
    let told = told.into_inner();
    println!("{seeds} seeds without a broken law; {told} lines of log, the laws checked at every step");
}
