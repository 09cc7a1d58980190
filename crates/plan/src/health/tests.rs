//! Tables of what objects say, and what looks come to over time; properties of the verdict.

use jiff::{SignedDuration, Timestamp};
use model::HealthState;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn deployment(spec: &Value, status: &Value) -> Value {
    json!({"kind": "Deployment", "metadata": {"generation": 2}, "spec": spec, "status": status})
}

#[test]
fn workloads_are_read_by_what_their_controllers_say() {
    let check = |object: &Value, excused: u64, expected: Option<(u64, &str)>| {
        let found = workload(object["kind"].as_str().unwrap(), object, excused);
        let told = found.as_ref().map(|short| (short.missing, short.message.as_str()));
        assert_eq!(told, expected, "{object}");
    };
    let good = json!({"observedGeneration": 2, "updatedReplicas": 3, "availableReplicas": 3});
    let three = json!({"replicas": 3});
    check(&deployment(&three, &good), 0, None);
    check(
        &deployment(&json!({"replicas": 0}), &json!({"observedGeneration": 2})),
        0,
        None,
    );
    check(
        &deployment(&json!({}), &json!({})),
        0,
        Some((1, "its controller has not seen its newest version")),
    );
    let one = json!({"observedGeneration": 2, "updatedReplicas": 3, "availableReplicas": 1});
    check(&deployment(&three, &one), 0, Some((2, "1 of 3 pods are available")));
    let old = json!({"observedGeneration": 2, "updatedReplicas": 1, "availableReplicas": 3});
    check(
        &deployment(&three, &old),
        0,
        Some((2, "1 of 3 pods are of the new version")),
    );
    check(&deployment(&json!({"replicas": 3, "paused": true}), &old), 0, None);

    let daemons = |updated: u64, available: u64| {
        json!({"kind": "DaemonSet", "metadata": {"generation": 1}, "spec": {}, "status": {"observedGeneration": 1,
            "desiredNumberScheduled": 10, "updatedNumberScheduled": updated, "numberAvailable": available}})
    };
    check(&daemons(10, 10), 0, None);
    check(&daemons(10, 8), 2, None);
    check(&daemons(10, 7), 2, Some((3, "7 of 10 pods are available")));
    check(&daemons(1, 9), 2, Some((9, "9 of 10 pods are available")));

    let set = |spec: &Value, updated: u64| {
        json!({"kind": "StatefulSet", "metadata": {"generation": 1}, "spec": spec, "status": {"observedGeneration": 1,
            "readyReplicas": 3, "updatedReplicas": updated, "currentRevision": "a", "updateRevision": "b"}})
    };
    check(&set(&three, 1), 0, Some((2, "1 of 3 pods are of the new version")));
    check(
        &set(&json!({"replicas": 3, "updateStrategy": {"type": "OnDelete"}}), 0),
        0,
        None,
    );

    let job = json!({"kind": "Job", "status": {"conditions": [{"type": "Failed", "status": "True", "message": "too often"}]}});
    check(&job, 0, Some((1, "it failed: too often")));
    check(&json!({"kind": "ConfigMap"}), 0, None);
}

#[test]
fn a_deployment_past_its_own_deadline_is_not_waited_for() {
    let status = json!({"observedGeneration": 2, "conditions": [
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]});
    assert!(
        workload("Deployment", &deployment(&json!({"replicas": 2}), &status), 0)
            .unwrap()
            .over
    );
}

#[test]
fn nodes_that_come_or_go_are_excused() {
    let node_of = |metadata: Value, spec: Value, ready: &str| {
        let object = json!({"metadata": metadata, "spec": spec, "status": {"conditions": [
            {"type": "Ready", "status": ready, "lastTransitionTime": "2023-11-14T22:00:00Z", "message": "no reports"}]}});
        node(&object, at(0), SignedDuration::from_mins(10))
    };
    let old = json!({"creationTimestamp": "2023-11-01T00:00:00Z"});
    assert_eq!(node_of(old.clone(), json!({}), "True"), Node::Ready);
    let Node::NotReady(why) = node_of(old.clone(), json!({}), "Unknown") else {
        panic!()
    };
    assert_eq!(why, "not ready: no reports");
    assert_eq!(node_of(old, json!({"unschedulable": true}), "False"), Node::Excused);
    let young = json!({"creationTimestamp": "2023-11-14T22:10:00Z"});
    assert_eq!(node_of(young, json!({}), "False"), Node::Excused);
    let marked = json!({"creationTimestamp": "2023-11-01T00:00:00Z", "labels": {"lifecycle-status": "draining"}});
    assert_eq!(node_of(marked, json!({}), "False"), Node::Excused);
}

