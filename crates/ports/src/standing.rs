//! How a cluster stands, as one word with one sentence: pure, from what registry, ledger and channel say.

use crate::blocks::Blocked;
use jiff::Timestamp;
use model::words::moment;
use model::{Cluster, ClusterVersion, LifecycleStatus, Progress, Update};

/// What pages and lists show of a cluster in one word. The order is that of attention: what comes first needs people most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Its update fails, or its status has problems.
    Failing,
    /// Somebody holds it back.
    Blocked,
    /// Its update waits for something.
    Waiting,
    /// It is being updated, or its nodes are still being replaced.
    Updating,
    /// It is being made.
    Creating,
    /// It is being taken down.
    Leaving,
    /// Its version is not the one of its channel and nobody works on it yet.
    Behind,
    /// It has the version of its channel, as far as that is known.
    Current,
    /// It is gone.
    Gone,
}

impl State {
    /// All states, in the order of attention.
    pub const ALL: [Self; 9] = [
        Self::Failing,
        Self::Blocked,
        Self::Waiting,
        Self::Updating,
        Self::Creating,
        Self::Leaving,
        Self::Behind,
        Self::Current,
        Self::Gone,
    ];

    /// The word on pages, in addresses and in style classes.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Blocked => "blocked",
            Self::Waiting => "waiting",
            Self::Updating => "updating",
            Self::Creating => "creating",
            Self::Leaving => "leaving",
            Self::Behind => "behind",
            Self::Current => "current",
            Self::Gone => "gone",
        }
    }
}

/// A state with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The word.
    pub state: State,
    /// One sentence; empty where the word says it all.
    pub sentence: String,
}

impl Standing {
    /// The same, knowing what a cluster that nobody works on yet waits for, if anything.
    #[must_use]
    pub fn that_waits(self, sentence: Option<&str>) -> Self {
        match (self.state, sentence) {
            (State::Behind, Some(sentence)) => Self {
                state: State::Waiting,
                sentence: sentence.to_owned(),
            },
            _ => self,
        }
    }
}

/// Everything that the state follows from.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The registry entry.
    pub cluster: &'a Cluster,
    /// The blocks that hold.
    pub blocks: &'a [Blocked],
    /// Its update that goes on.
    pub update: Option<&'a Update>,
    /// Id of the configuration that its channel stands at, if known.
    pub head: Option<&'a str>,
    /// Nodes that are still to be replaced, as far as that is known.
    pub outdated: u32,
}

/// The state of a cluster.
#[must_use]
pub fn standing(seen: &Seen<'_>) -> Standing {
    let cluster = seen.cluster;
    let say = |state, sentence: String| Standing { state, sentence };
    if cluster.lifecycle_status == LifecycleStatus::Decommissioned {
        return say(State::Gone, String::new());
    }
    let problem = cluster.status.problems.last();
    let failing = seen.update.filter(|update| update.progress == Progress::Failing);
    if let Some(update) = failing.filter(|update| !update.message.is_empty()) {
        return say(State::Failing, update.message.clone());
    }
    if let Some(blocked) = seen.blocks.first() {
        return say(State::Blocked, block_sentence(blocked));
    }
    if let Some(problem) = problem {
        return say(
            State::Failing,
            problem.detail.clone().unwrap_or_else(|| problem.title.clone()),
        );
    }
    if let Some(update) = seen.update {
        let state = match update.progress {
            Progress::Failing => State::Failing,
            Progress::Waiting => State::Waiting,
            _ if cluster.lifecycle_status == LifecycleStatus::DecommissionRequested => State::Leaving,
            _ if cluster.lifecycle_status != LifecycleStatus::Ready => State::Creating,
            _ => State::Updating,
        };
        let leaf = update.steps.iter().find(|step| {
            let wanted = matches!(step.progress, Progress::Running | Progress::Waiting | Progress::Failing);
            wanted && !step.message.is_empty()
        });
        let message = match leaf {
            _ if !update.message.is_empty() => update.message.clone(),
            Some(step) => format!("{}: {}", step.path, step.message),
            None => String::new(),
        };
        return say(state, message);
    }
    match cluster.lifecycle_status {
        LifecycleStatus::Requested | LifecycleStatus::Creating => return say(State::Creating, String::new()),
        LifecycleStatus::DecommissionRequested => return say(State::Leaving, String::new()),
        LifecycleStatus::Ready | LifecycleStatus::Decommissioned => {}
    }
    let current = ClusterVersion::parse(&cluster.status.current_version);
    if current == ClusterVersion::default() {
        return say(State::Behind, "it has no version yet".to_owned());
    }
    match seen.head {
        Some(head) if current != ClusterVersion::of(head, cluster) => say(State::Behind, String::new()),
        _ if !cluster.status.next_version.is_empty()
            && cluster.status.next_version != cluster.status.current_version =>
        {
            say(State::Behind, String::new())
        }
        _ if seen.outdated > 0 => say(State::Updating, String::new()),
        _ => say(State::Current, String::new()),
    }
}

