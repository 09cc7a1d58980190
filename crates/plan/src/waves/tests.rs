use std::sync::Arc;

use jiff::SignedDuration;
use model::selector::Selector;

use super::sentence::wait_sentence;
use super::*;
use crate::policy::{Share, Span};

mod laws;

/// The moment of the tests' questions.
fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn earlier(minutes: i64) -> Timestamp {
    now().saturating_sub(SignedDuration::from_mins(minutes)).unwrap()
}

/// `name environment criticality type`, such as `a test 1 x`; the account is the name's.
fn member(text: &str, state: State) -> Member {
    let words: Vec<&str> = text.split(' ').collect();
    let [name, environment, criticality, kind] = words.as_slice() else {
        panic!("{text}");
    };
    let cluster = serde_json::from_value(serde_json::json!({
        "id": format!("aws:{name}:eu-central-1:{name}"), "alias": name, "infrastructure_account": format!("aws:{name}"),
        "region": "eu-central-1", "local_id": name, "provider": "zalando-aws", "api_server_url": format!("https://{name}.org"),
        "channel": "beta", "environment": environment, "criticality_level": criticality.parse::<i32>().unwrap(),
        "lifecycle_status": "ready", "config_items": {"cluster_type": kind},
    }));
    let begun = match &state {
        State::NotBegun { .. } | State::Rests | State::Blocked | State::Gone => None,
        State::Done => Some(earlier(60)),
        State::Failed { at, .. } => Some(*at),
        State::Updating | State::Checking { .. } => Some(earlier(5)),
    };
    Member {
        cluster: Arc::new(cluster.unwrap()),
        config: "0123456789abcdef".to_owned(),
        state,
        begun,
        urgent: false,
    }
}

fn not_begun() -> State {
    State::NotBegun {
        since: earlier(10),
        broken: false,
    }
}

fn broken() -> State {
    State::NotBegun {
        since: earlier(10),
        broken: true,
    }
}

fn failed(says: &str) -> State {
    State::Failed {
        at: earlier(3),
        troubles: vec![Trouble {
            about: "manifests/kube-proxy".to_owned(),
            says: says.to_owned(),
        }],
    }
}

/// A fleet with its rules.
struct Case {
    policy: FleetPolicy,
    members: Vec<Member>,
    runs: BTreeMap<String, Run>,
    acts: Acts,
}

fn case(members: Vec<Member>) -> Case {
    let run = Run {
        since: earlier(10),
        commit: true,
    };
    Case {
        policy: FleetPolicy::default(),
        members,
        runs: BTreeMap::from([("beta".to_owned(), run)]),
        acts: Acts::default(),
    }
}

impl Case {
    fn decide(&self) -> Decisions {
        decide(&Question {
            policy: &self.policy,
            members: &self.members,
            runs: &self.runs,
            acts: &self.acts,
            now: now(),
        })
    }

    /// Aliases of those that may begin.
    fn go(&self) -> Vec<String> {
        let decisions = self.decide();
        let alias = |id: &ClusterId| {
            let found = self.members.iter().find(|member| member.cluster.id == *id);
            found.unwrap().cluster.alias.to_string()
        };
        decisions.go.iter().map(|go| alias(&go.cluster)).collect()
    }

    /// The sentence of one that waits.
    fn says(&self, alias: &str) -> String {
        let decisions = self.decide();
        let found = self
            .members
            .iter()
            .find(|member| member.cluster.alias.as_str() == alias)
            .unwrap();
        let Some(wait) = decisions.waits.get(&found.cluster.id) else {
            return "begins".to_owned();
        };
        let state = &decisions.channels["beta"];
        wait_sentence(alias, wait, "beta", &state.waves, now())
    }
}

/// The clusters of the tests: five in test of two types, four in production of two levels.
fn fleet() -> Vec<&'static str> {
    vec![
        "t1 test 1 plain",
        "t2 test 1 plain",
        "t3 test 1 gpu",
        "t4 test 1 plain",
        "t5 test 1 gpu",
        "p1 production 2 plain",
        "p2 production 2 gpu",
        "p3 production 2 plain",
        "p4 production 3 plain",
    ]
}

fn with(states: &[(&str, State)]) -> Vec<Member> {
    let state = |name: &str| {
        states
            .iter()
            .find(|(one, _)| name.starts_with(one))
            .map(|(_, state)| state.clone())
    };
    let each = fleet().into_iter();
    each.map(|text| member(text, state(text).unwrap_or_else(not_begun)))
        .collect()
}

