//! `diff`.

use std::collections::{BTreeMap, BTreeSet};

use cli_args::{DiffArgs, ReportFormat};
use render::{ClusterDiff, Fold, ObjectChange, Renderer};
use serde_json::{Value, json};

use crate::console::Console;
use crate::failure::Failure;
use crate::fleet::{self, Comparison, Problems, Sides};
use crate::mask::Mask;
use crate::settings::{Env, Settings};

/// An edit after masking: path and signed lines.
type Edit = (String, Vec<(char, String)>);

pub(super) async fn run(args: DiffArgs, settings: Settings, env: &Env, console: &mut Console) -> Result<(), Failure> {
    let comparison = Comparison::read(&args.compare, settings, env, console).await?;
    let fleet = &comparison.fleet;
    let renderer = Renderer::new();
    let work = |at: usize| {
        let (from, to) = comparison.sides(at)?;
        Some(compared(Sides::render(&renderer, from, to), args.show_secrets))
    };
    let (mut found, mut before, mut after) = (Found::default(), Vec::new(), Vec::new());
    fleet::each(fleet.subjects.len(), work, |at, compared| {
        if let (Some(compared), Some(subject)) = (compared, fleet.subjects.get(at)) {
            found.add(subject.cluster.alias.as_str(), compared.diff, compared.mask);
            let [old, new] = compared.problems;
            before.push(old);
            after.push(new);
            console.progress(at + 1, fleet.subjects.len(), fleet::RENDERED);
        }
        Ok(())
    })?;
    let failed = fleet::say_errors(fleet, &[before, after], console);
    let report = found.report();
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

/// One cluster's difference, with what is needed to tell it.
struct Compared {
    diff: ClusterDiff,
    mask: Mask,
    problems: [Problems; 2],
}

/// Compares both sides of one cluster.
fn compared(sides: Sides, show_secrets: bool) -> Compared {
    let diff = match (&sides.before, &sides.after) {
        (Ok(before), Ok(after)) => render::diff(&before.desired, &after.desired),
        _ => ClusterDiff::default(),
    };
    Compared {
        diff,
        mask: if show_secrets { Mask::default() } else { sides.mask },
        problems: sides.problems,
    }
}

/// What differs, folded over clusters.
#[derive(Default)]
struct Report {
    edits: BTreeMap<Edit, BTreeSet<String>>,
    objects: BTreeMap<(String, &'static str), BTreeSet<String>>,
    pools: BTreeMap<String, BTreeSet<String>>,
}

/// What the clusters so far gave: the secrets of all of them have to be known before anything is told.
#[derive(Default)]
struct Found {
    mask: Mask,
    edits: Fold,
    report: Report,
}

impl Found {
    fn add(&mut self, alias: &str, diff: ClusterDiff, mask: Mask) {
        self.mask.merge(mask);
        self.edits.add(alias, &diff);
        for (id, change) in diff.objects {
            let verb = match change {
                ObjectChange::Added => "added",
                ObjectChange::Removed => "removed",
                ObjectChange::Changed(_) => "changed",
            };
            let clusters = self.report.objects.entry((id.to_string(), verb)).or_default();
            clusters.insert(alias.to_owned());
        }
        for pool in diff.pools {
            self.report.pools.entry(pool).or_default().insert(alias.to_owned());
        }
    }

    fn report(self) -> Report {
        let hider = self.mask.hider();
        let mut report = self.report;
        for change in self.edits.finish() {
            // Masked edits may have become equal where only secrets differ between clusters.
            let lines = change.lines.iter();
            let lines = lines.map(|(sign, line)| (*sign, hider.hide(line))).collect();
            let clusters = report.edits.entry((change.path, lines)).or_default();
            clusters.extend(change.clusters);
        }
        report
    }
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
