//! What the manager keeps in mind about waves, and what it makes of a decision.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use model::{Cluster, ClusterId, Update};
use plan::policy::FleetPolicy;
use plan::waves::{Acts, Decisions, Go, Member, Phase, Question, Run, State, decide};
use ports::acts;
use ports::ledger::EntryId;
use ports::{Clock, Lease, Ledger, RegistryError, WriteContext};
use tokio::sync::watch;

use super::fleet::{Fleet, Seen};
use super::records::{self, About, RunRecord, Turn};
use super::standing::{Known, Towards, may_begin, stands};
use super::survey::open_updates;
use crate::health::{self, Judged};
use crate::policies::Policies;

/// The manager's side of waves. Everything in it can be read again from the ledger.
#[derive(Debug, Default)]
pub(crate) struct Conductor {
    rules: Option<(Policies, watch::Receiver<Arc<FleetPolicy>>)>,
    turns: BTreeMap<ClusterId, Turn>,
    pub(crate) runs: BTreeMap<String, RunRecord>,
    /// Since when clusters are behind.
    pub(crate) behind: BTreeMap<ClusterId, Timestamp>,
    updates: BTreeMap<ClusterId, (Timestamp, Update)>,
    judged: BTreeMap<ClusterId, Judged>,
    acts: Acts,
    /// What was decided last.
    decided: Decisions,
    /// How clusters stood then.
    fleet: Fleet,
    /// Something happened since the last decision.
    dirty: bool,
    /// Nothing was decided since everything was read.
    anew: bool,
    /// Something changed that could not be read.
    missed: bool,
    /// When to decide again although nothing happens.
    pub(crate) look: Option<Timestamp>,
    /// Nothing is decided before this: what happens until then is one reason for one decision.
    rests: Option<Timestamp>,
    /// The lease under which this replica lets clusters begin.
    pub(crate) lease: Option<Lease>,
    /// The policy that was written down last.
    pub(crate) told: Option<Arc<FleetPolicy>>,
    /// Alarms that are on.
    pub(crate) alarms: BTreeMap<EntryId, super::alarms::Alarm>,
}

/// What the decision looks at of one cluster.
pub(crate) fn member(
    cluster: &Arc<Cluster>,
    towards: &Towards,
    known: Known<'_>,
    (running, since): (bool, Timestamp),
) -> Member {
    let state = stands(cluster, towards, known, (running, since));
    let began = state.in_flight() || matches!(state, State::Done);
    let turn = known.turn;
    let begun = turn
        .map(|turn| turn.begun)
        .or_else(|| known.update.and_then(|(_, update)| update.started_at));
    Member {
        cluster: Arc::clone(cluster),
        config: towards.config().to_owned(),
        begun: begun.filter(|_| began),
        urgent: began && turn.is_some_and(|turn| turn.passed.is_some()),
        state,
    }
}

/// The acts whose entries are open.
pub(crate) async fn in_force(ledger: &dyn Ledger) -> Result<Acts, RegistryError> {
    let (pauses, freezes, lanes) = (
        acts::list(ledger, true).await?,
        acts::list(ledger, true).await?,
        acts::list(ledger, true).await?,
    );
    Ok(Acts {
        pauses: pauses.into_iter().map(|act| (act.since, act.act)).collect(),
        freezes: freezes.into_iter().map(|act| (act.since, act.act)).collect(),
        fast_lanes: lanes.into_iter().map(|act| (act.id.to_string(), act.act)).collect(),
    })
}

impl Conductor {
    pub(crate) fn new(policies: Option<Policies>) -> Self {
        let rules = policies.map(|policies| {
            let changes = policies.changes();
            (policies, changes)
        });
        Self {
            rules,
            dirty: true,
            ..Self::default()
        }
    }

    /// Whether there are waves at all.
    pub(crate) fn is_on(&self) -> bool {
        self.rules.is_some()
    }

    /// The rules in force.
    pub(crate) fn policy(&self) -> Option<Arc<FleetPolicy>> {
        self.rules.as_ref().map(|(policies, _)| policies.now())
    }

