//! How one cluster stands towards its version: pure, from what registry and ledger say.

use jiff::Timestamp;
use model::{Cluster, ClusterVersion, HealthReason, HealthState, HealthVerdict, LifecycleStatus, Progress, Update};
use plan::waves::{State, Trouble};

use super::{RunRecord, Turn};
use crate::health::Judged;
use crate::need::{EXISTING, MANAGE};

/// What a cluster is to be brought to, as far as waves are concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Towards {
    /// It is in no wave: it is made or taken down, not managed, or its configuration cannot be found.
    #[default]
    Apart,
    /// It has its version.
    There {
        /// Id of the configuration.
        config: String,
        /// Version and digest of the entry.
        target: String,
        /// A block holds, so how it fares is nobody's concern but of those who blocked it.
        blocked: bool,
    },
    /// It is to get a version.
    Wants {
        /// Id of the configuration.
        config: String,
        /// The version.
        to: String,
        /// Version and digest of the entry.
        target: String,
        /// A block keeps it from it.
        blocked: bool,
    },
}

impl Towards {
    /// From the entry, the configuration that it is to have (`None` where that cannot be found), the digest of its entry, whether
    /// another entry than this was applied, and whether a block of scope `all` holds.
    #[must_use]
    pub fn of(cluster: &Cluster, config: Option<&str>, digest: &str, other_entry: bool, blocked: bool) -> Self {
        let managed =
            cluster.provider != EXISTING || cluster.config_items.get(MANAGE).is_some_and(|value| value == "true");
        let Some(config) = config.filter(|_| managed && cluster.lifecycle_status == LifecycleStatus::Ready) else {
            return Self::Apart;
        };
        let to = ClusterVersion::of(config, cluster);
        let there = ClusterVersion::parse(&cluster.status.current_version) == to && !other_entry;
        let to = to.to_string();
        let (config, target) = (config.to_owned(), format!("{to} {digest}"));
        let unfinished =
            !cluster.status.next_version.is_empty() && cluster.status.next_version != cluster.status.current_version;
        if there && !unfinished {
            return Self::There {
                config,
                target,
                blocked,
            };
        }
        Self::Wants {
            config,
            to,
            target,
            blocked,
        }
    }

    /// Id of the configuration.
    #[must_use]
    pub fn config(&self) -> &str {
        match self {
            Self::Apart => "",
            Self::There { config, .. } | Self::Wants { config, .. } => config,
        }
    }
}

/// Whether a cluster may work on its version: it was let begin it, or it had begun before there were waves.
///
/// An entry that is edited while its cluster is being updated does not send the cluster back to the end of the queue: it is in
/// flight already.
#[must_use]
pub(super) fn may_begin(cluster: &Cluster, to: &str, target: &str, turn: Option<&Turn>) -> bool {
    let status = &cluster.status;
    let Some(turn) = turn else {
        return status.next_version == to && !to.is_empty();
    };
    let same_config = ClusterVersion::parse(&turn.version).config == ClusterVersion::parse(to).config;
    let unfinished = !status.next_version.is_empty() && status.next_version == turn.version;
    turn.target == target || status.next_version == to || (same_config && unfinished && turn.channel == cluster.channel)
}

/// What is written down about a cluster and the change that walks through its channel.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// When it was let begin last.
    pub turn: Option<&'a Turn>,
    /// The change of its channel.
    pub run: Option<&'a RunRecord>,
    /// Its newest update, with the moment of its last word.
    pub update: Option<(Timestamp, &'a Update)>,
    /// The verdict on its health.
    pub judged: Option<&'a Judged>,
}

/// How a cluster stands. `running` says that a pass over it is under way here, `since` when it fell behind.
#[must_use]
pub fn stands(cluster: &Cluster, towards: &Towards, known: Known<'_>, (running, since): (bool, Timestamp)) -> State {
    let Known {
        turn,
        run,
        update,
        judged,
    } = known;
    let judged = judged.filter(|judged| judged.version == cluster.status.current_version);
    match towards {
        Towards::Apart => State::Gone,
        Towards::There { target, blocked, .. } => {
            let begun = turn.zip(run).filter(|(turn, _)| turn.target == *target);
            let Some((turn, run)) = begun else { return State::Rests };
            // A channel that was seen elsewhere for a moment has another run of the same commit.
            let same = run.commit && ClusterVersion::parse(&turn.version).config == run.config;
            let own = same || turn.run == run.since;
            match judged.map_or(State::Done, |judged| fares(judged, turn)) {
                State::Done if own && run.over.is_none() => State::Done,
                State::Done => State::Rests,
                _ if *blocked => State::Blocked,
                // What another change did to it counts no more; until it is decided, it is in flight.
                State::Failed { .. } if !own => State::Rests,
                state => state,
            }
        }
        Towards::Wants { blocked: true, .. } => State::Blocked,
        Towards::Wants { to, target, .. } => {
            let begun = may_begin(cluster, to, target, turn);
            if !begun && !running {
                let next = &cluster.status.next_version;
                let half_way = !next.is_empty() && *next != cluster.status.current_version;
                let broken = half_way || judged.and_then(|judged| judged.verdict.as_ref()).is_some_and(is_red);
                return State::NotBegun { since, broken };
            }
            let own = update.filter(|(_, update)| update.to == *to && begun);
            match own {
                Some((at, update)) if update.progress == Progress::Failing => State::Failed {
                    at,
                    troubles: troubles(update),
                },
                _ => State::Updating,
            }
        }
    }
}

fn is_red(verdict: &HealthVerdict) -> bool {
    verdict.state == HealthState::Unhealthy
}

