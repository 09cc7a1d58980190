//! `sim up`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use cli_args::{SimProfile, SimUpArgs};
use ports::{Clock, Ids as _, SystemClock, SystemIds};
use service::Shutdown;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use twin::{ScaledClock, SharedFleet};

use super::control::{self, Facts, SimulationInfo};
use super::event_log::EventLog;
use super::kubeconfig;
use super::living::{self, Beginning, CloudBeginning, Living};
use super::note::{self, Note};
use crate::console::Console;
use crate::documents::read_text;
use crate::failure::Failure;
use crate::settings::Env;

/// Exit code after a second interrupt, as shells give it.
const INTERRUPTED: i32 = 130;
/// Nodes of a cluster where nobody says how many.
const DEFAULT_NODES: u16 = 3;

pub(super) async fn run(args: SimUpArgs, env: &Env, console: &mut Console) -> Result<(), Failure> {
    if !args.listen.ip().is_loopback() {
        let message = format!(
            "--listen {}: must be a loopback address, since everybody may do everything",
            args.listen
        );
        return Err(Failure::new(message).hint("127.0.0.1:0 takes a free port"));
    }
    let file = kubeconfig::path(&args, env)?;
    kubeconfig::check_ours(&file)?;
    let notes = note::folder(env)?;
    let objects = args.load.as_deref().map(read_text).transpose()?;
    let shutdown = Shutdown::new();
    shutdown
        .on_signals()
        .map_err(|error| Failure::of(&error).while_doing("listening to signals"))?;
    let (events, sink) = match &args.event_log {
        Some(path) => EventLog::open(path, shutdown.clone()).map(|(log, sink)| (log, Some(sink)))?,
        None => (EventLog::default(), None),
    };
    let seed = args.seed.unwrap_or_else(|| SystemIds.next_u64() >> 32);
    let started = SystemClock.now();
    let listeners = bind_all(args.listen, args.clusters).await?;
    let control = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let beginning = Beginning {
        clusters: args.clusters,
        nodes: nodes(&args),
        cloud: cloud(&args)?,
        profile: profile(&args),
        seed,
        objects: objects.as_ref().map(|(_, text)| text.as_str()),
        sink,
    };
    let clock: Arc<dyn Clock> = Arc::new(ScaledClock::new(Arc::new(SystemClock), started, args.speed));
    let (fleet, living) = living::begin(beginning, clock.clone()).await.map_err(|error| {
        let failure = Failure::of(&error);
        match &objects {
            Some((name, _)) => failure.while_doing(format!("--load {name}")),
            None => failure,
        }
    })?;
    let clusters: Vec<(Living, String)> = living
        .into_iter()
        .zip(&listeners)
        .map(|(living, (_, address))| (living, format!("http://{address}")))
        .collect();
    let contexts: Vec<(String, SocketAddr)> = clusters
        .iter()
        .zip(&listeners)
        .map(|((living, _), (_, address))| (living.name().to_owned(), *address))
        .collect();
    kubeconfig::write(&file, kubeconfig::MARK, &contexts)?;
    let pid = std::process::id();
    let token = SystemIds.uuid();
    let address = control.local_addr().map_err(|error| Failure::of(&error))?;
    let facts = Arc::new(Facts {
        clusters,
        info: SimulationInfo {
            pid,
            profile: profile(&args).name().to_owned(),
            speed: args.speed,
            seed,
            started: kube_world::seconds(started),
            time: String::new(),
            kubeconfig: file.display().to_string(),
            clusters: Vec::new(),
        },
        token: token.clone(),
        clock,
    });
    let note = Note {
        pid,
        control: format!("http://{address}/sim/v1"),
        token,
    };
    let posted = note::post(&notes, &note)?;
    welcome(&facts, &file, console)?;
    let log = fleet.hold().await.log().clone();
    let now = || kube_world::seconds(facts.clock.now());
    let (clusters, speed) = (args.clusters, args.speed);
    log.write(
        "sim",
        format_args!("{} begins: {clusters} clusters, seed {seed}, speed {speed}x", now()),
    );
    let served = serve(facts.clone(), fleet, listeners, control, shutdown).await;
    log.write("sim", format_args!("{} ends", now()));
    drop(posted);
    served.and(events.check())
}

