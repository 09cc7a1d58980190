//! One page that explains itself: no script, nothing loaded, dark and light, readable on a phone.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use model::words::count;

use crate::print::chart::{self, Axis, escaped};
use crate::print::tables::{self, Table};
use crate::print::words;
use crate::ranges::Range;
use crate::report::{ClusterReport, NodeLane, Report};

/// The looks of the page.
const STYLE: &str = include_str!("page.css");
/// Fleets up to this size show all clusters unfolded.
const UNFOLDED: usize = 2;
/// Ways to look at the time: name of the choice and label.
const ZOOMS: [(&str, &str); 4] = [("z1", "all"), ("z4", "×4"), ("z16", "×16"), ("z64", "×64")];

/// The report as a page.
#[must_use]
pub fn html(report: &Report) -> String {
    let axis = Axis::of(report);
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Rehearsal {} to {}</title>\n<style>\n{STYLE}\
         .rows{{--step:{}}}\n</style>\n</head>\n<body>\n<main>\n",
        escaped(&report.from),
        escaped(&report.to),
        axis.grid()
    );
    head(&mut out, report);
    tiles(&mut out, report);
    fleet(&mut out, report, &axis);
    for cluster in &report.clusters {
        cluster_section(&mut out, report, &axis, cluster);
    }
    let all: Vec<&ClusterReport> = report.clusters.iter().collect();
    if report.clusters.len() > 1 {
        out.push_str("<section>\n<h2>The whole fleet</h2>\n");
        folded(&mut out, "Clusters in numbers", &tables::clusters(report), true);
        folded(&mut out, "Pods by owner", &tables::owners(&all), true);
        folded(&mut out, "Bound against actual", &tables::bounds(report, &all), false);
        out.push_str("</section>\n");
    }
    if let Some(ranges) = &report.ranges {
        let title = format!("Over {} seeds", ranges.seeds.len());
        out.push_str("<section>\n");
        folded(&mut out, &title, &tables::ranges(ranges), true);
        out.push_str("</section>\n");
    }
    foot(&mut out, report);
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn head(out: &mut String, report: &Report) {
    let state = if report.done_at.is_some() { "good" } else { "bad" };
    let _ = write!(
        out,
        "<header>\n<p class=\"kind\">Update rehearsal</p>\n<h1><code>{}</code> <span class=\"to\">to</span> <code>{}</code></h1>\n\
         <p class=\"verdict {state}\">{}</p>\n",
        escaped(&report.from),
        escaped(&report.to),
        escaped(&words::verdict(report))
    );
    let _ = write!(
        out,
        "<p class=\"sub\">The real engine on a simulated twin of {}, from {}, watched for {} at most; seed {}.</p>\n</header>\n",
        count(report.totals.clusters, "cluster"),
        disruption::clock(report.start),
        words::between(report.start, report.limit),
        report.seed
    );
}

fn tiles(out: &mut String, report: &Report) {
    let totals = &report.totals;
    let ranges = report.ranges.as_ref();
    let over = |range: Option<Range>, word: &dyn Fn(u64) -> String| {
        range.map_or_else(String::new, |range| format!("{} over seeds", words::range(range, word)))
    };
    let number = |n: u64| n.to_string();
    let until = report.done_at.unwrap_or(report.end);
    let all = [
        (
            "time",
            words::between(report.start, until),
            over(ranges.map(|r| r.seconds), &words::seconds),
            "",
        ),
        (
            "nodes replaced",
            format!("{} of {}", totals.replaced, totals.outdated),
            String::new(),
            "",
        ),
        (
            "pods evicted",
            number(totals.evicted),
            over(ranges.map(|r| r.evicted), &number),
            "",
        ),
        (
            "pods held back",
            number(totals.held),
            over(ranges.map(|r| r.held), &number),
            "",
        ),
        (
            "forced terminations",
            number(totals.forced),
            over(ranges.map(|r| r.forced), &number),
            if totals.forced > 0 { "warn" } else { "" },
        ),
        (
            "nodes still to go",
            number(totals.stuck),
            over(ranges.map(|r| r.stuck), &number),
            if totals.stuck > 0 { "bad" } else { "" },
        ),
        (
            "surge node-hours",
            words::node_hours(totals.surge_node_seconds),
            over(ranges.map(|r| r.surge_node_seconds), &words::node_hours),
            "",
        ),
    ];
    out.push_str("<dl class=\"tiles\">\n");
    for (name, value, range, class) in all {
        let _ = write!(out, "<div class=\"{class}\"><dt>{name}</dt><dd>{}", escaped(&value));
        if !range.is_empty() {
            let _ = write!(out, "<small>{}</small>", escaped(&range));
        }
        out.push_str("</dd></div>\n");
    }
    out.push_str("</dl>\n");
}

