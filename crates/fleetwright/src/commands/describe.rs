//! `describe`.

mod channel;
mod following;
mod update;
mod wave;

use cli_args::{DescribeArgs, DescribeClusterArgs, DescribeCommand, DescribeUpdateArgs, GlobalArgs};
use jiff::Timestamp;
use model::{Cluster, ConfigItems, NodePool, secrets};
use ports::Registry as _;
use ports::registry::{ObjectKind, PageRequest};

use super::{history, why};
use crate::age::age;
use crate::console::Console;
use crate::failure::Failure;
use crate::objects::{BLOCK, status};
use crate::session::Session;
use crate::settings::{Env, Settings};
use crate::table::{NONE, Table, one_line, or_none};

/// Column at which values start.
const VALUES_AT: usize = 25;
/// Longest value of a config item that is shown.
const SHOWN_VALUE: usize = 100;
/// Changes that are shown; `history` shows more.
const SHOWN_CHANGES: usize = 5;

pub(super) async fn run(
    args: DescribeArgs,
    global: &GlobalArgs,
    env: &Env,
    console: &mut Console,
) -> Result<(), Failure> {
    let settings = || Settings::resolve(global, env);
    match args.command {
        DescribeCommand::Node(args) => why::describe_node(args, global, env, console).await,
        DescribeCommand::Cluster(args) => clusters(args, &settings()?, console).await,
        DescribeCommand::Update(args) => updates(args, &settings()?, console).await,
        DescribeCommand::Channel(args) => channel::run(args, &settings()?, console).await,
        DescribeCommand::Wave(args) => wave::run(args, &settings()?, console).await,
    }
}

async fn updates(args: DescribeUpdateArgs, settings: &Settings, console: &mut Console) -> Result<(), Failure> {
    let session = Session::new(settings)?;
    if args.watch {
        let [name] = args.names.as_slice() else {
            return Err(
                Failure::new("--watch follows one update").hint("\"fleetwright get updates --watch\" follows many")
            );
        };
        return following::follow(&session, name, console).await;
    }
    for (i, name) in args.names.iter().enumerate() {
        let entry = update::find(&session, name).await?;
        let earlier = match entry.open {
            true => following::earlier(&session, &entry).await?,
            false => Vec::new(),
        };
        if i > 0 {
            console.line("")?;
        }
        let mut text = Text::default();
        update::tell(&entry, &earlier, session.clock.now(), &mut text);
        console.write(text.0.as_bytes())?;
    }
    Ok(())
}

async fn clusters(args: DescribeClusterArgs, settings: &Settings, console: &mut Console) -> Result<(), Failure> {
    let session = Session::new(settings)?;
    for (i, name) in args.names.iter().enumerate() {
        let cluster = session.cluster(name).await?;
        let page = PageRequest {
            limit: Some(SHOWN_CHANGES),
            after: None,
        };
        let changes = session
            .client
            .history(ObjectKind::Cluster, cluster.object.id.as_str(), &page)
            .await?;
        if i > 0 {
            console.line("")?;
        }
        let mut text = Text::default();
        identity(&cluster.object, session.clock.now(), &mut text);
        text.field("Revision", &cluster.revision.to_string());
        state(&cluster.object, &mut text);
        items("Config items", &cluster.object.config_items, &mut text);
        pools(&cluster.object.node_pools, &mut text);
        text.block("Last changes", &history::table(&changes.items, true));
        console.write(text.0.as_bytes())?;
    }
    Ok(())
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn field(&mut self, name: &str, value: &str) {
        self.indented(0, name, value);
    }

    fn indented(&mut self, indent: usize, name: &str, value: &str) {
        let label = format!("{:indent$}{name}:", "");
        let value = one_line(or_none(value));
        self.0.push_str(&format!("{label:<VALUES_AT$} {value}\n"));
    }

    fn block(&mut self, name: &str, lines: &str) {
        if lines.is_empty() {
            return self.field(name, NONE);
        }
        self.0.push_str(&format!("{name}:\n"));
        for line in lines.lines() {
            self.0.push_str(&format!("  {line}\n"));
        }
    }
}

fn identity(cluster: &Cluster, now: Timestamp, text: &mut Text) {
    let created = cluster
        .created_at
        .map(|time| format!("{time} ({} ago)", age(Some(time), now)));
    for (name, value) in [
        ("Id", cluster.id.as_str()),
        ("Alias", cluster.alias.as_str()),
        ("Account", cluster.infrastructure_account.as_str()),
        ("Provider", &cluster.provider),
        ("Region", &cluster.region),
        ("Local id", &cluster.local_id),
        ("API server", &cluster.api_server_url),
        ("Environment", &cluster.environment),
        ("Criticality level", &cluster.criticality_level.to_string()),
        ("Channel", &cluster.channel),
        ("Created", &created.unwrap_or_default()),
    ] {
        text.field(name, value);
    }
}

fn state(cluster: &Cluster, text: &mut Text) {
    text.field("Status", &status(cluster));
    if let Some(reason) = cluster.config_items.get(BLOCK) {
        let reason = if reason.is_empty() { "no reason given" } else { reason };
        text.field("Updates blocked", reason);
    }
    text.field("Current version", &cluster.status.current_version);
    text.field("Next version", &cluster.status.next_version);
    text.field("Last version", &cluster.status.last_version);
    if cluster.status.problems.is_empty() {
        text.field("Problems", NONE);
        return;
    }
    text.0.push_str("Problems:\n");
    for problem in &cluster.status.problems {
        text.0.push_str(&format!("  - {}\n", one_line(problem.title.clone())));
        let members = [
            ("type", Some(&problem.kind)),
            ("detail", problem.detail.as_ref()),
            ("instance", problem.instance.as_ref()),
        ];
        for (name, value) in members
            .into_iter()
            .chain(problem.extensions.iter().map(|(k, v)| (k.as_str(), Some(v))))
        {
            if let Some(value) = value {
                text.indented(4, name, value);
            }
        }
    }
}

fn items(name: &str, items: &ConfigItems, text: &mut Text) {
    let mut table = Table::default();
    for (key, value) in secrets::masked(items) {
        let mut shown: String = one_line(value.clone()).chars().take(SHOWN_VALUE).collect();
        if shown.chars().count() < value.chars().count() {
            shown.push('…');
        }
        table.push(vec![key.to_string(), shown]);
    }
    text.block(name, &table.take_text());
}

fn pools(pools: &[NodePool], text: &mut Text) {
    if pools.is_empty() {
        return text.field("Node pools", NONE);
    }
    let mut table = Table::with_header(["NAME", "PROFILE", "INSTANCE-TYPES", "DISCOUNT", "MIN", "MAX"]);
    for pool in pools {
        table.push(vec![
            pool.name.to_string(),
            pool.profile.clone(),
            or_none(pool.instance_types.join(",")),
            pool.discount_strategy.clone(),
            pool.min_size.to_string(),
            pool.max_size.to_string(),
        ]);
    }
    text.block("Node pools", &table.take_text());
    for pool in pools.iter().filter(|pool| !pool.config_items.is_empty()) {
        items(
            &format!("Config items of node pool {}", pool.name),
            &pool.config_items,
            text,
        );
    }
}
