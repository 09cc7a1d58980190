//! What the original is doing with a cluster, what Fleetwright would do, and whether these are the same. Pure.

use jiff::Timestamp;
use lifecycle::need::{Cause, Need, Situation, need};
use model::{Block, Cluster, ClusterVersion, LifecycleStatus};
use ports::blocks;
use serde::{Deserialize, Serialize};

/// What a manager is doing with a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing: it has the version that it should have.
    Settled,
    /// Brings it to a version.
    Updating,
    /// Tries, and fails.
    Failing,
    /// Leaves it alone because of a block.
    Blocked,
    /// Takes it down.
    Leaving,
    /// Nothing: it is gone.
    Gone,
    /// Nothing: the cluster is not one that this manager takes.
    NotTaken,
}

impl State {
    /// The word in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Updating => "updating",
            Self::Failing => "failing",
            Self::Blocked => "blocked",
            Self::Leaving => "leaving",
            Self::Gone => "gone",
            Self::NotTaken => "not taken",
        }
    }
}

/// How the version that the original wrote compares with the one that is computed here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Version {
    /// They are the same string.
    Same,
    /// The original is on its way to the version that is computed here.
    UnderWay,
    /// The channel stands at another commit than the one that the cluster has.
    Behind {
        /// The configuration that the cluster has.
        has: String,
        /// The one that its channel stands at.
        channel: String,
    },
    /// The configuration is the same, and the registry entry hashes to something else than what the original wrote: it was
    /// changed and not updated yet, or the two compute differently.
    OtherEntry {
        /// The hash that the original wrote.
        has: String,
        /// The one that is computed here.
        computed: String,
    },
    /// The original has not written one yet.
    None,
    /// There is none to compare with: the channel cannot be found.
    Unknown {
        /// Why.
        why: String,
    },
}

/// Both sides of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// What the original is doing, as its status says.
    pub theirs: State,
    /// What Fleetwright would do.
    pub ours: State,
    /// Why Fleetwright would, in one sentence.
    pub sentence: String,
    /// Whether the two have the same version in mind.
    pub version: Version,
}

impl Agreement {
    /// Compares. `config` is the id of the configuration that the cluster's channel stands at, or why there is none.
    #[must_use]
    pub fn of(cluster: &Cluster, config: Result<&str, &str>, now: Timestamp) -> Self {
        let (ours, sentence) = ours(cluster, config, now);
        Self {
            theirs: theirs(cluster),
            ours,
            sentence,
            version: version(cluster, config),
        }
    }

    /// Whether both do the same. A failing update is an update: which of them would fail, a look cannot tell.
    #[must_use]
    pub fn same_state(&self) -> bool {
        let plain = |state| match state {
            State::Failing => State::Updating,
            other => other,
        };
        plain(self.theirs) == plain(self.ours)
    }

    /// Whether the original is expected to act, so that a difference says nothing yet: a commit or an entry is newer than
    /// what it last saw.
    #[must_use]
    pub fn moves(&self) -> bool {
        let newer = matches!(
            self.version,
            Version::UnderWay | Version::Behind { .. } | Version::OtherEntry { .. } | Version::None
        );
        newer && self.ours != State::Blocked && self.theirs != State::Blocked
    }

    /// Differences in words.
    #[must_use]
    pub fn why(&self) -> Vec<String> {
        let mut why = Vec::new();
        match &self.version {
            Version::Same => {}
            Version::UnderWay => why.push("the original brings it to the same version".to_owned()),
            Version::Behind { has, channel } => {
                why.push(format!("it has configuration {has}, its channel stands at {channel}"));
            }
            Version::OtherEntry { has, computed } => {
                why.push(format!("its entry hashes to {computed}, the original wrote {has}"));
            }
            Version::None => why.push("the original has not written a version yet".to_owned()),
            Version::Unknown { why: reason } => why.push(format!("its version cannot be computed: {reason}")),
        }
        if !self.same_state() {
            why.push(format!(
                "the original: {}; Fleetwright: {} ({})",
                self.theirs.word(),
                self.ours.word(),
                self.sentence
            ));
        }
        why
    }
}

/// What the status says that the original does (facts 3.3, 3.4).
fn theirs(cluster: &Cluster) -> State {
    let status = &cluster.status;
    match cluster.lifecycle_status {
        LifecycleStatus::Decommissioned => return State::Gone,
        _ if cluster
            .config_items
            .keys()
            .any(|key| key.as_str() == Block::CONFIG_ITEM) =>
        {
            return State::Blocked;
        }
        LifecycleStatus::DecommissionRequested => return State::Leaving,
        LifecycleStatus::Requested | LifecycleStatus::Creating | LifecycleStatus::Ready => {}
    }
    let under_way = !status.next_version.is_empty() && status.next_version != status.current_version;
    match (status.problems.is_empty(), under_way) {
        (false, _) => State::Failing,
        (true, true) => State::Updating,
        (true, false) if cluster.lifecycle_status != LifecycleStatus::Ready => State::Updating,
        (true, false) => State::Settled,
    }
}

