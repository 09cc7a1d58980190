//! Deterministic simulation: a small fleet lives through commits, blocks, agreements, kills, pauses and faults on every
//! external call (cluster API, cloud, facts, registry, ledger, leases, git), drawn from a seed. What must never happen is
//! checked at every external write, what must happen in the end once the faults stop. Apart from the seeds, a life without
//! faults is cut before and after every one of its writes.
//!
//! A failing seed is printed with the command that replays it:
//! `FLEETWRIGHT_SEED=<seed> cargo test -p lifecycle --test it simulation::replay -- --nocapture`.

mod cloud;
mod eye;
mod fleet;
mod live;

use std::collections::BTreeMap;
use std::time::Duration;

use cloud_sim::{FaultPlan, ResourceFault, ResourceRule, ResourceStep};
use lifecycle::guard::Rules;
use ports::Clock;

use crate::clouds::clouded;
use crate::life::Fate;
use eye::Seen;
use fleet::{CALM, Fleet};

const CLUSTERS: [&str; 2] = ["kube-1", "kube-2"];
/// A secret config item; it must appear nowhere but in the cluster.
const SECRET: &str = "correct-horse-battery";
/// How long the fleet lives with faults, in seconds.
const TROUBLE: u64 = 1_000;
/// How many objects may be pruned without consent.
const FEW: usize = 1;

/// A configuration whose level is the number of the commit. Every third one holds an object that the cluster refuses.
fn numbered(n: u32) -> model::config_tree::ConfigTree {
    let level = n.to_string();
    let main = format!(
        "Resources:\n  Role: {{Type: 'AWS::IAM::Role', Properties: {{RoleName: '{{{{ .Cluster.LocalID }}}}-role', Path: '/{}/'}}}}\n",
        n / 2
    );
    let mut tree = clouded(&format!("commit-{n}"), &level, &main);
    let mut add = |path: &str, text: String| {
        let file = model::config_tree::TreeFile {
            id: text.clone(),
            content: text.into_bytes().into(),
        };
        tree.files.insert(path.to_owned(), file);
    };
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: web}\nstringData: {password: '{{ .Cluster.ConfigItems.db_password }}'}\n";
    add("cluster/manifests/web/secret.yaml", secret.to_owned());
    if n % 3 == 2 {
        let bad = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Bad, namespace: web}\ndata: {p: '{{ .Cluster.ConfigItems.db_password }}'}\n";
        add("cluster/manifests/zz/bad.yaml", bad.to_owned());
    }
    for extra in 0..n % 4 {
        let map = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: extra-{extra}, namespace: web}}\n");
        add(&format!("cluster/manifests/extra/e{extra}.yaml"), map);
    }
    tree
}

fn on_paused_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(work)
}

fn run(seed: u64, rules: Rules) -> Seen {
    on_paused_time(live::live(seed, rules))
}

