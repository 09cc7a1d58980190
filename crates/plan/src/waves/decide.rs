//! The decision: what holds each cluster, and who of those that nothing holds gets the places that are free.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use model::acts::FastLane;

use super::calendar::{Calendar, Opening};
use super::holds::{self, LOOK};
use super::seats::{self, Guest, Wave};
use super::sentence;
use super::{
    ChannelState, Decisions, Go, Halt, Limit, LimitOf, Member, On, Passed, Phase, Question, Run, State, Trouble, Wait,
    WaveState,
};
use crate::policy::{FailureBudget, Limits};

/// Most clusters that a sentence about a limit names.
const NAMED: usize = 3;

type Failures = BTreeMap<usize, (Timestamp, Vec<Trouble>)>;

/// Decides about the whole fleet.
#[must_use]
pub fn decide(question: &Question<'_>) -> Decisions {
    let failed = failures(question);
    let fleet_budget = question.policy.failure_budget.fleet.of(question.members.len());
    let of_fleet = holds::halt(
        "the fleet",
        fleet_budget,
        &failed,
        failed.keys().copied(),
        question.members,
    );
    let mut calendar = Calendar::new(question.policy, &question.acts.freezes, question.now);
    let mut decisions = Decisions::default();
    let (mut ready, mut channels) = (Vec::new(), BTreeMap::new());
    for (order, name) in in_order(question).into_iter().enumerate() {
        let channel = Channel::look(question, &name, &failed, of_fleet.clone().map(Arc::new), &mut calendar);
        for (at, held) in channel.candidates(question) {
            match held {
                Held::On(wait) => keep(&mut decisions, question, at, wait),
                Held::Free(passed) => ready.push(Candidate {
                    turn: channel.turn(question, at, order, passed.is_some()),
                    at,
                    channel: name.clone(),
                    passed,
                }),
            }
        }
        channels.insert(name, channel);
    }
    ready.sort_by_key(|candidate| candidate.turn);
    let mut places = Places::taken(question, &channels);
    for candidate in ready {
        let Some(member) = question.members.get(candidate.at) else {
            continue;
        };
        let Some(channel) = channels.get(&candidate.channel) else {
            continue;
        };
        let wave = channel.wave_of(candidate.at);
        match places.full(member, &candidate, wave, channel.limits) {
            Some(limit) => {
                let wait = channel.wait(question, member, On::Limit(limit), None);
                keep(&mut decisions, question, candidate.at, wait);
            }
            None => {
                places.take(member, &candidate.channel, wave, candidate.passed.is_some());
                decisions.go.push(Go {
                    cluster: member.cluster.id.clone(),
                    wave: channel.wave_name(wave),
                    passed: candidate.passed,
                });
            }
        }
    }
    conclude(decisions, question, channels)
}

/// Channels in the order of the policy, then those that it does not name.
fn in_order(question: &Question<'_>) -> Vec<String> {
    let mut there: BTreeSet<&str> = question
        .members
        .iter()
        .map(|member| member.cluster.channel.as_str())
        .collect();
    let named = question.policy.channels.iter().map(|channel| channel.name.as_str());
    let mut order: Vec<String> = named.filter(|name| there.remove(name)).map(str::to_owned).collect();
    order.extend(there.into_iter().map(str::to_owned));
    order
}

/// All members that count as failed, by position.
fn failures(question: &Question<'_>) -> Failures {
    let each = question.members.iter().enumerate();
    each.filter_map(|(at, member)| {
        let budget = question.policy.budget_in(&member.cluster.channel);
        Some((at, holds::failure(member, budget, question.now)?))
    })
    .collect()
}

fn keep(decisions: &mut Decisions, question: &Question<'_>, at: usize, wait: Wait) {
    if let Some(member) = question.members.get(at) {
        decisions.waits.insert(member.cluster.id.clone(), wait);
    }
}

/// What a candidate is held by.
enum Held {
    On(Wait),
    /// By nothing but limits; with what a fast lane let it pass.
    Free(Option<Passed>),
}

/// Who gets a free place first: fast lanes, earlier channels, broken clusters, those whose window closes first, seats.
type Turn = (bool, usize, bool, Timestamp, usize);

struct Candidate {
    turn: Turn,
    at: usize,
    channel: String,
    passed: Option<Passed>,
}

/// One channel, looked at.
struct Channel<'a> {
    name: String,
    waves: Vec<Wave>,
    /// Wave and seat of each guest, by the guest's position.
    seat: BTreeMap<usize, (usize, usize)>,
    states: Vec<WaveState>,
    open: Option<usize>,
    halt: Option<Arc<Halt>>,
    of_fleet: bool,
    pause: Option<Arc<model::acts::Pause>>,
    openings: BTreeMap<usize, Opening>,
    lanes: Vec<&'a (String, FastLane)>,
    limits: Limits,
    budget: FailureBudget,
    run: Option<&'a Run>,
    settle: SignedDuration,
    blocked: usize,
}

