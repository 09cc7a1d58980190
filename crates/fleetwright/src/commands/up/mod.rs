//! `up`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use cli_args::{UpArgs, env_vars};
use model::FileRegistry;
use ports::registry::{AccountFilter, ClusterFilter, Detail, ImportMode, PageRequest};
use ports::{Ids as _, Registry as _, SystemIds, WriteContext};
use registry::{Access, Loopback};
use store::{DatabaseUrl, Store};

use crate::console::Console;
use crate::failure::Failure;
use crate::serving::Serving;
use crate::settings::{DEFAULT_SERVER, Env};

/// The example fleet stands in the binary, so that it works wherever the binary is.
const EXAMPLE: &str = include_str!("../../../../../examples/fleet/registry.yaml");

pub(super) async fn run(args: UpArgs, env: &Env, console: &mut Console) -> Result<(), Failure> {
    let data = data_directory(&args, env)?;
    std::fs::create_dir_all(&data).map_err(|error| Failure::new(format!("{}: {error}", data.display())))?;
    let file = data.join("registry.db");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let filter = env.get(&env_vars::LOG).unwrap_or("warn");
    service::init_tracing(service::LogFormat::Text, filter, console.colour()).map_err(|error| Failure::of(&error))?;
    let access = Access::Open(Loopback::new(address).map_err(|error| Failure::of(&error))?);
    let serving = Serving::start(&DatabaseUrl::sqlite(&file), address, access, None).await;
    let serving = serving.map_err(|failure| failure.hint("--port takes another one, --port 0 a free one"))?;
    let filled = if args.empty { false } else { fill(&serving.store).await? };
    let contents = contents(&serving.store, filled).await?;
    console.write(welcome(&serving.url(), &file.display().to_string(), &contents).as_bytes())?;
    console.flush()?;
    serving.run().await;
    console.say("stopped; the data stay");
    Ok(())
}

fn data_directory(args: &UpArgs, env: &Env) -> Result<PathBuf, Failure> {
    let base = || {
        env.xdg(&env_vars::XDG_DATA_HOME, ".local/share")
            .map(|base| base.join("fleetwright"))
    };
    args.data
        .clone()
        .or_else(base)
        .ok_or_else(|| Failure::new("there is no place for the data").hint("give --data DIR, or set HOME"))
}

/// Loads the example fleet into an empty registry.
async fn fill(store: &Store) -> Result<bool, Failure> {
    // A registry that ever held anything is somebody's, even if it is empty now.
    if store.last_change().await? > 0 {
        return Ok(false);
    }
    let example: FileRegistry =
        yaml::from_str(EXAMPLE).map_err(|error| Failure::of(&error).while_doing("example fleet"))?;
    let context = WriteContext::by("fleetwright up", SystemIds.uuid());
    store.import(example, ImportMode::Create, &context).await?;
    Ok(true)
}

/// What the registry holds.
struct Contents {
    accounts: usize,
    clusters: usize,
    /// Alias to use in examples.
    alias: Option<String>,
    filled: bool,
}

async fn contents(store: &Store, filled: bool) -> Result<Contents, Failure> {
    let clusters = store
        .list_clusters(&ClusterFilter::default(), Detail::Brief, &PageRequest::all())
        .await?
        .items;
    let accounts = store
        .list_accounts(&AccountFilter::default(), &PageRequest::all())
        .await?
        .items
        .len();
    let alias = clusters.first().map(|cluster| cluster.object.alias.to_string());
    Ok(Contents {
        accounts,
        clusters: clusters.len(),
        alias,
        filled,
    })
}

/// What a newcomer reads: what runs, what it does and does not do, what to try.
fn welcome(url: &str, file: &str, contents: &Contents) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "fleetwright".to_owned());
    let (clusters, accounts) = (contents.clusters, contents.accounts);
    let origin = if contents.filled {
        ": the example fleet, loaded just now"
    } else {
        ""
    };
    let alias = contents.alias.as_deref().unwrap_or("NAME");
    let server = if url == DEFAULT_SERVER {
        String::new()
    } else {
        format!("  export FLEETWRIGHT_SERVER={url}\n")
    };
    format!(
        "The Cluster Registry runs at {url}\n\
         \n\
         \u{20} API, to read and try   {url}/docs\n\
         \u{20} metrics                {url}/metrics\n\
         \u{20} data                   {file}\n\
         \n\
         It holds {clusters} clusters in {accounts} accounts{origin}.\n\
         Only this machine can connect, and nobody is asked for a token.\n\
         This version keeps the list of clusters, with history and change feed; it does not update clusters yet.\n\
         \n\
         To try, in another terminal:\n\
         {server}\
         \u{20} {program} get clusters\n\
         \u{20} {program} set config-item {alias} cluster_update_block='looking around'\n\
         \u{20} {program} describe cluster {alias}\n\
         \n\
         Ctrl-C stops it; the data stay.\n"
    )
}

#[cfg(test)]
mod tests {
    use model::Validate as _;

    use super::*;

    #[test]
    fn the_example_fleet_is_sound() {
        let example: FileRegistry = yaml::from_str(EXAMPLE).unwrap();
        assert!(!example.clusters.is_empty() && !example.infrastructure_accounts.is_empty());
        for cluster in &example.clusters {
            assert_eq!(cluster.cluster.validate(), Ok(()), "{}", cluster.cluster.id);
        }
    }
}
