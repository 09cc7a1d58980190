//! Waits and halts in one sentence: what waits, on what, since when, until when at most, who can lift it.

use jiff::Timestamp;
use model::Cluster;
use model::words::{ago, moment};

use super::{Decisions, Halt, LimitOf, On, Wait, WaveState};

impl Decisions {
    /// Says in one sentence what a cluster waits for; `None` when it waits for nothing.
    #[must_use]
    pub fn sentence(&self, cluster: &Cluster, now: Timestamp) -> Option<String> {
        let wait = self.waits.get(&cluster.id)?;
        let state = self.channels.get(&cluster.channel);
        let waves = state.map(|state| state.waves.as_slice()).unwrap_or_default();
        Some(wait_sentence(
            cluster.alias.as_str(),
            wait,
            &cluster.channel,
            waves,
            now,
        ))
    }
}

/// Says what a cluster of a channel waits for.
pub(super) fn wait_sentence(alias: &str, wait: &Wait, channel: &str, waves: &[WaveState], now: Timestamp) -> String {
    let (on, end, who) = match &wait.on {
        On::Pause(pause) => (
            format!("channel {channel} is paused by {} ({:?})", pause.by, pause.reason),
            "no end is set".to_owned(),
            format!("fleetwright resume channel {channel} lets it go on"),
        ),
        On::Closed(closed) => {
            let end = match closed.opens {
                Some(opens) => format!("until {} at most", moment(opens)),
                None => "until more than a year from now".to_owned(),
            };
            (closed.why.clone(), end, closed.who.clone())
        }
        On::Halt(halt) => (
            halt_sentence(halt, now),
            "until they are well again or a newer version comes".to_owned(),
            "whoever mends or blocks them, or moves the channel, can lift it".to_owned(),
        ),
        On::Wave { own, ahead } => (
            format!("{}, which comes before {}", told(waves, *ahead), named(waves, *own)),
            wait.until.map_or_else(
                || "until that wave is done".to_owned(),
                |until| format!("until that wave is done, at most until {}", moment(until)),
            ),
            "a fast lane lets it pass".to_owned(),
        ),
        On::Settle => (
            "further edits of the registry, so that all are one change".to_owned(),
            wait.until
                .map_or_else(String::new, |until| format!("until {}", until.strftime("%H:%M:%S UTC"))),
            "a fast lane lets it pass".to_owned(),
        ),
        On::Limit(limit) => (
            limited(limit),
            "until one of them is done".to_owned(),
            "whoever keeps the fleet policy can raise the limit".to_owned(),
        ),
    };
    format!(
        "cluster {alias} waits on {on}; it has been behind for {}; {end}; {who}",
        ago(wait.since, now)
    )
}

fn limited(limit: &super::Limit) -> String {
    let most = limit.most;
    let place = match &limit.of {
        LimitOf::Wave => "its wave".to_owned(),
        LimitOf::Account(account) => format!("account {account}"),
        LimitOf::Fleet => "the fleet".to_owned(),
        LimitOf::Urgent => "fast lanes".to_owned(),
    };
    let busy = match limit.busy.as_slice() {
        [] => String::new(),
        some => format!(", among them {}", some.join(", ")),
    };
    format!("a place in {place}: {most} of {most} are in flight{busy}")
}

fn named(waves: &[WaveState], at: usize) -> String {
    let name = waves.get(at).map_or("its own", |wave| wave.name.as_str());
    format!("wave {} of {} ({name})", at + 1, waves.len())
}

fn told(waves: &[WaveState], at: usize) -> String {
    match waves.get(at) {
        Some(wave) => format!(
            "{}, of which {} of {} are done",
            named(waves, at),
            wave.done,
            wave.clusters.len()
        ),
        None => named(waves, at),
    }
}

/// Says why nothing more begins: what is halted, by which clusters, and what they have in common.
#[must_use]
pub fn halt_sentence(halt: &Halt, now: Timestamp) -> String {
    const NAMED: usize = 5;
    let mut names: Vec<&str> = halt.clusters.iter().take(NAMED).map(String::as_str).collect();
    let more = halt.clusters.len().saturating_sub(NAMED);
    let rest = format!("{more} more");
    if more > 0 {
        names.push(&rest);
    }
    let cause = match halt.causes.first() {
        Some(cause) if cause.about.is_empty() => format!(": {}", cause.says),
        Some(cause) => format!(": {}: {}", cause.about, cause.says),
        None => String::new(),
    };
    let others = match halt.causes.len() {
        0 | 1 => String::new(),
        many => format!(" (and {} other causes)", many - 1),
    };
    format!(
        "{}, halted for {}: {} failed and {} are borne ({}){cause}{others}",
        halt.what,
        ago(halt.since, now),
        halt.clusters.len(),
        halt.borne,
        names.join(", "),
    )
}