impl<'a> Channel<'a> {
    fn look(
        question: &Question<'a>,
        name: &str,
        failed: &Failures,
        of_fleet: Option<Arc<Halt>>,
        calendar: &mut Calendar<'_>,
    ) -> Self {
        let own = || {
            question
                .members
                .iter()
                .enumerate()
                .filter(|(_, member)| member.cluster.channel == name)
        };
        let (mut openings, mut guests) = (BTreeMap::new(), Vec::new());
        for (at, member) in own() {
            if matches!(member.state, State::Rests | State::Blocked | State::Gone) {
                continue;
            }
            let waits = matches!(member.state, State::NotBegun { .. });
            let open = !waits || {
                let opening = calendar.opening(&member.cluster);
                let open = matches!(opening, Opening::Open { .. });
                openings.insert(at, opening);
                open
            };
            guests.push(Guest { at, member, open });
        }
        let grouping = question.policy.waves_in(name);
        let waves = seats::waves(grouping, &guests);
        let (limits, budget) = (question.policy.limits_in(name), *question.policy.budget_in(name));
        let halt = holds::of_channel(name, &waves, (&budget, limits.wave), failed, question.members);
        let halt = halt.map(Arc::new);
        let states: Vec<WaveState> = waves
            .iter()
            .map(|wave| state_of(wave, question.members, failed))
            .collect();
        let closed = |at: &usize| matches!(openings.get(at), Some(Opening::Closed(_)));
        let open = waves.iter().zip(&states).position(|(wave, state)| {
            // Those that may not begin for days hold nobody, once somebody of the wave has shown that it works.
            let closed = wave.seats.iter().filter(|at| closed(at)).count();
            let excused = if state.done > 0 { closed } else { 0 };
            state.done + state.failed + excused < wave.seats.len()
                || state.failed > holds::borne(wave, &budget, limits.wave)
        });
        let seated = waves
            .iter()
            .enumerate()
            .flat_map(|(w, wave)| wave.seats.iter().map(move |at| (*at, w)));
        let seat = seated
            .enumerate()
            .map(|(seat, (at, wave))| (at, (wave, seat)))
            .collect();
        let lanes = question.acts.fast_lanes.iter();
        Self {
            name: name.to_owned(),
            of_fleet: halt.is_none() && of_fleet.is_some(),
            halt: halt.or(of_fleet),
            seat,
            states,
            open,
            pause: holds::pause(question.acts, name),
            openings,
            lanes: lanes
                .filter(|(_, lane)| lane.channel == name && lane.lifted.is_none())
                .collect(),
            limits,
            budget,
            run: question.runs.get(name),
            settle: grouping.settle.get(),
            blocked: own().filter(|(_, member)| member.state == State::Blocked).count(),
            waves,
        }
    }

    fn wave_of(&self, at: usize) -> usize {
        self.seat.get(&at).map(|(wave, _)| *wave).unwrap_or_default()
    }

    fn wave_name(&self, wave: usize) -> String {
        self.waves.get(wave).map(|wave| wave.name.clone()).unwrap_or_default()
    }

    /// Everybody who has not begun, with what holds them besides limits.
    fn candidates(&self, question: &Question<'_>) -> Vec<(usize, Held)> {
        let seats = self.waves.iter().flat_map(|wave| wave.seats.iter().copied());
        let waiting = seats.filter_map(|at| Some((at, question.members.get(at)?)));
        waiting
            .filter(|(_, member)| matches!(member.state, State::NotBegun { .. }))
            .map(|(at, member)| (at, self.held(question, at, member)))
            .collect()
    }

    fn held(&self, question: &Question<'_>, at: usize, member: &Member) -> Held {
        let broken = matches!(member.state, State::NotBegun { broken: true, .. });
        let lane = self.lanes.iter().find(|(_, lane)| {
            let over = lane.until.is_some_and(|until| until <= question.now);
            !over && lane.is_for(&member.config) && lane.clusters.selects(&member.cluster)
        });
        let firm = self.firm(broken || lane.is_some());
        let (on, until) = match (firm, lane) {
            (Some(on), _) => (on, None),
            (None, None) => match self.soft(question, at) {
                Some(held) => held,
                None => return Held::Free(None),
            },
            (None, Some((id, _))) => {
                let instead_of = match self.soft(question, at) {
                    Some((on, until)) => {
                        let wait = self.wait(question, member, on, until);
                        sentence::wait_sentence(
                            member.cluster.alias.as_str(),
                            &wait,
                            &self.name,
                            &self.states,
                            question.now,
                        )
                    }
                    None => "nothing: it might have begun without it".to_owned(),
                };
                return Held::Free(Some(Passed {
                    fast_lane: id.clone(),
                    instead_of,
                    unchecked: self.unchecked(question),
                }));
            }
        };
        Held::On(self.wait(question, member, on, until))
    }

