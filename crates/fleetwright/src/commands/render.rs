//! `render`.

use std::fs;
use std::path::Path;

use cli_args::RenderArgs;
use render::Renderer;

use crate::console::Console;
use crate::failure::Failure;
use crate::fleet::{self, Fleet};
use crate::mask::Mask;
use crate::settings::{Env, Settings};

pub(super) async fn run(args: RenderArgs, settings: Settings, env: &Env, console: &mut Console) -> Result<(), Failure> {
    let fleet = Fleet::read(&args.sources, &args.selection, settings).await?;
    let sources = fleet::open(&args.sources.config_sources, &args.sources, env, console).await?;
    let inputs = fleet.inputs(&sources, args.channel.as_deref()).await?;
    let outcomes = fleet::render_all(&Renderer::new(), &inputs, console);
    fleet::say_warnings(&fleet, &outcomes, console);
    for ((subject, input), outcome) in fleet.subjects.iter().zip(&inputs).zip(&outcomes) {
        let (Ok(input), Ok(outcome)) = (input, outcome) else {
            continue;
        };
        let mut mask = Mask::default();
        if !args.show_secrets {
            mask.add(input, &outcome.desired);
        }
        let hider = mask.hider();
        let alias = subject.cluster.alias.as_str();
        for (path, text) in outcome.desired.texts() {
            let text = hider.hide(&text);
            match &args.output {
                Some(folder) => write(&folder.join(alias).join(&path), &text, args.show_secrets)?,
                None if text.trim().is_empty() => {}
                None => {
                    console.line(&format!("---\n# Source: {alias}/{path}"))?;
                    console.write(text.as_bytes())?;
                    if !text.ends_with('\n') {
                        console.line("")?;
                    }
                }
            }
        }
    }
    if fleet::say_errors(&fleet, &[&outcomes], console) {
        Err(Failure::AlreadySaid)
    } else {
        Ok(())
    }
}

/// Writes a file, readable by its owner alone when it may hold secrets.
fn write(path: &Path, text: &str, private: bool) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    if private {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    let mut file = options.open(path).map_err(failed)?;
    // The mode above counts only for a new file; one of an earlier run may be open to others.
    #[cfg(unix)]
    if private {
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .map_err(failed)?;
    }
    #[cfg(not(unix))]
    let _ = private;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(failed)
}
