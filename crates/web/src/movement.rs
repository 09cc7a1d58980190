//! How the fleet moves: what halts or holds channels, what clusters wait for, what has been so for too long; from what lifecycle
//! managers wrote down.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lifecycle::waves::{Alarm, Survey, open_alarms, runs, survey};
use model::ClusterId;
use plan::waves::{ChannelState, Phase, halt_sentence};
use ports::RegistryError;

use crate::server::Pages;

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
    /// Reads it. Where no change is under way the fleet is not looked at.
    pub(crate) async fn read(pages: &Pages) -> Result<Self, RegistryError> {
        let ledger = &*pages.ledger;
        let alarms = open_alarms(ledger).await?.into_values().collect();
        let rest = runs(ledger).await?.values().all(|run| run.over.is_some());
        if rest {
            return Ok(Self {
                alarms,
                ..Self::default()
            });
        }
        let now = pages.surroundings.world_time().unwrap_or_else(|| pages.clock.now());
        let survey = survey(&*pages.registry, ledger, now).await?;
        Ok(Self {
            alarms,
            ..Self::of(&survey, now)
        })
    }

    fn of(survey: &Survey, now: Timestamp) -> Self {
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
