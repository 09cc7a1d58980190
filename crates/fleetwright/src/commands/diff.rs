//! `diff`.

use std::collections::{BTreeMap, BTreeSet};

use cli_args::{DiffArgs, ReportFormat};
use render::{ClusterDiff, ObjectChange, Renderer};
use serde_json::{Value, json};

use crate::console::Console;
use crate::failure::Failure;
use crate::fleet::{self, Fleet, Prepared, Rendered};
use crate::mask::{Hider, Mask};
use crate::settings::{Env, Settings};

/// An edit after masking: path and signed lines.
type Edit = (String, Vec<(char, String)>);

pub(super) async fn run(args: DiffArgs, settings: Settings, env: &Env, console: &mut Console) -> Result<(), Failure> {
    let fleet = Fleet::read(&args.sources, &args.selection, settings).await?;
    let sources = fleet::open(&args.sources.config_sources, &args.sources, env, console).await?;
    let from = fleet.inputs(&sources, args.from.as_deref()).await?;
    let to = if args.to_config_sources.is_empty() {
        fleet.inputs(&sources, args.to.as_deref()).await?
    } else {
        let sources = fleet::open(&args.to_config_sources, &args.sources, env, console).await?;
        fleet.inputs(&sources, args.to.as_deref()).await?
    };
    // One renderer for both sides: what both share is rendered once.
    let renderer = Renderer::new();
    let before = fleet::render_all(&renderer, &from, console);
    let after = fleet::render_all(&renderer, &to, console);
    let failed = fleet::say_errors(&fleet, &[&before, &after], console);
    let report = report(
        &fleet,
        &before,
        &after,
        &hider(&args, [(&from, &before), (&to, &after)]),
    );
    match args.output {
        ReportFormat::Text => report.print(failed, console)?,
        ReportFormat::Json => crate::print::Format::Json.print_value(&report.json(), console)?,
    }
    match (failed, report.is_empty()) {
        (true, _) => Err(Failure::AlreadySaid),
        (false, true) => Ok(()),
        (false, false) => Err(Failure::Differs),
    }
}

fn hider(args: &DiffArgs, sides: [(&[Prepared], &[Rendered]); 2]) -> Hider {
    let mut mask = Mask::default();
    if !args.show_secrets {
        for (inputs, outcomes) in sides {
            for (input, outcome) in inputs.iter().zip(outcomes) {
                if let (Ok(input), Ok(outcome)) = (input, outcome) {
                    mask.add(input, &outcome.desired);
                }
            }
        }
    }
    mask.hider()
}

/// What differs, folded over clusters.
#[derive(Default)]
struct Report {
    edits: BTreeMap<Edit, BTreeSet<String>>,
    objects: BTreeMap<(String, &'static str), BTreeSet<String>>,
    pools: BTreeMap<String, BTreeSet<String>>,
}

fn report(fleet: &Fleet, before: &[Rendered], after: &[Rendered], hider: &Hider) -> Report {
    let mut diffs: Vec<(&str, ClusterDiff)> = Vec::new();
    for (subject, sides) in fleet.subjects.iter().zip(before.iter().zip(after)) {
        if let (Ok(before), Ok(after)) = sides {
            diffs.push((
                subject.cluster.alias.as_str(),
                render::diff(&before.desired, &after.desired),
            ));
        }
    }
    let mut report = Report::default();
    for change in render::fold(diffs.iter().map(|(alias, diff)| (*alias, diff))) {
        // Masked edits may have become equal where only secrets differ between clusters.
        let lines = change
            .lines
            .iter()
            .map(|(sign, line)| (*sign, hider.hide(line)))
            .collect();
        report
            .edits
            .entry((change.path, lines))
            .or_default()
            .extend(change.clusters);
    }
    for (alias, diff) in &diffs {
        for (id, change) in &diff.objects {
            let verb = match change {
                ObjectChange::Added => "added",
                ObjectChange::Removed => "removed",
                ObjectChange::Changed(_) => "changed",
            };
            report
                .objects
                .entry((id.to_string(), verb))
                .or_default()
                .insert((*alias).to_owned());
        }
        for pool in &diff.pools {
            report
                .pools
                .entry(pool.clone())
                .or_default()
                .insert((*alias).to_owned());
        }
    }
    report
}

impl Report {
    fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    fn print(&self, failed: bool, console: &mut Console) -> Result<(), Failure> {
        for ((path, lines), clusters) in &self.edits {
            console.line(&format!("{path}    {}", named(clusters)))?;
            for (sign, line) in lines {
                console.line(&format!("{sign} {line}"))?;
            }
            console.line("")?;
        }
        if self.is_empty() {
            // After an error nobody knows whether something differs.
            if !failed {
                console.say("nothing differs");
            }
            return Ok(());
        }
        if !self.objects.is_empty() {
            console.line("Objects:")?;
        }
        for ((id, verb), clusters) in &self.objects {
            let sign = match *verb {
                "added" => '+',
                "removed" => '-',
                _ => '~',
            };
            console.line(&format!("  {sign} {id}    {}", named(clusters)))?;
        }
        if !self.pools.is_empty() {
            console.line("Node pools whose nodes will be replaced:")?;
        }
        for (pool, clusters) in &self.pools {
            console.line(&format!("  ! {pool}    {}", named(clusters)))?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let edits = self.edits.iter().map(|((path, lines), clusters)| {
            let side = |sign| {
                lines
                    .iter()
                    .filter(|(s, _)| *s == sign)
                    .map(|(_, l)| l)
                    .collect::<Vec<_>>()
            };
            json!({"path": path, "removed": side('-'), "added": side('+'), "clusters": clusters})
        });
        let objects = self
            .objects
            .iter()
            .map(|((id, verb), clusters)| json!({"object": id, "change": verb, "clusters": clusters}));
        let pools = self
            .pools
            .iter()
            .map(|(pool, clusters)| json!({"node_pool": pool, "clusters": clusters}));
        json!({
            "edits": edits.collect::<Vec<_>>(),
            "objects": objects.collect::<Vec<_>>(),
            "node_pools": pools.collect::<Vec<_>>(),
        })
    }
}

fn named(clusters: &BTreeSet<String>) -> String {
    fleet::names(&clusters.iter().collect::<Vec<_>>())
}
