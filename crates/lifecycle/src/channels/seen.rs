//! What is known about all channels at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use model::{
    BlockScope, ChannelMember, ChannelStatus, Cluster, ClusterVersion, GateAgreement, HealthState, LifecycleStatus,
    MemberState, Progress,
};
use plan::policy::FleetPolicy;
use plan::promotion::Channel;
use plan::waves::Acts;
use ports::blocks::{self, Blocked};
use ports::channels::{self, Moved};
use ports::config_source::CombinedVersion;
use ports::{RegistryError, standing};

use super::notes::Notes;
use crate::health::Fared;
use crate::need::{EXISTING, MANAGE};
use crate::pass::Reach;

/// One channel with its configuration.
pub(super) struct Known {
    pub(super) channel: Channel,
    /// Its clusters.
    pub(super) clusters: Vec<Arc<Cluster>>,
    /// What it stands at, or why nobody knows.
    pub(super) head: Result<CombinedVersion, String>,
    /// Since when it has been seen there.
    pub(super) since: Timestamp,
}

/// Everything.
pub(super) struct Seen {
    pub(super) now: Timestamp,
    pub(super) policy: Arc<FleetPolicy>,
    pub(super) channels: BTreeMap<String, Known>,
    /// As it was written down last.
    pub(super) before: BTreeMap<String, ChannelStatus>,
    pub(super) agreements: Vec<GateAgreement>,
    /// Pauses, freezes and fast lanes.
    pub(super) acts: Acts,
    /// Newest first.
    pub(super) moves: Vec<Moved>,
}

impl Reach {
    /// Puts it all together.
    pub(super) async fn see_channels(&self, notes: &Notes) -> Result<Seen, RegistryError> {
        let ledger = &*self.ledger;
        let policy = self.settings.policies.now();
        let listed = channels::list(ledger).await?;
        let before: BTreeMap<String, ChannelStatus> = listed
            .into_iter()
            .map(|status| (status.channel.clone(), status))
            .collect();
        let mut by_channel: BTreeMap<&str, Vec<Arc<Cluster>>> = BTreeMap::new();
        for cluster in notes.clusters.values().filter(|cluster| counts(cluster)) {
            by_channel
                .entry(&cluster.channel)
                .or_default()
                .push(Arc::clone(cluster));
        }
        for channel in &policy.channels {
            by_channel.entry(&channel.name).or_default();
        }
        let about = About {
            blocks: blocks::open(ledger, None).await?,
            notes,
            now: self.clock.now(),
        };
        let mut known = BTreeMap::new();
        for (name, clusters) in by_channel {
            let one = self.see_channel(name, clusters, before.get(name), &about).await;
            known.insert(name.to_owned(), one);
        }
        Ok(Seen {
            now: about.now,
            policy,
            channels: known,
            before,
            agreements: channels::agreements(ledger).await?,
            acts: crate::waves::conductor::in_force(ledger).await?,
            moves: channels::moves(ledger).await?,
        })
    }

    async fn see_channel(
        &self,
        name: &str,
        clusters: Vec<Arc<Cluster>>,
        before: Option<&ChannelStatus>,
        about: &About<'_>,
    ) -> Known {
        let head = self.configuration.head(name).await;
        let commit = head.as_ref().ok().map(CombinedVersion::id);
        let since = before
            .filter(|before| Some(before.commit.as_str()) == commit.as_deref())
            .and_then(|before| before.since)
            .unwrap_or(about.now);
        let mut members = Vec::new();
        for cluster in &clusters {
            // A cluster may follow another channel in single sources.
            let other = match cluster.config_items.get("override_channel") {
                Some(_) => Some(
                    self.configuration
                        .version(cluster)
                        .await
                        .map(|version| version.id())
                        .ok(),
                ),
                None => None,
            };
            members.push(about.member(cluster, other.as_ref().unwrap_or(&commit).as_deref(), since));
        }
        members.sort_by(|one, other| (one.state, &one.cluster).cmp(&(other.state, &other.cluster)));
        Known {
            channel: Channel {
                name: name.to_owned(),
                commit,
                members,
            },
            clusters,
            head,
            since,
        }
    }
}

