//! Channels and their gates as the commands show them.

use jiff::Timestamp;
use model::words::short_id;
use model::{ChannelStatus, GateState};

use crate::age::age;
use crate::failure::Failure;
use crate::objects::Object;
use crate::session::Session;
use crate::table::{NONE, or_none};

/// Members of a channel.
pub(crate) const FIELDS: &[&str] = &[
    "channel", "order", "commit", "summary", "sentence", "since", "counts", "eta", "gate", "moved", "members",
];

/// Column names: those of every table, and those of wide ones.
pub(crate) const HEADER: (&[&str], &[&str]) = (
    &[
        "NAME", "COMMIT", "CLUSTERS", "THERE", "BEHIND", "BLOCKED", "FAILING", "GATE", "ETA", "MESSAGE",
    ],
    &["HEALTHY", "SINCE", "FROM", "LAST-MOVE", "SUMMARY"],
);

/// All channels, or those that are named.
pub(crate) async fn fetch(
    session: &Session,
    names: &[String],
    missing: &mut Vec<Failure>,
) -> Result<Vec<Object>, Failure> {
    let all = session.client.list_channels().await?;
    for name in names {
        if !all.iter().any(|channel| is_called(channel, name)) {
            missing.push(unknown(name));
        }
    }
    let named = |channel: &ChannelStatus| names.is_empty() || names.iter().any(|name| is_called(channel, name));
    Ok(all
        .into_iter()
        .filter(named)
        .map(|channel| Object::Channel(Box::new(channel)))
        .collect())
}

/// One channel.
pub(crate) async fn find(session: &Session, name: &str) -> Result<ChannelStatus, Failure> {
    let all = session.client.list_channels().await?;
    all.into_iter()
        .find(|channel| is_called(channel, name))
        .ok_or_else(|| unknown(name))
}

/// The channel that an entry of the feed is about, if it is about one.
pub(crate) async fn changed(session: &Session, id: &str) -> Result<Option<Object>, Failure> {
    let Some(name) = id.strip_prefix("channel/") else {
        return Ok(None);
    };
    // Names with letters that ids cannot have are escaped there; such a channel is found by all that it could be.
    let all = session.client.list_channels().await?;
    let found = all.into_iter().find(|channel| channel.channel == name);
    Ok(found.map(|channel| Object::Channel(Box::new(channel))))
}

/// Whether a channel goes by this name.
pub(crate) fn is_called(channel: &ChannelStatus, name: &str) -> bool {
    channel.channel == name.strip_prefix("channel/").unwrap_or(name)
}

fn unknown(name: &str) -> Failure {
    Failure::new(format!("channel {name:?} not found")).hint(
        "\"fleetwright get channels\" lists those that clusters follow or the policy names, once a lifecycle manager has looked",
    )
}

/// How long until a moment that is still to come.
fn until(at: Option<Timestamp>, now: Timestamp) -> String {
    match at {
        Some(at) if at > now => age(Some(now), at),
        Some(_) => "now".to_owned(),
        None => NONE.to_owned(),
    }
}

/// What there is to say: why it has no commit, or what its gate waits for.
fn message(channel: &ChannelStatus) -> &str {
    let gate = channel
        .gate
        .as_ref()
        .filter(|gate| matches!(gate.state, GateState::Waiting | GateState::Shut));
    match gate {
        _ if !channel.sentence.is_empty() => &channel.sentence,
        Some(gate) => gate.sentence(),
        None => "",
    }
}

pub(crate) fn row(channel: &ChannelStatus, wide: bool, now: Timestamp) -> Vec<String> {
    let (counts, gate) = (&channel.counts, channel.gate.as_ref());
    let moved = channel.moved.as_ref().map(|moved| moved.state.as_str().to_owned());
    let mut row = vec![
        channel.channel.clone(),
        or_none(short_id(&channel.commit)),
        counts.clusters.to_string(),
        counts.there.to_string(),
        counts.behind.to_string(),
        counts.blocked.to_string(),
        counts.failing.to_string(),
        or_none(gate.map(|gate| gate.state.as_str()).unwrap_or_default()),
        until(channel.eta.or_else(|| gate.and_then(|gate| gate.eta)), now),
        or_none(message(channel)),
    ];
    if wide {
        row.extend([
            counts.healthy.to_string(),
            age(channel.since, now),
            or_none(gate.map(|gate| gate.from.as_str()).unwrap_or_default()),
            or_none(moved.unwrap_or_default()),
            or_none(channel.summary.as_str()),
        ]);
    }
    row
}
