//! `shadow`, `adopt` and `hand-back`.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;

use cli_args::{AdoptArgs, HandBackArgs, ShadowArgs, ShadowFormat};
use jiff::SignedDuration;
use model::ClusterId;
use model::duration::GoDuration;
use model::words::moment;
use plan::FleetPlan;
use plan::report::Style;
use ports::{Clock as _, SystemClock};
use shadow::adoption::{self, AdoptionError};
use shadow::{Report, Verdict};

use crate::console::Console;
use crate::failure::Failure;
use crate::print::Format;
use crate::settings::{Env, Settings};
use crate::shadowing::{Beside, asked, now};
use crate::table::Table;

pub(super) async fn run(args: ShadowArgs, settings: Settings, env: &Env, console: &mut Console) -> Result<(), Failure> {
    let beside = Beside::open(&args.sources, &args.place, settings, env, console).await?;
    let only = beside.select(&args.clusters).await?;
    if args.watch {
        let interval = positive("--interval", args.interval)?;
        let watched = watch(&beside, only.as_ref(), interval, console).await;
        beside.close().await;
        return watched;
    }
    let report = beside.report(only.as_ref()).await;
    beside.close().await;
    let report = report?;
    tell(&report, args.output, console)?;
    match args.detailed_exitcode && !report.agrees() {
        true => Err(Failure::Changes),
        false => Ok(()),
    }
}

fn positive(flag: &str, given: GoDuration) -> Result<std::time::Duration, Failure> {
    let time = given.to_std().filter(|time| !time.is_zero());
    time.ok_or_else(|| Failure::new(format!("{flag}: must be longer than nothing, such as 10m")))
}

fn tell(report: &Report, format: ShadowFormat, console: &mut Console) -> Result<(), Failure> {
    if format == ShadowFormat::Json {
        let value = serde_json::to_value(report).map_err(|error| Failure::of(&error))?;
        return Format::Json.print_value(&value, console);
    }
    let wide = format == ShadowFormat::Wide;
    let mut table = match wide {
        true => Table::with_header([
            "CLUSTER", "VERDICT", "SINCE", "AGREED", "ORIGINAL", "HERE", "PLAN", "WHY",
        ]),
        false => Table::with_header(["CLUSTER", "VERDICT", "SINCE", "AGREED", "ORIGINAL", "HERE", "WHY"]),
    };
    let mut any = false;
    for row in report.rows() {
        // Whoever agrees is counted; a fleet of them needs no lines.
        if !wide && matches!(row.verdict, Verdict::Agrees | Verdict::Gone) {
            continue;
        }
        any = true;
        let mut cells = vec![
            row.alias,
            row.verdict.word().to_owned(),
            row.since,
            row.agreed,
            row.theirs.to_owned(),
            row.ours.to_owned(),
        ];
        if wide {
            cells.push(row.plan);
        }
        cells.push(crate::table::one_line(row.why));
        table.push(cells);
    }
    if any {
        console.write(table.take_text().as_bytes())?;
        console.line("")?;
    }
    let plan = report.takeover();
    if !plan.is_empty() {
        console.line("What taking over would change:")?;
        changes(&plan, console)?;
    }
    let marked: usize = report.looks.iter().map(|look| look.takeover.marked).sum();
    if marked > 0 {
        console.line(&format!(
            "{marked} objects would get Fleetwright's label, and change in nothing else."
        ))?;
    }
    console.line(&report.counts().sentence())
}

fn changes(plan: &FleetPlan, console: &mut Console) -> Result<(), Failure> {
    let style = Style {
        colour: console.colour() && std::io::stdout().is_terminal(),
        whole: false,
    };
    console.write(plan::report::text(plan, style).as_bytes())
}

