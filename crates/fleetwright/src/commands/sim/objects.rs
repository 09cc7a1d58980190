//! `sim snapshot` and `sim load`.

use std::path::Path;

use cli_args::{SimLoadArgs, SimSnapshotArgs};

use super::control::Target;
use crate::console::Console;
use crate::documents::read_text;
use crate::failure::Failure;
use crate::settings::Env;

pub(super) async fn snapshot(args: &SimSnapshotArgs, env: &Env, console: &mut Console) -> Result<(), Failure> {
    let target = Target::find(&args.cluster, env).await?;
    let text = target.objects().await?;
    let Some(path) = args.filename.as_deref().filter(|path| *path != Path::new("-")) else {
        return console.write(text.as_bytes());
    };
    std::fs::write(path, &text).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    console.say(&format!("{}: {} bytes", path.display(), text.len()));
    Ok(())
}

pub(super) async fn load(args: &SimLoadArgs, env: &Env, console: &mut Console) -> Result<(), Failure> {
    let (name, text) = read_text(&args.filename)?;
    let target = Target::find(&args.cluster, env).await?;
    let loaded = target.load(text).await.map_err(|failure| failure.while_doing(name))?;
    console.line(&format!("{} objects loaded into {}", loaded.objects, target.cluster))
}