fn seeds(default: u64) -> u64 {
    std::env::var("FLEETWRIGHT_SEEDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

fn command(seed: u64) -> String {
    format!("FLEETWRIGHT_SEED={seed} cargo test -p lifecycle --test it simulation::replay -- --nocapture")
}

/// Runs the seeds on two threads and adds up.
fn run_all(count: u64) -> Seen {
    let half = |first: u64| {
        std::thread::spawn(move || {
            let mut all = Seen::default();
            for seed in (first..count).step_by(2) {
                let seen = run(seed, Rules::default());
                for (promise, checks) in seen.checks {
                    *all.checks.entry(promise).or_default() += checks;
                }
                all.kills += seen.kills;
                let told = |breach: &String| format!("{breach}\n  {}", command(seed));
                all.breaches.extend(seen.breaches.iter().map(told));
            }
            all
        })
    };
    let halves = [half(0), half(1)].map(|half| half.join().unwrap());
    let mut all = Seen::default();
    for half in halves {
        for (promise, checks) in half.checks {
            *all.checks.entry(promise).or_default() += checks;
        }
        all.kills += half.kills;
        all.breaches.extend(half.breaches);
    }
    all
}

#[test]
fn no_seed_breaks_a_promise() {
    let count = seeds(500);
    let seen = run_all(count);
    println!(
        "{count} seeds, {} kills at writes, {} breaches; checks: {:?}",
        seen.kills,
        seen.breaches.len(),
        seen.checks
    );
    let shown: Vec<&String> = seen.breaches.iter().take(5).collect();
    assert!(
        seen.breaches.is_empty(),
        "{} breaches, such as {shown:#?}",
        seen.breaches.len()
    );
    for promise in ["V4", "V7", "V8", "V9", "V10", "V11", "V12", "V13", "V15", "W1", "W4"] {
        assert!(seen.checks.contains_key(promise), "{promise} was never checked");
    }
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let one = run(12, Rules::default());
    let again = run(12, Rules::default());
    assert_eq!((&one.digest, &one.log), (&again.digest, &again.log));
    assert_ne!(one.digest, run(13, Rules::default()).digest);
}

#[test]
fn replay() {
    let Some(seed) = std::env::var("FLEETWRIGHT_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
    else {
        return;
    };
    let seen = run(seed, Rules::default());
    seen.log.iter().for_each(|line| println!("{line}"));
    println!("{:?}\n{:#?}\n{}", seen.checks, seen.breaches, seen.digest);
    assert!(seen.breaches.is_empty());
}

/// Whether one of some seeds breaks this promise when a guard is off.
fn breaks(rules: Rules, promise: &str) -> bool {
    (0..200).any(|seed| {
        let seen = run(seed, rules);
        seen.breaches.iter().any(|breach| breach.starts_with(promise))
    })
}

#[test]
fn without_the_guard_of_inputs_v7_is_breached() {
    let rules = Rules {
        inputs: false,
        generation: false,
        ..Rules::default()
    };
    assert!(breaks(rules, "V7 "));
}

#[test]
fn without_the_guard_of_consent_v9_is_breached() {
    let rules = Rules {
        consent: false,
        ..Rules::default()
    };
    assert!(breaks(rules, "V9 "));
}

/// A manager stands still in mid-update for longer than its lease, another one takes the cluster over and goes on to the next
/// version, then the first wakes up where it was.
async fn wakes_late(rules: Rules) -> Seen {
    let fleet = Fleet::new(7, rules, CALM, true).await;
    let slow = ResourceFault::Hang(Duration::from_secs(600));
    fleet.cloud.set_faults(FaultPlan {
        resources: vec![ResourceRule::new(ResourceStep::Create, "Role", slow)],
        ..FaultPlan::default()
    });
    fleet.eye.state().commits = 4;
    fleet.source.commit("dev", numbered(3));
    let first = fleet.start(1);
    fleet.clock.sleep(Duration::from_secs(60)).await;
    first.pause(true);
    fleet.source.commit("dev", numbered(4));
    let second = fleet.start(2);
    fleet.clock.sleep(Duration::from_secs(1_200)).await;
    let there = fleet.servers["kube-1"].read("", "configmaps", "web", "settings");
    assert_eq!(there.unwrap()["data"]["level"], "4", "the second has taken over");
    first.pause(false);
    fleet.clock.sleep(Duration::from_secs(60)).await;
    first.end().await;
    second.end().await;
    fleet.eye.state().seen.clone()
}

#[test]
fn v10_a_manager_that_slept_through_its_lease_writes_nothing_any_more() {
    let seen = on_paused_time(wakes_late(Rules::default()));
    assert!(
        seen.checks["V10"] > 0 && seen.breaches.is_empty(),
        "{:#?}",
        seen.breaches
    );
}

#[test]
fn without_the_guard_of_leases_v10_is_breached() {
    let rules = Rules {
        lease: false,
        ..Rules::default()
    };
    let seen = on_paused_time(wakes_late(rules));
    assert!(
        seen.breaches.iter().any(|breach| breach.starts_with("V10 ")),
        "{:#?}",
        seen.log
    );
}

#[test]
fn without_the_guard_of_history_v15_is_breached() {
    let rules = Rules {
        history: false,
        ..Rules::default()
    };
    assert!(breaks(rules, "V15 "));
}

/// A whole life of one cluster without faults: it is made, updated, pruned. Answers how often its manager wrote, and what
/// came of it, when the manager dies at this write.
async fn cut(at: Option<(u64, Fate)>) -> (Seen, bool) {
    let fleet = Fleet::new(7, Rules::default(), CALM, false).await;
    fleet.eye.state().commits = 3;
    fleet.source.commit("dev", numbered(3));
    let mut actor = 1;
    if let Some((write, fate)) = at {
        fleet.eye.sentence(actor, write, fate);
    }
    let mut life = fleet.start(actor);
    for minute in 0..120 {
        if minute == 10 {
            // One object less, another stack: a prune within the threshold.
            fleet.eye.state().commits = 6;
            fleet.source.commit("dev", numbered(6));
            life.wake.configuration_moved();
        }
        fleet.clock.sleep(Duration::from_secs(60)).await;
        fleet.eye.strangers();
        if fleet.eye.is_dead(actor) {
            life.end().await;
            actor += 1;
            life = fleet.start(actor);
        }
        if minute > 30 && settled(&fleet, 6).await {
            break;
        }
    }
    life.end().await;
    let done = settled(&fleet, 6).await;
    let seen = fleet.eye.state().seen.clone();
    (seen, done)
}

async fn settled(fleet: &Fleet, commit: u32) -> bool {
    for alias in CLUSTERS {
        let found = fleet.entry(alias).await;
        let wanted = model::ClusterVersion::of(format!("commit-{commit}"), &found).to_string();
        let objects = fleet.servers[alias].read_all("", "configmaps", "web").len();
        if found.status.current_version != wanted || !found.status.problems.is_empty() || objects != 3 {
            return false;
        }
    }
    true
}

#[test]
fn w4_a_life_is_cut_before_and_after_every_one_of_its_writes_and_ends_the_same() {
    let (whole, done) = on_paused_time(cut(None));
    assert!(done && whole.breaches.is_empty(), "{:#?}", whole.breaches);
    let writes = u64::try_from(whole.log.len()).unwrap();
    println!("{writes} writes, each cut before and after");
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for line in &whole.log {
        *kinds.entry(line.split(' ').nth(2).unwrap_or_default()).or_default() += 1;
    }
    println!("{kinds:?}");
    let half = |first: u64| {
        std::thread::spawn(move || {
            for write in (first..=writes).step_by(2) {
                for fate in [Fate::Before, Fate::After] {
                    let (seen, done) = on_paused_time(cut(Some((write, fate))));
                    assert_eq!(seen.kills, 1, "write {write}, {fate:?}");
                    assert!(done, "write {write}, {fate:?}: {:#?}", seen.log);
                    assert!(
                        seen.breaches.is_empty(),
                        "write {write}, {fate:?}: {:#?}",
                        seen.breaches
                    );
                }
            }
        })
    };
    for half in [half(1), half(2)] {
        half.join().unwrap();
    }
}
