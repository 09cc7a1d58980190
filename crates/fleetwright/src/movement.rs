//! How the fleet moves, as the commands show it: waves of channels, what people did to them, alarms.

use std::collections::BTreeMap;

use cli_args::Kind;
use jiff::Timestamp;
use lifecycle::waves::{Alarm, RunRecord, open_alarms, survey};
use model::words::{moment, short_config};
use plan::waves::{ChannelState, Decisions, Halt, Member, Phase, WaveState, halt_sentence};
use registry_api::ActEntry;
use serde::Serialize;

use crate::age::age;
use crate::failure::Failure;
use crate::objects::Object;
use crate::session::Session;
use crate::table::{NONE, or_none};

/// Members of the change that walks through a channel.
pub(crate) const WAVE_FIELDS: &[&str] = &[
    "channel",
    "config",
    "change",
    "since",
    "over",
    "phase",
    "wave",
    "done",
    "in_flight",
    "failed",
    "waiting",
    "blocked",
    "message",
    "halt",
    "waves",
    "waits",
];
/// Members of an act.
pub(crate) const ACT_FIELDS: &[&str] = &[
    "what", "id", "open", "since", "channel", "config", "clusters", "reason", "ticket", "by", "until", "lifted",
];
/// Members of an alarm.
pub(crate) const ALARM_FIELDS: &[&str] = &["kind", "subject", "since", "says"];

/// Column names: those of every table, and those of wide ones.
pub(crate) const WAVE_HEADER: (&[&str], &[&str]) = (
    &[
        "NAME",
        "COMMIT",
        "PHASE",
        "WAVE",
        "DONE",
        "IN-FLIGHT",
        "FAILED",
        "WAITING",
        "AGE",
        "MESSAGE",
    ],
    &["CHANGE", "BLOCKED", "OVER"],
);
/// Columns of acts.
pub(crate) const ACT_HEADER: (&[&str], &[&str]) = (
    &["NAME", "CHANNEL", "CLUSTERS", "BY", "AGE", "ENDS", "REASON"],
    &["VERSION", "TICKET"],
);
/// Columns of alarms.
pub(crate) const ALARM_HEADER: (&[&str], &[&str]) = (&["NAME", "KIND", "SUBJECT", "AGE", "MESSAGE"], &["SINCE"]);

/// The change that walks through a channel, or the last one that did, with its waves as they are now.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Wave {
    pub(crate) channel: String,
    /// What the channel stands at.
    pub(crate) config: String,
    /// `commit` or `entries`.
    pub(crate) change: &'static str,
    pub(crate) since: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) over: Option<Timestamp>,
    pub(crate) phase: Phase,
    /// Position of the first wave that is not done, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wave: Option<usize>,
    pub(crate) done: usize,
    pub(crate) in_flight: usize,
    pub(crate) failed: usize,
    pub(crate) waiting: usize,
    pub(crate) blocked: usize,
    /// Why it does not go on; empty when it does.
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) halt: Option<Halt>,
    pub(crate) waves: Vec<WaveState>,
    /// What clusters wait for, by alias.
    pub(crate) waits: BTreeMap<String, String>,
}

impl Wave {
    fn of(record: &RunRecord, state: Option<&ChannelState>, waits: BTreeMap<String, String>, now: Timestamp) -> Self {
        let waves = state.map(|state| state.waves.clone()).unwrap_or_default();
        let sum = |read: fn(&WaveState) -> usize| waves.iter().map(read).sum();
        let halt = state.and_then(|state| state.halt.as_deref().cloned());
        let phase = state.map_or(record.phase, |state| state.phase);
        let message = match (&halt, phase) {
            (Some(halt), _) => halt_sentence(halt, now),
            (None, Phase::Paused | Phase::Waiting) => waits.values().next().cloned().unwrap_or_default(),
            (None, Phase::Resting | Phase::Moving | Phase::Halted) => String::new(),
        };
        Self {
            channel: record.channel.clone(),
            config: record.config.clone(),
            change: if record.commit { "commit" } else { "entries" },
            since: record.since,
            over: record.over,
            phase,
            wave: state.and_then(|state| state.open).map(|open| open + 1),
            done: sum(|wave| wave.done),
            in_flight: sum(|wave| wave.updating),
            failed: sum(|wave| wave.failed),
            waiting: sum(WaveState::not_begun),
            blocked: state.map_or(0, |state| state.blocked),
            message,
            halt,
            waves,
            waits,
        }
    }

