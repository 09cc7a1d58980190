//! `explain`.

use cli_args::{ExplainArgs, ExplainCommand};
use model::secrets::MASK;
use render::{Layer, Renderer};

use crate::console::Console;
use crate::failure::Failure;
use crate::fleet::{self, Fleet};
use crate::mask::Mask;
use crate::settings::{Env, Settings};

pub(super) async fn run(
    args: ExplainArgs,
    settings: Settings,
    env: &Env,
    console: &mut Console,
) -> Result<(), Failure> {
    let ExplainCommand::ConfigItem(args) = args.command;
    let fleet = Fleet::read(&args.sources, &args.selection, settings).await?;
    let sources = fleet::open(&args.sources.config_sources, &args.sources, env, console).await?;
    let inputs = fleet.inputs(&sources, args.channel.as_deref()).await?;
    let renderer = Renderer::new();
    let mut failed = false;
    for (subject, input) in fleet.subjects.iter().zip(&inputs) {
        let alias = subject.cluster.alias.as_str();
        let input = match input {
            Ok(input) => input,
            Err(why) => {
                console.fail(&Failure::new(format!("cluster {alias}: {why}")));
                failed = true;
                continue;
            }
        };
        let secret = !args.show_secrets && Mask::is_secret(input, &args.key);
        let show = |value: &str| if secret { MASK.to_owned() } else { format!("{value:?}") };
        let explanation = renderer.explain(input, &args.key);
        let mut layers = explanation.layers.iter();
        match layers.next() {
            None => console.line(&format!("cluster {alias}: {} is not set", args.key))?,
            Some((layer, value)) => {
                console.line(&format!("cluster {alias}: {} = {}", args.key, show(value)))?;
                console.line(&format!("  set by     {}", place(layer)))?;
            }
        }
        for (layer, value) in layers {
            console.line(&format!("  overrides  {} = {}", place(layer), show(value)))?;
        }
        for (pool, value) in &explanation.pools {
            console.line(&format!("  in pool    {pool} = {}", show(value)))?;
        }
        if explanation.readers.is_empty() {
            console.line("  read by    no template")?;
        }
        for reader in &explanation.readers {
            console.line(&format!("  read by    {reader}"))?;
        }
    }
    if failed { Err(Failure::AlreadySaid) } else { Ok(()) }
}

fn place(layer: &Layer) -> String {
    match layer {
        Layer::Default { file, version, line } => format!("default {file}:{line} at {version}"),
        Layer::Cluster => "registry entry of the cluster".to_owned(),
        Layer::NodePool => "registry entry of the node pool".to_owned(),
        Layer::Fact => "discovered fact".to_owned(),
    }
}