#[test]
fn a_channel_is_put_into_waves_test_first_canaries_of_each_type_first() {
    let decisions = case(with(&[])).decide();
    let waves: Vec<(String, String)> = decisions.channels["beta"]
        .waves
        .iter()
        .map(|wave| (wave.name.clone(), wave.clusters.join(" ")))
        .collect();
    let waves: Vec<(&str, &str)> = waves
        .iter()
        .map(|(name, clusters)| (name.as_str(), clusters.as_str()))
        .collect();
    assert_eq!(
        waves,
        [
            ("test criticality 1, canaries", "t1 t3"),
            ("test criticality 1, the rest", "t2 t4 t5"),
            ("production criticality 2, canaries", "p1 p2"),
            ("production criticality 2, the rest", "p3"),
            ("production criticality 3, canaries", "p4"),
        ]
    );
}

#[test]
fn f14_environment_and_criticality_say_who_comes_first() {
    let done = State::Done;
    let tests = [("t", done.clone())];
    assert_eq!(case(with(&[])).go(), ["t1", "t3"]);
    assert_eq!(
        case(with(&[("t1", done.clone()), ("t3", done.clone())])).go(),
        ["t2", "t4", "t5"]
    );
    assert_eq!(case(with(&tests)).go(), ["p1", "p2"]);
    assert_eq!(
        case(with(&[
            ("t", done.clone()),
            ("p1", done.clone()),
            ("p2", done.clone()),
            ("p3", done)
        ]))
        .go(),
        ["p4"]
    );
}

#[test]
fn f3_a_failing_canary_halts_the_channel_and_names_the_common_cause() {
    let members = with(&[
        ("t1", failed("kube-proxy of t1 is not ready: 3 of 5")),
        ("t3", failed("kube-proxy of t3 is not ready: 1 of 4")),
    ]);
    let case = case(members);
    assert_eq!(case.go(), Vec::<String>::new());
    let state = &case.decide().channels["beta"];
    assert_eq!(state.phase, Phase::Halted);
    let halt = state.halt.as_ref().unwrap();
    assert_eq!(halt.clusters, ["t1", "t3"]);
    assert_eq!(halt.causes.len(), 1, "{:?}", halt.causes);
    assert_eq!(halt.causes[0].clusters, ["t1", "t3"]);
    let said = case.says("p4");
    assert!(
        said.contains("2 failed and 0 are borne (t1, t3): manifests/kube-proxy: kube-proxy of t1"),
        "{said}"
    );
}

#[test]
fn a_wave_bears_as_many_failures_as_its_budget() {
    let mut case = case(with(&[("t1", State::Done), ("t3", State::Done), ("t2", failed("x"))]));
    assert_eq!(case.go(), Vec::<String>::new(), "5% of three clusters are none");
    case.policy.failure_budget.wave = Share::Count(1);
    assert_eq!(case.go(), ["t4", "t5"]);
    case.members = with(&[("t", State::Done), ("t2", failed("x"))]);
    assert_eq!(
        case.go(),
        ["p1", "p2"],
        "W5: a cluster that the budget bears holds nobody"
    );
}

#[test]
fn incident_18_any_red_clusters_anywhere_stop_the_fleet() {
    let mut members = with(&[("p1", not_begun())]);
    for n in 0..6 {
        let mut red = member(&format!("r{n} test 1 plain"), failed("x"));
        Arc::make_mut(&mut red.cluster).channel = "stable".to_owned();
        members.push(red);
    }
    let mut case = case(members);
    assert_eq!(case.go(), Vec::<String>::new());
    assert!(
        case.says("t1")
            .contains("the fleet, halted for 3m: 6 failed and 5 are borne"),
        "{}",
        case.says("t1")
    );
    // What is broken gets its repair all the same, and what must go out goes out.
    case.members[0].state = broken();
    assert_eq!(case.go(), ["t1"]);
    case.acts.fast_lanes = vec![("lane-1".to_owned(), lane(""))];
    assert_eq!(case.go().len(), 2, "as many as fast lanes have places");
}

fn lane(clusters: &str) -> FastLane {
    FastLane {
        channel: "beta".to_owned(),
        config: "0123456".to_owned(),
        clusters: Selector::of_clusters(clusters).unwrap(),
        reason: "CVE".to_owned(),
        by: "alice".to_owned(),
        ..FastLane::default()
    }
}