    /// Returns when other rules are in force.
    pub(crate) async fn rules_changed(&mut self) {
        let changed = match &mut self.rules {
            Some((_, changes)) => changes.changed().await.is_ok(),
            None => false,
        };
        if !changed {
            std::future::pending::<()>().await;
        }
        self.dirty = true;
    }

    /// Something happened.
    pub(crate) fn touch(&mut self) {
        self.dirty = true;
    }

    /// Whether a decision is due.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        let due = self.dirty || self.look.is_some_and(|look| look <= now);
        let rests = self.rests.is_some_and(|until| until > now);
        self.is_on() && due && !rests
    }

    /// When to decide although nothing more happens.
    pub(crate) fn wakes(&self) -> Option<Timestamp> {
        let look = self.look.map(|look| self.rests.map_or(look, |until| look.max(until)));
        [look, self.awaited()].into_iter().flatten().min()
    }

    /// When a decision is made for which there is a reason already, and which has to rest.
    pub(crate) fn awaited(&self) -> Option<Timestamp> {
        self.rests.filter(|_| self.is_on() && self.dirty)
    }

    /// A decision is made now, and the next one not before `rests`.
    pub(crate) fn settled(&mut self, rests: Option<Timestamp>) {
        (self.dirty, self.rests) = (false, rests);
    }

    /// Reads everything that was written down.
    pub(crate) async fn reload(&mut self, ledger: &dyn Ledger) -> Result<(), RegistryError> {
        if !self.is_on() {
            return Ok(());
        }
        self.turns = records::turns(ledger).await?;
        self.runs = records::runs(ledger).await?;
        self.acts = in_force(ledger).await?;
        self.updates = open_updates(ledger).await?;
        self.judged = health::all_judged(ledger).await?;
        self.alarms = super::alarms::open(ledger).await?;
        self.fleet.forget();
        (self.dirty, self.anew, self.missed) = (true, true, false);
        Ok(())
    }

    /// An entry changed that could not be read.
    pub(crate) fn miss(&mut self) {
        (self.dirty, self.missed) = (true, true);
    }

    /// Reads what was missed, and the verdicts on clusters that have a version on which none is known: entries of clusters are read
    /// as they are now, while what was written about their health may still be on its way here.
    pub(crate) async fn catch_up(&mut self, ledger: &dyn Ledger, fleet: &[Seen<'_>]) -> Result<(), RegistryError> {
        if self.missed {
            self.reload(ledger).await?;
        }
        for at in self.fleet.touched(fleet, &self.runs) {
            let Some(seen) = fleet.get(at) else { continue };
            let (id, version) = (&seen.cluster.id, &seen.cluster.status.current_version);
            let Towards::There { target, .. } = &**seen.towards else {
                continue;
            };
            let begun = self.turns.get(id).is_some_and(|turn| turn.target == *target);
            let known = self.judged.get(id).is_some_and(|judged| judged.version == *version);
            if !begun || known {
                continue;
            }
            let found = match health::judged(ledger, &id.as_str().parse()?).await {
                Ok(found) => found.map(|(_, judged)| judged),
                Err(RegistryError::NotFound { .. }) => None,
                Err(error) => return Err(error),
            };
            let found = found.filter(|judged| judged.version == *version);
            // It was updated before there were verdicts, and is not asked about again.
            let judged = found.unwrap_or_else(|| Judged::well(version));
            self.judge(id.clone(), judged);
        }
        Ok(())
    }

    fn judge(&mut self, cluster: ClusterId, judged: Judged) {
        self.fleet.touch(&cluster);
        self.judged.insert(cluster, judged);
    }

    fn turned(&mut self, cluster: ClusterId, turn: Turn) {
        self.fleet.touch(&cluster);
        self.turns.insert(cluster, turn);
    }

    /// Whether a cluster may work on this version.
    pub(crate) fn may(&self, cluster: &Cluster, to: &str, target: &str) -> bool {
        !self.is_on() || may_begin(cluster, to, target, self.turns.get(&cluster.id))
    }

    /// The pauses that hold, each with its moment.
    pub(crate) fn pauses(&self) -> &[(Timestamp, model::acts::Pause)] {
        &self.acts.pauses
    }

    /// Whether a fast lane let it begin.
    pub(crate) fn is_urgent(&self, cluster: &ClusterId) -> bool {
        self.turns.get(cluster).is_some_and(|turn| turn.passed.is_some())
    }

    /// Takes in what an entry of the ledger says now; answers the cluster that was let begin by another replica.
    pub(crate) async fn entry_changed(
        &mut self,
        ledger: &dyn Ledger,
        change: &str,
    ) -> Result<Option<ClusterId>, RegistryError> {
        if !self.is_on() {
            return Ok(None);
        }
        match About::of(change) {
            About::Turn(id) => {
                if let Some((cluster, turn)) = records::turn(ledger, &id).await?
                    && self.turns.get(&cluster) != Some(&turn)
                {
                    self.turned(cluster.clone(), turn);
                    self.dirty = true;
                    return Ok(Some(cluster));
                }
            }
            About::Run(id) => {
                let run = records::run(ledger, &id).await?;
                if self.runs.get(&run.channel) != Some(&run) {
                    self.runs.insert(run.channel.clone(), run);
                    self.dirty = true;
                }
            }
            About::Act => {
                self.acts = in_force(ledger).await?;
                self.dirty = true;
            }
            About::Update(id) => {
                let entry = ledger.get_entry(&ports::ledger::EntryKind::update(), &id).await?;
                if let (Some(cluster), Ok(update)) = (entry.cluster, serde_json::from_value::<Update>(entry.body)) {
                    self.update_said(cluster, entry.updated_at, update);
                }
            }
            About::Health(id) => {
                if let Some((cluster, judged)) = health::judged(ledger, &id).await?
                    && self.judged.get(&cluster) != Some(&judged)
                {
                    self.judge(cluster, judged);
                    self.dirty = true;
                }
            }
            About::Else => {}
        }
        Ok(None)
    }

    /// Notes how the newest update of a cluster goes. Steps of one that goes on as before change nothing for its wave, and one that
    /// goes on failing has failed since the first time.
    fn update_said(&mut self, cluster: ClusterId, at: Timestamp, update: Update) {
        let known = self.updates.get(&cluster);
        let same = known.filter(|(_, known)| known.to == update.to && known.progress == update.progress);
        self.dirty |= same.is_none();
        let at = same.map_or(at, |(at, _)| *at);
        self.fleet.touch(&cluster);
        self.updates.insert(cluster, (at, update));
    }

    /// Notes that a cluster is gone from the registry.
    pub(crate) fn forget(&mut self, cluster: &ClusterId) {
        self.behind.remove(cluster);
        self.judged.remove(cluster);
        self.fleet.touch(cluster);
        self.dirty = true;
    }

    /// Opens and ends the changes of channels by what their clusters are to have.
    fn keep_runs(&mut self, fleet: &[Seen<'_>], touched: &[usize], now: Timestamp) {
        let mut channels: BTreeMap<&str, Vec<(&Seen<'_>, &Member)>> = BTreeMap::new();
        let both = fleet.iter().zip(self.fleet.members());
        for (seen, member) in both.filter(|(seen, _)| **seen.towards != Towards::Apart) {
            let channel = channels.entry(seen.cluster.channel.as_str());
            channel.or_default().push((seen, member));
        }
        let mut written = BTreeMap::new();
        let mut next = Vec::new();
        for (name, clusters) in channels {
            let Some(head) = head(&clusters) else { continue };
            let known = self.runs.get(name);
            if let Some(known) = known.filter(|_| self.anew) {
                written.insert(name, (known.since, known.behind.clone()));
            }
            next.extend(next_run(name, head, known, &clusters, now));
        }
        for seen in touched.iter().filter_map(|at| fleet.get(*at)) {
            if **seen.towards != Towards::Apart {
                keep_behind(&mut self.behind, seen, written.get(seen.cluster.channel.as_str()), now);
            }
            self.fleet.touch(&seen.cluster.id);
        }
        for run in next {
            self.runs.insert(run.channel.clone(), run);
        }
        self.anew = false;
    }

    /// Finds out anew how those stand who may stand elsewhere than at the last look; answers their positions.
    fn look(&mut self, fleet: &[Seen<'_>], now: Timestamp) -> Vec<usize> {
        let touched = self.fleet.touched(fleet, &self.runs);
        let mut kept = std::mem::take(&mut self.fleet);
        kept.renew(fleet, &touched, &self.runs, |seen| self.member(seen, now));
        self.fleet = kept;
        touched
    }

    /// Decides about the fleet, which is in the order of ids. Answers what may begin, and the records of changes that are to be
    /// written.
    pub(crate) fn decide(&mut self, fleet: &[Seen<'_>], now: Timestamp) -> (Vec<Go>, Vec<RunRecord>) {
        let Some(policy) = self.policy() else {
            return (Vec::new(), Vec::new());
        };
        let before = self.runs.clone();
        let touched = self.look(fleet, now);
        self.keep_runs(fleet, &touched, now);
        self.look(fleet, now);
        debug_assert!(
            fleet
                .iter()
                .map(|seen| self.member(seen, now))
                .eq(self.fleet.members().iter().cloned()),
            "what is kept of the fleet is what would be found out anew"
        );
        let under_way = self.runs.iter().filter(|(_, run)| run.over.is_none());
        let runs = under_way.map(|(name, run)| {
            let (since, commit) = (run.since, run.commit);
            (name.clone(), Run { since, commit })
        });
        let runs = runs.collect();
        self.decided = decide(&Question {
            policy: &policy,
            members: self.fleet.members(),
            runs: &runs,
            acts: &self.acts,
            now,
        });
        let mut behind = self.behind_otherwise();
        for (name, state) in &self.decided.channels {
            let Some(run) = self.runs.get_mut(name) else { continue };
            run.phase = state.phase;
            run.wave = state
                .open
                .and_then(|open| state.waves.get(open))
                .map(|wave| wave.name.clone());
            run.halt = state.halt.as_deref().cloned();
            run.behind = behind.remove(name).unwrap_or_default();
        }
        let changed = self.runs.iter().filter(|(name, run)| before.get(*name) != Some(*run));
        let changed = changed.map(|(_, run)| run.clone()).collect();
        (self.decided.go.clone(), changed)
    }

    /// By channel, the clusters that are behind since another moment than the change of their channel.
    fn behind_otherwise(&self) -> BTreeMap<String, BTreeMap<ClusterId, Timestamp>> {
        let mut otherwise: BTreeMap<String, BTreeMap<ClusterId, Timestamp>> = BTreeMap::new();
        let mut behind = self.behind.iter().peekable();
        for member in self.fleet.members() {
            let (id, channel) = (&member.cluster.id, &member.cluster.channel);
            while behind.next_if(|(other, _)| *other < id).is_some() {}
            let Some((_, since)) = behind.next_if(|(other, _)| *other == id) else {
                continue;
            };
            if self.runs.get(channel).is_some_and(|run| run.since != *since) {
                let of_channel = otherwise.entry(channel.clone()).or_default();
                of_channel.insert(id.clone(), *since);
            }
        }
        otherwise
    }

    /// When to look again although nothing happens, by the last decision.
    pub(crate) fn next_look(&self) -> Option<Timestamp> {
        self.decided.look
    }

    /// What a cluster waits for, in one sentence, if it is held by the last decision.
    pub(crate) fn sentence(&self, cluster: &Cluster, now: Timestamp) -> Option<String> {
        self.decided.sentence(cluster, now)
    }

    fn member(&self, seen: &Seen<'_>, now: Timestamp) -> Member {
        let id = &seen.cluster.id;
        let since = self.behind.get(id).copied().unwrap_or(now);
        let known = Known {
            turn: self.turns.get(id),
            run: self.runs.get(&seen.cluster.channel),
            update: self.updates.get(id).map(|(at, update)| (*at, update)),
            judged: self.judged.get(id),
        };
        member(seen.cluster, seen.towards, known, (seen.running, since))
    }

    /// Writes down that a cluster may begin.
    pub(crate) async fn let_begin(
        &mut self,
        ledger: &dyn Ledger,
        go: &Go,
        seen: &Seen<'_>,
        now: Timestamp,
        context: &WriteContext,
    ) -> Result<(), RegistryError> {
        let Towards::Wants { to, target, .. } = &**seen.towards else {
            return Ok(());
        };
        let run = self.runs.get(&seen.cluster.channel);
        let turn = Turn {
            channel: seen.cluster.channel.clone(),
            version: to.clone(),
            target: target.clone(),
            run: run.map_or(now, |run| run.since),
            begun: now,
            wave: go.wave.clone(),
            passed: go.passed.clone(),
        };
        records::put_turn(ledger, &go.cluster, &turn, context).await?;
        self.turned(go.cluster.clone(), turn);
        Ok(())
    }

    /// Ends acts whose time is over, so that their records say so.
    pub(crate) async fn sweep(
        &mut self,
        ledger: &dyn Ledger,
        clock: &dyn Clock,
        context: &WriteContext,
    ) -> Result<(), RegistryError> {
        let now = clock.now();
        let over = |until: Option<Timestamp>| until.is_some_and(|until| until <= now);
        let some = self.acts.freezes.iter().any(|(_, freeze)| over(freeze.until))
            || self.acts.fast_lanes.iter().any(|(_, lane)| over(lane.until));
        if !some {
            return Ok(());
        }
        for act in acts::list::<model::acts::FreezeAct>(ledger, true).await? {
            if over(act.act.until) {
                acts::lift::<model::acts::FreezeAct>(ledger, clock, &act.id, context).await?;
            }
        }
        for act in acts::list::<model::acts::FastLane>(ledger, true).await? {
            if over(act.act.until) {
                acts::lift::<model::acts::FastLane>(ledger, clock, &act.id, context).await?;
            }
        }
        self.acts = in_force(ledger).await?;
        Ok(())
    }
}

/// The change of a channel, if it is another one than is known, begins, ends or goes on.
fn next_run(
    name: &str,
    head: &str,
    known: Option<&RunRecord>,
    clusters: &[(&Seen<'_>, &Member)],
    now: Timestamp,
) -> Option<RunRecord> {
    let wants = |(seen, _): &(&Seen<'_>, &Member)| matches!(**seen.towards, Towards::Wants { blocked: false, .. });
    let wanting = clusters.iter().any(wants);
    // Done is what was found healthy; a verdict that turns later opens the change again.
    let unsettled = known.is_some() && clusters.iter().any(|(_, member)| member.state.in_flight());
    let begins = |commit: bool| RunRecord {
        channel: name.to_owned(),
        config: head.to_owned(),
        since: now,
        commit,
        over: (!wanting).then_some(now),
        phase: Phase::Resting,
        wave: None,
        halt: None,
        behind: BTreeMap::new(),
    };
    match known {
        Some(run) if run.config == head => match (run.over, wanting) {
            (Some(_), true) => Some(begins(false)),
            (None, false) if !unsettled => Some(RunRecord {
                over: Some(now),
                ..run.clone()
            }),
            (Some(_), false) if unsettled => Some(RunRecord {
                over: None,
                ..run.clone()
            }),
            (Some(_), false) | (None, _) => None,
        },
        _ => Some(begins(true)),
    }
}

/// Notes since when a cluster is behind. After a start that is what was written down about it: since another moment than the
/// change, or since that.
fn keep_behind(
    behind: &mut BTreeMap<ClusterId, Timestamp>,
    seen: &Seen<'_>,
    written: Option<&(Timestamp, BTreeMap<ClusterId, Timestamp>)>,
    now: Timestamp,
) {
    let id = &seen.cluster.id;
    match **seen.towards {
        Towards::Wants { .. } => {
            let since = written.map(|(since, behind)| behind.get(id).copied().unwrap_or(*since));
            behind.entry(id.clone()).or_insert(since.unwrap_or(now));
        }
        Towards::There { .. } | Towards::Apart => {
            behind.remove(id);
        }
    }
}

/// What a channel stands at: the configuration of its clusters that follow no other channel for a single source, else of most.
fn head<'a>(clusters: &[(&'a Seen<'_>, &Member)]) -> Option<&'a str> {
    let plain = |(seen, _): &&(&Seen<'_>, &Member)| !seen.cluster.config_items.contains_key("override_channel");
    if let Some((seen, _)) = clusters.iter().find(plain) {
        return Some(seen.towards.config());
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (seen, _) in clusters {
        *counts.entry(seen.towards.config()).or_default() += 1;
    }
    counts
        .into_iter()
        .max_by_key(|(config, count)| (*count, std::cmp::Reverse(*config)))
        .map(|(config, _)| config)
}