    /// The wave that is under way: which of how many, and its name.
    pub(crate) fn told(&self) -> String {
        let open = self.wave.and_then(|at| Some((at, self.waves.get(at.checked_sub(1)?)?)));
        match open {
            Some((at, wave)) => format!("{at} of {}: {}", self.waves.len(), wave.name),
            None => NONE.to_owned(),
        }
    }
}

/// The changes of all channels, in the order in which managers take them.
pub(crate) async fn waves(session: &Session) -> Result<Vec<Wave>, Failure> {
    let now = session.clock.now();
    let survey = survey(&session.client, &session.client, now).await?;
    let decisions = survey.decide();
    let order = |name: &str| {
        let named = survey.policy.channels.iter().position(|channel| channel.name == name);
        (named.unwrap_or(usize::MAX), name.to_owned())
    };
    let mut all: Vec<Wave> = survey
        .records
        .values()
        .map(|record| {
            let state = decisions.channels.get(&record.channel);
            let waits = waits(&record.channel, &survey.members, &decisions, now);
            Wave::of(record, state, waits, now)
        })
        .collect();
    all.sort_by_key(|wave| order(&wave.channel));
    Ok(all)
}

/// The sentences of the clusters of a channel that wait, by alias.
fn waits(channel: &str, members: &[Member], decisions: &Decisions, now: Timestamp) -> BTreeMap<String, String> {
    let own = members.iter().filter(|member| member.cluster.channel == channel);
    own.filter_map(|member| {
        let said = decisions.sentence(&member.cluster, now)?;
        Some((member.cluster.alias.to_string(), said))
    })
    .collect()
}

/// All of a kind, or those that are named.
pub(crate) async fn fetch(
    session: &Session,
    kind: Kind,
    names: &[String],
    missing: &mut Vec<Failure>,
) -> Result<Vec<Object>, Failure> {
    let all = all(session, kind).await?;
    for name in names {
        if !all.iter().any(|object| is_called(object, name)) {
            missing.push(unknown(kind, name));
        }
    }
    let named = |object: &Object| names.is_empty() || names.iter().any(|name| is_called(object, name));
    Ok(all.into_iter().filter(named).collect())
}

async fn all(session: &Session, kind: Kind) -> Result<Vec<Object>, Failure> {
    Ok(match kind {
        Kind::Acts => {
            let acts = session.client.list_acts(Some(true)).await?;
            acts.into_iter().map(|act| Object::Act(Box::new(act))).collect()
        }
        Kind::Alarms => {
            let alarms = open_alarms(&session.client).await?;
            alarms
                .into_values()
                .map(|alarm| Object::Alarm(Box::new(alarm)))
                .collect()
        }
        _ => {
            let waves = waves(session).await?;
            waves.into_iter().map(|wave| Object::Wave(Box::new(wave))).collect()
        }
    })
}

/// One change.
pub(crate) async fn find(session: &Session, name: &str) -> Result<Wave, Failure> {
    let name = name.strip_prefix("wave/").unwrap_or(name);
    let found = waves(session).await?.into_iter().find(|wave| wave.channel == name);
    found.ok_or_else(|| unknown(Kind::Waves, name))
}

