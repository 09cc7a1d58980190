//! `describe wave`.

use cli_args::DescribeWaveArgs;
use jiff::Timestamp;
use model::words::moment;

use super::Text;
use crate::age::age;
use crate::console::Console;
use crate::failure::Failure;
use crate::movement::{self, Wave};
use crate::session::Session;
use crate::settings::Settings;
use crate::table::Table;

/// Clusters whose waits are told; the rest is counted.
const SHOWN: usize = 50;

pub(super) async fn run(args: DescribeWaveArgs, settings: &Settings, console: &mut Console) -> Result<(), Failure> {
    let session = Session::new(settings)?;
    for (i, name) in args.names.iter().enumerate() {
        let wave = movement::find(&session, name).await?;
        if i > 0 {
            console.line("")?;
        }
        let mut text = Text::default();
        tell(&wave, session.clock.now(), &mut text);
        console.write(text.0.as_bytes())?;
    }
    Ok(())
}

fn tell(wave: &Wave, now: Timestamp, text: &mut Text) {
    let when = |at: Timestamp| format!("{} ({} ago)", moment(at), age(Some(at), now));
    for (name, value) in [
        ("Channel", wave.channel.as_str()),
        ("Commit", &wave.config),
        ("Change", wave.change),
        ("Since", &when(wave.since)),
        ("Over", &wave.over.map(when).unwrap_or_default()),
        ("Phase", wave.phase.as_str()),
        ("Wave", &wave.told()),
        ("Blocked clusters", &wave.blocked.to_string()),
        ("Message", &wave.message),
    ] {
        text.field(name, value);
    }
    let mut table = Table::with_header(["WAVE", "CLUSTERS", "DONE", "IN-FLIGHT", "FAILED", "WAITING"]);
    for state in &wave.waves {
        let numbers = [
            state.clusters.len(),
            state.done,
            state.updating,
            state.failed,
            state.not_begun(),
        ];
        let mut row = vec![state.name.clone()];
        row.extend(numbers.map(|number| number.to_string()));
        table.push(row);
    }
    text.block("Waves", &lines(&mut table, wave.waves.is_empty()));
    let causes = wave.halt.iter().flat_map(|halt| &halt.causes);
    let mut table = Table::with_header(["FAILS", "CLUSTERS", "MESSAGE"]);
    for cause in causes {
        table.push(vec![
            crate::table::or_none(cause.about.as_str()),
            cause.clusters.join(","),
            cause.says.clone(),
        ]);
    }
    text.block("Causes", &lines(&mut table, wave.halt.is_none()));
    let mut waits: Vec<String> = wave.waits.values().take(SHOWN).cloned().collect();
    if wave.waits.len() > SHOWN {
        waits.push(format!("and {} more", wave.waits.len() - SHOWN));
    }
    text.block("Waits", &waits.join("\n"));
}

fn lines(table: &mut Table, empty: bool) -> String {
    if empty { String::new() } else { table.take_text() }
}
