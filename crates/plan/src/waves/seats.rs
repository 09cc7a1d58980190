//! Who sits in which wave.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use model::ClusterId;
use model::selector::cluster_field;

use super::{Member, State};
use crate::policy::Grouping;

/// A wave with the positions of its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wave {
    pub(super) name: String,
    pub(super) canaries: bool,
    pub(super) seats: Vec<usize>,
}

/// A member of a channel's run, as seats need it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guest<'a> {
    /// Position among all members of the fleet.
    pub(super) at: usize,
    pub(super) member: &'a Member,
    /// Whether windows and freezes let it begin now.
    pub(super) open: bool,
}

/// Rank of an environment, then criticality: what comes first.
type Stage = (usize, i32);

/// What is given a seat first: who began, in that order; then who is broken, who may begin now, and the id.
type Turn<'a> = (bool, Option<Timestamp>, bool, bool, &'a ClusterId);

fn turn<'a>(guest: &Guest<'a>) -> Turn<'a> {
    let (waits, broken) = match guest.member.state {
        State::NotBegun { broken, .. } => (true, broken),
        _ => (false, false),
    };
    let begun = guest.member.begun.filter(|_| !waits);
    (waits, begun, !broken, waits && !guest.open, &guest.member.cluster.id)
}

fn stage_of(grouping: &Grouping, member: &Member) -> Stage {
    let named = |name: &str| grouping.environments.iter().position(|one| one == name);
    let others = named(crate::policy::OTHERS).unwrap_or(grouping.environments.len());
    let rank = named(&member.cluster.environment).unwrap_or(others);
    let criticality = if grouping.by_criticality {
        member.cluster.criticality_level
    } else {
        0
    };
    (rank, criticality)
}

/// The waves of a channel, in their order; none is empty.
pub(super) fn waves(grouping: &Grouping, guests: &[Guest<'_>]) -> Vec<Wave> {
    let mut stages: BTreeMap<Stage, Vec<Guest<'_>>> = BTreeMap::new();
    for guest in guests {
        stages.entry(stage_of(grouping, guest.member)).or_default().push(*guest);
    }
    let levels = stages.keys().map(|(_, level)| *level).collect::<BTreeSet<_>>();
    let mut waves = Vec::new();
    for ((_, level), mut guests) in stages {
        guests.sort_by(|a, b| turn(a).cmp(&turn(b)));
        let level = (levels.len() > 1).then_some(level);
        waves.extend(of_stage(grouping, &label(&guests, level), &guests));
    }
    waves
}

/// The environments of a stage and its criticality where that tells it from others.
fn label(guests: &[Guest<'_>], level: Option<i32>) -> String {
    let environments = guests.iter().map(|guest| guest.member.cluster.environment.as_str());
    let names: Vec<&str> = environments.collect::<BTreeSet<_>>().into_iter().collect();
    match level {
        Some(level) => format!("{} criticality {level}", names.join("+")),
        None => names.join("+"),
    }
}

/// Canaries, steps, the rest.
fn of_stage(grouping: &Grouping, label: &str, guests: &[Guest<'_>]) -> Vec<Wave> {
    let per_type = usize::try_from(grouping.canary.per_type).unwrap_or(usize::MAX);
    let paths = grouping
        .kind
        .iter()
        .map(|path| path.split('.').map(str::to_owned).collect());
    let paths: Vec<Vec<String>> = paths.collect();
    let mut of_type: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    let (mut canaries, mut others) = (Vec::new(), Vec::new());
    for guest in guests {
        let seated = of_type.entry(kind_of(&paths, guest.member)).or_default();
        if *seated < per_type {
            *seated += 1;
            canaries.push(guest.at);
        } else {
            others.push(guest.at);
        }
    }
    let mut waves = Vec::new();
    let mut seated = canaries.len();
    let mut add = |name: String, canaries: bool, seats: Vec<usize>| {
        if !seats.is_empty() {
            waves.push(Wave { name, canaries, seats });
        }
    };
    add(format!("{label}, canaries"), true, canaries);
    let mut others = others.into_iter();
    for step in &grouping.steps {
        let up_to = step.of_at_least(guests.len());
        let seats: Vec<usize> = others.by_ref().take(up_to.saturating_sub(seated)).collect();
        seated += seats.len();
        add(format!("{label}, up to {step}"), false, seats);
    }
    add(format!("{label}, the rest"), false, others.collect());
    waves
}

/// The type of a cluster: its fields that the policy names by their paths.
fn kind_of(paths: &[Vec<String>], member: &Member) -> Vec<String> {
    paths.iter().map(|path| cluster_field(&member.cluster, path)).collect()
}