/// What an entry of the feed is about, if it is about one of a kind. One that ended is not shown again.
pub(crate) async fn changed(session: &Session, kind: Kind, id: &str) -> Result<Vec<Object>, Failure> {
    let Some((entry, id)) = id.split_once('/') else {
        return Ok(Vec::new());
    };
    let about = match kind {
        Kind::Acts => matches!(entry, "pause" | "freeze" | "fast-lane"),
        Kind::Alarms => entry == "alarm",
        _ => entry == "run",
    };
    if !about {
        return Ok(Vec::new());
    }
    let is = |object: &Object| match object {
        Object::Act(act) => act.what.as_str() == entry && act.id == id,
        Object::Alarm(alarm) => id.starts_with(&alarm.kind) && id.contains(alarm.subject.as_str()),
        Object::Wave(wave) => ports::acts::channel_id(&wave.channel) == id,
        _ => false,
    };
    Ok(all(session, kind).await?.into_iter().filter(is).collect())
}

fn unknown(kind: Kind, name: &str) -> Failure {
    let (what, hint) = match kind {
        Kind::Acts => ("act", "\"fleetwright get acts\" lists what holds"),
        Kind::Alarms => ("alarm", "\"fleetwright get alarms\" lists those that are on"),
        _ => (
            "change of channel",
            "\"fleetwright get waves\" lists the channels that a lifecycle manager has looked at",
        ),
    };
    Failure::new(format!("{what} {name:?} not found")).hint(hint)
}

/// Whether an object goes by this name.
pub(crate) fn is_called(object: &Object, name: &str) -> bool {
    match object {
        Object::Act(act) => act_name(act) == name || act.id == name,
        Object::Alarm(alarm) => {
            alarm_name(alarm) == name.strip_prefix("alarm/").unwrap_or(name) || alarm.subject == name
        }
        Object::Wave(wave) => wave.channel == name.strip_prefix("wave/").unwrap_or(name),
        _ => false,
    }
}

/// `kind/id`, as the commands that end it take it.
pub(crate) fn act_name(act: &ActEntry) -> String {
    format!("{}/{}", act.what.as_str(), act.id)
}

/// `kind/subject`.
pub(crate) fn alarm_name(alarm: &Alarm) -> String {
    format!("{}/{}", alarm.kind, alarm.subject)
}

pub(crate) fn wave_row(wave: &Wave, wide: bool, now: Timestamp) -> Vec<String> {
    let walks = wave.waves.iter().map(|wave| wave.clusters.len()).sum::<usize>();
    let mut row = vec![
        wave.channel.clone(),
        or_none(short_config(&wave.config)),
        wave.phase.as_str().to_owned(),
        wave.told(),
        if walks == 0 {
            NONE.to_owned()
        } else {
            format!("{} of {walks}", wave.done)
        },
        wave.in_flight.to_string(),
        wave.failed.to_string(),
        wave.waiting.to_string(),
        age(Some(wave.since), now),
        or_none(wave.message.as_str()),
    ];
    if wide {
        row.extend([
            wave.change.to_owned(),
            wave.blocked.to_string(),
            or_none(wave.over.map(|over| age(Some(over), now)).unwrap_or_default()),
        ]);
    }
    row
}

pub(crate) fn act_row(act: &ActEntry, wide: bool, now: Timestamp) -> Vec<String> {
    let mut row = vec![
        act_name(act),
        or_none(act.channel.as_str()),
        or_none(act.clusters.as_str()),
        act.by.clone(),
        age(Some(act.since), now),
        or_none(act.until.map(moment).unwrap_or_default()),
        act.reason.clone(),
    ];
    if wide {
        row.extend([
            or_none(short_config(&act.config)),
            or_none(act.ticket.clone().unwrap_or_default()),
        ]);
    }
    row
}

pub(crate) fn alarm_row(alarm: &Alarm, wide: bool, now: Timestamp) -> Vec<String> {
    let mut row = vec![
        alarm_name(alarm),
        alarm.kind.clone(),
        alarm.subject.clone(),
        age(Some(alarm.since), now),
        alarm.says.clone(),
    ];
    if wide {
        row.push(moment(alarm.since));
    }
    row
}
