//! `set config-item`.

use std::collections::BTreeMap;

use cli_args::{ItemAssignment, SetArgs, SetCommand, SetConfigItemArgs};
use model::{Cluster, ConfigItems, ConfigKey, NodePoolName};
use ports::Registry as _;

use super::DRY_RUN;
use crate::console::Console;
use crate::documents::read_text;
use crate::failure::Failure;
use crate::objects::{cluster_name, pool_name};
use crate::session::Session;
use crate::settings::Settings;

pub(super) async fn run(args: SetArgs, settings: &Settings, console: &mut Console) -> Result<(), Failure> {
    let SetCommand::ConfigItem(args) = args.command;
    let items = items(&args)?;
    let session = Session::new(settings)?;
    let cluster = session.cluster(&args.cluster).await?.object;
    let (owner, pool, stored) = owner(&cluster, args.node_pool.as_deref())?;
    let mut changed = false;
    for (key, value) in &items {
        if stored.get(key) == Some(value) {
            continue;
        }
        changed = true;
        if args.dry_run {
            continue;
        }
        match &pool {
            None => {
                session
                    .client
                    .put_config_item(&cluster.id, key, value, &session.write())
                    .await
            }
            Some(pool) => {
                session
                    .client
                    .put_node_pool_config_item(&cluster.id, pool, key, value, &session.write())
                    .await
            }
        }
        .map_err(|error| Failure::from(error).while_doing(format!("config item {key}")))?;
    }
    let verb = if changed { "configured" } else { "unchanged" };
    console.line(&format!("{owner} {verb}{}", if args.dry_run { DRY_RUN } else { "" }))
}

/// Whose items are meant: its name in success lines, its pool, and the items that are stored.
pub(super) fn owner<'a>(
    cluster: &'a Cluster,
    pool: Option<&str>,
) -> Result<(String, Option<NodePoolName>, &'a ConfigItems), Failure> {
    let Some(name) = pool else {
        return Ok((cluster_name(cluster), None, &cluster.config_items));
    };
    let Some(found) = cluster.node_pool(name) else {
        let names: Vec<&str> = cluster.node_pools.iter().map(|pool| pool.name.as_str()).collect();
        let failure = Failure::new(format!("node pool {name:?} not found in {}", cluster_name(cluster)));
        return Err(if names.is_empty() {
            failure
        } else {
            failure.hint(format!("it has {}", names.join(", ")))
        });
    };
    Ok((
        pool_name(cluster.alias.as_str(), name),
        Some(found.name.clone()),
        &found.config_items,
    ))
}

/// Keys and values from arguments, files and standard input. All are read before anything is written.
fn items(args: &SetConfigItemArgs) -> Result<BTreeMap<ConfigKey, String>, Failure> {
    let mut items = BTreeMap::new();
    let mut add = |key: &str, value: String| -> Result<(), Failure> {
        let key: ConfigKey = key.parse()?;
        match items.insert(key.clone(), value) {
            None => Ok(()),
            Some(_) => Err(Failure::new(format!("config item {key} is given twice"))),
        }
    };
    let mut stdin_used = false;
    for item in &args.items {
        match item {
            ItemAssignment::Value { key, value } => add(key, value.clone())?,
            ItemAssignment::Stdin { .. } if std::mem::replace(&mut stdin_used, true) => {
                return Err(Failure::new("standard input can be the value of one config item only"));
            }
            ItemAssignment::Stdin { key } => add(key, value_of(std::path::Path::new("-"))?)?,
        }
    }
    for (key, path) in &args.from_file {
        add(key, value_of(path)?)?;
    }
    Ok(items)
}

/// The text of a file without the one line break that editors put at its end.
fn value_of(path: &std::path::Path) -> Result<String, Failure> {
    let (_, mut text) = read_text(path)?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}
