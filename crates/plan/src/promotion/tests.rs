//! Gates as tables; properties of opening and taking back.

use jiff::Timestamp;
use model::{ChannelMember, ChannelMove, GateAgreement, GateState, GateStatus, Lineage, MemberState, MoveState};
use proptest::prelude::*;

use super::*;
use crate::policy::{GatePolicy, Share, Span};

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + minutes * 60).unwrap()
}

fn member(cluster: &str, state: MemberState, since: i64) -> ChannelMember {
    ChannelMember {
        cluster: cluster.to_owned(),
        state,
        since: Some(at(since)),
        ..ChannelMember::default()
    }
}

fn channel(name: &str, commit: &str, members: &[ChannelMember]) -> Channel {
    Channel {
        name: name.to_owned(),
        commit: Some(commit.to_owned()),
        members: members.to_vec(),
    }
}

/// One gate, asked at minute 100.
struct Case {
    gate: GatePolicy,
    from: Vec<ChannelMember>,
    lineage: Result<Lineage, &'static str>,
    agreements: Vec<GateAgreement>,
    holds: Vec<Hold>,
    taken_back: Option<&'static str>,
    fast_lane: Option<&'static str>,
    author: Option<&'static str>,
}

impl Default for Case {
    fn default() -> Self {
        use MemberState::Healthy;
        Self {
            gate: GatePolicy {
                channel: "beta".to_owned(),
                from: "alpha".to_owned(),
                ..GatePolicy::default()
            },
            from: vec![member("a", Healthy, 0), member("b", Healthy, 30)],
            lineage: Ok(Lineage::Ahead),
            agreements: Vec::new(),
            holds: Vec::new(),
            taken_back: None,
            fast_lane: None,
            author: None,
        }
    }
}

impl Case {
    fn ask(&self) -> GateStatus {
        gate(&Asked {
            gate: &self.gate,
            from: &channel("alpha", "c2", &self.from),
            to: &channel("beta", "c1", &[]),
            lineage: self.lineage,
            agreements: &self.agreements,
            holds: &self.holds,
            taken_back: self.taken_back,
            fast_lane: self.fast_lane,
            author: self.author,
            now: at(100),
        })
    }
}

fn check(case: Case, state: GateState, sentence: &str, eta: Option<i64>) {
    let status = case.ask();
    assert_eq!((status.state, status.sentence()), (state, sentence), "{status:#?}");
    assert_eq!(status.eta, eta.map(at), "{status:#?}");
}

#[test]
fn an_open_gate_and_all_that_keeps_it_from_opening() {
    use GateState::{Open, Shut, Waiting};
    use MemberState::{Behind, Blocked, Checking, Failing, Healthy, Undecided, Unhealthy, Updating};
    let with = |members: &[ChannelMember]| Case {
        from: members.to_vec(),
        ..Case::default()
    };
    check(Case::default(), Open, "open", None);
    check(
        Case {
            lineage: Ok(Lineage::Behind),
            ..Case::default()
        },
        Shut,
        "beta is further than alpha",
        None,
    );
    let diverged =
        "beta has commits that alpha does not have, so its branch cannot be moved forward; merge them into alpha";
    check(
        Case {
            lineage: Ok(Lineage::Diverged),
            ..Case::default()
        },
        Shut,
        diverged,
        None,
    );
    let unknown = "how alpha and beta stand to each other is not known: no git";
    check(
        Case {
            lineage: Err("no git"),
            ..Case::default()
        },
        Waiting,
        unknown,
        None,
    );
    let back = "c2 was taken back from beta, 2 clusters turned red; a newer commit is needed";
    check(
        Case {
            taken_back: Some("2 clusters turned red"),
            ..Case::default()
        },
        Shut,
        back,
        None,
    );

    let some = with(&[
        member("a", Healthy, 0),
        member("b", Behind, 0),
        member("c", Updating, 0),
    ]);
    check(some, Waiting, "1 of 3 clusters of alpha have c2; to come: b, c", None);
    check(
        with(&[member("a", Blocked, 0)]),
        Waiting,
        "0 of 0 clusters of alpha have c2; 1 is blocked; at least one has to",
        None,
    );
    check(
        with(&[]),
        Waiting,
        "0 of 0 clusters of alpha have c2; at least one has to",
        None,
    );
    check(
        with(&[member("a", Healthy, 0), member("b", Blocked, 0)]),
        Open,
        "open",
        None,
    );

    let red = ChannelMember {
        sentence: "dns is down".to_owned(),
        ..member("b", Unhealthy, 90)
    };
    let failing = ChannelMember {
        cluster: "c".to_owned(),
        state: Failing,
        ..red.clone()
    };
    let two = with(&[member("a", Healthy, 0), red.clone(), failing]);
    let said = "2 clusters of alpha are red, 0 may be: b (dns is down), c (dns is down); 2 of them: dns is down";
    check(two, Shut, said, None);
    let mut allowed = with(&[member("a", Healthy, 0), red]);
    allowed.gate.failures = Share::Count(1);
    check(allowed, Open, "open", None);
    let unknown = with(&[member("a", Healthy, 0), member("b", Undecided, 0)]);
    check(unknown, Waiting, "whether they are healthy is not known: b", None);
    let checking = ChannelMember {
        until: Some(at(103)),
        ..member("b", Checking, 98)
    };
    check(
        with(&[member("a", Healthy, 0), checking]),
        Waiting,
        "the check time runs: b",
        Some(163),
    );

    let fresh = with(&[member("a", Healthy, 0), member("b", Healthy, 70)]);
    check(fresh, Waiting, "soaks for 1h, until 2023-11-15 00:23 UTC", Some(130));
    let fast = Case {
        fast_lane: Some("CVE-2026-1"),
        ..with(&[member("a", Healthy, 99)])
    };
    let status = fast.ask();
    assert_eq!(status.state, Open);
    assert!(
        status
            .conditions
            .iter()
            .any(|one| one.sentence == "skipped, fast lane: CVE-2026-1")
    );
    let mut unchecked = with(&[member("a", Healthy, 0), member("b", MemberState::Checking, 99)]);
    unchecked.fast_lane = Some("CVE-2026-1");
    let status = unchecked.ask();
    assert_eq!(status.state, Open, "{status:?}");
    let said = "the check of b is not waited for, fast lane: CVE-2026-1";
    assert!(status.conditions.iter().any(|one| one.sentence == said), "{status:?}");
    let mut red = with(&[member("a", Healthy, 0), member("b", MemberState::Unhealthy, 99)]);
    red.fast_lane = Some("CVE-2026-1");
    assert_eq!(red.ask().state, Shut, "what is red is not passed");
    let held = |until: Option<i64>| Case {
        holds: vec![Hold {
            sentence: "freeze until Monday".to_owned(),
            until: until.map(at),
        }],
        ..Case::default()
    };
    check(held(None), Waiting, "freeze until Monday", None);
    check(held(Some(500)), Waiting, "freeze until Monday", Some(500));
}

