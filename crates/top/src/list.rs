//! A list on the screen: rows of cells with a word that colours them, a filter, a cursor.

use jiff::Timestamp;
use model::words::{ago, moment, short_config, span};
use model::{ClusterVersion, StepNode};

use crate::app::View;
use crate::picture::Picture;

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// What `Enter` goes into: alias of a cluster or id of an update.
    pub(crate) key: String,
    pub(crate) cells: Vec<String>,
    /// The word that gives it its colour.
    pub(crate) word: &'static str,
}

/// Titles of a view's columns with their widths; 0 takes what is left.
pub(crate) fn columns(view: &View) -> &'static [(&'static str, u16)] {
    match view {
        View::Clusters => &[
            ("CLUSTER", 18),
            ("CHANNEL", 8),
            ("ENV", 6),
            ("STATE", 9),
            ("VERSION", 8),
            ("WHY", 0),
        ],
        View::Updates => &[
            ("CLUSTER", 18),
            ("PROGRESS", 9),
            ("TO", 8),
            ("BEGAN", 8),
            ("LASTED", 7),
            ("WHAT IT SAYS", 0),
        ],
        View::Blocks => &[
            ("CLUSTER", 18),
            ("SCOPE", 6),
            ("OWNER", 16),
            ("UNTIL", 17),
            ("REASON", 0),
        ],
        View::Rollouts => &[("CLUSTER", 16), ("POOL", 14), ("NODE", 22), ("LATEST", 9), ("WHY", 0)],
        View::Cluster(_) | View::Update(_) | View::Help => &[],
    }
}

/// The rows of a view that contain all words of the filter.
pub(crate) fn rows(picture: &Picture, view: &View, filter: &str) -> Vec<Row> {
    let words: Vec<String> = filter.split_whitespace().map(str::to_lowercase).collect();
    let fits = |row: &Row| {
        let text = row.cells.join(" ").to_lowercase();
        words.iter().all(|word| text.contains(word))
    };
    all(picture, view).into_iter().filter(fits).collect()
}

/// The environment in six letters.
fn environment(name: &str) -> String {
    match name {
        "production" => "prod".to_owned(),
        other => other.chars().take(6).collect(),
    }
}

fn all(picture: &Picture, view: &View) -> Vec<Row> {
    let now = picture.at;
    match view {
        View::Clusters => picture
            .clusters
            .iter()
            .map(|line| {
                let cluster = &line.cluster;
                Row {
                    key: cluster.alias.to_string(),
                    cells: vec![
                        cluster.alias.to_string(),
                        cluster.channel.clone(),
                        environment(&cluster.environment),
                        line.standing.state.word().to_owned(),
                        short_config(&ClusterVersion::parse(&cluster.status.current_version).config),
                        line.standing.sentence.clone(),
                    ],
                    word: line.standing.state.word(),
                }
            })
            .collect(),
        View::Updates => picture
            .updates
            .iter()
            .map(|line| {
                let update = &line.update;
                let lasted = update
                    .started_at
                    .map(|at| span(update.finished_at.unwrap_or(now).duration_since(at)));
                Row {
                    key: line.id.clone(),
                    cells: vec![
                        line.cluster.clone(),
                        update.progress.as_str().to_owned(),
                        short_config(&ClusterVersion::parse(&update.to).config),
                        update.started_at.map(|at| ago(at, now)).unwrap_or_default(),
                        lasted.unwrap_or_default(),
                        said(update),
                    ],
                    word: update.progress.as_str(),
                }
            })
            .collect(),
        View::Blocks => picture
            .blocks
            .iter()
            .map(|(alias, blocked)| {
                let block = &blocked.block;
                Row {
                    key: alias.clone(),
                    cells: vec![
                        alias.clone(),
                        block.scope.as_str().to_owned(),
                        block.owner.clone(),
                        block.expires_at.map(moment).unwrap_or_default(),
                        block.reason.clone(),
                    ],
                    word: "blocked",
                }
            })
            .collect(),
        View::Rollouts => picture
            .nodes
            .iter()
            .flatten()
            .map(|line| Row {
                key: line.cluster.clone(),
                cells: vec![
                    line.cluster.clone(),
                    line.pool.clone(),
                    line.node.clone(),
                    line.latest.map(|at| until(at, now)).unwrap_or_default(),
                    line.sentence.clone(),
                ],
                word: "updating",
            })
            .collect(),
        View::Cluster(_) | View::Update(_) | View::Help => Vec::new(),
    }
}

fn until(at: Timestamp, now: Timestamp) -> String {
    if at > now {
        format!("in {}", span(at.duration_since(now)))
    } else {
        "now".to_owned()
    }
}

/// What an update says for itself, or else the step that needs attention most.
pub(crate) fn said(update: &model::Update) -> String {
    if !update.message.is_empty() {
        return update.message.clone();
    }
    let tree = StepNode::tree(&update.steps);
    let wanted = tree.progress();
    let step = update
        .steps
        .iter()
        .find(|step| step.progress == wanted && !step.message.is_empty());
    step.map_or_else(
        || update.summary.clone(),
        |step| format!("{}: {}", step.path, step.message),
    )
}
