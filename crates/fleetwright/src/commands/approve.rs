//! `approve`, `decommission` and `cancel`: what deletions need before they happen.

use std::io::{BufRead as _, IsTerminal as _};

use cli_args::{ApproveArgs, ApproveCommand, ApproveGateArgs, CancelArgs, CancelCommand, DecommissionArgs};
use model::Cluster;
use model::words::short_id;
use ports::approvals::Guarded;
use registry_api::{ApprovalDraft, DecommissionDraft, GateAgreementDraft, GuardedName};

use super::DRY_RUN;
use crate::approvals::sentence;
use crate::channels;
use crate::console::Console;
use crate::failure::Failure;
use crate::objects::cluster_name;
use crate::session::Session;
use crate::settings::Settings;

pub(super) async fn run(args: ApproveArgs, settings: &Settings, console: &mut Console) -> Result<(), Failure> {
    let session = Session::new(settings)?;
    let (name, what, count) = match &args.command {
        ApproveCommand::Gate(args) => return gate(args, &session, console).await,
        ApproveCommand::Prune(args) => (&args.cluster, GuardedName::Prune, Some(args.count)),
        ApproveCommand::Decommission(args) => (&args.cluster, GuardedName::Decommission, None),
    };
    let cluster = session.cluster(name).await?.object;
    let draft = ApprovalDraft {
        cluster_id: cluster.id.clone(),
        what,
        count,
    };
    let given = session.client.approve(&draft, &session.write()).await;
    let given = given.map_err(|error| Failure::from(error).while_doing(cluster_name(&cluster)))?;
    let word = Guarded::from(what).as_str();
    console.line(&format!("{} {word} approved", cluster_name(&cluster)))?;
    console.flush()?;
    console.say(&sentence(cluster.alias.as_str(), &given, session.clock.now()));
    Ok(())
}

/// Agrees at the gate of a channel to the commit that stands there, or to the one that is given.
async fn gate(args: &ApproveGateArgs, session: &Session, console: &mut Console) -> Result<(), Failure> {
    let channel = channels::find(session, &args.channel).await?;
    let Some(gate) = channel.gate.as_ref().filter(|gate| !gate.commit.is_empty()) else {
        let message = format!("no commit stands at a gate of channel {:?}", channel.channel);
        return Err(Failure::new(message).hint("\"fleetwright get channels\" shows the gates"));
    };
    let draft = GateAgreementDraft {
        channel: channel.channel.clone(),
        commit: args.commit.clone().unwrap_or_else(|| gate.commit.clone()),
    };
    let doing = || format!("channel/{}", channel.channel);
    if args.dry_run {
        let commit = short_id(&draft.commit);
        return console.line(&format!("{} gate approved for {commit}{DRY_RUN}", doing()));
    }
    let given = session.client.agree_at_gate(&draft, &session.write()).await;
    let given = given.map_err(|error| Failure::from(error).while_doing(doing()))?;
    console.line(&format!("{} gate approved for {}", doing(), short_id(&given.commit)))
}

pub(super) async fn decommission(
    args: DecommissionArgs,
    settings: &Settings,
    console: &mut Console,
) -> Result<(), Failure> {
    let session = Session::new(settings)?;
    let cluster = session.cluster(&args.cluster).await?.object;
    let confirm = match args.confirm {
        Some(name) => name,
        None => typed(&cluster, console)?,
    };
    if confirm != cluster.alias.as_str() {
        let message = format!("{confirm:?} is not the name of the cluster; nothing was done");
        return Err(Failure::new(message).hint(format!("its name is {}", cluster.alias)));
    }
    if args.dry_run {
        return console.line(&format!("{} decommission requested{DRY_RUN}", cluster_name(&cluster)));
    }
    let draft = DecommissionDraft {
        cluster_id: cluster.id.clone(),
        confirm,
    };
    let asked = session.client.request_decommission(&draft, &session.write()).await;
    let asked = asked.map_err(|error| Failure::from(error).while_doing(cluster_name(&cluster)))?;
    console.line(&format!("{} decommission requested", cluster_name(&cluster)))?;
    console.flush()?;
    console.say(&sentence(cluster.alias.as_str(), &asked, session.clock.now()));
    Ok(())
}

pub(super) async fn cancel(args: CancelArgs, settings: &Settings, console: &mut Console) -> Result<(), Failure> {
    let session = Session::new(settings)?;
    let (what, name) = match &args.command {
        CancelCommand::Prune(args) => (Guarded::Prune, &args.cluster),
        CancelCommand::Decommission(args) => (Guarded::Decommission, &args.cluster),
    };
    let cluster = session.cluster(name).await?.object;
    let closed = session
        .client
        .cancel_approvals(what, &cluster.id, &session.write())
        .await?;
    let verb = if closed.is_empty() {
        "had not been asked for"
    } else {
        "cancelled"
    };
    console.line(&format!("{} {} {verb}", cluster_name(&cluster), what.as_str()))
}

/// Says what is lost, and reads the name that the person types.
fn typed(cluster: &Cluster, console: &mut Console) -> Result<String, Failure> {
    if !std::io::stdin().is_terminal() {
        let message = format!("taking cluster {} down needs its name", cluster.alias);
        return Err(Failure::new(message).hint("give it with --confirm NAME"));
    }
    let pools: Vec<String> = cluster
        .node_pools
        .iter()
        .map(|pool| format!("{} (up to {} nodes)", pool.name, pool.max_size))
        .collect();
    console.say(&format!(
        "Cluster {} ({}, {}) will be taken down with its stacks, everything that runs in it, and its node pools: {}.\n\
         Somebody else has to agree first, and 24 hours pass after that; \"fleetwright cancel decommission {}\" calls it off.\n\
         Type the name of the cluster to go on:",
        cluster.alias,
        cluster.environment,
        cluster.id,
        if pools.is_empty() { "none".to_owned() } else { pools.join(", ") },
        cluster.alias
    ));
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| Failure::new(format!("standard input: {error}")))?;
    Ok(line.trim().to_owned())
}
