//! `version`.

use cli_args::VersionArgs;
use serde_json::json;

use crate::console::Console;
use crate::failure::Failure;
use crate::print::Format;
use crate::session::Session;
use crate::settings::Settings;

pub(super) async fn run(args: VersionArgs, settings: &Settings, console: &mut Console) -> Result<(), Failure> {
    let client = env!("CARGO_PKG_VERSION");
    let format = args
        .output
        .as_ref()
        .map(|output| Format::whole(output, "version"))
        .transpose()?
        .flatten();
    let server = if args.client {
        None
    } else {
        Some(Session::new(settings)?.client.server_version().await)
    };
    let (server, failure) = match server {
        Some(Ok(version)) => (Some(version), None),
        Some(Err(error)) => (None, Some(Failure::from(error).while_doing("version of the server"))),
        None => (None, None),
    };
    match format {
        Some(format) => format.print_value(&json!({"client": client, "server": server}), console)?,
        None => {
            console.line(&format!("Client: {client}"))?;
            if let Some(version) = &server {
                console.line(&format!("Server: {version}"))?;
            }
        }
    }
    console.flush()?;
    failure.map_or(Ok(()), Err)
}
