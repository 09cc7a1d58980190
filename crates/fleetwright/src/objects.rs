//! Objects as the commands show them: name, row of a table, JSON.

use cli_args::Kind;
use jiff::Timestamp;
use lifecycle::waves::Alarm;
use model::words::short_config;
use model::{ChannelStatus, Cluster, ClusterVersion, InfrastructureAccount, NodePool};
use registry_api::{ActEntry, ApprovalEntry, BlockEntry, RecordEntry, UpdateEntry};
use serde::Serialize;
use serde_json::Value;

use crate::age::age;
use crate::approvals;
use crate::channels;
use crate::failure::Failure;
use crate::ledger::{self, Entry};
use crate::movement::{self, Wave};
use crate::records;
use crate::table::or_none;

/// Key of the config item whose presence keeps a cluster from being updated.
pub(crate) const BLOCK: &str = "cluster_update_block";
/// Characters of a configuration id that a table shows; what git shows by default.
const SHORT_ID: usize = 7;
/// Longest configuration id that is shown whole, and characters of the hash that are shown.
const WHOLE_ID: usize = 12;

/// Members of a cluster; commands that read files refuse others.
pub(crate) const CLUSTER_FIELDS: &[&str] = &[
    "id",
    "alias",
    "infrastructure_account",
    "region",
    "local_id",
    "provider",
    "api_server_url",
    "channel",
    "environment",
    "criticality_level",
    "lifecycle_status",
    "status",
    "config_items",
    "node_pools",
    "created_at",
];
/// Members of an account.
pub(crate) const ACCOUNT_FIELDS: &[&str] = &[
    "id",
    "type",
    "name",
    "owner",
    "cost_center",
    "environment",
    "criticality_level",
    "external_id",
    "lifecycle_status",
];
/// Members of a node pool, and the cluster that it belongs to.
pub(crate) const POOL_FIELDS: &[&str] = &[
    "cluster",
    "name",
    "profile",
    "instance_types",
    "discount_strategy",
    "min_size",
    "max_size",
    "config_items",
];

/// An object with what is needed to show it.
#[derive(Debug, Clone)]
pub(crate) enum Object {
    /// A cluster.
    Cluster(Box<Cluster>),
    /// A node pool with the alias of its cluster.
    Pool(String, NodePool),
    /// An account.
    Account(InfrastructureAccount),
    /// A block.
    Block(Box<Entry<BlockEntry>>),
    /// An update.
    Update(Box<Entry<UpdateEntry>>),
    /// A request or agreement to a deletion.
    Approval(Box<Entry<ApprovalEntry>>),
    /// A rollout of a node pool.
    Rollout(Box<Entry<RecordEntry>>),
    /// Evidence of a forced termination.
    Evidence(Box<Entry<RecordEntry>>),
    /// A channel.
    Channel(Box<ChannelStatus>),
    /// The change that walks through a channel.
    Wave(Box<Wave>),
    /// A pause, a freeze or a fast lane.
    Act(Box<ActEntry>),
    /// An alarm.
    Alarm(Box<Alarm>),
}

/// A node pool as it is printed: what `create` and `apply` need to find its cluster again.
#[derive(Serialize)]
struct PoolWithCluster<'a> {
    cluster: &'a str,
    #[serde(flatten)]
    pool: &'a NodePool,
}

impl Object {
    /// The object as JSON.
    pub(crate) fn value(&self) -> Result<Value, Failure> {
        match self {
            Self::Cluster(cluster) => serde_json::to_value(cluster),
            Self::Pool(cluster, pool) => serde_json::to_value(PoolWithCluster { cluster, pool }),
            Self::Account(account) => serde_json::to_value(account),
            Self::Block(block) => ledger::value(block),
            Self::Update(update) => ledger::value(update),
            Self::Approval(approval) => ledger::value(approval),
            Self::Rollout(record) | Self::Evidence(record) => ledger::value(record),
            Self::Channel(channel) => serde_json::to_value(channel),
            Self::Wave(wave) => serde_json::to_value(wave),
            Self::Act(act) => serde_json::to_value(act),
            Self::Alarm(alarm) => serde_json::to_value(alarm),
        }
        .map_err(|error| Failure::of(&error))
    }