/// The row of each cluster on one axis of time.
fn fleet(out: &mut String, report: &Report, axis: &Axis) {
    out.push_str("<section>\n<h2>What happens when</h2>\n");
    out.push_str("<fieldset class=\"zoom\"><legend>Time</legend>");
    for (place, (id, label)) in ZOOMS.into_iter().enumerate() {
        let checked = if place == 0 { " checked" } else { "" };
        let _ = write!(
            out,
            "<input type=\"radio\" name=\"zoom\" id=\"{id}\"{checked}><label for=\"{id}\">{label}</label>"
        );
    }
    out.push_str("</fieldset>\n");
    legend(
        out,
        &[
            ("update", "definitions and manifests"),
            ("rolling", "nodes are replaced"),
        ],
        true,
    );
    out.push_str("<div class=\"chart\"><div class=\"rows\">\n");
    row(out, "axis", "", &axis.marks());
    for cluster in &report.clusters {
        let label = format!(
            "<a href=\"#{}\">{}</a> <small>{}</small>",
            anchor(cluster),
            escaped(&cluster.alias),
            escaped(&words::outcome(report, cluster))
        );
        row(out, "", &label, &chart::cluster(report, axis, cluster));
    }
    out.push_str("</div></div>\n</section>\n");
}

fn legend(out: &mut String, bars: &[(&str, &str)], fleet: bool) {
    out.push_str("<ul class=\"legend\">");
    for (class, text) in bars {
        let _ = write!(out, "<li><i class=\"{class}\"></i>{text}</li>");
    }
    out.push_str("<li><i class=\"diamond\"></i>a pod is terminated by force</li>");
    let tick = if fleet {
        ("done", "the cluster is done")
    } else {
        ("latest", "gone at the latest, by the contract")
    };
    let _ = writeln!(out, "<li><i class=\"tick {}\"></i>{}</li></ul>", tick.0, tick.1);
}

fn row(out: &mut String, class: &str, label: &str, track: &str) {
    let _ = writeln!(
        out,
        "<div class=\"label {class}\">{label}</div><div class=\"lane {class}\">{track}</div>"
    );
}

fn anchor(cluster: &ClusterReport) -> String {
    let name = cluster.alias.chars();
    let safe: String = name
        .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' })
        .collect();
    format!("cluster-{safe}")
}

