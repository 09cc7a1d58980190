//! `describe update`: the tree of its steps, with what fails or waits told to the last.

use jiff::Timestamp;
use model::{HealthVerdict, StepNode, Update, UpdateStep};
use ports::RegistryError;
use ports::ledger::EntryId;
use ports::registry::PageRequest;
use registry_api::UpdateEntry;

use super::Text;
use crate::failure::Failure;
use crate::ledger::{lasted, sentence};
use crate::progress::Estimate;
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
pub(super) fn tell(entry: &UpdateEntry, earlier: &[Update], now: Timestamp, text: &mut Text) {
    let update = &entry.update;
    let left = Estimate::of(update, earlier, now).map(|estimate| estimate.sentence());
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
        (
            "Health",
            &update.health.as_ref().map(HealthVerdict::sentence).unwrap_or_default(),
        ),
        ("Started", &time(update.started_at)),
        ("Finished", &time(update.finished_at)),
        ("Lasted", &lasted(update.started_at, update.finished_at, now)),
        ("Left", left.as_deref().unwrap_or_default()),
    ] {
        text.field(name, value);
    }
    text.block("Steps", &tree(&update.steps, now));
}

fn rows(node: &StepNode<'_>, depth: usize, now: Timestamp, table: &mut Table) {
    let indent = "  ".repeat(depth);
    table.push(vec![
        format!("{indent}{}", node.name),
        node.progress().as_str().to_owned(),
        lasted(node.started_at(), node.finished_at(), now),
        node.message(),
    ]);
    if !node.is_closed() {
        node.below.iter().for_each(|below| rows(below, depth + 1, now, table));
    }
}

/// The steps as a tree, in the order in which they were planned.
fn tree(steps: &[UpdateStep], now: Timestamp) -> String {
    let mut table = Table::default();
    let root = StepNode::tree(steps);
    root.below.iter().for_each(|node| rows(node, 0, now, &mut table));
    let lines = table.take_text();
    lines.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use model::Progress;

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