    /// Clusters that fast lanes let begin and that are still checked.
    fn unchecked(&self, question: &Question<'_>) -> Vec<String> {
        let seated = self.seat.keys().filter_map(|at| question.members.get(*at));
        seated
            .filter(|member| member.urgent && matches!(member.state, State::Checking { .. }))
            .map(|member| member.cluster.alias.to_string())
            .collect()
    }

    /// What also holds in a fast lane. Clusters that are broken get their repair, and fast lanes go on, although others fail
    /// elsewhere in the fleet.
    fn firm(&self, pressing: bool) -> Option<On> {
        if let Some(pause) = &self.pause {
            return Some(On::Pause(Arc::clone(pause)));
        }
        let halt = self.halt.as_ref().filter(|_| !(pressing && self.of_fleet));
        halt.map(|halt| On::Halt(Arc::clone(halt)))
    }

    /// What a fast lane passes.
    fn soft(&self, question: &Question<'_>, at: usize) -> Option<(On, Option<Timestamp>)> {
        if let Some(Opening::Closed(closed)) = self.openings.get(&at) {
            return Some((On::Closed(closed.clone()), closed.opens));
        }
        let own = self.wave_of(at);
        if let Some(ahead) = self.open.filter(|open| *open < own) {
            return Some((On::Wave { own, ahead }, self.over(question, ahead)));
        }
        let run = self.run.filter(|run| !run.commit)?;
        let settled = run.since.saturating_add(self.settle).unwrap_or(Timestamp::MAX);
        (settled > question.now).then_some((On::Settle, Some(settled)))
    }

    /// When a wave all of whose clusters have begun is over at the latest: done, or failed by its deadline.
    fn over(&self, question: &Question<'_>, wave: usize) -> Option<Timestamp> {
        let seats = self.waves.get(wave)?.seats.iter();
        let ends = seats
            .filter_map(|at| question.members.get(*at))
            .map(|member| match member.state {
                State::Updating => member.begun.map(|begun| holds::ends(begun, &self.budget)),
                State::Checking { until, .. } => {
                    until.or_else(|| member.begun.map(|begun| holds::ends(begun, &self.budget)))
                }
                State::Done | State::Failed { .. } => Some(question.now),
                _ => None,
            });
        let ends: Option<Vec<Timestamp>> = ends.collect();
        ends?.into_iter().max().filter(|end| *end > question.now)
    }

    fn wait(&self, question: &Question<'_>, member: &Member, on: On, until: Option<Timestamp>) -> Wait {
        let soon = question.now.saturating_add(LOOK).unwrap_or(Timestamp::MAX);
        let since = match member.state {
            State::NotBegun { since, .. } => since,
            _ => question.now,
        };
        Wait {
            on,
            since,
            until,
            look: until
                .filter(|until| *until > question.now)
                .map_or(soon, |until| until.min(soon)),
        }
    }

    fn turn(&self, question: &Question<'_>, at: usize, order: usize, urgent: bool) -> Turn {
        let broken = question
            .members
            .get(at)
            .is_some_and(|member| matches!(member.state, State::NotBegun { broken: true, .. }));
        let closes = match self.openings.get(&at) {
            Some(Opening::Open { until, .. }) => until.unwrap_or(Timestamp::MAX),
            _ => Timestamp::MAX,
        };
        let seat = self.seat.get(&at).map_or(usize::MAX, |(_, seat)| *seat);
        (!urgent, order, !broken, closes, seat)
    }
}

fn state_of(wave: &Wave, members: &[Member], failed: &Failures) -> WaveState {
    let mut state = WaveState {
        name: wave.name.clone(),
        canaries: wave.canaries,
        clusters: Vec::new(),
        done: 0,
        updating: 0,
        failed: 0,
    };
    for at in &wave.seats {
        let Some(member) = members.get(*at) else { continue };
        state.clusters.push(member.cluster.alias.to_string());
        match member.state {
            _ if failed.contains_key(at) => state.failed += 1,
            State::Done => state.done += 1,
            State::Updating | State::Checking { .. } => state.updating += 1,
            _ => {}
        }
    }
    state
}

/// Places in flight that are taken (V5).
struct Places {
    fleet: usize,
    urgent: usize,
    accounts: BTreeMap<String, Vec<String>>,
    waves: BTreeMap<(String, usize), Vec<String>>,
    busy: Vec<String>,
    limits: Limits,
}

