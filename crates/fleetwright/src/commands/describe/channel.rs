//! `describe channel`: where it stands, who is not there, and every condition of its gate.

use cli_args::DescribeChannelArgs;
use jiff::Timestamp;
use model::words::short_id;
use model::{ChannelStatus, GateAgreement};

use super::Text;
use crate::age::age;
use crate::channels;
use crate::console::Console;
use crate::failure::Failure;
use crate::session::Session;
use crate::settings::Settings;
use crate::table::{NONE, Table};

pub(super) async fn run(args: DescribeChannelArgs, settings: &Settings, console: &mut Console) -> Result<(), Failure> {
    let session = Session::new(settings)?;
    let agreements = session.client.list_gate_agreements().await?;
    for (i, name) in args.names.iter().enumerate() {
        let channel = channels::find(&session, name).await?;
        if i > 0 {
            console.line("")?;
        }
        let mut text = Text::default();
        tell(&channel, &agreements, session.clock.now(), &mut text);
        console.write(text.0.as_bytes())?;
    }
    Ok(())
}

fn when(at: Option<Timestamp>, now: Timestamp) -> String {
    match at {
        Some(at) if at > now => format!("{at} (in {})", age(Some(now), at)),
        Some(at) => format!("{at} ({} ago)", age(Some(at), now)),
        None => String::new(),
    }
}

fn tell(channel: &ChannelStatus, agreements: &[GateAgreement], now: Timestamp, text: &mut Text) {
    let counts = &channel.counts;
    let commit = match channel.commit.is_empty() {
        true => channel.sentence.clone(),
        false => channel.commit.clone(),
    };
    let clusters = format!(
        "{}: {} have the commit, {} of them are healthy; {} behind, {} blocked, {} failing",
        counts.clusters, counts.there, counts.healthy, counts.behind, counts.blocked, counts.failing
    );
    for (name, value) in [
        ("Channel", channel.channel.as_str()),
        ("Commit", &commit),
        ("Summary", &channel.summary),
        ("Since", &when(channel.since, now)),
        ("Clusters", &clusters),
        ("Arrives", &when(channel.eta, now)),
    ] {
        text.field(name, value);
    }
    gate(channel, agreements, now, text);
    if let Some(moved) = &channel.moved {
        let (from, to) = (short_id(&moved.from), short_id(&moved.to));
        text.field("Last move", &format!("{from} to {to}, {}", moved.state.as_str()));
        text.indented(2, "When", &when(moved.at, now));
        if !moved.sentence.is_empty() {
            text.indented(2, "Why", &moved.sentence);
        }
        if !moved.agreed.is_empty() {
            text.indented(2, "Agreed", &moved.agreed.join(", "));
        }
        if !moved.passed.is_empty() {
            text.indented(2, "Passed", &moved.passed);
        }
    }
    let mut table = Table::with_header(["CLUSTER", "STATE", "FOR", "MESSAGE"]);
    for member in &channel.members {
        table.push(vec![
            member.cluster.clone(),
            member.state.as_str().to_owned(),
            member
                .since
                .map_or_else(|| NONE.to_owned(), |since| age(Some(since), now)),
            member.sentence.clone(),
        ]);
    }
    let lines = if channel.members.is_empty() {
        String::new()
    } else {
        table.take_text()
    };
    text.block("Not healthy there", &lines);
}

fn gate(channel: &ChannelStatus, agreements: &[GateAgreement], now: Timestamp, text: &mut Text) {
    let Some(gate) = &channel.gate else {
        return text.field("Gate", NONE);
    };
    text.field("Gate", &format!("{}, from {}", gate.state.as_str(), gate.from));
    text.indented(2, "Commit", &gate.commit);
    text.indented(2, "Opens", &when(gate.eta, now));
    let of_gate = |one: &&GateAgreement| one.channel == channel.channel && one.commit == gate.commit;
    let who: Vec<String> = agreements
        .iter()
        .filter(of_gate)
        .map(|one| format!("{} ({} ago)", one.by, age(Some(one.at), now)))
        .collect();
    text.indented(2, "Agreed", &who.join(", "));
    let mut table = Table::default();
    for condition in &gate.conditions {
        let met = if condition.met { "met" } else { "not met" };
        table.push(vec![condition.name.clone(), met.to_owned(), condition.sentence.clone()]);
    }
    text.block("  Conditions", &table.take_text());
}
