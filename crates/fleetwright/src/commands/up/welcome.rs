//! What a newcomer reads: what runs, where it is, what to try.

use std::path::Path;

use jiff::SignedDuration;

use super::Places;
use crate::console::Console;
use crate::failure::Failure;
use crate::settings::DEFAULT_SERVER;

/// How this program is called from any directory.
pub(super) fn program() -> String {
    let called = std::env::args().next().unwrap_or_else(|| "fleetwright".to_owned());
    if !called.contains('/') {
        return called;
    }
    std::path::absolute(&called).map_or(called, |path| path.display().to_string())
}

/// A line that points clients to a server that is not where they look by themselves.
fn server(url: &str) -> String {
    if url == DEFAULT_SERVER {
        String::new()
    } else {
        format!("  export FLEETWRIGHT_SERVER={url}\n")
    }
}

/// Of a registry without a fleet.
pub(super) fn empty(url: &str, file: &Path, console: &mut Console) -> Result<(), Failure> {
    let (program, server, file) = (program(), server(url), file.display());
    let text = format!(
        "The Cluster Registry runs at {url}\n\
         \n\
         \u{20} API, to read and try   {url}/docs\n\
         \u{20} metrics                {url}/metrics\n\
         \u{20} data                   {file}\n\
         \n\
         Only this machine can connect, and nobody is asked for a token. No cluster is looked after.\n\
         \n\
         To try, in another terminal:\n\
         {server}\
         \u{20} {program} get clusters\n\
         \n\
         Ctrl-C stops it; the data stay.\n"
    );
    console.write(text.as_bytes())?;
    console.flush()
}

/// The first lines, before the fleet stands.
pub(super) fn begins(url: &str, first: bool, console: &mut Console) -> Result<(), Failure> {
    console.line(&format!("The Cluster Registry runs at {url}"))?;
    console.line(if first {
        "It holds the example fleet, loaded just now. The simulated clusters come up ..."
    } else {
        "The simulated clusters are raised again at the versions that the registry remembers ..."
    })?;
    console.flush()
}

/// A fleet that stands.
pub(super) struct Stands<'a> {
    pub(super) url: &'a str,
    pub(super) places: &'a Places,
    pub(super) first: bool,
    pub(super) clusters: Vec<String>,
    pub(super) nodes: usize,
    pub(super) pods: usize,
    pub(super) drain: Option<(String, String)>,
    pub(super) took: SignedDuration,
    pub(super) speed: f64,
}

impl Stands<'_> {
    /// Says it.
    pub(super) fn say(&self, console: &mut Console) -> Result<(), Failure> {
        console.write(self.text().as_bytes())?;
        console.flush()
    }

    fn text(&self) -> String {
        let (url, program) = (self.url, program());
        let (repository, kubeconfig) = (self.places.repository(), self.places.kubeconfig());
        let (repository, kubeconfig) = (repository.display(), kubeconfig.display());
        let took = self.took.as_secs_f64();
        let of = |name: &str| {
            let found = self.clusters.iter().find(|alias| *alias == name);
            found.or(self.clusters.first()).cloned().unwrap_or_default()
        };
        let block = of("foobarlab-test");
        let drain = match &self.drain {
            None => String::new(),
            Some((cluster, node)) => format!(
                "3. Drain a node: its pods go elsewhere, and the autoscaler adds a node where there is too little room:\n\
                 \u{20} kubectl --context {cluster} drain {node} --ignore-daemonsets --delete-emptydir-data --force\n\
                 \u{20} kubectl --context {cluster} get nodes\n\
                 \u{20} kubectl --context {cluster} uncordon {node}\n\n"
            ),
        };
        let begins = if self.first {
            "An update has begun by itself: a newer DNS server and node image, on dev now, then on alpha, beta and stable,\n\
             each when all clusters of the one before are done.\n"
        } else {
            ""
        };
        let speed = if (self.speed - 1.0).abs() < f64::EPSILON {
            String::new()
        } else {
            format!(
                "Simulated time runs {} times as fast; ages that clients show are off by that.\n",
                self.speed
            )
        };
        format!(
            "\n{clusters} clusters stand with {nodes} nodes and {pods} pods, raised in {took:.1} s.\n\
             {begins}{speed}\
             \n\
             \u{20} fleet page             {url}\n\
             \u{20} API, to read and try   {url}/docs\n\
             \u{20} metrics                {url}/metrics\n\
             \u{20} configuration          {repository} (git; branches dev, alpha, beta, stable)\n\
             \u{20} clusters               {kubeconfig} (a context for each)\n\
             \n\
             In another terminal:\n\
             {server}\
             \u{20} export KUBECONFIG={kubeconfig}\n\
             \u{20} {program} get clusters\n\
             \u{20} {program} get updates\n\
             \n\
             1. Commit to dev, and see the update reach its clusters:\n\
             \u{20} sed -i.bak 's/log-agent:v5/log-agent:v6/' {repository}/cluster/manifests/logging/daemonset.yaml\n\
             \u{20} git -C {repository} commit --all --message 'A newer log agent'\n\
             \u{20} {program} get updates\n\
             \n\
             2. Block a cluster, and let it go again:\n\
             \u{20} {program} block {block} --reason 'looking around'\n\
             \u{20} {program} get clusters\n\
             \u{20} {program} unblock {block}\n\
             \n\
             {drain}\
             Only this machine can connect, and nobody is asked for a token. Ctrl-C stops it; the data stay.\n",
            clusters = self.clusters.len(),
            nodes = self.nodes,
            pods = self.pods,
            server = server(url),
        )
    }
}
