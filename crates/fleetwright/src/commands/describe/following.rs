//! `describe update -w`: an update as it goes on, to its end.

use std::io::IsTerminal as _;

use futures::StreamExt as _;
use model::{Progress, Update};
use ports::Registry as _;
use ports::registry::{ObjectKind, PageRequest};
use registry_api::UpdateEntry;

use super::{Text, update};
use crate::console::Console;
use crate::failure::Failure;
use crate::ledger::sentence;
use crate::progress::events;
use crate::session::Session;

/// Earlier updates that an estimate is told from.
const EARLIER: usize = 50;

/// The earlier updates of the same cluster.
pub(super) async fn earlier(session: &Session, entry: &UpdateEntry) -> Result<Vec<Update>, Failure> {
    let page = PageRequest {
        limit: Some(EARLIER),
        after: None,
    };
    let found = session
        .client
        .list_updates(entry.cluster_id.as_ref(), None, &page)
        .await?;
    let others = found.items.into_iter().filter(|other| other.id != entry.id);
    Ok(others.map(|other| other.update).collect())
}

/// Shows an update until it is over: on a terminal the tree, drawn anew with each change; into a log a line per event.
pub(super) async fn follow(session: &Session, name: &str, console: &mut Console) -> Result<(), Failure> {
    // The position is taken before the look: a change in between is then seen twice rather than never.
    let position = session.client.last_change().await?;
    let entry = update::find(session, name).await?;
    let earlier = earlier(session, &entry).await?;
    let mut screen = Screen {
        terminal: std::io::stdout().is_terminal(),
        lines: 0,
        before: None,
    };
    screen.show(session, &entry, &earlier, console)?;
    let watched = format!("update/{}", entry.id);
    let id = entry.id.parse()?;
    let mut last = entry;
    let mut changes = session.client.watch(position).await?;
    while last.open {
        let Some(change) = changes.next().await else {
            return Err(Failure::new("the change feed has ended").hint("run the command again"));
        };
        let change = change?;
        if change.kind == ObjectKind::Entry && change.id == watched {
            last = session.client.get_update(&id).await?;
            screen.show(session, &last, &earlier, console)?;
        }
    }
    match last.update.progress {
        Progress::Stopped => Err(Failure::new(format!("the update was stopped: {}", sentence(&last)))),
        _ => Ok(()),
    }
}

/// What was shown last.
struct Screen {
    terminal: bool,
    lines: usize,
    before: Option<Update>,
}

impl Screen {
    fn show(
        &mut self,
        session: &Session,
        entry: &UpdateEntry,
        earlier: &[Update],
        console: &mut Console,
    ) -> Result<(), Failure> {
        let now = session.clock.now();
        if self.terminal {
            let mut text = Text::default();
            update::tell(entry, earlier, now, &mut text);
            if self.lines > 0 {
                console.write(format!("\u{1b}[{}A\u{1b}[J", self.lines).as_bytes())?;
            }
            self.lines = text.0.lines().count();
            console.write(text.0.as_bytes())?;
        } else {
            // What went on before is history: the first look tells where the update is, each later one what happened.
            let name = entry.id.split('.').next().unwrap_or_default();
            for line in events(name, self.before.as_ref(), &entry.update, now) {
                console.line(&line)?;
            }
        }
        self.before = Some(entry.update.clone());
        console.flush()
    }
}
