//! Updates as they go on: a line per event, and how long it may take still.

use jiff::{SignedDuration, Timestamp};
use model::words::span;
use model::{Progress, Update, UpdateStep};

/// What happened between two looks at an update, a line each: `12:03:05 shop manifests/dns done in 3s: 2 objects`.
pub(crate) fn events(name: &str, before: Option<&Update>, now: &Update, at: Timestamp) -> Vec<String> {
    let clock = at.strftime("%H:%M:%S");
    let line = |what: &str, progress: Progress, time: Option<SignedDuration>, message: &str| {
        let time = time.map(|time| format!(" in {}", span(time))).unwrap_or_default();
        let message = if message.is_empty() {
            String::new()
        } else {
            format!(": {}", crate::table::one_line(message.to_owned()))
        };
        format!("{clock} {name} {what} {}{time}{message}", progress.as_str())
    };
    let known = |step: &UpdateStep| before.and_then(|update| update.steps.iter().find(|known| known.path == step.path));
    let mut lines: Vec<String> = now
        .steps
        .iter()
        .filter(|step| {
            known(step).is_none_or(|known| (known.progress, &known.message) != (step.progress, &step.message))
        })
        .map(|step| {
            line(
                &step.path,
                step.progress,
                took(step.started_at, step.finished_at),
                &step.message,
            )
        })
        .collect();
    let same = before.is_some_and(|before| (before.progress, &before.message) == (now.progress, &now.message));
    if !same {
        let message = match (&now.message, before) {
            (message, None) if message.is_empty() => format!("to {}", now.to),
            (message, _) => message.clone(),
        };
        let whole = line("update", now.progress, took(now.started_at, now.finished_at), &message);
        // An update begins before its first step and ends after its last.
        if before.is_none() {
            lines.insert(0, whole)
        } else {
            lines.push(whole)
        }
    }
    lines
}

fn took(begun: Option<Timestamp>, ended: Option<Timestamp>) -> Option<SignedDuration> {
    Some(ended?.duration_since(begun?))
}

/// How long an update may take still, told from earlier ones of the same cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Estimate {
    elapsed: SignedDuration,
    shortest: SignedDuration,
    median: SignedDuration,
    longest: SignedDuration,
    from: usize,
}

impl Estimate {
    /// From the earlier updates that were done: those of the same cause if there are any, else all.
    pub(crate) fn of<'u>(
        update: &Update,
        earlier: impl IntoIterator<Item = &'u Update>,
        now: Timestamp,
    ) -> Option<Self> {
        let begun = update.started_at.filter(|_| !update.progress.is_over())?;
        let done = |other: &&Update| other.progress == Progress::Done && other.started_at < Some(begun);
        let earlier: Vec<&Update> = earlier.into_iter().filter(done).collect();
        let alike: Vec<&Update> = earlier
            .iter()
            .copied()
            .filter(|other| other.cause == update.cause)
            .collect();
        let basis = if alike.is_empty() { earlier } else { alike };
        let mut times: Vec<SignedDuration> = basis
            .into_iter()
            .filter_map(|other| took(other.started_at, other.finished_at))
            .collect();
        times.sort_unstable();
        Some(Self {
            elapsed: now.duration_since(begun),
            shortest: *times.first()?,
            median: *times.get(times.len() / 2)?,
            longest: *times.last()?,
            from: times.len(),
        })
    }

    /// The time that is left, for a table.
    pub(crate) fn left(&self) -> String {
        let end = if self.elapsed < self.median {
            self.median
        } else {
            self.longest
        };
        if self.elapsed >= end {
            return "overdue".to_owned();
        }
        format!("~{}", span(end - self.elapsed))
    }

    /// The time that is left, and from what it is told.
    pub(crate) fn sentence(&self) -> String {
        let basis = match self.from {
            1 => format!("the one before took {}", span(self.median)),
            n => format!(
                "{n} earlier ones took {} to {}, half of them at most {}",
                span(self.shortest),
                span(self.longest),
                span(self.median)
            ),
        };
        match self.left().strip_prefix('~') {
            Some(left) => format!("about {left} ({basis})"),
            None => format!("it takes longer than any before ({basis})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn update(cause: &str, begun: i64, ended: Option<i64>) -> Update {
        Update {
            to: "a#b".to_owned(),
            cause: cause.to_owned(),
            progress: if ended.is_some() {
                Progress::Done
            } else {
                Progress::Running
            },
            started_at: Some(at(begun)),
            finished_at: ended.map(at),
            ..Update::default()
        }
    }

    #[test]
    fn each_change_is_a_line() {
        let mut now = update("version", 0, None);
        assert_eq!(
            events("shop", None, &now, at(1)),
            ["00:00:01 shop update running: to a#b"]
        );
        let before = now.clone();
        let step = |progress, message: &str| UpdateStep {
            path: "manifests/dns".to_owned(),
            progress,
            started_at: Some(at(2)),
            finished_at: (progress == Progress::Done).then(|| at(5)),
            attempts: 1,
            message: message.to_owned(),
        };
        now.steps = vec![step(Progress::Running, "")];
        assert_eq!(
            events("shop", Some(&before), &now, at(2)),
            ["00:00:02 shop manifests/dns running"]
        );
        let before = now.clone();
        now.steps = vec![step(Progress::Done, "2 objects")];
        now.progress = Progress::Done;
        now.finished_at = Some(at(6));
        assert_eq!(
            events("shop", Some(&before), &now, at(6)),
            [
                "00:00:06 shop manifests/dns done in 3s: 2 objects",
                "00:00:06 shop update done in 6s"
            ]
        );
        assert_eq!(events("shop", Some(&now), &now, at(7)), [""; 0]);
    }

    #[test]
    fn the_time_that_is_left_is_told_from_earlier_updates() {
        let earlier = [
            update("version", 0, Some(60)),
            update("version", 100, Some(220)),
            update("version", 300, Some(600)),
            update("drift", 700, Some(705)),
        ];
        let running = update("version", 1_000, None);
        let told = |now| Estimate::of(&running, &earlier, at(now)).map(|e| (e.left(), e.sentence()));
        let basis = "(3 earlier ones took 1m to 5m, half of them at most 2m)";
        assert_eq!(told(1_060), Some(("~1m".to_owned(), format!("about 1m {basis}"))));
        assert_eq!(told(1_180), Some(("~2m".to_owned(), format!("about 2m {basis}"))));
        assert_eq!(
            told(1_300),
            Some(("overdue".to_owned(), format!("it takes longer than any before {basis}")))
        );
        let other = update("decommission", 1_000, None);
        assert!(
            Estimate::of(&other, &earlier, at(1_001)).is_some_and(|e| e.from == 4),
            "any is better than none"
        );
        assert_eq!(Estimate::of(&earlier[0], &earlier, at(1_001)), None, "it is over");
        assert_eq!(Estimate::of(&running, &[], at(1_001)), None);
    }
}