impl Places {
    fn taken(question: &Question<'_>, channels: &BTreeMap<String, Channel<'_>>) -> Self {
        let mut places = Self {
            fleet: 0,
            urgent: 0,
            accounts: BTreeMap::new(),
            waves: BTreeMap::new(),
            busy: Vec::new(),
            limits: question.policy.limits,
        };
        for (at, member) in question.members.iter().enumerate() {
            if let Some(channel) = channels.get(&member.cluster.channel).filter(|_| member.takes_place()) {
                places.take(member, &member.cluster.channel, channel.wave_of(at), member.urgent);
            }
        }
        places
    }

    fn take(&mut self, member: &Member, channel: &str, wave: usize, urgent: bool) {
        let alias = member.cluster.alias.to_string();
        let account = member.cluster.infrastructure_account.to_string();
        self.accounts.entry(account).or_default().push(alias.clone());
        if urgent {
            // Those have places of their own: they neither fill a wave nor keep others from beginning.
            self.urgent += 1;
            return;
        }
        self.fleet += 1;
        self.waves
            .entry((channel.to_owned(), wave))
            .or_default()
            .push(alias.clone());
        self.busy.push(alias);
    }

    /// The limit that keeps a candidate from beginning.
    fn full(&self, member: &Member, candidate: &Candidate, wave: usize, limits: Limits) -> Option<Limit> {
        let many = |most: u32| usize::try_from(most).unwrap_or(usize::MAX);
        let limit = |of: LimitOf, most: u32, busy: &[String]| {
            let busy = busy.iter().take(NAMED).cloned().collect();
            Some(Limit {
                of,
                most,
                busy: Arc::new(busy),
            })
        };
        let account = member.cluster.infrastructure_account.to_string();
        let in_account = self.accounts.get(&account).map(Vec::as_slice).unwrap_or_default();
        if in_account.len() >= many(self.limits.account) {
            return limit(LimitOf::Account(account), self.limits.account, in_account);
        }
        if candidate.passed.is_some() {
            let full = self.urgent >= many(self.limits.urgent);
            return if full {
                limit(LimitOf::Urgent, self.limits.urgent, &[])
            } else {
                None
            };
        }
        let in_wave = self
            .waves
            .get(&(candidate.channel.clone(), wave))
            .map(Vec::as_slice)
            .unwrap_or_default();
        if in_wave.len() >= many(limits.wave) {
            return limit(LimitOf::Wave, limits.wave, in_wave);
        }
        if self.fleet >= many(self.limits.fleet) {
            return limit(LimitOf::Fleet, self.limits.fleet, &self.busy);
        }
        None
    }
}

/// Puts together how the channels stand, and when to look again.
fn conclude(mut decisions: Decisions, question: &Question<'_>, channels: BTreeMap<String, Channel<'_>>) -> Decisions {
    let mut looks: BTreeSet<Timestamp> = decisions.waits.values().map(|wait| wait.look).collect();
    for member in question.members {
        // The end of an update's time is a moment at which more may count as failed.
        if let (State::Updating | State::Checking { .. }, Some(begun)) = (&member.state, member.begun) {
            looks.insert(holds::ends(begun, question.policy.budget_in(&member.cluster.channel)));
        }
    }
    decisions.look = looks.into_iter().find(|look| *look > question.now);
    let going: BTreeSet<&model::ClusterId> = decisions.go.iter().map(|go| &go.cluster).collect();
    for (name, channel) in channels {
        let own = |at: &usize| question.members.get(*at);
        let seated: Vec<&Member> = channel.seat.keys().filter_map(own).collect();
        let waiting = seated
            .iter()
            .filter(|member| matches!(member.state, State::NotBegun { .. }))
            .count();
        let moves = |member: &&Member| {
            matches!(member.state, State::Updating | State::Checking { .. }) || going.contains(&member.cluster.id)
        };
        let moving = seated.iter().any(moves);
        let failing = seated.iter().any(|member| matches!(member.state, State::Failed { .. }));
        let phase = match () {
            () if channel.halt.is_some() && (waiting > 0 || failing) => Phase::Halted,
            () if channel.pause.is_some() => Phase::Paused,
            () if moving => Phase::Moving,
            () if waiting > 0 || failing => Phase::Waiting,
            () => Phase::Resting,
        };
        let state = ChannelState {
            phase,
            waves: channel.states,
            open: channel.open,
            halt: channel.halt.filter(|_| phase == Phase::Halted),
            blocked: channel.blocked,
        };
        decisions.channels.insert(name, state);
    }
    decisions
}