    /// `kind/name`, as success lines and `-o name` show it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Cluster(cluster) => cluster_name(cluster),
            Self::Pool(cluster, pool) => pool_name(cluster, pool.name.as_str()),
            Self::Account(account) => account_name(account.id.as_str()),
            Self::Block(block) => format!("block/{}", block.cluster),
            Self::Update(update) => format!("update/{}", update.entry.id),
            Self::Approval(approval) => approvals::name(approval),
            Self::Rollout(record) => records::rollout_name(record),
            Self::Evidence(record) => format!("evidence/{}", record.entry.id),
            Self::Channel(channel) => format!("channel/{}", channel.channel),
            Self::Wave(wave) => format!("wave/{}", wave.channel),
            Self::Act(act) => movement::act_name(act),
            Self::Alarm(alarm) => format!("alarm/{}", movement::alarm_name(alarm)),
        }
    }

    /// The row of the table.
    pub(crate) fn row(&self, wide: bool, now: Timestamp) -> Vec<String> {
        match self {
            Self::Cluster(cluster) => cluster_row(cluster, wide, now),
            Self::Pool(cluster, pool) => pool_row(cluster, pool, wide),
            Self::Account(account) => account_row(account, wide),
            Self::Block(block) => ledger::block_row(block, wide, now),
            Self::Update(update) => ledger::update_row(update, wide, now),
            Self::Approval(approval) => approvals::row(approval, wide, now),
            Self::Rollout(record) => records::rollout_row(record, wide, now),
            Self::Evidence(record) => records::evidence_row(record, wide, now),
            Self::Channel(channel) => channels::row(channel, wide, now),
            Self::Wave(wave) => movement::wave_row(wave, wide, now),
            Self::Act(act) => movement::act_row(act, wide, now),
            Self::Alarm(alarm) => movement::alarm_row(alarm, wide, now),
        }
    }
}

/// Name of a cluster in success lines: the alias is what people say.
pub(crate) fn cluster_name(cluster: &Cluster) -> String {
    format!("cluster/{}", cluster.alias)
}

/// Name of a node pool in success lines.
pub(crate) fn pool_name(cluster: &str, pool: &str) -> String {
    format!("nodepool/{cluster}/{pool}")
}

/// Name of an account in success lines.
pub(crate) fn account_name(id: &str) -> String {
    format!("account/{id}")
}

/// Members of a kind.
pub(crate) fn fields(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Clusters => CLUSTER_FIELDS,
        Kind::NodePools => POOL_FIELDS,
        Kind::Accounts => ACCOUNT_FIELDS,
        Kind::Blocks => ledger::BLOCK_FIELDS,
        Kind::Updates => ledger::UPDATE_FIELDS,
        Kind::Approvals => approvals::FIELDS,
        Kind::Rollouts | Kind::Evidence => records::FIELDS,
        Kind::Channels => channels::FIELDS,
        Kind::Waves => movement::WAVE_FIELDS,
        Kind::Acts => movement::ACT_FIELDS,
        Kind::Alarms => movement::ALARM_FIELDS,
    }
}

/// Column names of the table of a kind.
pub(crate) fn header(kind: Kind, wide: bool) -> Vec<&'static str> {
    let (narrow, more): (&[&str], &[&str]) = match kind {
        Kind::Clusters => (
            &["ID", "ALIAS", "ENVIRONMENT", "CHANNEL", "VERSION", "STATUS", "AGE"],
            &[
                "NEXT-VERSION",
                "PROVIDER",
                "REGION",
                "ACCOUNT",
                "CRITICALITY",
                "NODE-POOLS",
                "API-SERVER",
            ],
        ),
        Kind::NodePools => (
            &["NAME", "CLUSTER", "PROFILE", "INSTANCE-TYPES", "DISCOUNT", "MIN", "MAX"],
            &["CONFIG-ITEMS"],
        ),
        Kind::Accounts => (
            &["ID", "NAME", "TYPE", "OWNER", "ENVIRONMENT", "STATUS"],
            &["COST-CENTER", "EXTERNAL-ID", "CRITICALITY"],
        ),
        Kind::Approvals => approvals::HEADER,
        Kind::Rollouts => records::ROLLOUT_HEADER,
        Kind::Evidence => records::EVIDENCE_HEADER,
        Kind::Channels => channels::HEADER,
        Kind::Waves => movement::WAVE_HEADER,
        Kind::Acts => movement::ACT_HEADER,
        Kind::Alarms => movement::ALARM_HEADER,
        kind @ (Kind::Blocks | Kind::Updates) => ledger::header(kind),
    };
    let more = if wide { more } else { &[] };
    narrow.iter().chain(more).copied().collect()
}

fn cluster_row(cluster: &Cluster, wide: bool, now: Timestamp) -> Vec<String> {
    let version = |text: &str| if wide { or_none(text) } else { short_version(text) };
    let mut row = vec![
        cluster.id.to_string(),
        cluster.alias.to_string(),
        cluster.environment.clone(),
        cluster.channel.clone(),
        version(&cluster.status.current_version),
        status(cluster),
        age(cluster.created_at, now),
    ];
    if wide {
        row.extend([
            version(&cluster.status.next_version),
            cluster.provider.clone(),
            cluster.region.clone(),
            cluster.infrastructure_account.to_string(),
            cluster.criticality_level.to_string(),
            cluster.node_pools.len().to_string(),
            cluster.api_server_url.clone(),
        ]);
    }
    row
}