#[test]
fn conditions_are_checked_when_they_are_written() {
    let refused = |source: &str| Condition::compile(source).unwrap_err().to_string();
    assert!(
        refused("object.").starts_with("is no CEL expression"),
        "{}",
        refused("object.")
    );
    assert_eq!(
        refused("self.a == 1"),
        "reads \"self\"; it is given \"object\" and \"cluster\""
    );
    let check = |source: &str, expected: Result<bool, &str>| {
        let object = json!({"status": {"n": 3, "names": ["a", "b"]}});
        let found = Condition::compile(source)
            .unwrap()
            .holds(&object, &json!({"channel": "beta"}));
        assert_eq!(
            found.as_ref().map_err(|_| ()),
            expected.as_ref().map_err(|_| ()),
            "{source}"
        );
    };
    check("object.status.n > 2 && cluster.channel == 'beta'", Ok(true));
    check("object.status.names.all(x, x.size() == 2)", Ok(false));
    check("object.status.none > 1", Err("no such key"));
    check("object.status.n", Err("not a bool"));
}

fn short(missing: u64, over: bool) -> Observation {
    let shortfall = Shortfall {
        missing,
        wanted: 3,
        message: format!("{} of 3 pods are available", 3 - missing),
        over,
    };
    let short = Short {
        component: "skipper".to_owned(),
        shortfall,
    };
    Observation {
        latency_ms: Some(10),
        workloads: [("Deployment kube-system/skipper".to_owned(), short)].into(),
        ..Observation::default()
    }
}

fn good() -> Observation {
    Observation {
        latency_ms: Some(10),
        ..Observation::default()
    }
}

fn sentences(before: Option<&Observation>, now: &Observation) -> Vec<String> {
    let found = worse(before, now, &Rules::default());
    found.values().map(|worse| worse.reason.sentence()).collect()
}

#[test]
fn only_what_got_worse_counts() {
    let check = |before: Option<&Observation>, now: &Observation, expected: &[&str]| {
        assert_eq!(sentences(before, now), expected, "{before:?} -> {now:?}");
    };
    let told = "Deployment kube-system/skipper (skipper): 1 of 3 pods are available";
    check(Some(&good()), &good(), &[]);
    check(Some(&good()), &short(2, false), &[told]);
    check(None, &short(2, false), &[told]);
    check(Some(&short(2, false)), &short(2, false), &[]);
    check(Some(&short(2, false)), &short(1, false), &[]);
    let worse = format!("{told}; before the update 1 of 3 were missing");
    check(Some(&short(1, false)), &short(2, false), &[&worse]);

    let slow = |ms| Observation {
        latency_ms: Some(ms),
        ..Observation::default()
    };
    check(Some(&good()), &slow(900), &[]);
    check(Some(&slow(400)), &slow(1_100), &[]);
    check(
        Some(&slow(400)),
        &slow(1_300),
        &["api: answers in 1300 ms, before the update in 400 ms"],
    );

    let silent = Observation {
        unanswered: Some("refused".to_owned()),
        ..Observation::default()
    };
    check(Some(&good()), &silent, &["api: does not answer: refused"]);
    check(Some(&silent), &silent, &[]);
    assert_eq!(missing(Some(&silent), &silent).len(), 1);

    let nodes = |names: &[&str]| Observation {
        nodes: names
            .iter()
            .map(|name| ((*name).to_owned(), "not ready".to_owned()))
            .collect(),
        ..good()
    };
    check(Some(&nodes(&["a"])), &nodes(&["a", "b"]), &["Node b: not ready"]);
    let pods = |count: usize| Observation {
        pending: (0..count)
            .map(|n| (format!("web/p{n}"), "pending".to_owned()))
            .collect(),
        ..good()
    };
    check(Some(&pods(2)), &pods(7), &[]);
    let waiting = "pending pods: 8 pods wait for too long, before the update 2; among them web/p2 pending, \
                   web/p3 pending, web/p4 pending";
    check(Some(&pods(2)), &pods(8), &[waiting]);

    let failing = |excess: f64| {
        let fails = Fails {
            message: "5 is above 1".to_owned(),
            excess: Some(excess),
        };
        Observation {
            checks: [("errors".to_owned(), [("a".to_owned(), fails)].into())].into(),
            ..good()
        }
    };
    check(Some(&good()), &failing(4.0), &["check errors: a: 5 is above 1"]);
    check(Some(&failing(3.0)), &failing(4.0), &[]);
    check(Some(&failing(1.0)), &failing(4.0), &["check errors: a: 5 is above 1"]);
}