/// Why, who answers for it, until when.
#[must_use]
pub fn block_sentence(blocked: &Blocked) -> String {
    let block = &blocked.block;
    let what = match block.scope {
        model::BlockScope::All => "blocked",
        model::BlockScope::Nodes => "nodes are not replaced",
    };
    let until = block
        .expires_at
        .map_or_else(String::new, |end: Timestamp| format!(", until {}", moment(end)));
    let owner = if block.owner.is_empty() {
        String::new()
    } else {
        format!(" ({})", block.owner)
    };
    format!("{what}: {}{owner}{until}", block.reason)
}

#[cfg(test)]
mod tests {
    use model::{Block, Problem, UpdateStep};

    use super::*;

    fn cluster(current: &str) -> Cluster {
        let mut cluster: Cluster = serde_json::from_value(serde_json::json!({
            "id": "aws:1:eu-central-1:kube-1", "alias": "shop", "local_id": "kube-1", "region": "eu-central-1",
            "infrastructure_account": "aws:123456789012", "provider": "simulated", "api_server_url": "https://shop.example.org",
            "channel": "beta", "environment": "production", "criticality_level": 2, "lifecycle_status": "ready",
        }))
        .unwrap();
        cluster.status.current_version = if current.is_empty() {
            String::new()
        } else {
            ClusterVersion::of(current, &cluster).to_string()
        };
        cluster
    }

    fn update(progress: Progress, message: &str) -> Update {
        let step = UpdateStep {
            path: "pools/worker".to_owned(),
            progress,
            message: message.to_owned(),
            ..UpdateStep::default()
        };
        Update {
            progress,
            steps: vec![step],
            ..Update::default()
        }
    }

    #[test]
    fn the_word_is_what_needs_attention_most() {
        let block = |reason: &str| Blocked {
            cluster: cluster("").id,
            id: None,
            since: None,
            block: Block {
                owner: "team/shop".to_owned(),
                ..Block::from_item(reason)
            },
        };
        let mut bad = cluster("a1");
        bad.status.problems.push(Problem::general("template broken"));
        let mut new = cluster("");
        new.lifecycle_status = LifecycleStatus::Creating;
        let fresh = cluster("");
        let (good, running, failing) = (
            cluster("a1"),
            update(Progress::Running, "rolls"),
            update(Progress::Failing, "no capacity"),
        );
        let seen = |cluster, blocks, update, head| Seen {
            cluster,
            blocks,
            update,
            head,
            outdated: 0,
        };
        let rolling = Seen {
            outdated: 2,
            ..seen(&good, &[], None, Some("a1"))
        };
        let blocked = [block("quarter end")];
        for (seen, state, sentence) in [
            (seen(&good, &[], None, Some("a1")), State::Current, ""),
            (seen(&good, &[], None, None), State::Current, ""),
            (rolling, State::Updating, ""),
            (seen(&good, &[], None, Some("b2")), State::Behind, ""),
            (
                seen(&good, &[], Some(&running), Some("b2")),
                State::Updating,
                "pools/worker: rolls",
            ),
            (
                seen(&good, &[], Some(&failing), Some("b2")),
                State::Failing,
                "pools/worker: no capacity",
            ),
            (seen(&bad, &[], None, Some("a1")), State::Failing, "template broken"),
            (
                seen(&good, &blocked, Some(&running), Some("b2")),
                State::Blocked,
                "blocked: quarter end (team/shop)",
            ),
            (seen(&new, &[], None, Some("a1")), State::Creating, ""),
            (seen(&fresh, &[], None, None), State::Behind, "it has no version yet"),
        ] {
            let found = standing(&seen);
            assert_eq!((found.state, found.sentence.as_str()), (state, sentence));
        }
    }
}
