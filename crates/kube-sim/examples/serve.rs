//! Serves an empty simulated cluster on loopback and prints a kubeconfig for it.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;

use kube_sim::{ApiServer, serve};
use ports::{SeededIds, SystemClock};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let server = ApiServer::new(Arc::new(SystemClock), Arc::new(SeededIds::new(1)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    println!("apiVersion: v1\nkind: Config\ncurrent-context: sim\nusers: [{{name: sim, user: {{}}}}]");
    println!("clusters: [{{name: sim, cluster: {{server: \"http://{address}\"}}}}]");
    println!("contexts: [{{name: sim, context: {{cluster: sim, user: sim}}}}]");
    serve(server, listener, None, std::future::pending()).await
}
