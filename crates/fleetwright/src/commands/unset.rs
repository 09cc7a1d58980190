//! `unset config-item`.

use cli_args::{UnsetArgs, UnsetCommand};
use model::ConfigKey;
use ports::{Registry as _, RegistryError};

use super::DRY_RUN;
use super::set::owner;
use crate::console::Console;
use crate::failure::Failure;
use crate::session::Session;
use crate::settings::Settings;

pub(super) async fn run(args: UnsetArgs, settings: &Settings, console: &mut Console) -> Result<(), Failure> {
    let UnsetCommand::ConfigItem(args) = args.command;
    let keys = args
        .keys
        .iter()
        .map(|key| key.parse())
        .collect::<Result<Vec<ConfigKey>, _>>()?;
    let session = Session::new(settings)?;
    let cluster = session.cluster(&args.cluster).await?.object;
    let (owner, pool, stored) = owner(&cluster, args.node_pool.as_deref())?;
    let mut changed = false;
    for key in keys.iter().filter(|key| stored.contains_key(*key)) {
        changed = true;
        if args.dry_run {
            continue;
        }
        let removed = match &pool {
            None => {
                session
                    .client
                    .delete_config_item(&cluster.id, key, &session.write())
                    .await
            }
            Some(pool) => {
                session
                    .client
                    .delete_node_pool_config_item(&cluster.id, pool, key, &session.write())
                    .await
            }
        };
        match removed {
            // Somebody else removed it since: what was asked for holds.
            Ok(()) | Err(RegistryError::NotFound { .. }) => {}
            Err(error) => return Err(Failure::from(error).while_doing(format!("config item {key}"))),
        }
    }
    let verb = if changed { "configured" } else { "unchanged" };
    console.line(&format!("{owner} {verb}{}", if args.dry_run { DRY_RUN } else { "" }))
}
