//! Blocks and updates as the commands show them.

use std::collections::BTreeMap;

use cli_args::Kind;
use jiff::Timestamp;
use model::{ClusterId, Progress};
use ports::Registry as _;
use ports::registry::{ClusterFilter, Detail, PageRequest};
use registry_api::{ApprovalEntry, BlockEntry, RecordEntry, UpdateEntry};
use serde::Serialize;
use serde_json::Value;

use crate::age::age;
use crate::failure::Failure;
use crate::objects::{Object, short_version};
use crate::progress::Estimate;
use crate::session::Session;
use crate::table::or_none;

/// Updates that a list shows; they are long, and the old ones seldom asked for.
pub(crate) const NEWEST: usize = 200;

/// Members of a block, and the alias of its cluster.
pub(crate) const BLOCK_FIELDS: &[&str] = &[
    "cluster",
    "cluster_id",
    "id",
    "open",
    "scope",
    "reason",
    "owner",
    "ticket",
    "by",
    "since",
    "expires_at",
    "lifted",
];
/// Members of an update, and the alias of its cluster.
pub(crate) const UPDATE_FIELDS: &[&str] = &[
    "cluster",
    "cluster_id",
    "id",
    "open",
    "revision",
    "created_at",
    "updated_at",
    "update",
];

/// An entry with the alias of its cluster.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry<T> {
    pub(crate) cluster: String,
    #[serde(flatten)]
    pub(crate) entry: T,
    /// How long an update may take still; empty where nobody knows.
    #[serde(skip)]
    pub(crate) left: String,
}

/// Aliases of clusters by id.
pub(crate) struct Aliases(BTreeMap<ClusterId, String>);

impl Aliases {
    pub(crate) async fn read(session: &Session) -> Result<Self, Failure> {
        let (filter, all) = (ClusterFilter::default(), PageRequest::all());
        let clusters = session.client.list_clusters(&filter, Detail::Brief, &all).await?.items;
        let pairs = clusters
            .into_iter()
            .map(|found| (found.object.id, found.object.alias.to_string()));
        Ok(Self(pairs.collect()))
    }

    /// The alias; the id of a cluster that is gone.
    fn of(&self, id: Option<&ClusterId>) -> String {
        let known = id.and_then(|id| self.0.get(id)).cloned();
        known.or_else(|| id.map(ToString::to_string)).unwrap_or_default()
    }

    pub(crate) fn block(&self, entry: BlockEntry) -> Object {
        Object::Block(Box::new(Entry {
            cluster: self.of(Some(&entry.cluster_id)),
            entry,
            left: String::new(),
        }))
    }

    pub(crate) fn approval(&self, entry: ApprovalEntry) -> Object {
        Object::Approval(Box::new(Entry {
            cluster: self.of(Some(&entry.cluster_id)),
            entry,
            left: String::new(),
        }))
    }

    pub(crate) fn record(&self, entry: RecordEntry) -> Box<Entry<RecordEntry>> {
        Box::new(Entry {
            cluster: self.of(entry.cluster_id.as_ref()),
            entry,
            left: String::new(),
        })
    }

    /// An update; `all` are updates of which some may be earlier ones of the same cluster.
    pub(crate) fn update(&self, entry: UpdateEntry, all: &[UpdateEntry], now: Timestamp) -> Object {
        let same = all
            .iter()
            .filter(|other| other.cluster_id == entry.cluster_id && other.id != entry.id);
        let estimate = Estimate::of(&entry.update, same.map(|other| &other.update), now);
        Object::Update(Box::new(Entry {
            cluster: self.of(entry.cluster_id.as_ref()),
            left: estimate.map(|estimate| estimate.left()).unwrap_or_default(),
            entry,
        }))
    }
}

/// Blocks that hold, the newest updates, or approvals that matter: of the named clusters, or of all.
pub(crate) async fn fetch(
    session: &Session,
    kind: Kind,
    names: &[String],
    missing: &mut Vec<Failure>,
) -> Result<Vec<Object>, Failure> {
    let mut clusters = Vec::new();
    for name in names {
        match session.cluster(name).await {
            Ok(cluster) => clusters.push(Some(cluster.object.id)),
            Err(failure) => missing.push(failure),
        }
    }
    if names.is_empty() {
        clusters.push(None);
    }
    let (aliases, mut found) = (Aliases::read(session).await?, Vec::new());
    for cluster in &clusters {
        if kind == Kind::Approvals {
            found.extend(crate::approvals::fetch(session, &aliases, cluster.as_ref()).await?);
        } else if matches!(kind, Kind::Rollouts | Kind::Evidence) {
            found.extend(crate::records::fetch(session, &aliases, kind, cluster.as_ref()).await?);
        } else if kind == Kind::Blocks {
            let page = session
                .client
                .list_blocks(cluster.as_ref(), Some(true), &PageRequest::all())
                .await?;
            found.extend(page.items.into_iter().map(|entry| aliases.block(entry)));
        } else {
            let newest = PageRequest {
                limit: Some(NEWEST),
                after: None,
            };
            let page = session.client.list_updates(cluster.as_ref(), None, &newest).await?;
            let (all, now) = (page.items, session.clock.now());
            found.extend(all.iter().map(|entry| aliases.update(entry.clone(), &all, now)));
        }
    }
    Ok(found)
}

