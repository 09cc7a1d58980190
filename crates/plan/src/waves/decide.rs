//! The decision: what holds each cluster, and who of those that nothing holds gets the places that are free.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use model::acts::FastLane;
use model::{AccountId, Alias};

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
    let of_fleet = of_fleet.map(Arc::new);
    let mut calendar = Calendar::new(question.policy, &question.acts.freezes, question.now);
    let mut decisions = Decisions::default();
    let (mut ready, mut channels) = (Vec::new(), BTreeMap::new());
    for (order, (name, own)) in in_order(question).into_iter().enumerate() {
        let channel = Channel::look(question, (name, &own), &failed, of_fleet.clone(), &mut calendar);
        let name = name.to_owned();
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

/// Channels in the order of the policy, then those that it does not name; each with the positions of its members.
fn in_order<'a>(question: &Question<'a>) -> Vec<(&'a str, Vec<usize>)> {
    let mut there: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, member) in question.members.iter().enumerate() {
        there.entry(member.cluster.channel.as_str()).or_default().push(at);
    }
    let named = question.policy.channels.iter().map(|channel| channel.name.as_str());
    let mut order: Vec<(&str, Vec<usize>)> = named.filter_map(|name| there.remove_entry(name)).collect();
    order.extend(there);
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
    /// When the open wave is over at the latest.
    over: Option<Timestamp>,
    /// Clusters that fast lanes let begin and that are still checked.
    unchecked: Vec<String>,
    halt: Option<Arc<Halt>>,
    of_fleet: bool,
    pause: Option<Arc<model::acts::Pause>>,
    openings: BTreeMap<usize, Opening>,
    lanes: Vec<&'a (String, FastLane)>,
    limits: Limits,
    run: Option<&'a Run>,
    settle: SignedDuration,
    blocked: usize,
}

impl<'a> Channel<'a> {
    fn look(
        question: &Question<'a>,
        (name, own): (&str, &[usize]),
        failed: &Failures,
        of_fleet: Option<Arc<Halt>>,
        calendar: &mut Calendar<'_>,
    ) -> Self {
        let own = || own.iter().filter_map(|at| Some((*at, question.members.get(*at)?)));
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
        let urgent = |(_, member): &(usize, &Member)| member.urgent && matches!(member.state, State::Checking { .. });
        let unchecked = own().filter(urgent).map(|(_, member)| member.cluster.alias.to_string());
        let ahead = open.and_then(|open| waves.get(open));
        Self {
            over: ahead.and_then(|wave| over(wave, question, &budget)),
            unchecked: unchecked.collect(),
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
                    unchecked: self.unchecked.clone(),
                }));
            }
        };
        Held::On(self.wait(question, member, on, until))
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
            return Some((On::Wave { own, ahead }, self.over));
        }
        let run = self.run.filter(|run| !run.commit)?;
        let settled = run.since.saturating_add(self.settle).unwrap_or(Timestamp::MAX);
        (settled > question.now).then_some((On::Settle, Some(settled)))
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

/// When a wave all of whose clusters have begun is over at the latest: done, or failed by its deadline.
fn over(wave: &Wave, question: &Question<'_>, budget: &FailureBudget) -> Option<Timestamp> {
    let members = wave.seats.iter().filter_map(|at| question.members.get(*at));
    let ends = members.map(|member| match member.state {
        State::Updating => member.begun.map(|begun| holds::ends(begun, budget)),
        State::Checking { until, .. } => until.or_else(|| member.begun.map(|begun| holds::ends(begun, budget))),
        State::Done | State::Failed { .. } => Some(question.now),
        _ => None,
    });
    let ends: Option<Vec<Timestamp>> = ends.collect();
    ends?.into_iter().max().filter(|end| *end > question.now)
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
        state.clusters.push(member.cluster.alias.clone());
        match member.state {
            _ if failed.contains_key(at) => state.failed += 1,
            State::Done => state.done += 1,
            State::Updating | State::Checking { .. } => state.updating += 1,
            _ => {}
        }
    }
    state
}

/// Clusters in flight, as sentences name them.
#[derive(Default)]
struct Busy {
    aliases: Vec<Alias>,
    /// Some of them, as long as nobody joins.
    named: OnceCell<Arc<Vec<String>>>,
}

impl Busy {
    fn push(&mut self, alias: &Alias) {
        self.aliases.push(alias.clone());
        self.named = OnceCell::new();
    }

    fn named(&self) -> Arc<Vec<String>> {
        let some = || Arc::new(self.aliases.iter().take(NAMED).map(Alias::to_string).collect());
        Arc::clone(self.named.get_or_init(some))
    }

    fn is_full(&self, most: u32) -> bool {
        self.aliases.len() >= usize::try_from(most).unwrap_or(usize::MAX)
    }
}

/// Places in flight that are taken (V5).
struct Places {
    urgent: Busy,
    accounts: BTreeMap<AccountId, Busy>,
    waves: BTreeMap<String, BTreeMap<usize, Busy>>,
    fleet: Busy,
    limits: Limits,
}

impl Places {
    fn taken(question: &Question<'_>, channels: &BTreeMap<String, Channel<'_>>) -> Self {
        let mut places = Self {
            urgent: Busy::default(),
            accounts: BTreeMap::new(),
            waves: BTreeMap::new(),
            fleet: Busy::default(),
            limits: question.policy.limits,
        };
        for (at, member) in question
            .members
            .iter()
            .enumerate()
            .filter(|(_, member)| member.takes_place())
        {
            if let Some(channel) = channels.get(&member.cluster.channel) {
                places.take(member, &member.cluster.channel, channel.wave_of(at), member.urgent);
            }
        }
        places
    }

    fn take(&mut self, member: &Member, channel: &str, wave: usize, urgent: bool) {
        let (alias, account) = (&member.cluster.alias, &member.cluster.infrastructure_account);
        self.accounts.entry(account.clone()).or_default().push(alias);
        if urgent {
            // Those have places of their own: they neither fill a wave nor keep others from beginning.
            self.urgent.push(alias);
            return;
        }
        let of_channel = self.waves.entry(channel.to_owned()).or_default();
        of_channel.entry(wave).or_default().push(alias);
        self.fleet.push(alias);
    }

    /// The limit that keeps a candidate from beginning.
    fn full(&self, member: &Member, candidate: &Candidate, wave: usize, limits: Limits) -> Option<Limit> {
        let limit = |of: LimitOf, most: u32, busy: Arc<Vec<String>>| Some(Limit { of, most, busy });
        let (of_fleet, account) = (self.limits, &member.cluster.infrastructure_account);
        let nobody = Busy::default();
        let in_account = self.accounts.get(account).unwrap_or(&nobody);
        if in_account.is_full(of_fleet.account) {
            return limit(
                LimitOf::Account(account.to_string()),
                of_fleet.account,
                in_account.named(),
            );
        }
        if candidate.passed.is_some() {
            let full = self.urgent.is_full(of_fleet.urgent);
            return full.then(|| Limit {
                of: LimitOf::Urgent,
                most: of_fleet.urgent,
                busy: Arc::default(),
            });
        }
        let of_channel = self.waves.get(&candidate.channel);
        let in_wave = of_channel.and_then(|waves| waves.get(&wave)).unwrap_or(&nobody);
        if in_wave.is_full(limits.wave) {
            return limit(LimitOf::Wave, limits.wave, in_wave.named());
        }
        if self.fleet.is_full(of_fleet.fleet) {
            return limit(LimitOf::Fleet, of_fleet.fleet, self.fleet.named());
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