fn pool_row(cluster: &str, pool: &NodePool, wide: bool) -> Vec<String> {
    let types = match pool.instance_types.as_slice() {
        [first, rest @ ..] if !wide && rest.len() > 1 => format!("{first},+{}", rest.len()),
        types => or_none(types.join(",")),
    };
    let mut row = vec![
        pool.name.to_string(),
        cluster.to_owned(),
        pool.profile.clone(),
        types,
        pool.discount_strategy.clone(),
        pool.min_size.to_string(),
        pool.max_size.to_string(),
    ];
    if wide {
        row.push(pool.config_items.len().to_string());
    }
    row
}

fn account_row(account: &InfrastructureAccount, wide: bool) -> Vec<String> {
    let lifecycle = serde_json::to_value(account.lifecycle_status).unwrap_or_default();
    let mut row = vec![
        account.id.to_string(),
        account.name.clone(),
        account.kind.clone(),
        account.owner.clone(),
        account.environment.clone(),
        lifecycle.as_str().unwrap_or_default().to_owned(),
    ];
    if wide {
        row.extend([
            account.cost_center.clone(),
            account.external_id.clone(),
            account.criticality_level.to_string(),
        ]);
    }
    row
}

/// State of a cluster in one word without spaces: its lifecycle, and what deserves attention.
pub(crate) fn status(cluster: &Cluster) -> String {
    let mut parts = vec![cluster.lifecycle_status.to_string()];
    let status = &cluster.status;
    if !status.next_version.is_empty() && status.next_version != status.current_version {
        parts.push("updating".to_owned());
    }
    if !status.problems.is_empty() {
        parts.push(format!("problems({})", status.problems.len()));
    }
    // The mere presence of the item blocks, whatever its value.
    if cluster.config_items.contains_key(BLOCK) {
        parts.push("blocked".to_owned());
    }
    parts.join(",")
}

/// A version short enough for a table: ids of commits as git shortens them, and the start of the hash.
pub(crate) fn short_version(text: &str) -> String {
    if text.is_empty() {
        return or_none("");
    }
    let version = ClusterVersion::parse(text);
    if version == ClusterVersion::default() {
        return cut(text, WHOLE_ID);
    }
    format!("{}#{}", short_config(&version.config), cut(&version.hash, SHORT_ID))
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_shortened() {
        let commit = "93eb84d0123456789012345678901234567890ab";
        for (text, expected) in [
            (String::new(), "<none>"),
            (format!("{commit}#0Rrd-phWGSGgDM6iSjm7wGF4pqw"), "93eb84d#0Rrd-ph"),
            (
                format!("main={commit};extra={commit}#0Rrd-phW"),
                "main=93eb84d;extra=93eb84d#0Rrd-ph",
            ),
            ("<dir>#abc".to_owned(), "<dir>#abc"),
            ("not-a-version-at-all".to_owned(), "not-a-versio"),
        ] {
            assert_eq!(short_version(&text), expected, "{text}");
        }
    }

    #[test]
    fn the_lists_of_members_are_those_of_the_types() {
        let pool = serde_json::json!({"name": "worker", "profile": "p", "instance_types": ["m"], "discount_strategy": "none",
            "min_size": 1, "max_size": 2});
        let cluster = serde_json::json!({"id": "aws:1:r:kube-1", "alias": "kube-1", "infrastructure_account": "aws:1",
            "region": "r", "local_id": "kube-1", "provider": "p", "api_server_url": "u", "channel": "dev",
            "environment": "test", "criticality_level": 1, "lifecycle_status": "ready", "node_pools": [pool],
            "created_at": "2026-01-02T03:04:05Z"});
        let account = serde_json::json!({"id": "aws:1", "type": "aws", "name": "n", "owner": "o", "cost_center": "c",
            "environment": "test", "criticality_level": 1, "external_id": "1", "lifecycle_status": "ready"});
        let cluster: Cluster = serde_json::from_value(cluster).unwrap();
        let pool = Object::Pool("kube-1".into(), cluster.node_pools[0].clone());
        for (object, fields) in [
            (Object::Cluster(Box::new(cluster)), CLUSTER_FIELDS),
            (pool, POOL_FIELDS),
            (
                Object::Account(serde_json::from_value(account).unwrap()),
                ACCOUNT_FIELDS,
            ),
        ] {
            let value = object.value().unwrap();
            let mut names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
            let mut fields = fields.to_vec();
            names.sort_unstable();
            fields.sort_unstable();
            assert_eq!(names, fields);
        }
    }
}