#[test]
fn v14_who_wrote_a_commit_does_not_agree_to_it() {
    let asked = |by: &str, author: Option<&'static str>| {
        let agreement = GateAgreement {
            channel: "beta".to_owned(),
            by: by.to_owned(),
            commit: "c2".to_owned(),
            at: at(95),
        };
        let mut case = Case {
            agreements: vec![agreement],
            author,
            ..Case::default()
        };
        case.gate.approvals = 1;
        case.ask()
    };
    let author = Some("Alice Smith <alice@example.org>");
    for own in ["alice", "Alice", "alice@example.org", "alice smith"] {
        let status = asked(own, author);
        assert_eq!(status.state, GateState::Waiting, "{own}");
        let said = format!("1 person has to agree to c2, nobody did ({own} wrote it, which does not count); agree");
        assert!(status.sentence().starts_with(&said), "{}", status.sentence());
    }
    assert_eq!(asked("bob", author).state, GateState::Open);
    assert_eq!(asked("alice", None).state, GateState::Open, "nobody knows who wrote it");
    assert_eq!(asked("", Some("<>")).state, GateState::Open);
}

#[test]
fn v14_a_second_person_has_to_agree_to_this_commit_in_time() {
    let agreed = |who: &[(&str, &str, i64)]| {
        let one = |(by, commit, minute): &(&str, &str, i64)| GateAgreement {
            channel: "beta".to_owned(),
            by: (*by).to_owned(),
            commit: (*commit).to_owned(),
            at: at(*minute),
        };
        let mut case = Case {
            agreements: who.iter().map(one).collect(),
            ..Case::default()
        };
        case.gate.approvals = 2;
        case.gate.approval_term = Span::hours(1);
        case.ask()
    };
    let said =
        |who: &str| format!("2 persons have to agree to c2, {who} did; agree with \"fleetwright approve gate beta\"");
    assert_eq!(agreed(&[]).sentence(), said("nobody"));
    assert_eq!(
        agreed(&[("alice", "c2", 90), ("alice", "c2", 95)]).sentence(),
        said("alice")
    );
    assert_eq!(
        agreed(&[("alice", "c2", 90), ("bob", "c1", 95)]).sentence(),
        said("alice")
    );
    assert_eq!(
        agreed(&[("alice", "c2", 30), ("bob", "c2", 95)]).sentence(),
        said("bob")
    );
    assert_eq!(agreed(&[("alice", "c2", 90), ("bob", "c2", 95)]).state, GateState::Open);
}

#[test]
fn nothing_is_to_be_promoted_where_both_stand_at_the_same_commit() {
    let case = Case::default();
    let status = gate(&Asked {
        gate: &case.gate,
        from: &channel("alpha", "c2", &[]),
        to: &channel("beta", "c2", &[]),
        lineage: Err("never asked"),
        agreements: &[],
        holds: &[],
        taken_back: None,
        fast_lane: None,
        author: None,
        now: at(0),
    });
    assert_eq!((status.state, status.conditions.len()), (GateState::Nothing, 0));
}

