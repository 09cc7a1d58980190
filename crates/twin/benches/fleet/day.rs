//! A usual day on 1,000 nodes and 30,000 pods.
//!
//! | what | how much |
//! |---|---|
//! | deployments of new versions | one for each of a share of all Deployments, spread over the day |
//! | autoscalers | 20 applications use twice as much from 9 to 17 o'clock, in which time their autoscalers grow them |
//! | schedules | the CronJobs of the profile, as they come |
//! | nodes | five a day die; each is taken away after ten minutes, and another one comes for it |
//!
//! Two shares are measured: 5 %, a quiet day of a large company, and 100 %, where every application is deployed once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use divan::Bencher;
use jiff::{SignedDuration, Timestamp};
use json_tree::json;
use kube_sim::{Place, UserInfo};
use kube_world::{Kind, Metrics, NodeSpec};
use ports::Clock;
use twin::{Fleet, StepClock};

use crate::{block, build, one, pods, spent};

/// Something that is done to the cluster.
enum Deed {
    Deploy {
        namespace: String,
        name: String,
    },
    Use {
        namespace: String,
        application: String,
        times: i64,
    },
    Kill(String),
    Replace(String),
}

/// What the log says of a day.
#[derive(Default)]
struct Counts {
    lines: AtomicU64,
    made: AtomicU64,
    removed: AtomicU64,
    /// A digest of all lines so far: two programs that do the same on this day write the same.
    digest: AtomicU64,
}

impl Counts {
    fn take_in(&self, line: &str) {
        let digest = self.digest.load(Ordering::Relaxed);
        let fnv = |digest: u64, byte: &u8| (digest ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        let digest = line.as_bytes().iter().fold(digest, fnv);
        self.digest.store(digest, Ordering::Relaxed);
    }
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

/// The deeds of a day in order: `share` in percent of the Deployments are deployed.
fn deeds(fleet: &Fleet, share: usize, begin: Timestamp) -> Vec<(Timestamp, Deed)> {
    let view = fleet.clusters()[0].world().view();
    let after = |seconds: usize| begin + SignedDuration::from_secs(i64::try_from(seconds).unwrap());
    let deployments = view.keys(Kind::DEPLOYMENT, "");
    let count = deployments.len() * share / 100;
    let mut deeds = Vec::new();
    for (turn, deployment) in deployments.iter().step_by((100 / share).max(1)).enumerate() {
        let (namespace, name) = (deployment.namespace.to_string(), deployment.name.to_string());
        deeds.push((after(turn * 80_000 / count.max(1)), Deed::Deploy { namespace, name }));
    }
    let scalers = view.keys(Kind::HORIZONTAL_POD_AUTOSCALER, "");
    for scaler in scalers.iter().step_by((scalers.len() / 20).max(1)).take(20) {
        for (hour, times) in [(9, 2), (17, 1)] {
            let deed = Deed::Use {
                namespace: scaler.namespace.to_string(),
                application: scaler.name.to_string(),
                times,
            };
            deeds.push((after(hour * 3_600), deed));
        }
    }
    for number in 0..5 {
        let (node, at) = (format!("workers-{}", number * 150), 10_000 + number * 15_000);
        deeds.push((after(at), Deed::Kill(node.clone())));
        deeds.push((after(at + 600), Deed::Replace(node)));
    }
    deeds.sort_by_key(|(at, _)| *at);
    deeds
}

async fn act(fleet: &mut Fleet, deed: &Deed) {
    match deed {
        Deed::Deploy { namespace, name } => {
            let admin = fleet.clusters()[0].server().local(UserInfo::admin());
            let again = json!({"spec": {"template": {"metadata": {"annotations": {"deployed": "today"}}}}});
            let deployments = place("apps", "deployments", namespace);
            admin.patch(deployments, name, "", &again).await.unwrap();
        }
        Deed::Use {
            namespace,
            application,
            times,
        } => measure(fleet, namespace, application, *times).await,
        Deed::Kill(node) => {
            let there = fleet.with("kube-0", |one| one.world_mut().kill_node(node)).unwrap();
            assert!(there, "{node}");
        }
        Deed::Replace(node) => {
            let replace = |one: &mut twin::Cluster| {
                let machine = one.world().view().machine(node).map(|machine| machine.spec.clone());
                let mut spec = NodeSpec::clone(&machine.unwrap());
                spec.name = format!("{node}-new");
                one.world_mut().remove_node(node);
                one.world_mut().add_node(spec);
            };
            fleet.with("kube-0", replace).unwrap();
        }
    }
}

/// Lets the pods of an application use so many times 60 % of what they ask for.
async fn measure(fleet: &Fleet, namespace: &str, application: &str, times: i64) {
    let cluster = &fleet.clusters()[0];
    let admin = cluster.server().local(UserInfo::admin());
    let view = cluster.world().view();
    let mine = view
        .pods(namespace)
        .filter(|pod| pod.label("application") == Some(application));
    let used: Vec<(String, i64)> = mine
        .map(|pod| (pod.name.to_string(), pod.requests.cpu_millis * 60 / 100 * times))
        .collect();
    for (pod, used) in used {
        let annotation = Metrics::usage_annotation("cpu");
        let patch = json!({"metadata": {"annotations": {annotation: format!("{used}m")}}});
        admin
            .patch(place("", "pods", namespace), &pod, "", &patch)
            .await
            .unwrap();
    }
}

async fn live(clock: &Arc<StepClock>, fleet: &mut Fleet, share: usize) -> u64 {
    let begin = clock.now();
    let mut steps = 0;
    for (at, deed) in deeds(fleet, share, begin) {
        steps += fleet.advance_to(clock, at).await;
        act(fleet, &deed).await;
    }
    steps + fleet.advance_to(clock, begin + SignedDuration::from_hours(24)).await
}

#[divan::bench(args = [5, 100], sample_count = 1, sample_size = 1)]
fn day_of_churn_on_1000_nodes(bencher: Bencher<'_, '_>, share: usize) {
    bencher
        .with_inputs(|| {
            let counts = Arc::new(Counts::default());
            let seen = counts.clone();
            let count = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
            let sink = move |line: &str| {
                count(&seen.lines);
                seen.take_in(line);
                if line.contains(" created pods/") {
                    count(&seen.made);
                } else if line.contains(" removed pods/") {
                    count(&seen.removed);
                }
            };
            let (clock, fleet) = build(one(1_000, 30).sink(Box::new(sink)));
            for counter in [&counts.lines, &counts.made, &counts.removed] {
                counter.store(0, Ordering::Relaxed);
            }
            (clock, fleet, counts)
        })
        .bench_values(|(clock, mut fleet, counts)| {
            let (before, begin) = (pods(&fleet), spent());
            let steps = block(live(&clock, &mut fleet, share));
            let [lines, made, removed] =
                [&counts.lines, &counts.made, &counts.removed].map(|counter| counter.load(Ordering::Relaxed));
            let spent = (spent() - begin) * 10;
            println!("  {share} % of {before} pods deployed: {made} pods made, {removed} removed, {lines} lines, {steps} plans");
            println!("  digest of the log {:016x}", counts.digest.load(Ordering::Relaxed));
            println!("  {spent} ms of processor time");
            fleet
        });
}