#[test]
fn a_fast_lane_passes_waves_windows_and_freezes_and_leaves_evidence() {
    let mut case = case(with(&[]));
    case.acts.fast_lanes = vec![("lane-1".to_owned(), lane("environment=production"))];
    case.acts.freezes = vec![(
        earlier(60),
        FreezeAct {
            reason: "sale".to_owned(),
            by: "bob".to_owned(),
            until: Some("2026-11-24T12:00:00Z".parse().unwrap()),
            ..FreezeAct::default()
        },
    )];
    let decisions = case.decide();
    assert_eq!(case.go(), ["p1", "p2"], "as many as fast lanes have places");
    let passed = decisions.go[0].passed.clone().unwrap();
    assert_eq!(passed.fast_lane, "lane-1");
    assert!(
        passed.instead_of.contains("waits on a freeze by bob (\"sale\")"),
        "{}",
        passed.instead_of
    );
    assert!(
        case.says("p3").contains("fast lanes: 2 of 2 are in flight"),
        "{}",
        case.says("p3")
    );
    // For another version it is none.
    case.acts.fast_lanes[0].1.config = "fedcba9".to_owned();
    assert_eq!(case.go(), Vec::<String>::new());
    // A pause holds it too.
    case.acts.fast_lanes[0].1.config = "0123456".to_owned();
    case.acts.pauses = vec![(earlier(1), pause())];
    assert_eq!(case.go(), Vec::<String>::new());
}

fn pause() -> Pause {
    Pause {
        channel: "beta".to_owned(),
        reason: "looking".to_owned(),
        by: "alice".to_owned(),
        lifted: None,
    }
}

#[test]
fn incident_11_an_edit_of_many_entries_settles_and_then_goes_in_waves() {
    let mut case = case(with(&[("t2", State::Rests), ("t4", State::Rests)]));
    let since = now().saturating_sub(SignedDuration::from_secs(4)).unwrap();
    case.runs.insert("beta".to_owned(), Run { since, commit: false });
    assert_eq!(case.go(), Vec::<String>::new());
    assert_eq!(
        case.decide().look,
        since.saturating_add(SignedDuration::from_secs(10)).ok()
    );
    let since = earlier(1);
    case.runs.insert("beta".to_owned(), Run { since, commit: false });
    assert_eq!(
        case.go(),
        ["t1", "t3"],
        "those that rest are no canaries of a change that they do not get"
    );
}

#[test]
fn limits_hold_in_wave_account_and_fleet() {
    let mut members: Vec<Member> = (0..6)
        .map(|n| member(&format!("c{n} test 1 plain"), not_begun()))
        .collect();
    members[0].state = State::Done;
    let mut case = case(members);
    case.policy.limits = crate::policy::Limits {
        wave: 3,
        account: 2,
        fleet: 10,
        urgent: 1,
    };
    case.policy.waves.steps.clear();
    assert_eq!(case.go(), ["c1", "c2", "c3"]);
    assert!(
        case.says("c4")
            .contains("a place in its wave: 3 of 3 are in flight, among them c1, c2, c3"),
        "{}",
        case.says("c4")
    );
    case.policy.limits.fleet = 2;
    assert_eq!(case.go(), ["c1", "c2"]);
    case.policy.limits.fleet = 10;
    for member in &mut case.members {
        Arc::make_mut(&mut member.cluster).infrastructure_account = "aws:one".parse().unwrap();
    }
    assert_eq!(case.go(), ["c1", "c2"]);
    assert!(
        case.says("c4").contains("a place in account aws:one: 2 of 2"),
        "{}",
        case.says("c4")
    );
}

fn checking(until: Option<&str>) -> State {
    State::Checking {
        until: until.map(|until| until.parse().unwrap()),
        troubles: Vec::new(),
    }
}

#[test]
fn a_wave_is_done_when_its_clusters_were_found_healthy() {
    let until = Some("2026-11-23T12:04:00Z");
    let case = case(with(&[("t1", State::Done), ("t3", checking(until))]));
    assert_eq!(case.go(), Vec::<String>::new(), "the check goes on");
    assert!(
        case.says("t2")
            .contains("until that wave is done, at most until 2026-11-23 12:04 UTC"),
        "{}",
        case.says("t2")
    );
    assert_eq!(case.decide().channels["beta"].phase, Phase::Moving);
}

#[test]
fn clusters_that_are_checked_keep_their_places_but_in_fast_lanes() {
    let names: Vec<String> = (0..7).map(|n| format!("c{n} test 1 plain")).collect();
    let members = |state: State| {
        let each = names.iter().enumerate();
        let each = each.map(|(n, name)| member(name, if n < 2 { state.clone() } else { not_begun() }));
        each.collect::<Vec<Member>>()
    };
    let mut case = case(members(checking(None)));
    case.policy.waves.canary.per_type = 0;
    case.policy.waves.steps.clear();
    (case.policy.limits.wave, case.policy.limits.urgent) = (3, 2);
    assert_eq!(case.go(), ["c2"], "two of three places are taken");
    case.acts.fast_lanes = vec![("lane-1".to_owned(), lane(""))];
    for member in &mut case.members[..2] {
        member.urgent = true;
    }
    let decisions = case.decide();
    assert_eq!(
        case.go(),
        ["c2", "c3"],
        "nothing waits for the check of those who passed"
    );
    let passed = decisions.go[0].passed.as_ref().unwrap();
    assert_eq!(passed.unchecked, ["c0", "c1"], "the evidence");
    // A verdict that turns red holds a fast lane like everything else.
    case.members[0].state = failed("0 of 2 pods are available");
    assert_eq!(case.go(), Vec::<String>::new());
}