/// Runs looks, one every interval that the check itself asks for; answers when the verdict came to each state.
fn run(look: impl Fn(i64) -> Observation, seconds: i64) -> Vec<(i64, HealthState)> {
    let rules = Rules::default();
    let mut check = Check::begin(at(0), &rules);
    let (mut now, mut told) = (0, Vec::new());
    while now <= seconds {
        let step = check.step(at(now), Some(&good()), &look(now), &rules);
        if told.last().map(|(_, state)| *state) != Some(step.verdict.state) {
            told.push((now, step.verdict.state));
        }
        match step.next {
            Some(next) => now += next.as_secs(),
            None => break,
        }
    }
    told
}

#[test]
fn a_verdict_takes_its_time_and_can_turn() {
    use HealthState::{Checking, Healthy, Undecided, Unhealthy};
    let check = |what: &str, look: &dyn Fn(i64) -> Observation, expected: &[(i64, HealthState)]| {
        assert_eq!(run(look, 4 * 3_600), expected, "{what}");
    };
    check("well at once", &|_| good(), &[(0, Checking), (300, Healthy)]);
    let slow_start = |now| if now < 400 { short(3, false) } else { good() };
    check("pods take some minutes", &slow_start, &[(0, Checking), (720, Healthy)]);
    check(
        "pods never come",
        &|_| short(3, false),
        &[(0, Checking), (900, Unhealthy)],
    );
    check("its own deadline passed", &|_| short(3, true), &[(0, Unhealthy)]);
    let blip = |now| {
        if (100..160).contains(&now) {
            short(1, false)
        } else {
            good()
        }
    };
    check("a pod moved", &blip, &[(0, Checking), (300, Healthy)]);
    let late = |now| if now > 3_600 { short(3, false) } else { good() };
    check(
        "breaks while it is watched",
        &late,
        &[(0, Checking), (300, Healthy), (4_020, Unhealthy)],
    );
    let repaired = |now| if now < 2_000 { short(3, false) } else { good() };
    let turned = run(repaired, 4 * 3_600);
    assert_eq!(
        turned.iter().map(|(_, state)| *state).collect::<Vec<_>>(),
        [Checking, Unhealthy, Healthy]
    );
    let unknown = |now| Observation {
        missing: if now < 1_000 {
            [("check errors".to_owned(), "down".to_owned())].into()
        } else {
            Default::default()
        },
        ..good()
    };
    let told = run(unknown, 4 * 3_600);
    assert_eq!(
        told.iter().map(|(_, state)| *state).collect::<Vec<_>>(),
        [Undecided, Checking, Healthy]
    );
}

#[test]
fn a_watch_ends_two_hours_after_the_update_and_says_until_when_it_decides() {
    let rules = Rules::default();
    let mut check = Check::begin(at(0), &rules);
    assert_eq!(check.verdict.until, Some(at(1_200)));
    let step = check.step(at(0), Some(&good()), &good(), &rules);
    assert_eq!((step.verdict.until, step.next), (Some(at(300)), Some(rules.interval)));
    let step = check.step(at(300), Some(&good()), &good(), &rules);
    assert_eq!(
        (step.verdict.until, step.next),
        (Some(at(7_200)), Some(rules.watch_interval))
    );
    assert_eq!(check.step(at(7_200), Some(&good()), &good(), &rules).next, None);
    let kept: Check = serde_json::from_value(serde_json::to_value(&check).unwrap()).unwrap();
    assert_eq!(kept, check);
}

proptest! {
    /// Whatever happens: "healthy" needs the whole check time without anything that counts, "unhealthy" names something
    /// that was seen, and a cluster that is as before is never blamed.
    #[test]
    fn verdicts_rest_on_what_was_seen(looks in proptest::collection::vec(0_u8..4, 1..80), before in 0_u64..4) {
        let rules = Rules::default();
        let baseline = if before == 0 { good() } else { short(before, false) };
        let mut check = Check::begin(at(0), &rules);
        let (mut known, mut was) = (Vec::new(), HealthState::Checking);
        for (n, look) in (0_i64..).zip(looks) {
            let seen = match look {
                0 => good(),
                3 => Observation { missing: [("check x".to_owned(), "down".to_owned())].into(), ..good() },
                bad => short(u64::from(bad), false),
            };
            known.push(look != 3);
            let is = check.step(at(n * 30), Some(&baseline), &seen, &rules).verdict;
            match is.state {
                HealthState::Healthy if was != HealthState::Healthy => {
                    // The check time holds ten intervals, so eleven looks.
                    prop_assert!(known.len() >= 11 && known.iter().rev().take(11).all(|known| *known));
                }
                HealthState::Unhealthy => {
                    prop_assert!(!is.reasons.is_empty());
                    prop_assert!(before < 2, "no look was worse than the baseline");
                }
                HealthState::Undecided => prop_assert!(!is.reasons.is_empty()),
                HealthState::Healthy | HealthState::Checking => {}
            }
            was = is.state;
        }
    }
}
