//! `export`.

use cli_args::{DocumentFormat, ExportArgs};
use ports::Registry as _;

use crate::console::Console;
use crate::failure::Failure;
use crate::print::Format;
use crate::session::Session;
use crate::settings::Settings;

pub(super) async fn run(args: ExportArgs, settings: &Settings, console: &mut Console) -> Result<(), Failure> {
    let document = Session::new(settings)?.client.export().await?;
    let value = serde_json::to_value(&document).map_err(|error| Failure::of(&error))?;
    let format = match args.output {
        DocumentFormat::Yaml => Format::Yaml,
        DocumentFormat::Json => Format::Json,
    };
    format.print_value(&value, console)
}
