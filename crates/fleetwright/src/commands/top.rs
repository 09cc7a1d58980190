//! `top`: reads keys and the fleet, and draws.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::Duration;

use cli_args::TopArgs;
use crossterm::event::{Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use futures::{FutureExt as _, StreamExt as _};
use jiff::Timestamp;
use lifecycle::waves::{RunRecord, runs, survey};
use model::{ClusterId, Update};
use ports::blocks::{self, Blocked};
use ports::registry::{ClusterFilter, Detail, PageRequest};
use ports::standing::{Seen, standing};
use ports::{Registry as _, RegistryError};
use ratatui::DefaultTerminal;
use top::{App, ClusterLine, Do, Picture, UpdateLine, draw};

use crate::console::Console;
use crate::failure::Failure;
use crate::session::Session;
use crate::settings::Settings;

/// Updates that are read; old ones are seldom looked for.
const NEWEST: usize = 200;
/// How often the fleet is read when no change tells to: ages grow, blocks expire.
const REFRESH: Duration = Duration::from_secs(10);
/// Changes that come together are read together.
const TOGETHER: Duration = Duration::from_millis(200);

pub(super) async fn run(args: TopArgs, settings: &Settings, console: &mut Console) -> Result<(), Failure> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failure::new("top needs a terminal").hint("\"fleetwright get clusters -w\" tells a program"));
    }
    let session = Session::new(settings)?;
    // What keeps it from working is said on the plain screen, before the full one covers it.
    let first = read(&session, settings).await?;
    let mut terminal = ratatui::try_init().map_err(|error| Failure::of(&error).while_doing("opening the screen"))?;
    let ended = show(&mut terminal, &session, settings, &args.view, first, console.colour()).await;
    ratatui::restore();
    ended
}

/// What woke the loop.
enum Woken {
    Key(KeyEvent),
    Draw,
    Gone,
    Changed,
    FeedLost,
    Time,
}

async fn show(
    terminal: &mut DefaultTerminal,
    session: &Session,
    settings: &Settings,
    view: &str,
    first: Picture,
    colours: bool,
) -> Result<(), Failure> {
    let screen = |error: std::io::Error| Failure::of(&error).while_doing("drawing");
    let mut app = App::new();
    app.take(first);
    if view != "clusters" {
        let letters = format!(":{view}");
        for letter in letters.chars() {
            app.key(press(KeyCode::Char(letter)));
        }
        app.key(press(KeyCode::Enter));
    }
    let mut keys = EventStream::new();
    let mut feed = session.client.watch(session.client.last_change().await?).await?.fuse();
    let mut next = tokio::time::Instant::now() + REFRESH;
    loop {
        terminal.draw(|frame| draw(&mut app, frame, colours)).map_err(screen)?;
        let woken = tokio::select! {
            biased;
            event = keys.next() => match event {
                Some(Ok(Event::Key(key))) if key.kind == KeyEventKind::Press => Woken::Key(key),
                Some(Ok(_)) => Woken::Draw,
                Some(Err(_)) | None => Woken::Gone,
            },
            change = feed.next() => match change {
                Some(Ok(_)) => Woken::Changed,
                Some(Err(_)) | None => Woken::FeedLost,
            },
            () = tokio::time::sleep_until(next) => Woken::Time,
        };
        match woken {
            Woken::Gone => return Ok(()),
            Woken::Draw => continue,
            Woken::Key(key) => match app.key(key) {
                Do::Leave => return Ok(()),
                Do::Draw => continue,
                Do::Fetch => {}
            },
            Woken::Changed => {
                next = next.min(tokio::time::Instant::now() + TOGETHER);
                // Changes that are there already need no further waking.
                while let Some(Some(Ok(_))) = feed.next().now_or_never() {}
                continue;
            }
            Woken::FeedLost => {
                app.trouble("the server does not answer; trying again");
                if let Ok(last) = session.client.last_change().await
                    && let Ok(again) = session.client.watch(last).await
                {
                    feed = again.fuse();
                }
            }
            Woken::Time => {}
        }
        match read(session, settings).await {
            Ok(picture) => app.take(picture),
            Err(error) => app.trouble(&error.to_string()),
        }
        next = tokio::time::Instant::now() + REFRESH;
    }
}

fn press(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

/// The fleet at this moment.
async fn read(session: &Session, settings: &Settings) -> Result<Picture, RegistryError> {
    let (client, now) = (&session.client, session.clock.now());
    let (filter, all) = (ClusterFilter::default(), PageRequest::all());
    let newest = PageRequest {
        limit: Some(NEWEST),
        after: None,
    };
    let clusters = client.list_clusters(&filter, Detail::Full, &all).await?.items;
    let updates = client.list_updates(None, None, &newest).await?.items;
    let open: Vec<Blocked> = client
        .list_blocks(None, Some(true), &all)
        .await?
        .items
        .into_iter()
        .map(Blocked::from)
        .collect();
    let mut running: BTreeMap<ClusterId, Update> = BTreeMap::new();
    for entry in updates.iter().filter(|entry| entry.open) {
        if let Some(cluster) = entry.cluster_id.clone() {
            running.entry(cluster).or_insert_with(|| entry.update.clone());
        }
    }
    let aliases: BTreeMap<ClusterId, String> = clusters
        .iter()
        .map(|found| (found.object.id.clone(), found.object.alias.to_string()))
        .collect();
    let alias = |id: Option<&ClusterId>| {
        let known = id.and_then(|id| aliases.get(id)).cloned();
        known.or_else(|| id.map(ToString::to_string)).unwrap_or_default()
    };
    let runs = runs(client).await?;
    let waits = waits(session, &runs, now).await?;
    let mut lines = Vec::new();
    let mut blocks = Vec::new();
    for found in clusters {
        let cluster = found.object;
        let held = blocks::holding(&cluster.id, &cluster.config_items, &open, now);
        // What the cluster follows in single sources is not known here: such a one is never called behind.
        let whole = !cluster.config_items.contains_key("override_channel");
        let run = runs.get(&cluster.channel).filter(|_| whole);
        let seen = Seen {
            cluster: &cluster,
            blocks: &held,
            update: running.get(&cluster.id),
            head: run.map(|run| run.config.as_str()),
            // The server does not tell how rollouts go.
            outdated: 0,
        };
        let standing = standing(&seen).that_waits(waits.get(&cluster.id).map(String::as_str));
        blocks.extend(held.into_iter().map(|blocked| (cluster.alias.to_string(), blocked)));
        lines.push(ClusterLine { cluster, standing });
    }
    lines.sort_by(|a, b| a.cluster.alias.cmp(&b.cluster.alias));
    Ok(Picture {
        at: now,
        server: settings.server.value.to_string(),
        clusters: lines,
        updates: updates
            .into_iter()
            .map(|entry| UpdateLine {
                id: entry.id.to_string(),
                cluster: alias(entry.cluster_id.as_ref()),
                update: entry.update,
            })
            .collect(),
        blocks,
        nodes: None,
    })
}

/// What clusters wait for while a change is under way.
async fn waits(
    session: &Session,
    runs: &BTreeMap<String, RunRecord>,
    now: Timestamp,
) -> Result<BTreeMap<ClusterId, String>, RegistryError> {
    if runs.values().all(|run| run.over.is_some()) {
        return Ok(BTreeMap::new());
    }
    let survey = survey(&session.client, &session.client, now).await?;
    let decisions = survey.decide();
    let said = survey.members.iter().filter_map(|member| {
        let said = decisions.sentence(&member.cluster, now)?;
        Some((member.cluster.id.clone(), said))
    });
    Ok(said.collect())
}