fn ours(cluster: &Cluster, config: Result<&str, &str>, now: Timestamp) -> (State, String) {
    let held = blocks::holding(&cluster.id, &cluster.config_items, &[], now);
    let situation = Situation {
        cluster,
        blocks: &held,
        config,
        drifted: false,
        other_entry: false,
    };
    match need(&situation) {
        Need::Nothing(why) if cluster.lifecycle_status == LifecycleStatus::Decommissioned => (State::Gone, why),
        Need::Nothing(why) if cluster.provider == Cluster::EXISTING && version(cluster, config) != Version::Same => {
            (State::NotTaken, why)
        }
        Need::Nothing(why) => (State::Settled, why),
        Need::Blocked(blocked) => (
            State::Blocked,
            lifecycle::need::block_sentence(cluster.alias.as_str(), &blocked, now),
        ),
        Need::Report(why) => (State::Failing, why),
        Need::Decommission => (State::Leaving, "it is to be taken down".to_owned()),
        Need::Update { to, cause, .. } => {
            let why = match cause {
                Cause::Unfinished => "an update was begun and is not finished",
                _ => "its version is another one",
            };
            (State::Updating, format!("to {to}: {why}"))
        }
    }
}

/// The cluster without the item of a block, which counts in the hash and goes again.
pub(crate) fn unblocked(cluster: &Cluster) -> Cluster {
    let mut free = cluster.clone();
    free.config_items.retain(|key, _| key.as_str() != Block::CONFIG_ITEM);
    free
}

fn version(cluster: &Cluster, config: Result<&str, &str>) -> Version {
    let config = match config {
        Ok(config) => config,
        Err(why) => return Version::Unknown { why: why.to_owned() },
    };
    let status = &cluster.status;
    let computed = [
        ClusterVersion::of(config, cluster),
        ClusterVersion::of(config, &unblocked(cluster)),
    ];
    let has = ClusterVersion::parse(&status.current_version);
    let next = ClusterVersion::parse(&status.next_version);
    if computed.contains(&has) {
        return Version::Same;
    }
    if computed.contains(&next) {
        return Version::UnderWay;
    }
    if has == ClusterVersion::default() {
        return Version::None;
    }
    if has.config != config {
        return Version::Behind {
            has: has.config,
            channel: config.to_owned(),
        };
    }
    let [own, _] = computed;
    Version::OtherEntry {
        has: has.hash,
        computed: own.hash,
    }
}

#[cfg(test)]
mod tests {
    use model::Problem;

    use super::*;

    fn cluster() -> Cluster {
        serde_json::from_value(serde_json::json!({
            "id": "aws:1:eu-central-1:kube-1", "alias": "kube-1", "infrastructure_account": "aws:1",
            "region": "eu-central-1", "local_id": "kube-1", "provider": "zalando-aws", "api_server_url": "https://x.org",
            "channel": "dev", "environment": "test", "criticality_level": 1, "lifecycle_status": "ready",
        }))
        .unwrap()
    }

    fn at(config: &str) -> Cluster {
        let mut cluster = cluster();
        cluster.status.current_version = ClusterVersion::of(config, &cluster).to_string();
        cluster
    }

    /// A change to a cluster, the head of its channel, and what comes out: state there, state here, moving or not.
    type Case = (fn(&mut Cluster), Result<&'static str, &'static str>, State, State, bool);

    #[test]
    fn states_of_both_sides() {
        let cases: &[Case] = &[
            (|_| {}, Ok("one"), State::Settled, State::Settled, false),
            (|_| {}, Ok("two"), State::Settled, State::Updating, true),
            (
                |c| c.status.next_version = ClusterVersion::of("two", c).to_string(),
                Ok("two"),
                State::Updating,
                State::Updating,
                true,
            ),
            (
                |c| {
                    c.status.next_version = ClusterVersion::of("two", c).to_string();
                    c.status.add_problem(Problem::general("no"));
                },
                Ok("two"),
                State::Failing,
                State::Updating,
                true,
            ),
            (
                |c| {
                    drop(
                        c.config_items
                            .insert("cluster_update_block".parse().unwrap(), "why".to_owned()),
                    )
                },
                Ok("one"),
                State::Blocked,
                State::Blocked,
                false,
            ),
            (
                |c| drop(c.config_items.insert("replicas".parse().unwrap(), "3".to_owned())),
                Ok("one"),
                State::Settled,
                State::Updating,
                true,
            ),
            (
                |c| c.lifecycle_status = LifecycleStatus::Decommissioned,
                Ok("one"),
                State::Gone,
                State::Gone,
                true,
            ),
            (|_| {}, Err("no such channel"), State::Settled, State::Failing, false),
        ];
        for (n, (change, config, theirs, ours, moves)) in cases.iter().enumerate() {
            let mut cluster = at("one");
            change(&mut cluster);
            let found = Agreement::of(&cluster, *config, Timestamp::UNIX_EPOCH);
            assert_eq!(
                (found.theirs, found.ours, found.moves()),
                (*theirs, *ours, *moves),
                "case {n}: {found:?}"
            );
        }
    }

    #[test]
    fn a_block_does_not_make_another_version() {
        let mut cluster = at("one");
        cluster
            .config_items
            .insert("cluster_update_block".parse().unwrap(), "why".to_owned());
        let found = Agreement::of(&cluster, Ok("one"), Timestamp::UNIX_EPOCH);
        assert_eq!((found.version.clone(), found.same_state()), (Version::Same, true));
        assert!(found.why().is_empty());
    }
}
