//! The side that asks.

use std::path::Path;
use std::time::Duration;

use cli_args::{ClusterArgs, SimulationArgs};
use reqwest::{Client, Method, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Refusal, SimulationInfo};
use crate::commands::sim::note::{self, Note};
use crate::failure::Failure;
use crate::settings::Env;

/// How long a simulation may take to take a connection; it is on this machine.
const CONNECT: Duration = Duration::from_secs(2);

/// A running simulation.
#[derive(Debug)]
pub(in crate::commands::sim) struct Remote {
    note: Note,
    client: Client,
}

/// A cluster of a running simulation.
#[derive(Debug)]
pub(in crate::commands::sim) struct Target {
    pub(in crate::commands::sim) remote: Remote,
    pub(in crate::commands::sim) cluster: String,
}

/// All simulations that answer, with what they tell. Notes of those that were killed are taken away.
pub(in crate::commands::sim) async fn running(env: &Env) -> Result<Vec<(Remote, SimulationInfo)>, Failure> {
    let folder = note::folder(env)?;
    let mut found = Vec::new();
    for note in note::all(&folder)? {
        // A proxy of the environment is for the network, not for this machine.
        let client = Client::builder().no_proxy().connect_timeout(CONNECT).build();
        let client = client.map_err(|error| Failure::of(&error))?;
        let remote = Remote { note, client };
        match remote.info().await? {
            Some(info) => found.push((remote, info)),
            None => forget(&folder, &remote.note),
        }
    }
    Ok(found)
}

fn forget(folder: &Path, note: &Note) {
    note::forget(folder, note);
}

impl Remote {
    /// What it tells of itself; nothing when it is no longer there.
    async fn info(&self) -> Result<Option<SimulationInfo>, Failure> {
        let response = self.request(Method::GET, "simulation").send().await;
        match response {
            Err(error) if error.is_connect() => Ok(None),
            // The port belongs to somebody else by now.
            Ok(response) if !response.status().is_success() => Ok(None),
            response => self.read(response).await.map(Some),
        }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}/{path}", self.note.control);
        self.client.request(method, url).bearer_auth(&self.note.token)
    }

    async fn read<T: DeserializeOwned>(&self, response: reqwest::Result<Response>) -> Result<T, Failure> {
        let response = self.accepted(response).await?;
        response.json().await.map_err(|error| self.failed(&error))
    }

    /// The response, unless it is a refusal.
    async fn accepted(&self, response: reqwest::Result<Response>) -> Result<Response, Failure> {
        let response = response.map_err(|error| self.failed(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        let refusal = serde_json::from_str::<Refusal>(&text).map(|refusal| refusal.error);
        Err(Failure::new(refusal.unwrap_or_else(|_| {
            format!("simulation {}: answered {status}", self.note.pid)
        })))
    }

    fn failed(&self, error: &reqwest::Error) -> Failure {
        Failure::of(error).while_doing(format!("simulation {}", self.note.pid))
    }
}

impl Target {
    /// Finds the cluster that is meant, where that is clear.
    pub(in crate::commands::sim) async fn find(args: &ClusterArgs, env: &Env) -> Result<Self, Failure> {
        let (remote, info) = choose(running(env).await?, &args.simulation)?;
        let names: Vec<&str> = info.clusters.iter().map(|cluster| cluster.name.as_str()).collect();
        let cluster = match (&args.cluster, names.as_slice()) {
            (Some(name), _) => name.clone(),
            (None, [only]) => (*only).to_owned(),
            (None, _) => {
                let failure = Failure::new("the simulation has several clusters");
                return Err(failure.hint(format!("choose one with --cluster: {}", brief(&names))));
            }
        };
        Ok(Self { remote, cluster })
    }

    fn path(&self, rest: &[&str]) -> String {
        let mut path = format!("clusters/{}", escaped(&self.cluster));
        for part in rest {
            path.push('/');
            path.push_str(&escaped(part));
        }
        path
    }

    /// Reads something of the cluster.
    pub(in crate::commands::sim) async fn get<T: DeserializeOwned>(&self, rest: &[&str]) -> Result<T, Failure> {
        let request = self.remote.request(Method::GET, &self.path(rest));
        self.remote.read(request.send().await).await
    }

    /// Does something to the cluster.
    pub(in crate::commands::sim) async fn post<T: DeserializeOwned>(
        &self,
        rest: &[&str],
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let request = self.remote.request(Method::POST, &self.path(rest)).json(body);
        self.remote.read(request.send().await).await
    }

    /// Ends something of the cluster.
    pub(in crate::commands::sim) async fn delete<T: DeserializeOwned>(&self, rest: &[&str]) -> Result<T, Failure> {
        let request = self.remote.request(Method::DELETE, &self.path(rest));
        self.remote.read(request.send().await).await
    }

    /// All objects of the cluster as YAML.
    pub(in crate::commands::sim) async fn objects(&self) -> Result<String, Failure> {
        let request = self.remote.request(Method::GET, &self.path(&["objects"]));
        let response = self.remote.accepted(request.send().await).await?;
        response.text().await.map_err(|error| self.remote.failed(&error))
    }

    /// Puts objects into the cluster.
    pub(in crate::commands::sim) async fn load(&self, text: String) -> Result<super::Loaded, Failure> {
        let request = self.remote.request(Method::POST, &self.path(&["objects"]));
        let request = request.header("content-type", "application/yaml").body(text);
        self.remote.read(request.send().await).await
    }
}

fn choose(found: Vec<(Remote, SimulationInfo)>, args: &SimulationArgs) -> Result<(Remote, SimulationInfo), Failure> {
    let pids: Vec<String> = found.iter().map(|(_, info)| info.pid.to_string()).collect();
    let mut fitting = found
        .into_iter()
        .filter(|(_, info)| args.simulation.is_none_or(|pid| pid == info.pid));
    match (fitting.next(), fitting.next(), args.simulation) {
        (Some(only), None, _) => Ok(only),
        (Some(_), Some(_), _) => {
            let hint = format!("choose one with --simulation: {}", pids.join(", "));
            Err(Failure::new("several simulations run").hint(hint))
        }
        (None, _, Some(pid)) => {
            Err(Failure::new(format!("no simulation {pid} runs")).hint("\"fleetwright sim list\" shows those that do"))
        }
        (None, _, None) => Err(Failure::new("no simulation runs").hint("\"fleetwright sim up\" starts one")),
    }
}

/// A few of the names.
fn brief(names: &[&str]) -> String {
    match names {
        [first, second, third, .., last] => format!("{first}, {second}, {third}, ... {last}"),
        few => few.join(", "),
    }
}

/// A name as a part of a path. Names of clusters and nodes need nothing; what a person mistypes must not become a path.
fn escaped(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_within_their_part_of_the_path() {
        for (name, expected) in [("sim-1", "sim-1"), ("a/../b", "a%2F..%2Fb"), ("é?", "%C3%A9%3F")] {
            assert_eq!(escaped(name), expected);
        }
    }

    #[test]
    fn only_a_few_names_are_told() {
        assert_eq!(brief(&["a", "b"]), "a, b");
        assert_eq!(brief(&["a", "b", "c", "d", "e"]), "a, b, c, ... e");
    }
}
