//! `render`.

use std::fs;
use std::io::IsTerminal as _;
use std::path::Path;

use cli_args::RenderArgs;
use render::Renderer;

use crate::console::Console;
use crate::failure::Failure;
use crate::fleet::{self, Fleet, Prepared, Problems};
use crate::mask::Mask;
use crate::settings::{Env, Settings};

pub(super) async fn run(args: RenderArgs, settings: Settings, env: &Env, console: &mut Console) -> Result<(), Failure> {
    let fleet = Fleet::read(&args.sources, &args.selection, settings).await?;
    let sources = fleet::open(&args.sources.config_sources, &args.sources, env, console).await?;
    let inputs = fleet.inputs(&sources, args.channel.as_deref()).await?;
    let renderer = Renderer::new();
    // A cluster's texts are written as soon as they are there and then let go: a fleet's would fill the memory.
    let work = |at: usize| inputs.get(at).map(|input| texts(&renderer, input, args.show_secrets));
    let mut problems = Vec::new();
    // Lines of progress among the texts would make both unreadable.
    let tell = args.output.is_some() || !std::io::stdout().is_terminal();
    fleet::each(inputs.len(), work, |at, rendered| {
        let (Some((texts, own)), Some(subject)) = (rendered, fleet.subjects.get(at)) else {
            return Ok(());
        };
        problems.push(own);
        let alias = subject.cluster.alias.as_str();
        for (path, text) in texts {
            match &args.output {
                Some(folder) => write(&folder.join(alias).join(&path), &text, args.show_secrets)?,
                None => show(&format!("{alias}/{path}"), &text, console)?,
            }
        }
        if tell {
            console.progress(at + 1, inputs.len(), fleet::RENDERED);
        }
        Ok(())
    })?;
    fleet::say_warnings(&fleet, &problems, console);
    if fleet::say_errors(&fleet, &[problems], console) {
        Err(Failure::AlreadySaid)
    } else {
        Ok(())
    }
}

/// The texts of one cluster by path, masked unless secrets are asked for, and what is wrong with it.
fn texts(renderer: &Renderer, input: &Prepared, show_secrets: bool) -> (Vec<(String, String)>, Problems) {
    let outcome = fleet::render_one(renderer, input);
    let problems = Problems::of(&outcome);
    let (Ok(input), Ok(outcome)) = (input, outcome) else {
        return (Vec::new(), problems);
    };
    renderer.forget(&input.cluster.id);
    let mut mask = Mask::default();
    if !show_secrets {
        mask.add(input, &outcome.desired);
    }
    let hider = mask.hider();
    let texts = outcome.desired.texts().into_iter();
    (texts.map(|(path, text)| (path, hider.hide(&text))).collect(), problems)
}

fn show(name: &str, text: &str, console: &mut Console) -> Result<(), Failure> {
    if text.trim().is_empty() {
        return Ok(());
    }
    console.line(&format!("---\n# Source: {name}"))?;
    console.write(text.as_bytes())?;
    if text.ends_with('\n') { Ok(()) } else { console.line("") }
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
