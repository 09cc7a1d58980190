//! `sim`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cli_args::{SimArgs, SimCommand, SimUpArgs, env_vars};
use kube_sim::{ApiServer, Identity, LoopbackWebhooks};
use ports::{Ids as _, SeededIds, SystemClock, SystemIds};
use service::Shutdown;
use tokio::net::TcpListener;

use crate::console::Console;
use crate::documents::read_text;
use crate::failure::Failure;
use crate::settings::Env;

/// First line of a kubeconfig of ours: only such a file is overwritten.
const MARK: &str = "# Written by \"fleetwright sim up\"; overwritten by the next one.";

pub(super) async fn run(args: SimArgs, env: &Env, console: &mut Console) -> Result<(), Failure> {
    let SimCommand::Up(args) = args.command;
    if !args.listen.ip().is_loopback() {
        let message = format!(
            "--listen {}: must be a loopback address, since everybody may do everything",
            args.listen
        );
        return Err(Failure::new(message).hint("127.0.0.1:0 takes a free port"));
    }
    let kubeconfig = kubeconfig_path(&args, env)?;
    check_ours(&kubeconfig)?;
    let objects = args.load.as_deref().map(read_text).transpose()?;
    let mut running = Vec::new();
    for number in 0..args.clusters {
        let ids = Arc::new(SeededIds::new(SystemIds.next_u64()));
        let builder = ApiServer::builder(Arc::new(SystemClock), ids);
        let server = builder.webhooks(Arc::new(LoopbackWebhooks::new())).build();
        if let Some((name, text)) = &objects {
            server
                .load(text, Identity::Reassign)
                .map_err(|error| Failure::of(&error).while_doing(format!("--load {name}")))?;
        }
        let listener = bind(args.listen, number).await?;
        let address = listener.local_addr().map_err(|error| Failure::of(&error))?;
        running.push((server, listener, address));
    }
    let addresses: Vec<SocketAddr> = running.iter().map(|(_, _, address)| *address).collect();
    write(&kubeconfig, &kubeconfig_text(&addresses))?;
    for (number, address) in addresses.iter().enumerate() {
        console.line(&format!("sim-{}    http://{address}", number + 1))?;
    }
    console.line(&format!("\nexport KUBECONFIG={}", kubeconfig.display()))?;
    console.line("kubectl --context sim-1 get namespaces")?;
    console.flush()?;
    console.say("Ctrl-C stops the clusters; what is in them is gone then");
    serve(running).await
}

/// Serves until a signal comes, then removes nothing: the kubeconfig is overwritten by the next run.
async fn serve(running: Vec<(ApiServer, TcpListener, SocketAddr)>) -> Result<(), Failure> {
    let shutdown = Shutdown::new();
    shutdown
        .on_signals()
        .map_err(|error| Failure::of(&error).while_doing("listening to signals"))?;
    let mut tasks = tokio::task::JoinSet::new();
    for (server, listener, _) in running {
        let shutdown = shutdown.clone();
        tasks
            .spawn(async move { kube_sim::serve(server, listener, None, async move { shutdown.begun().await }).await });
    }
    while let Some(ended) = tasks.join_next().await {
        if let Ok(Err(error)) = ended {
            return Err(Failure::of(&error).while_doing("serving"));
        }
    }
    Ok(())
}

async fn bind(first: SocketAddr, number: u16) -> Result<TcpListener, Failure> {
    let mut address = first;
    if first.port() != 0 {
        let port = first.port().checked_add(number);
        let port =
            port.ok_or_else(|| Failure::new(format!("--listen {first}: there are not enough ports after it")))?;
        address.set_port(port);
    }
    let failed = |error: std::io::Error| {
        Failure::new(format!("{address}: {error}")).hint("--listen takes another address, port 0 a free port")
    };
    TcpListener::bind(address).await.map_err(failed)
}

fn kubeconfig_path(args: &SimUpArgs, env: &Env) -> Result<PathBuf, Failure> {
    let base = || {
        env.xdg(&env_vars::XDG_DATA_HOME, ".local/share")
            .map(|base| base.join("fleetwright/sim.kubeconfig"))
    };
    let path = args.kubeconfig.clone().or_else(base);
    path.ok_or_else(|| Failure::new("there is no place for the kubeconfig").hint("give --kubeconfig FILE, or set HOME"))
}

/// Refuses to overwrite somebody's own kubeconfig.
fn check_ours(path: &Path) -> Result<(), Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) if !text.is_empty() && !text.starts_with(MARK) => {
            let message = format!("{}: is there and was not written by this command", path.display());
            Err(Failure::new(message).hint("give another file with --kubeconfig"))
        }
        _ => Ok(()),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(path, text).map_err(failed)
}

fn kubeconfig_text(addresses: &[SocketAddr]) -> String {
    let mut text = format!("{MARK}\napiVersion: v1\nkind: Config\ncurrent-context: sim-1\nclusters:\n");
    for (number, address) in addresses.iter().enumerate() {
        text.push_str(&format!(
            "- name: sim-{0}\n  cluster:\n    server: http://{address}\n",
            number + 1
        ));
    }
    text.push_str("users:\n- name: sim\n  user: {}\ncontexts:\n");
    for number in 1..=addresses.len() {
        text.push_str(&format!(
            "- name: sim-{number}\n  context:\n    cluster: sim-{number}\n    user: sim\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kubeconfig_has_a_context_for_each_cluster() {
        let addresses = ["127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap()];
        let value: serde_json::Value = yaml::from_str(&kubeconfig_text(&addresses)).unwrap();
        assert_eq!(value["current-context"], "sim-1");
        assert_eq!(value["contexts"][1]["name"], "sim-2");
        assert_eq!(value["clusters"][1]["cluster"]["server"], "http://127.0.0.1:2");
    }

    #[test]
    fn a_kubeconfig_of_somebody_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        assert!(check_ours(&path).is_ok());
        std::fs::write(&path, "apiVersion: v1\n").unwrap();
        assert!(check_ours(&path).is_err());
        std::fs::write(&path, kubeconfig_text(&[])).unwrap();
        assert!(check_ours(&path).is_ok());
    }
}