/// Clusters that a channel is judged by: those that follow it.
fn counts(cluster: &Cluster) -> bool {
    let leaving = matches!(
        cluster.lifecycle_status,
        LifecycleStatus::Decommissioned | LifecycleStatus::DecommissionRequested
    );
    let managed = cluster.config_items.get(MANAGE).map(String::as_str) == Some("true");
    !leaving && (cluster.provider != EXISTING || managed)
}

/// What the members of all channels are judged by.
struct About<'n> {
    blocks: Vec<Blocked>,
    notes: &'n Notes,
    now: Timestamp,
}

impl About<'_> {
    fn member(&self, cluster: &Cluster, config: Option<&str>, channel_since: Timestamp) -> ChannelMember {
        let member = |state, sentence: &str, since| ChannelMember {
            cluster: cluster.alias.to_string(),
            state,
            sentence: sentence.to_owned(),
            since,
            ..ChannelMember::default()
        };
        let wanted = config.map(|config| ClusterVersion::of(config, cluster).to_string());
        let status = &cluster.status;
        let begun = !status.next_version.is_empty() && status.next_version != status.current_version;
        if wanted.as_deref() == Some(status.current_version.as_str()) && !begun {
            let fared = &self.notes.fared;
            let known = fared
                .get(&cluster.id)
                .filter(|fared| fared.version == status.current_version);
            return match known {
                Some(fared) => fares(cluster, fared),
                // Taken over at this version, or updated before anything was written down about it.
                None => member(MemberState::Healthy, "", Some(channel_since)),
            };
        }
        let update = self
            .notes
            .update(&cluster.id)
            .filter(|update| Some(&update.to) == wanted.as_ref());
        if let Some(failing) = update.filter(|update| update.progress == Progress::Failing) {
            return ChannelMember {
                by_entry: same_commit(&failing.from, &failing.to),
                ..member(MemberState::Failing, &failing.message, failing.started_at)
            };
        }
        let holding = blocks::holding(&cluster.id, &cluster.config_items, &self.blocks, self.now);
        if let Some(blocked) = holding.iter().find(|blocked| blocked.block.scope == BlockScope::All) {
            return member(MemberState::Blocked, &standing::block_sentence(blocked), blocked.since);
        }
        if let Some(update) = update {
            return member(MemberState::Updating, &update.message, update.started_at);
        }
        match status.problems.last() {
            Some(problem) => member(MemberState::Failing, &problem.title, None),
            None => member(MemberState::Behind, "", Some(channel_since)),
        }
    }
}

/// Whether two versions are of one commit: what lies between them is an edit of the registry.
fn same_commit(from: &str, to: &str) -> bool {
    ClusterVersion::parse(from).config == ClusterVersion::parse(to).config
}

/// A cluster that has the commit.
fn fares(cluster: &Cluster, fared: &Fared) -> ChannelMember {
    let verdict = &fared.verdict;
    let state = match verdict.state {
        HealthState::Checking => MemberState::Checking,
        HealthState::Healthy => MemberState::Healthy,
        HealthState::Unhealthy => MemberState::Unhealthy,
        HealthState::Undecided => MemberState::Undecided,
    };
    let sentence = match (state, verdict.reasons.as_slice()) {
        (MemberState::Healthy, _) | (_, []) => String::new(),
        (_, [first]) => first.sentence(),
        (_, [first, more @ ..]) => format!("{} (and {} more)", first.sentence(), more.len()),
    };
    ChannelMember {
        cluster: cluster.alias.to_string(),
        state,
        sentence,
        since: verdict.since,
        by_entry: same_commit(&fared.from, &fared.version),
        until: verdict.until.filter(|_| state == MemberState::Checking),
    }
}
