//! How the fleet moves: what halts or holds channels, what clusters wait for, what has been so for too long; from what lifecycle
//! managers wrote down.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lifecycle::waves::{Alarm, Survey};
use model::ClusterId;
use plan::waves::{ChannelState, Phase, halt_sentence};

use crate::known::Known;

/// The change that walks through a channel.
#[derive(Debug, Clone)]
pub(crate) struct Going {
    pub(crate) phase: Phase,
    /// How far it is, or why it does not go on.
    pub(crate) sentence: String,
}

/// The whole fleet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Movement {
    /// Channels that do not rest.
    pub(crate) channels: BTreeMap<String, Going>,
    pub(crate) waits: BTreeMap<ClusterId, String>,
    pub(crate) alarms: Vec<Alarm>,
}

impl Movement {
    /// What is known of a fleet, at this moment.
    pub(crate) fn of(known: &Known, now: Timestamp) -> Self {
        let moving = known
            .books
            .as_ref()
            .map(|books| Self::under_way(&books.survey(now), now));
        Self {
            alarms: known.alarms.clone(),
            ..moving.unwrap_or_default()
        }
    }

    fn under_way(survey: &Survey, now: Timestamp) -> Self {
        let decisions = survey.decide();
        let mut movement = Self::default();
        for (name, state) in &decisions.channels {
            if survey.records.contains_key(name) && state.phase != Phase::Resting {
                movement.channels.insert(
                    name.clone(),
                    Going {
                        phase: state.phase,
                        sentence: told(state, now),
                    },
                );
            }
        }
        for member in &survey.members {
            let cluster = &member.cluster;
            if let Some(said) = decisions.sentence(cluster, now) {
                movement.waits.insert(cluster.id.clone(), said);
            }
        }
        movement
    }
}

/// How far a change is.
fn told(state: &ChannelState, now: Timestamp) -> String {
    if let Some(halt) = &state.halt {
        return halt_sentence(halt, now);
    }
    let open = state.open.and_then(|at| Some((at, state.waves.get(at)?)));
    match open {
        Some((at, wave)) => format!(
            "wave {} of {} ({}): {} of {} done",
            at + 1,
            state.waves.len(),
            wave.name,
            wave.done,
            wave.clusters.len()
        ),
        None => String::new(),
    }
}
