//! Serves a registry on a loopback address, for tools that call the API from outside; without a token file everybody may:
//!
//! ```text
//! cargo run -p registry --example serve -- 127.0.0.1:8090 sqlite:/tmp/registry.db [TOKEN-FILE]
//! ```
//!
//! It prints its URL on one line once it listens, and ends on SIGTERM.

#![expect(clippy::print_stdout, reason = "the URL is the example's output")]

use std::error::Error;
use std::sync::Arc;

use ports::{Clock, Registry, SystemClock, SystemIds};
use registry::auth::TokenFile;
use registry::{Access, Loopback, Server};
use service::{LogFormat, Shutdown, init_tracing};
use store::{DatabaseUrl, Store};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:0".to_owned()).parse()?;
    let database: DatabaseUrl = arguments
        .next()
        .unwrap_or_else(|| "sqlite::memory:".to_owned())
        .parse()?;
    let tokens = arguments.next();
    init_tracing(LogFormat::Text, "warn", false)?;
    let shutdown = Shutdown::new();
    shutdown.on_signals()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = Arc::new(Store::open(&database, Arc::clone(&clock)).await?);
    let registry: Arc<dyn Registry> = store.clone();
    let access = match tokens {
        Some(path) => Access::Tokens(Arc::new(TokenFile::open(path.as_ref(), Arc::clone(&clock)).await?)),
        None => Access::Open(Loopback::new(address)?),
    };
    let server = Server::new(registry, clock, Arc::new(SystemIds), shutdown)
        .ledger(store.clone())
        .bind(address, access)
        .await?;
    println!("{}", server.url());
    server.run().await;
    store.close().await;
    Ok(())
}