#[test]
fn a_branch_is_taken_back_when_its_channel_turns_red_and_only_from_where_we_put_it() {
    use MemberState::{Failing, Healthy, Unhealthy};
    let moved = |state| ChannelMove {
        channel: "beta".to_owned(),
        from: "c1".to_owned(),
        to: "c2".to_owned(),
        state,
        ..ChannelMove::default()
    };
    let told = |gate: &GatePolicy, head: &str, members: &[ChannelMember], state| {
        take_back(gate, &channel("beta", head, members), &moved(state), at(100))
    };
    let gate = GatePolicy::default();
    let red = [member("a", Healthy, 0), member("b", Unhealthy, 99)];
    let said = Some("1 of 2 clusters turned red: b".to_owned());
    assert_eq!(told(&gate, "c2", &red, MoveState::Moved), said);
    assert_eq!(
        told(&gate, "c3", &red, MoveState::Moved),
        None,
        "somebody moved it since"
    );
    assert_eq!(told(&gate, "c2", &red, MoveState::TakenBack), None);
    assert_eq!(
        told(
            &GatePolicy {
                take_back: false,
                ..gate.clone()
            },
            "c2",
            &red,
            MoveState::Moved
        ),
        None
    );
    let edited = ChannelMember {
        by_entry: true,
        ..member("b", Unhealthy, 99)
    };
    assert_eq!(
        told(&gate, "c2", &[member("a", Healthy, 0), edited], MoveState::Moved),
        None,
        "not the commit's doing"
    );
    let lenient = GatePolicy {
        take_back_above: Share::Count(1),
        ..gate.clone()
    };
    assert_eq!(told(&lenient, "c2", &red, MoveState::Moved), None);
    let failing = |since| [member("a", Healthy, 0), member("b", Failing, since)];
    assert_eq!(told(&gate, "c2", &failing(95), MoveState::Moved), None, "it may pass");
    assert_eq!(told(&gate, "c2", &failing(80), MoveState::Moved), said);
}

#[test]
fn the_time_of_arrival_follows_the_pace_so_far() {
    use MemberState::{Behind, Blocked, Checking, Failing, Healthy};
    let checking = |until| ChannelMember {
        until: Some(at(until)),
        ..member("c", Checking, 0)
    };
    let told = |members: &[ChannelMember]| eta(members, at(0), at(10));
    assert_eq!(told(&[member("a", Healthy, 0), member("b", Blocked, 0)]), None);
    assert_eq!(told(&[member("a", Healthy, 0), checking(13)]), Some(at(13)));
    assert_eq!(
        told(&[member("a", Healthy, 0), checking(13), member("b", Behind, 0)]),
        Some(at(15))
    );
    assert_eq!(told(&[member("a", Behind, 0)]), None);
    assert_eq!(
        told(&[member("a", Healthy, 0), member("b", Failing, 0), member("c", Behind, 0)]),
        None
    );
}

fn any_member() -> impl Strategy<Value = ChannelMember> {
    use MemberState::{Behind, Blocked, Checking, Failing, Healthy, Undecided, Unhealthy, Updating};
    let states = [
        Unhealthy, Failing, Undecided, Blocked, Behind, Updating, Checking, Healthy,
    ];
    (proptest::sample::select(states.to_vec()), 0_i64..100).prop_map(|(state, since)| member("x", state, since))
}

proptest! {
    /// V6 and incident 18: an open gate has every cluster that is not blocked at the commit, healthy for the soak time,
    /// with no more red ones than the budget; and as long as it is not open it says what it waits for.
    #[test]
    fn incident_18_an_open_gate_has_seen_every_cluster_well(
        from in proptest::collection::vec(any_member(), 0..8),
        failures in 0_u32..3,
    ) {
        let mut case = Case { from: from.clone(), ..Case::default() };
        case.gate.failures = Share::Count(failures);
        let status = case.ask();
        let bad = |member: &&ChannelMember| {
            let soaked = member.since.is_some_and(|since| since <= at(40));
            member.state != MemberState::Blocked && !(member.state == MemberState::Healthy && soaked)
        };
        let red = |member: &&ChannelMember| {
            matches!(member.state, MemberState::Unhealthy | MemberState::Failing | MemberState::Undecided)
        };
        if status.state == GateState::Open {
            let tolerated = from.iter().filter(red).count();
            prop_assert!(tolerated <= failures as usize);
            prop_assert_eq!(from.iter().filter(bad).count(), tolerated);
            prop_assert!(from.iter().any(|member| member.state.is_there()));
        } else {
            prop_assert!(!status.sentence().is_empty());
            prop_assert!(status.conditions.iter().any(|one| !one.met));
        }
    }
}
