//! `sim fault`.

use clap::ValueEnum as _;
use cli_args::{
    ApiFaultArgs, ClearFaultsArgs, ClockFaultArgs, CloudFaultArgs, ClusterArgs, FaultArgs, FaultCommand,
    ListFaultsArgs, NodeFaultArgs,
};

use super::control::{Cleared, ClockRequest, FaultInfo, FaultRequest, NodeAction, NodeRequest, Part, Target};
use crate::console::Console;
use crate::failure::Failure;
use crate::print::{Format, list};
use crate::settings::{Env, Settings};
use crate::table::Table;

pub(super) async fn run(args: FaultArgs, settings: &Settings, env: &Env, console: &mut Console) -> Result<(), Failure> {
    match args.command {
        FaultCommand::KillNode(args) => node(&args, NodeAction::Kill, "killed", env, console).await,
        FaultCommand::ReviveNode(args) => node(&args, NodeAction::Revive, "revived", env, console).await,
        FaultCommand::RemoveNode(args) => node(&args, NodeAction::Remove, "removed", env, console).await,
        FaultCommand::SpotLoss(args) => node(&args, NodeAction::SpotLoss, "given notice", env, console).await,
        FaultCommand::Clock(args) => clock(&args, env, console).await,
        FaultCommand::Cloud(args) => cloud(args, env, console).await,
        FaultCommand::Api(args) => api(args, env, console).await,
        FaultCommand::List(args) => show(&args, settings, env, console).await,
        FaultCommand::Clear(args) => clear(&args, env, console).await,
    }
}

async fn target(args: &ClusterArgs, env: &Env) -> Result<Target, Failure> {
    Target::find(args, env).await
}

async fn node(
    args: &NodeFaultArgs,
    action: NodeAction,
    done: &str,
    env: &Env,
    console: &mut Console,
) -> Result<(), Failure> {
    let target = target(&args.cluster, env).await?;
    let _: NodeRequest = target.post(&["nodes", &args.node], &NodeRequest { action }).await?;
    console.line(&format!("machine/{} {done}", args.node))
}

async fn clock(args: &ClockFaultArgs, env: &Env, console: &mut Console) -> Result<(), Failure> {
    let target = target(&args.cluster, env).await?;
    let request = ClockRequest {
        by: args.by.to_string(),
        time: None,
    };
    let answer: ClockRequest = target.post(&["clock"], &request).await?;
    let shows = answer.time.unwrap_or_default();
    console.line(&format!(
        "clock/{}: set by {}, shows {shows}",
        target.cluster, answer.by
    ))
}

async fn cloud(args: CloudFaultArgs, env: &Env, console: &mut Console) -> Result<(), Failure> {
    let target = target(&args.cluster, env).await?;
    let market = args.market.and_then(|market| market.to_possible_value());
    let request = FaultRequest {
        of: Part::Cloud,
        fault: args.fault.to_string(),
        name: args.name,
        lasts: args.lasts.map(|time| time.to_string()),
        calls: args.calls,
        instance_type: args.instance_type,
        zone: args.zone,
        market: market.map(|market| market.get_name().to_owned()),
        chance: args.chance,
        ..FaultRequest::default()
    };
    add(&target, &request, console).await
}

/// Adds a fault and says so.
async fn add(target: &Target, request: &FaultRequest, console: &mut Console) -> Result<(), Failure> {
    let fault: FaultInfo = target.post(&["faults"], request).await?;
    let until = fault.until.map_or_else(String::new, |until| format!(" until {until}"));
    console.line(&format!(
        "fault/{}: {} for {}{until}",
        fault.name, fault.fault, fault.requests
    ))
}

async fn api(args: ApiFaultArgs, env: &Env, console: &mut Console) -> Result<(), Failure> {
    let target = target(&args.cluster, env).await?;
    let request = FaultRequest {
        fault: args.fault.to_string(),
        name: args.name,
        lasts: args.lasts.map(|time| time.to_string()),
        verbs: args.verbs,
        resources: args.resources,
        user_agent: args.user_agent,
        every: args.every,
        chance: args.chance,
        ..FaultRequest::default()
    };
    add(&target, &request, console).await
}

async fn show(args: &ListFaultsArgs, settings: &Settings, env: &Env, console: &mut Console) -> Result<(), Failure> {
    let format = Format::whole(&settings.output_or(args.output.as_ref()), "sim fault list")?;
    let target = target(&args.cluster, env).await?;
    let faults: Vec<FaultInfo> = target.get(&["faults"]).await?;
    if let Some(format) = format {
        let items: Result<Vec<_>, _> = faults.iter().map(serde_json::to_value).collect();
        return format.print_value(&list(items.map_err(|error| Failure::of(&error))?), console);
    }
    if faults.is_empty() {
        console.say(&format!("{} has no faults", target.cluster));
        return Ok(());
    }
    let mut table = Table::with_header(["NAME", "FAULT", "REQUESTS", "LEFT"]);
    for fault in faults {
        let left = fault
            .seconds_left
            .map_or_else(|| "for ever".to_owned(), |seconds| format!("{seconds}s"));
        table.push(vec![fault.name, fault.fault, fault.requests, left]);
    }
    console.write(table.take_text().as_bytes())
}

async fn clear(args: &ClearFaultsArgs, env: &Env, console: &mut Console) -> Result<(), Failure> {
    let target = target(&args.cluster, env).await?;
    let mut path = vec!["faults"];
    path.extend(args.name.as_deref());
    let ended: Cleared = target.delete(&path).await?;
    if ended.cleared.is_empty() {
        console.say(&format!("{} has no faults", target.cluster));
    }
    for name in ended.cleared {
        console.line(&format!("fault/{name} cleared"))?;
    }
    Ok(())
}
