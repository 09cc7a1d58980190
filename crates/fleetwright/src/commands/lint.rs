//! `lint`.

use std::collections::BTreeMap;

use cli_args::{LintArgs, ReportFormat};
use render::{Finding, Input, KubernetesVersion, Outcome, Renderer, Severity};
use serde_json::json;

use crate::console::Console;
use crate::failure::Failure;
use crate::fleet::{self, Fleet};
use crate::settings::{Env, Settings};

pub(super) async fn run(args: LintArgs, settings: Settings, env: &Env, console: &mut Console) -> Result<(), Failure> {
    let version = args
        .kubernetes_version
        .as_deref()
        .map(str::parse::<KubernetesVersion>)
        .transpose();
    let version = version.map_err(|why| Failure::new(format!("--kubernetes-version: {why}")))?;
    let fleet = Fleet::read(&args.sources, &args.selection, settings).await?;
    let sources = fleet::open(&args.sources.config_sources, &args.sources, env, console).await?;
    let inputs = fleet.inputs(&sources, args.channel.as_deref()).await?;
    let outcomes = fleet::render_all(&Renderer::new(), &inputs, console)?;
    // Clusters of one configuration are looked at together: an item is unused only when none of them uses it.
    let mut groups: BTreeMap<String, Vec<(&Input, &Outcome)>> = BTreeMap::new();
    let mut failed = false;
    for ((subject, input), outcome) in fleet.subjects.iter().zip(&inputs).zip(&outcomes) {
        match (input, outcome) {
            (Ok(input), Ok(outcome)) => groups.entry(input.config.id()).or_default().push((input, outcome)),
            (Err(why), _) | (_, Err(why)) => {
                console.fail(&Failure::new(format!("cluster {}: {why}", subject.cluster.alias)));
                failed = true;
            }
        }
    }
    let mut findings: Vec<(String, Finding)> = Vec::new();
    for (config, clusters) in groups {
        findings.extend(
            render::lint(&clusters, version)
                .into_iter()
                .map(|finding| (config.clone(), finding)),
        );
    }
    failed |= findings
        .iter()
        .any(|(_, finding)| finding.rule.severity() == Severity::Error);
    match args.output {
        ReportFormat::Text => text(&fleet, &findings, console)?,
        ReportFormat::Json => {
            let items = findings.iter().map(|(config, finding)| {
                json!({
                    "config": config, "rule": finding.rule.name(), "severity": severity(finding), "subject": finding.subject,
                    "message": finding.message, "clusters": finding.clusters,
                })
            });
            crate::print::Format::Json.print_value(&json!({"findings": items.collect::<Vec<_>>()}), console)?;
        }
    }
    if failed { Err(Failure::AlreadySaid) } else { Ok(()) }
}

fn severity(finding: &Finding) -> &'static str {
    match finding.rule.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn text(fleet: &Fleet, findings: &[(String, Finding)], console: &mut Console) -> Result<(), Failure> {
    let aliases: BTreeMap<&str, &str> = fleet
        .subjects
        .iter()
        .map(|s| (s.cluster.id.as_str(), s.cluster.alias.as_str()))
        .collect();
    for (_, finding) in findings {
        let clusters: Vec<&str> = finding
            .clusters
            .iter()
            .map(|id| aliases.get(id.as_str()).copied().unwrap_or(id.as_str()))
            .collect();
        let concerned = if clusters.is_empty() {
            String::new()
        } else {
            format!("    {}", fleet::names(&clusters))
        };
        console.line(&format!(
            "{} {} {}: {}{concerned}",
            severity(finding),
            finding.rule.name(),
            finding.subject,
            finding.message
        ))?;
    }
    let errors = findings
        .iter()
        .filter(|(_, f)| f.rule.severity() == Severity::Error)
        .count();
    console.say(&format!("{errors} errors, {} warnings", findings.len() - errors));
    Ok(())
}
