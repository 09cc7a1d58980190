//! `sim list`.

use cli_args::SimListArgs;
use jiff::Timestamp;
use ports::{Clock as _, SystemClock};

use super::control::{SimulationInfo, running};
use crate::age::age;
use crate::console::Console;
use crate::failure::Failure;
use crate::print::{Format, list};
use crate::settings::{Env, Settings};
use crate::table::Table;

pub(super) async fn run(
    args: &SimListArgs,
    settings: &Settings,
    env: &Env,
    console: &mut Console,
) -> Result<(), Failure> {
    let format = Format::whole(&settings.output_or(args.output.as_ref()), "sim list")?;
    let found: Vec<SimulationInfo> = running(env).await?.into_iter().map(|(_, info)| info).collect();
    if let Some(format) = format {
        let items: Result<Vec<_>, _> = found.iter().map(serde_json::to_value).collect();
        let items = items.map_err(|error| Failure::of(&error))?;
        return format.print_value(&list(items), console);
    }
    if found.is_empty() {
        console.say("no simulation runs");
        return Ok(());
    }
    let now = SystemClock.now();
    let mut table = Table::with_header([
        "SIMULATION",
        "CLUSTER",
        "NODES",
        "PODS",
        "FAULTS",
        "PROFILE",
        "SPEED",
        "AGE",
        "KUBECONFIG",
    ]);
    for info in &found {
        let started = info.started.parse::<Timestamp>().ok();
        for cluster in &info.clusters {
            table.push(vec![
                info.pid.to_string(),
                cluster.name.clone(),
                format!("{}/{}", cluster.ready_nodes, cluster.nodes),
                format!("{}/{}", cluster.ready_pods, cluster.pods),
                cluster.faults.to_string(),
                info.profile.clone(),
                format!("{}x", info.speed),
                age(started, now),
                info.kubeconfig.clone(),
            ]);
        }
    }
    console.write(table.take_text().as_bytes())
}
