//! `cluster-update`: the habits of zkubectl (facts CU-1 to CU-6).

use std::io::BufRead as _;

use cli_args::{ClusterUpdateArgs, ClusterUpdateBlockArgs, ClusterUpdateCommand};
use model::{BlockScope, Cluster};
use ports::Registry as _;
use ports::registry::{ClusterFilter, Detail, PageRequest};
use registry_api::{BlockDraft, BlockEntry};

use super::block::told;
use crate::console::Console;
use crate::failure::Failure;
use crate::kubeconfig;
use crate::objects::{cluster_name, short_version};
use crate::session::Session;
use crate::settings::{Env, Settings};

pub(super) async fn run(
    args: ClusterUpdateArgs,
    settings: &Settings,
    env: &Env,
    console: &mut Console,
) -> Result<(), Failure> {
    let session = Session::new(settings)?;
    let name = match &args.command {
        ClusterUpdateCommand::Block(args) => &args.cluster,
        ClusterUpdateCommand::Unblock(args) => &args.cluster,
        ClusterUpdateCommand::Status(args) => &args.cluster,
    };
    let cluster = match name {
        Some(name) => session.cluster(name).await?.object,
        None => of_kubeconfig(&session, env).await?,
    };
    let page = PageRequest::all();
    let held = session
        .client
        .list_blocks(Some(&cluster.id), Some(true), &page)
        .await?
        .items;
    match args.command {
        ClusterUpdateCommand::Block(args) => block(&session, &cluster, held, args, console).await,
        ClusterUpdateCommand::Unblock(args) => unblock(&session, &cluster, &held, args.yes, console).await,
        ClusterUpdateCommand::Status(_) => status(&cluster, &held, console),
    }
}

async fn block(
    session: &Session,
    cluster: &Cluster,
    held: Vec<BlockEntry>,
    args: ClusterUpdateBlockArgs,
    console: &mut Console,
) -> Result<(), Failure> {
    if let Some(block) = held.first()
        && !args.yes
    {
        console.say(&format!("{} is blocked: {}", cluster_name(cluster), told(block)));
        confirm("Replace the block? [y/N]", console)?;
    }
    let reason = match args.reason.unwrap_or_else(|| args.words.join(" ")) {
        given if given.trim().is_empty() => asked("Reason:", console)?,
        given => given,
    };
    let draft = BlockDraft {
        cluster_id: cluster.id.clone(),
        scope: BlockScope::All,
        reason,
        owner: None,
        ticket: None,
        expires_at: None,
    };
    let set = session.client.set_block(&draft, &session.write()).await?;
    // The new block holds before the old ones end, so that no update slips in between.
    for id in held.into_iter().filter_map(|block| block.id) {
        session
            .client
            .lift_blocks(&cluster.id, Some(&id.parse()?), &session.write())
            .await?;
    }
    console.line(&format!("{} blocked", cluster_name(cluster)))?;
    console.flush()?;
    console.say(&told(&set));
    Ok(())
}

async fn unblock(
    session: &Session,
    cluster: &Cluster,
    held: &[BlockEntry],
    yes: bool,
    console: &mut Console,
) -> Result<(), Failure> {
    let Some(block) = held.first() else {
        return console.line(&format!("{} was not blocked", cluster_name(cluster)));
    };
    if !yes {
        console.say(&format!("{} is blocked: {}", cluster_name(cluster), told(block)));
        confirm("Unblock it? [y/N]", console)?;
    }
    session.client.lift_blocks(&cluster.id, None, &session.write()).await?;
    console.line(&format!("{} unblocked", cluster_name(cluster)))
}

fn status(cluster: &Cluster, held: &[BlockEntry], console: &mut Console) -> Result<(), Failure> {
    let name = cluster_name(cluster);
    for block in held {
        console.line(&format!("{name} is blocked: {}", told(block)))?;
    }
    let status = &cluster.status;
    if !status.next_version.is_empty() && status.next_version != status.current_version {
        console.line(&format!(
            "{name} is being updated to {}",
            short_version(&status.next_version)
        ))
    } else if held.is_empty() {
        console.line(&format!("{name} is up to date"))
    } else {
        Ok(())
    }
}

/// The cluster whose API server is the one of the current context.
async fn of_kubeconfig(session: &Session, env: &Env) -> Result<Cluster, Failure> {
    let server = kubeconfig::current_server(env)?;
    let bare = server.trim_end_matches('/');
    for url in [bare.to_owned(), format!("{bare}/")] {
        let filter = ClusterFilter {
            api_server_url: Some(url),
            ..ClusterFilter::default()
        };
        let page = session
            .client
            .list_clusters(&filter, Detail::Full, &PageRequest::all())
            .await?;
        if let Some(found) = page.items.into_iter().next() {
            return Ok(found.object);
        }
    }
    Err(
        Failure::new(format!("no cluster of the registry has the API server {server}"))
            .hint("name the cluster with --cluster"),
    )
}

/// Asks a question and reads the answer; no answer at all means no.
fn asked(question: &str, console: &mut Console) -> Result<String, Failure> {
    console.flush()?;
    console.say(question);
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Failure::new(format!("standard input: {error}")))?;
    Ok(answer.trim().to_owned())
}

fn confirm(question: &str, console: &mut Console) -> Result<(), Failure> {
    match asked(question, console)?.to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::new("nothing was changed").hint("--yes does not ask")),
    }
}
