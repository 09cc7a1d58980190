//! The kubeconfig of a simulation: a context for each cluster.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use cli_args::{SimUpArgs, env_vars};

use crate::failure::Failure;
use crate::settings::Env;

/// First line of the kubeconfig of `sim up`.
pub(super) const MARK: &str = "# Written by \"fleetwright sim up\"; overwritten by the next one.";
/// What the first line of a kubeconfig of ours begins with: only such a file is overwritten.
const OURS: &str = "# Written by \"fleetwright ";

/// Where it goes.
pub(super) fn path(args: &SimUpArgs, env: &Env) -> Result<PathBuf, Failure> {
    let base = || {
        env.xdg(&env_vars::XDG_DATA_HOME, ".local/share")
            .map(|base| base.join("fleetwright/sim.kubeconfig"))
    };
    let path = args.kubeconfig.clone().or_else(base);
    path.ok_or_else(|| Failure::new("there is no place for the kubeconfig").hint("give --kubeconfig FILE, or set HOME"))
}

/// Refuses to overwrite somebody's own kubeconfig.
pub(in crate::commands) fn check_ours(path: &Path) -> Result<(), Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) if !text.is_empty() && !text.starts_with(OURS) => {
            let message = format!("{}: is there and was not written by this command", path.display());
            Err(Failure::new(message).hint("give another file with --kubeconfig"))
        }
        _ => Ok(()),
    }
}

/// Writes it for clusters at these addresses, under this first line.
pub(in crate::commands) fn write(path: &Path, mark: &str, clusters: &[(String, SocketAddr)]) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(path, text(mark, clusters)).map_err(failed)
}

fn text(mark: &str, clusters: &[(String, SocketAddr)]) -> String {
    let current = clusters.first().map(|(name, _)| name.as_str()).unwrap_or_default();
    let mut text = format!("{mark}\napiVersion: v1\nkind: Config\ncurrent-context: {current:?}\nclusters:\n");
    for (name, address) in clusters {
        text.push_str(&format!("- name: {name}\n  cluster:\n    server: http://{address}\n"));
    }
    text.push_str("users:\n- name: sim\n  user: {}\ncontexts:\n");
    for (name, _) in clusters {
        text.push_str(&format!(
            "- name: {name}\n  context:\n    cluster: {name}\n    user: sim\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_a_context_for_each_cluster() {
        let cluster = |name: &str, address: &str| (name.to_owned(), address.parse().unwrap());
        let clusters = [cluster("sim-1", "127.0.0.1:1"), cluster("sim-2", "127.0.0.1:2")];
        let value: serde_json::Value = yaml::from_str(&text(MARK, &clusters)).unwrap();
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
        write(&folder.path().join("ours"), MARK, &[]).unwrap();
        assert!(check_ours(&folder.path().join("ours")).is_ok());
    }
}
