//! `describe update`: the tree of its steps, with what fails or waits told to the last.

use jiff::Timestamp;
use model::{Progress, UpdateStep};
use ports::RegistryError;
use ports::ledger::EntryId;
use ports::registry::PageRequest;
use registry_api::UpdateEntry;

use super::Text;
use crate::failure::Failure;
use crate::ledger::{lasted, sentence};
use crate::session::Session;
use crate::table::Table;

/// The update with this id, or the newest one of the cluster with this name.
pub(super) async fn find(session: &Session, name: &str) -> Result<UpdateEntry, Failure> {
    let bare = name.strip_prefix("update/").unwrap_or(name);
    match session.client.get_update(&bare.parse::<EntryId>()?).await {
        Err(RegistryError::NotFound { .. }) => {}
        found => return Ok(found?),
    }
    let cluster = match session.find_cluster(name).await {
        Err(RegistryError::NotFound { .. } | RegistryError::Invalid(_)) => {
            let message = format!("update {name:?} not found: it is neither the id of an update nor a cluster");
            return Err(Failure::new(message).hint("\"fleetwright get updates\" lists them"));
        }
        found => found?.object,
    };
    let newest = PageRequest {
        limit: Some(1),
        after: None,
    };
    let page = session.client.list_updates(Some(&cluster.id), None, &newest).await?;
    let first = page.items.into_iter().next();
    first.ok_or_else(|| Failure::new(format!("cluster {name:?} has not been updated yet")))
}

/// Everything about one update.
pub(super) fn tell(entry: &UpdateEntry, now: Timestamp, text: &mut Text) {
    let update = &entry.update;
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
    for (name, value) in [
        ("Id", entry.id.as_str()),
        ("Cluster", entry.cluster_id.as_ref().map_or("", |id| id.as_str())),
        ("Channel", &update.channel),
        ("From", &update.from),
        ("To", &update.to),
        ("Cause", &update.cause),
        ("Actor", &update.actor),
        ("Plan", &update.plan),
        ("Summary", &update.summary),
        ("Progress", update.progress.as_str()),
        ("Message", sentence(entry)),
        ("Started", &time(update.started_at)),
        ("Finished", &time(update.finished_at)),
        ("Lasted", &lasted(update.started_at, update.finished_at, now)),
    ] {
        text.field(name, value);
    }
    text.block("Steps", &tree(&update.steps, now));
}

/// A step, or a group of steps that share the beginning of their paths.
#[derive(Default)]
struct Node<'a> {
    name: &'a str,
    step: Option<&'a UpdateStep>,
    below: Vec<Node<'a>>,
}

impl<'a> Node<'a> {
    fn add(&mut self, path: &'a str, step: &'a UpdateStep) {
        let (name, rest) = path
            .split_once('/')
            .map_or((path, None), |(name, rest)| (name, Some(rest)));
        let at = match self.below.iter().position(|node| node.name == name) {
            Some(at) => at,
            None => {
                self.below.push(Node {
                    name,
                    ..Node::default()
                });
                self.below.len() - 1
            }
        };
        let Some(node) = self.below.get_mut(at) else { return };
        match rest {
            Some(rest) => node.add(rest, step),
            None => node.step = Some(step),
        }
    }

    /// The steps of this node and below it.
    fn steps(&self) -> Vec<&'a UpdateStep> {
        let own = self.step.into_iter();
        own.chain(self.below.iter().flat_map(Node::steps)).collect()
    }

    /// How far it is: as far as the part that deserves attention most.
    fn progress(&self) -> Progress {
        let worst = self
            .steps()
            .into_iter()
            .map(|step| step.progress)
            .max_by_key(|progress| attention(*progress));
        worst.unwrap_or_default()
    }

    fn rows(&self, depth: usize, now: Timestamp, table: &mut Table) {
        let (steps, progress) = (self.steps(), self.progress());
        let begun = steps.iter().filter_map(|step| step.started_at).min();
        let ended = steps.iter().map(|step| step.finished_at).max().flatten();
        let ended = ended.filter(|_| {
            steps
                .iter()
                .all(|step| step.finished_at.is_some() || step.started_at.is_none())
        });
        let closed = !self.below.is_empty() && matches!(progress, Progress::Done | Progress::Skipped);
        let message = match self.step {
            _ if closed => format!("({} steps)", steps.len()),
            Some(step) if step.attempts > 1 => format!("attempt {}: {}", step.attempts, step.message),
            Some(step) => step.message.clone(),
            None => String::new(),
        };
        let indent = "  ".repeat(depth);
        table.push(vec![
            format!("{indent}{}", self.name),
            progress.as_str().to_owned(),
            lasted(begun, ended, now),
            message,
        ]);
        if !closed {
            self.below.iter().for_each(|node| node.rows(depth + 1, now, table));
        }
    }
}

fn attention(progress: Progress) -> u8 {
    match progress {
        Progress::Failing => 6,
        Progress::Waiting => 5,
        Progress::Stopped => 4,
        Progress::Running => 3,
        Progress::Pending => 2,
        Progress::Done => 1,
        Progress::Skipped => 0,
    }
}

/// The steps as a tree, in the order in which they were planned.
fn tree(steps: &[UpdateStep], now: Timestamp) -> String {
    let mut root = Node::default();
    steps.iter().for_each(|step| root.add(&step.path, step));
    let mut table = Table::default();
    root.below.iter().for_each(|node| node.rows(0, now, &mut table));
    let lines = table.take_text();
    lines.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(path: &str, progress: Progress, seconds: i64, message: &str) -> UpdateStep {
        let at = |second| Timestamp::from_second(second).unwrap();
        UpdateStep {
            path: path.to_owned(),
            progress,
            started_at: Some(at(0)),
            finished_at: progress.is_over().then(|| at(seconds)),
            attempts: if progress == Progress::Failing { 3 } else { 1 },
            message: message.to_owned(),
        }
    }

    #[test]
    fn what_is_done_is_closed_and_what_fails_is_open() {
        let steps = [
            step("stack", Progress::Done, 20, "updated"),
            step("manifests/dns", Progress::Done, 3, "2 objects"),
            step("manifests/proxy", Progress::Skipped, 4, ""),
            step("pools/worker/stack", Progress::Done, 30, ""),
            step("pools/worker/nodes", Progress::Failing, 0, "no capacity"),
        ];
        let expected = "\
stack       done      20s    updated
manifests   done      4s     (2 steps)
pools       failing   100s
  worker    failing   100s
    stack   done      30s
    nodes   failing   100s   attempt 3: no capacity
";
        assert_eq!(tree(&steps, Timestamp::from_second(100).unwrap()), expected);
    }
}