/// Looks again and again until an interrupt; a line for each verdict that changes.
async fn watch(
    beside: &Beside,
    only: Option<&std::collections::BTreeSet<ClusterId>>,
    interval: std::time::Duration,
    console: &mut Console,
) -> Result<(), Failure> {
    let mut known: BTreeMap<ClusterId, (Verdict, String)> = BTreeMap::new();
    loop {
        for (source, why) in beside.configuration.refresh().await {
            console.warn(&format!(
                "config source {source} could not be brought up to date: {why}"
            ));
        }
        match beside.report(only).await {
            Ok(report) => {
                for (look, row) in report.looks.iter().zip(report.rows()) {
                    let seen = (look.verdict, row.why.clone());
                    if known.insert(look.cluster.clone(), seen.clone()).as_ref() != Some(&seen) {
                        let why = if row.why.is_empty() {
                            String::new()
                        } else {
                            format!(": {}", row.why)
                        };
                        let line = format!("{} {} {}{why}", moment(report.at), row.alias, look.verdict.word());
                        console.line(&crate::table::one_line(line))?;
                    }
                }
                console.flush()?;
            }
            // A registry that is away for a while does not end weeks of looking.
            Err(failure) => console.warn(&failure.text()),
        }
        tokio::select! {
            biased;
            ended = tokio::signal::ctrl_c() => {
                return ended.map_err(|error| Failure::of(&error).while_doing("listening to signals"));
            }
            () = SystemClock.sleep(interval) => {}
        }
    }
}

pub(super) async fn adopt(
    args: AdoptArgs,
    settings: Settings,
    env: &Env,
    console: &mut Console,
) -> Result<(), Failure> {
    let asked = asked(args.by, &args.reason, env)?;
    let settle = args
        .settle
        .to_std()
        .and_then(|time| SignedDuration::try_from(time).ok());
    let settle = settle.ok_or_else(|| Failure::new("--settle: must not be negative"))?;
    let beside = Beside::open(&args.sources, &args.place, settings, env, console).await?;
    let places = beside.places()?;
    let look = beside.look(&args.cluster).await?;
    beside.can_manage(&look.cluster).await?;
    let adopted = adoption::adopt(&places, &look, args.plan.as_deref(), settle, &asked).await;
    beside.close().await;
    match adopted {
        Ok(adoption) => {
            console.line(&format!("cluster/{} adopted", look.alias))?;
            console.say(&format!(
                "the original is given until {} to let go of it; \"serve --shadow\" on this database manages it then",
                moment(adoption.not_before)
            ));
            Ok(())
        }
        Err(error @ (AdoptionError::WouldChange { .. } | AdoptionError::OtherPlan { .. })) => {
            let plan = look.takeover.fleet_plan();
            for line in plan::report::text(&plan, Style::default()).lines() {
                console.say(line);
            }
            let hint = format!(
                "read it, and adopt the cluster with --plan {} if that is what is wanted",
                look.takeover.id()
            );
            Err(Failure::of(&error).hint(hint))
        }
        Err(error) => Err(Failure::of(&error)),
    }
}

pub(super) async fn hand_back(
    args: HandBackArgs,
    settings: Settings,
    env: &Env,
    console: &mut Console,
) -> Result<(), Failure> {
    let asked = asked(args.by, &args.reason, env)?;
    let beside = Beside::open(&args.sources, &args.place, settings, env, console).await?;
    let places = beside.places()?;
    let wanted = beside
        .select(std::slice::from_ref(&args.cluster))
        .await?
        .unwrap_or_default();
    let subjects = beside.shadow.subjects().await?;
    let Some(subject) = subjects.iter().find(|subject| wanted.contains(&subject.cluster.id)) else {
        return Err(Failure::new(format!(
            "cluster {:?} is gone from the registry",
            args.cluster
        )));
    };
    let (id, alias) = (subject.cluster.id.clone(), subject.cluster.alias.to_string());
    let head = beside
        .configuration
        .version(&subject.cluster)
        .await
        .map(|version| version.id());
    let head = head.as_deref().map_err(String::as_str);
    let returned = adoption::hand_back(&places, &id, head, args.accept_update, &asked).await;
    beside.close().await;
    match returned {
        Ok(_) => {
            console.line(&format!("cluster/{alias} handed back"))?;
            console.say(&format!(
                "the original manages it from its next refresh on, {}",
                moment(now())
            ));
            Ok(())
        }
        Err(error @ AdoptionError::NotNow { .. }) => {
            Err(Failure::of(&error).hint("--accept-update hands it back all the same"))
        }
        Err(error) => Err(Failure::of(&error)),
    }
}