/// What an entry of the feed, `kind/id`, is about, if it is of this kind.
pub(crate) async fn changed(session: &Session, kind: Kind, id: &str) -> Result<Option<Object>, Failure> {
    match (kind, id.split_once('/')) {
        (Kind::Updates, Some(("update", id))) => {
            let update = session.client.get_update(&id.parse()?).await?;
            let newest = PageRequest {
                limit: Some(NEWEST),
                after: None,
            };
            let all = session
                .client
                .list_updates(update.cluster_id.as_ref(), None, &newest)
                .await?
                .items;
            let aliases = Aliases::read(session).await?;
            Ok(Some(aliases.update(update, &all, session.clock.now())))
        }
        (Kind::Blocks, Some(("block", id))) => {
            let all = session.client.list_blocks(None, None, &PageRequest::all()).await?.items;
            let block = all.into_iter().find(|entry| entry.id.as_deref() == Some(id));
            let aliases = Aliases::read(session).await?;
            Ok(block.map(|entry| aliases.block(entry)))
        }
        (Kind::Approvals, Some((kind, id))) => crate::approvals::changed(session, kind, id).await,
        (Kind::Rollouts | Kind::Evidence, Some((entry, id))) => crate::records::changed(session, kind, entry, id).await,
        _ => Ok(None),
    }
}

/// Column names: those of every table, and those of wide ones.
pub(crate) fn header(kind: Kind) -> (&'static [&'static str], &'static [&'static str]) {
    match kind {
        Kind::Blocks => (
            &["NAME", "SCOPE", "REASON", "OWNER", "SINCE", "ENDS"],
            &["BY", "TICKET", "ID", "CLUSTER-ID"],
        ),
        _ => (
            &[
                "NAME", "CLUSTER", "PROGRESS", "STEPS", "TO", "AGE", "LASTED", "LEFT", "MESSAGE",
            ],
            &["FROM", "CHANNEL", "CAUSE", "ACTOR", "PLAN"],
        ),
    }
}

pub(crate) fn block_row(block: &Entry<BlockEntry>, wide: bool, now: Timestamp) -> Vec<String> {
    let entry = &block.entry;
    let ends = match entry.expires_at {
        _ if !entry.open => "ended".to_owned(),
        Some(end) => format!("in {}", age(Some(now), end)),
        None => "never".to_owned(),
    };
    let mut row = vec![
        block.cluster.clone(),
        entry.scope.to_string(),
        or_none(entry.reason.as_str()),
        or_none(entry.owner.as_str()),
        age(entry.since, now),
        ends,
    ];
    if wide {
        row.extend([
            or_none(entry.by.as_str()),
            or_none(entry.ticket.clone().unwrap_or_default()),
            or_none(entry.id.clone().unwrap_or_default()),
            entry.cluster_id.to_string(),
        ]);
    }
    row
}

pub(crate) fn update_row(update: &Entry<UpdateEntry>, wide: bool, now: Timestamp) -> Vec<String> {
    let (entry, body) = (&update.entry, &update.entry.update);
    let over = body.steps.iter().filter(|step| step.progress.is_over()).count();
    let version = |text: &str| if wide { or_none(text) } else { short_version(text) };
    let mut row = vec![
        entry.id.clone(),
        or_none(update.cluster.as_str()),
        body.progress.as_str().to_owned(),
        format!("{over}/{}", body.steps.len()),
        version(&body.to),
        age(Some(body.started_at.unwrap_or(entry.created_at)), now),
        lasted(body.started_at, body.finished_at, now),
        or_none(update.left.as_str()),
        or_none(sentence(entry)),
    ];
    if wide {
        row.extend([&body.from, &body.channel, &body.cause, &body.actor, &body.plan].map(or_none));
    }
    row
}

/// The sentence of an update: its own, or that of the first step that fails or waits.
pub(crate) fn sentence(entry: &UpdateEntry) -> &str {
    let body = &entry.update;
    if !body.message.is_empty() {
        return &body.message;
    }
    let stuck = |wanted: Progress| {
        body.steps
            .iter()
            .find(|step| step.progress == wanted && !step.message.is_empty())
    };
    let step = stuck(Progress::Failing).or_else(|| stuck(Progress::Waiting));
    step.map_or("", |step| step.message.as_str())
}

/// How long something took, or has been going on.
pub(crate) fn lasted(begun: Option<Timestamp>, ended: Option<Timestamp>, now: Timestamp) -> String {
    match begun {
        Some(_) => age(begun, ended.unwrap_or(now)),
        None => or_none(""),
    }
}

/// The entry as JSON.
pub(crate) fn value<T: Serialize>(entry: &Entry<T>) -> Result<Value, serde_json::Error> {
    serde_json::to_value(entry)
}