/// The cloud behind the clusters: asked for, or part of what is asked for.
fn cloud(args: &SimUpArgs) -> Result<Option<CloudBeginning>, Failure> {
    let needed = args.autoscaler.is_some() || args.spot > 0;
    if needed && args.cloud == Some(false) {
        let message = "--autoscaler and --spot need a cloud, and --cloud=false forbids it";
        return Err(Failure::new(message));
    }
    if args.spot > nodes(args) {
        let (spot, nodes) = (args.spot, nodes(args));
        return Err(Failure::new(format!("--spot {spot}: there are only {nodes} nodes")).hint("--nodes N takes more"));
    }
    let default = needed || (profile(args) == SimProfile::Zalando && args.load.is_none());
    let beginning = CloudBeginning {
        spot: args.spot,
        autoscaler: args.autoscaler,
    };
    Ok(args.cloud.unwrap_or(default).then_some(beginning))
}

/// A file to load brings its own nodes.
fn nodes(args: &SimUpArgs) -> u16 {
    let default = if args.load.is_some() { 0 } else { DEFAULT_NODES };
    args.nodes.unwrap_or(default)
}

fn profile(args: &SimUpArgs) -> SimProfile {
    let default = if args.load.is_some() {
        SimProfile::Empty
    } else {
        SimProfile::Shop
    };
    args.profile.unwrap_or(default)
}

/// Says where the clusters are and what to try.
fn welcome(facts: &Facts, file: &Path, console: &mut Console) -> Result<(), Failure> {
    for (living, server) in facts.clusters.iter() {
        let counts = living.counts();
        console.line(&format!(
            "{:<8} {server}   {} of {} nodes and {} of {} pods ready",
            living.name(),
            counts.ready_nodes,
            counts.nodes,
            counts.ready_pods,
            counts.pods
        ))?;
    }
    console.line(&format!("\nexport KUBECONFIG={}", file.display()))?;
    console.line("kubectl get nodes")?;
    console
        .line("kubectl create deployment web --image=nginx --replicas=6 && kubectl rollout status deployment web")?;
    if let Some((first, _)) = facts.clusters.first() {
        let name = first.name();
        let node = first.first_node().unwrap_or_else(|| "NODE".to_owned());
        console.line(&format!("fleetwright sim fault kill-node {node} --cluster {name}"))?;
    }
    console.flush()?;
    let (seed, speed) = (facts.info.seed, facts.info.speed);
    console.say(&format!(
        "seed {seed}, speed {speed}x; Ctrl-C stops the clusters; what is in them is gone then"
    ));
    Ok(())
}

/// Lets the clusters live and serves them until a signal comes. The kubeconfig stays; the next run overwrites it.
async fn serve(
    facts: Arc<Facts>,
    fleet: SharedFleet,
    listeners: Vec<(TcpListener, SocketAddr)>,
    control: TcpListener,
    shutdown: Shutdown,
) -> Result<(), Failure> {
    let again = shutdown.clone();
    tokio::spawn(async move {
        again.begun().await;
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(INTERRUPTED);
        }
    });
    let life = tokio::spawn(async move { fleet.run().await });
    let mut servers = JoinSet::new();
    for ((living, _), (listener, _)) in facts.clusters.iter().zip(listeners) {
        let (api, end) = (living.api(), shutdown.clone());
        servers.spawn(async move { kube_sim::serve(api, listener, None, async move { end.begun().await }).await });
    }
    let app = control::router(facts);
    let end = shutdown.clone();
    servers.spawn(async move {
        axum::serve(control, app)
            .with_graceful_shutdown(async move { end.begun().await })
            .await
    });
    let mut result = Ok(());
    while let Some(ended) = servers.join_next().await {
        if let Ok(Err(error)) = ended {
            // One that cannot serve any more takes the others with it, rather than leaving half a simulation.
            shutdown.begin();
            result = Err(Failure::of(&error).while_doing("serving"));
        }
    }
    life.abort();
    result
}

/// Takes the ports of all clusters.
async fn bind_all(first: SocketAddr, clusters: u16) -> Result<Vec<(TcpListener, SocketAddr)>, Failure> {
    let mut listeners = Vec::new();
    for number in 0..clusters {
        let mut address = first;
        if first.port() != 0 {
            let port = first.port().checked_add(number);
            let port =
                port.ok_or_else(|| Failure::new(format!("--listen {first}: there are not enough ports after it")))?;
            address.set_port(port);
        }
        let listener = bind(address).await?;
        let address = listener.local_addr().map_err(|error| Failure::of(&error))?;
        listeners.push((listener, address));
    }
    Ok(listeners)
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(format!("{address}: {error}")).hint("--listen takes another address, port 0 a free port")
    };
    TcpListener::bind(address).await.map_err(failed)
}