#[test]
fn a_cluster_of_which_nothing_is_found_out_counts_as_failed_in_the_end() {
    let unknown = State::Checking {
        until: None,
        troubles: vec![Trouble {
            about: "check errors".to_owned(),
            says: "the Prometheus does not answer".to_owned(),
        }],
    };
    let mut case = case(with(&[("t1", unknown), ("t3", State::Done)]));
    assert_eq!(case.decide().channels["beta"].phase, Phase::Moving);
    case.policy.failure_budget.deadline = Span::seconds(299);
    assert_eq!(case.decide().channels["beta"].phase, Phase::Halted);
    assert!(
        case.says("t2").contains("check errors: the Prometheus does not answer"),
        "{}",
        case.says("t2")
    );
    case.members = with(&[("t1", checking(None)), ("t3", State::Done)]);
    assert!(
        case.says("t2").contains("not found healthy 299s after it began"),
        "{}",
        case.says("t2")
    );
}

#[test]
fn an_update_that_does_not_end_counts_as_failed() {
    let mut case = case(with(&[("t1", State::Updating), ("t3", State::Done)]));
    assert_eq!(case.decide().channels["beta"].phase, Phase::Moving);
    case.policy.failure_budget.deadline = Span::seconds(299);
    let state = case.decide();
    assert_eq!(state.channels["beta"].phase, Phase::Halted);
    assert!(
        case.says("t2").contains("not done 299s after it began"),
        "{}",
        case.says("t2")
    );
}

#[test]
fn those_whose_window_closes_soon_come_first_and_those_that_are_closed_hold_nobody() {
    let mut case = case(with(&[("t1", State::Done), ("t3", State::Done)]));
    case.policy.limits.wave = 1;
    case.policy.windows = crate::policy::FleetPolicy::parse(
        "kind: FleetPolicy\nwindows:\n- {name: noon, clusters: alias=t5, from: '11:00', to: '12:30'}\n- {name: night, clusters: alias=t2, from: '01:00', to: '02:00'}\n",
    )
    .unwrap()
    .windows;
    assert_eq!(case.go(), ["t5"]);
    assert!(
        case.says("t2").contains("its maintenance window night"),
        "{}",
        case.says("t2")
    );
    case.policy.limits.wave = 5;
    case.members = with(&[("t", State::Done), ("t2", not_begun())]);
    assert_eq!(case.go(), ["p1", "p2"]);
}

#[test]
fn blocked_and_leaving_clusters_are_in_no_wave() {
    let case = case(with(&[
        ("t1", State::Blocked),
        ("t3", State::Gone),
        ("t5", State::Gone),
    ]));
    assert_eq!(case.go(), ["t2"]);
    assert_eq!(case.decide().channels["beta"].blocked, 1);
}

#[test]
fn incident_4_a_pet_of_its_own_type_is_a_canary_of_its_own() {
    let mut members = with(&[("t1", State::Done), ("t3", State::Done)]);
    members.push(member("pet test 1 route-reflector", not_begun()));
    let case = case(members);
    let waves = &case.decide().channels["beta"].waves;
    assert!(
        waves[0].canaries && waves[0].clusters.contains(&"pet".parse().unwrap()),
        "{waves:?}"
    );
    assert_eq!(case.go(), ["pet"]);
}

#[test]
fn what_waits_says_so_in_one_sentence() {
    let mut case = case(with(&[("t1", State::Updating)]));
    assert_eq!(
        case.says("t2"),
        "cluster t2 waits on wave 1 of 5 (test criticality 1, canaries), of which 0 of 2 are done, which comes before wave 2 \
         of 5 (test criticality 1, the rest); it has been behind for 10m; until that wave is done; a fast lane lets it pass"
    );
    case.acts.pauses = vec![(earlier(2), pause())];
    assert_eq!(
        case.says("t2"),
        "cluster t2 waits on channel beta is paused by alice (\"looking\"); it has been behind for 10m; no end is set; \
         fleetwright resume channel beta lets it go on"
    );
}
