//! `plan`.

pub(crate) mod forecasts;

use std::io::IsTerminal as _;

use cli_args::{PlanArgs, PlanFormat};
use plan::FleetPlan;
use plan::report::{self, Style};

use crate::console::Console;
use crate::failure::Failure;
use crate::looking::Clusters;
use crate::pictures;
use crate::planning;
use crate::settings::{Env, Settings};
use crate::table::Table;

/// Longest comment that GitHub takes, in characters; bytes are never fewer.
const COMMENT: usize = 65_536;

pub(super) async fn run(args: PlanArgs, settings: Settings, env: &Env, console: &mut Console) -> Result<(), Failure> {
    let clusters = args.live.then(|| Clusters::of(args.kubeconfig.clone(), env));
    let mut made = planning::make(&args.compare, clusters.as_ref(), settings, env, console).await?;
    let whole = |path: &std::path::PathBuf| std::path::absolute(path).map(|path| path.to_string_lossy().into_owned());
    made.plan.recipe.kubeconfig = args.kubeconfig.as_ref().and_then(|path| whole(path).ok());
    let fleet = &made.comparison.fleet;
    let dumps = match &args.kubeconfig {
        Some(file) if !args.live => pictures::look(file, fleet, pictures::Extent::Contract).await?,
        _ => pictures::read(&args.forecast, fleet)?,
    };
    let forecasts = forecasts::forecasts(fleet, &dumps, &made.plan.clusters, &made.rules)?;
    made.plan = made.plan.with_forecasts(forecasts);
    tell(&made.plan, &args, console)?;
    for (cluster, why) in &made.asks {
        let plan = made.plan.clusters.iter().find(|plan| plan.cluster == *cluster);
        let alias = plan.map_or(cluster.as_str(), |plan| &plan.alias);
        console.warn(&format!("cluster {alias}: {why}"));
    }
    let failed = made.failed || made.plan.clusters.iter().any(|plan| !plan.errors.is_empty());
    match (failed, args.detailed_exitcode && !made.plan.is_empty()) {
        (true, _) => Err(Failure::AlreadySaid),
        (false, true) => Err(Failure::Changes),
        (false, false) => Ok(()),
    }
}

fn tell(plan: &FleetPlan, args: &PlanArgs, console: &mut Console) -> Result<(), Failure> {
    if let Some(path) = &args.out {
        let text = serde_json::to_string(plan).map_err(|error| Failure::of(&error))?;
        std::fs::write(path, text).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    }
    match args.output {
        PlanFormat::Text => {
            let style = Style {
                colour: console.colour() && std::io::stdout().is_terminal(),
                whole: false,
            };
            console.write(report::text(plan, style).as_bytes())
        }
        PlanFormat::Wide => {
            let mut table = Table::default();
            report::table(plan).into_iter().for_each(|row| table.push(row.to_vec()));
            console.write(table.take_text().as_bytes())
        }
        PlanFormat::Json => {
            let value = serde_json::to_value(plan).map_err(|error| Failure::of(&error))?;
            crate::print::Format::Json.print_value(&value, console)
        }
        PlanFormat::Markdown => console.write(report::markdown(plan, COMMENT).as_bytes()),
    }
}