fn cluster_section(out: &mut String, report: &Report, axis: &Axis, cluster: &ClusterReport) {
    let few = report.clusters.len() <= UNFOLDED;
    let open = if few || !cluster.outcome.is_done() { " open" } else { "" };
    let moved = cluster.moved();
    let state = if cluster.outcome.is_done() { "good" } else { "bad" };
    let _ = write!(
        out,
        "<section>\n<details class=\"cluster\" id=\"{}\"{open}>\n<summary><h2>{}</h2> <span class=\"pill {state}\">{}</span>\
         <span class=\"facts\">{}, {}; {} evicted, {} held back, {} forced</span></summary>\n",
        anchor(cluster),
        escaped(&cluster.alias),
        escaped(&words::outcome(report, cluster)),
        escaped(&cluster.environment),
        escaped(&cluster.workload),
        moved.evicted,
        moved.held,
        moved.forced
    );
    if let Some(why) = words::why(cluster) {
        let _ = writeln!(out, "<p class=\"why\">{}</p>", escaped(why));
    }
    let touched: Vec<&NodeLane> = cluster.nodes.iter().filter(|lane| is_touched(lane)).collect();
    if touched.is_empty() {
        out.push_str("<p class=\"sub\">No node had to go.</p>\n");
    } else {
        nodes(out, report, axis, &touched);
    }
    let own = [cluster];
    folded(out, "Nodes that are still to go", &tables::stuck(report, &own), true);
    folded(out, "Forced terminations", &tables::forced(report, &own), true);
    folded(out, "Bound against actual", &tables::bounds(report, &own), true);
    folded(out, "Pods that were held back", &tables::holds(report, &own), false);
    folded(out, "Pods by owner", &tables::owners(&own), false);
    folded(out, "Steps of the update", &tables::steps(report, cluster), false);
    out.push_str("</details>\n</section>\n");
}

/// Whether anything happened to a node.
fn is_touched(lane: &NodeLane) -> bool {
    !lane.old || lane.selected.is_some() || lane.gone.is_some() || lane.given_up.is_some()
}

fn nodes(out: &mut String, report: &Report, axis: &Axis, lanes: &[&NodeLane]) {
    let bars = [
        ("old", "serves"),
        ("waits", "waits for its turn"),
        ("drains", "is drained"),
        ("boots", "new, boots"),
        ("new", "new, serves"),
    ];
    legend(out, &bars, false);
    let mut pools: BTreeMap<&str, Vec<&NodeLane>> = BTreeMap::new();
    for lane in lanes {
        pools.entry(&lane.pool).or_default().push(lane);
    }
    out.push_str("<div class=\"chart\"><div class=\"rows nodes\">\n");
    row(out, "axis", "", &axis.marks());
    for (pool, lanes) in pools {
        let old = lanes.iter().filter(|lane| lane.old).count();
        let title = format!(
            "<b>{}</b> <small>{old} old, {} new</small>",
            escaped(pool),
            lanes.len() - old
        );
        row(out, "pool", &title, "");
        for lane in lanes {
            let name = lane.stands_for.as_ref().unwrap_or(&lane.node);
            let short = name.split('.').next().unwrap_or(name);
            let label = format!("<span title=\"{}\">{}</span>", escaped(&lane.node), escaped(short));
            row(out, "", &label, &chart::node(report, axis, lane));
        }
    }
    out.push_str("</div></div>\n");
}

/// A table that can be folded; nothing for an empty one.
fn folded(out: &mut String, title: &str, table: &Table, open: bool) {
    if table.rows.is_empty() {
        return;
    }
    let open = if open { " open" } else { "" };
    let _ = write!(
        out,
        "<details class=\"table\"{open}><summary>{} <small>{}</small></summary>\n<div class=\"scroll\"><table>\n<thead><tr>",
        escaped(title),
        table.rows.len()
    );
    for head in table.head {
        let _ = write!(out, "<th>{}</th>", escaped(&head.to_lowercase()));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for cells in &table.rows {
        out.push_str("<tr>");
        for cell in cells {
            let number = !cell.is_empty()
                && cell
                    .chars()
                    .all(|letter| letter.is_ascii_digit() || matches!(letter, '.' | '/'));
            let class = match (number, cell.as_str()) {
                (true, _) => " class=\"n\"",
                (_, "within") => " class=\"good\"",
                (_, "LATE") => " class=\"bad\"",
                _ => "",
            };
            let _ = write!(out, "<td{class}>{}</td>", escaped(cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table></div></details>\n");
}

fn foot(out: &mut String, report: &Report) {
    let _ = writeln!(
        out,
        "<footer><p>Nothing real was touched. The engine that updates clusters and replaces nodes ran unchanged; clusters, \
         clouds and time were simulated. The same inputs and seed {} give this page again, byte for byte. Boot times, \
         readiness and the pace of evictions are drawn; another seed draws them anew.</p></footer>",
        report.seed
    );
}
