//! Time, drawn: every row is a small SVG whose places are shares of its width, so that it fits every screen.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::print::words;
use crate::report::{ClusterReport, NodeLane, Outcome, Report};

/// Steps between marks of the axis, in minutes.
const STEPS: [i64; 11] = [5, 10, 15, 30, 60, 120, 180, 360, 720, 1_440, 2_880];
/// Marks of the axis at most.
const MARKS: i64 = 8;

/// From when to when, and where the marks are.
pub(super) struct Axis {
    start: Timestamp,
    seconds: i64,
    step: i64,
}

impl Axis {
    /// As long as anything happened.
    pub(super) fn of(report: &Report) -> Self {
        let last = report.done_at.unwrap_or(report.end);
        let seconds = last.duration_since(report.start).as_secs().max(600);
        // A little room, so that what happens last is not cut.
        let seconds = seconds + seconds / 40;
        let step = STEPS
            .into_iter()
            .map(|minutes| minutes * 60)
            .find(|step| seconds / step <= MARKS);
        Self {
            start: report.start,
            seconds,
            step: step.unwrap_or(5 * 1_440 * 60),
        }
    }

    /// The place of an instant, in thousandths of a percent.
    fn place(&self, at: Timestamp) -> i64 {
        let since = at.duration_since(self.start).as_secs().clamp(0, self.seconds);
        since.saturating_mul(100_000) / self.seconds.max(1)
    }

    /// The share of the width between two marks.
    pub(super) fn grid(&self) -> String {
        percent(self.step.saturating_mul(100_000) / self.seconds.max(1))
    }

    /// The marks, as text.
    pub(super) fn marks(&self) -> String {
        let mut out = String::from(r#"<svg class="track axis" width="100%" height="18" aria-hidden="true">"#);
        for number in 0..=self.seconds / self.step {
            let after = number * self.step;
            let place = percent(after.saturating_mul(100_000) / self.seconds.max(1));
            let seconds = u64::try_from(after).unwrap_or(0);
            let _ = write!(
                out,
                r#"<text x="{place}" dx="4" y="13">+{}</text>"#,
                words::seconds(seconds)
            );
        }
        out.push_str("</svg>");
        out
    }

    fn bar(&self, out: &mut String, class: &str, from: Timestamp, to: Timestamp, title: &str) {
        let (begin, end) = (self.place(from), self.place(to));
        // What is short is still seen.
        let _ = write!(
            out,
            r#"<rect class="{class}" x="{}" y="4" height="8" rx="2" style="width:max(2px,{})"><title>{}</title></rect>"#,
            percent(begin),
            percent(end - begin),
            escaped(title)
        );
    }

    fn sign(&self, out: &mut String, class: &str, at: Timestamp, path: &str, title: &str) {
        let _ = write!(
            out,
            r#"<svg class="{class}" x="{}" width="1" height="16" overflow="visible"><path d="{path}"/><title>{}</title></svg>"#,
            percent(self.place(at)),
            escaped(title)
        );
    }
}

const DIAMOND: &str = "M0 2L6 8L0 14L-6 8Z";
const TICK: &str = "M0 1V15";

fn percent(thousandths: i64) -> String {
    format!("{}.{:03}%", thousandths / 1_000, thousandths % 1_000)
}

/// Text as it may stand in a page.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn begin(out: &mut String, label: &str) {
    let _ = write!(
        out,
        r#"<svg class="track" width="100%" height="16" role="img" aria-label="{}">"#,
        escaped(label)
    );
}

/// The row of a cluster: its update, the rollouts of its pools, what was forced, when it was done.
pub(super) fn cluster(report: &Report, axis: &Axis, cluster: &ClusterReport) -> String {
    let mut out = String::new();
    begin(
        &mut out,
        &format!("{}: {}", cluster.alias, words::outcome(report, cluster)),
    );
    for pool in &cluster.pools {
        if let Some(began) = pool.began {
            let ended = pool.ended.unwrap_or(report.end);
            let title = format!(
                "pool {}: {} nodes in {}",
                pool.pool,
                pool.outdated,
                words::between(began, ended)
            );
            axis.bar(&mut out, "rolling", began, ended, &title);
        }
    }
    if let Some((began, ended)) = cluster.updated {
        let ended = ended.unwrap_or(report.end);
        let title = format!("update: definitions and manifests in {}", words::between(began, ended));
        axis.bar(&mut out, "update", began, ended, &title);
    }
    for forced in &cluster.forced {
        let title = format!(
            "{} by force: {} of {}",
            words::offset(report, forced.at),
            forced.pod,
            forced.owner
        );
        axis.sign(&mut out, "forced", forced.at, DIAMOND, &title);
    }
    if let Outcome::Done { at } = &cluster.outcome {
        axis.sign(
            &mut out,
            "done",
            *at,
            TICK,
            &format!("done {}", words::offset(report, *at)),
        );
    }
    out.push_str("</svg>");
    out
}

/// The life of a node: it serves, waits for its turn, is drained; or it boots and serves.
pub(super) fn node(report: &Report, axis: &Axis, lane: &NodeLane) -> String {
    let mut out = String::new();
    let mut story = Vec::new();
    let mut bars: Vec<(&str, Timestamp, Timestamp, &str)> = Vec::new();
    let end = lane.gone.unwrap_or(report.end);
    let since = if lane.old { report.start } else { lane.joined };
    let ready = lane.ready.unwrap_or(end).clamp(since, end);
    let serves_until = lane.selected.or(lane.draining).unwrap_or(end).clamp(since, end);
    let waits_until = lane.draining.unwrap_or(end).clamp(serves_until, end);
    if !lane.old && ready > since {
        bars.push(("boots", since, ready, "boots"));
        story.push(format!("joins {}", words::offset(report, since)));
    }
    let serving = if lane.old { "old" } else { "new" };
    bars.push((serving, ready.min(serves_until), serves_until, "serves"));
    bars.push(("waits", serves_until, waits_until, "waits for its turn"));
    bars.push(("drains", waits_until, end, "is drained"));
    let when = |at: Option<Timestamp>| at.map(|at| words::offset(report, at));
    story.extend(when(lane.selected).map(|at| format!("selected {at}")));
    story.extend(when(lane.draining).map(|at| format!("drained from {at}")));
    story.extend(when(lane.gone).map(|at| format!("gone {at}")));
    story.extend(lane.given_up.as_ref().map(|why| format!("given up: {why}")));
    if lane.evicted + lane.held > 0 {
        story.push(format!("{} evicted, {} held back", lane.evicted, lane.held));
    }
    begin(&mut out, &format!("{}: {}", lane.node, story.join(", ")));
    let whole = story.join(", ");
    for (class, from, to, what) in bars {
        if to > from {
            let title = format!("{} {what} for {}; {whole}", lane.node, words::between(from, to));
            axis.bar(&mut out, class, from, to, &title);
        }
    }
    for at in &lane.forced {
        axis.sign(
            &mut out,
            "forced",
            *at,
            DIAMOND,
            &format!("by force {}", words::offset(report, *at)),
        );
    }
    let shown = |at: &Timestamp| at.duration_since(axis.start).as_secs() <= axis.seconds;
    if let Some(latest) = lane.at_latest.filter(shown) {
        axis.sign(
            &mut out,
            "latest",
            latest,
            TICK,
            &format!("gone at the latest {}", words::offset(report, latest)),
        );
    }
    out.push_str("</svg>");
    out
}