/// A cluster that has its version is done once it was found healthy with it. One that was updated before there were verdicts has
/// none, and is done.
fn fares(judged: &Judged, turn: &Turn) -> State {
    let Some(verdict) = &judged.verdict else {
        // Its status says so a moment before its record does.
        return State::Checking {
            until: None,
            troubles: Vec::new(),
        };
    };
    let troubles = || verdict.reasons.iter().map(trouble).collect();
    match verdict.state {
        HealthState::Healthy => State::Done,
        HealthState::Checking | HealthState::Undecided => State::Checking {
            until: verdict.until.filter(|_| verdict.state == HealthState::Checking),
            troubles: troubles(),
        },
        HealthState::Unhealthy => State::Failed {
            at: verdict.since.unwrap_or(turn.begun),
            troubles: troubles(),
        },
    }
}

fn trouble(reason: &HealthReason) -> Trouble {
    let about = match reason.component.as_str() {
        "" => reason.subject.clone(),
        component => format!("{} ({component})", reason.subject),
    };
    Trouble {
        about,
        says: reason.message.clone(),
    }
}

/// What went wrong in an update: its steps that fail, or what is said of the whole.
fn troubles(update: &Update) -> Vec<Trouble> {
    let failing = update
        .steps
        .iter()
        .filter(|step| step.progress == Progress::Failing && !step.message.is_empty());
    // A step above others repeats what they say.
    let leaves = failing.clone().filter(|step| {
        let below = format!("{}/", step.path);
        !failing.clone().any(|other| other.path.starts_with(&below))
    });
    let mut troubles: Vec<Trouble> = leaves
        .map(|step| Trouble {
            about: step.path.clone(),
            says: step.message.clone(),
        })
        .collect();
    if troubles.is_empty() {
        troubles.push(Trouble {
            about: String::new(),
            says: update.message.clone(),
        });
    }
    troubles
}

#[cfg(test)]
mod tests {
    use super::*;
    use plan::waves::Phase;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + minutes * 60).unwrap()
    }

    fn verdict(state: HealthState) -> HealthVerdict {
        HealthVerdict {
            state,
            since: Some(at(7)),
            until: Some(at(20)),
            reasons: vec![HealthReason {
                component: "front".to_owned(),
                subject: "Deployment web/front".to_owned(),
                message: "0 of 2 pods are available".to_owned(),
                since: None,
            }],
        }
    }

    fn troubles() -> Vec<Trouble> {
        vec![Trouble {
            about: "Deployment web/front (front)".to_owned(),
            says: "0 of 2 pods are available".to_owned(),
        }]
    }

    /// How a cluster stands that has the version of its channel, by what is known of its health.
    fn there(judged: Option<(&str, Option<HealthState>)>, over: bool, blocked: bool) -> State {
        let mut cluster: Cluster = serde_json::from_value(serde_json::json!({
            "id": "aws:1:eu-central-1:kube-1", "alias": "kube-1", "infrastructure_account": "aws:1", "region": "eu-central-1",
            "local_id": "kube-1", "provider": "zalando-aws", "api_server_url": "https://kube-1.org", "channel": "beta",
            "environment": "test", "criticality_level": 1, "lifecycle_status": "ready",
        }))
        .unwrap();
        cluster.status.current_version = ClusterVersion::of("two", &cluster).to_string();
        let version = cluster.status.current_version.clone();
        let towards = Towards::of(&cluster, Some("two"), "digest", false, blocked);
        let Towards::There { target, .. } = &towards else {
            panic!("{towards:?}")
        };
        let turn = Turn {
            channel: "beta".to_owned(),
            version: version.clone(),
            target: target.clone(),
            run: at(0),
            begun: at(1),
            wave: "test, canaries".to_owned(),
            passed: None,
        };
        let run = RunRecord {
            channel: "beta".to_owned(),
            config: "two".to_owned(),
            since: at(0),
            commit: true,
            over: over.then_some(at(9)),
            phase: Phase::Moving,
            wave: None,
            halt: None,
            behind: [].into(),
        };
        let judged = judged.map(|(of, state)| Judged {
            version: if of == "two" { version } else { of.to_owned() },
            verdict: state.map(verdict),
        });
        let known = Known {
            turn: Some(&turn),
            run: Some(&run),
            update: None,
            judged: judged.as_ref(),
        };
        stands(&cluster, &towards, known, (false, at(0)))
    }

    #[test]
    fn a_cluster_with_its_version_is_done_when_it_was_found_healthy() {
        let red = State::Failed {
            at: at(7),
            troubles: troubles(),
        };
        let checking = |until, troubles| State::Checking { until, troubles };
        let of = |state| Some(("two", Some(state)));
        let cases = [
            ("updated before there were verdicts", None, false, State::Done),
            (
                "judged with another version",
                Some(("one", Some(HealthState::Unhealthy))),
                false,
                State::Done,
            ),
            (
                "its record comes in a moment",
                Some(("two", None)),
                false,
                checking(None, Vec::new()),
            ),
            (
                "checked",
                of(HealthState::Checking),
                false,
                checking(Some(at(20)), troubles()),
            ),
            ("unknown", of(HealthState::Undecided), false, checking(None, troubles())),
            ("healthy", of(HealthState::Healthy), false, State::Done),
            ("red", of(HealthState::Unhealthy), false, red.clone()),
            ("healthy and over", of(HealthState::Healthy), true, State::Rests),
            (
                "turned red when the change was over",
                of(HealthState::Unhealthy),
                true,
                red,
            ),
        ];
        for (what, judged, over, expected) in cases {
            assert_eq!(there(judged, over, false), expected, "{what}");
        }
        assert_eq!(there(of(HealthState::Unhealthy), false, true), State::Blocked);
        assert_eq!(there(of(HealthState::Healthy), false, true), State::Done);
    }
}
