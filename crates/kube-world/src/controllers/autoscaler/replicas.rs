//! From measurements to a number of replicas: the arithmetic of one metric.
//!
//! All amounts are thousandths, so that `250m` of a core and 2.5 requests a second are whole numbers.

use jiff::{SignedDuration, Timestamp};

use crate::cache::Phase;

/// How far usage may be from its target before anything is done, as the real controller's default.
pub(crate) const TOLERANCE: f64 = 0.1;
/// How long after its start a pod's processor usage is not trusted before it was ready.
const CPU_INITIALISATION: SignedDuration = SignedDuration::from_mins(5);
/// How long after its start a pod that is not ready is taken for one that never was.
const INITIAL_READINESS: SignedDuration = SignedDuration::from_secs(30);

/// A pod of the target as the arithmetic sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MeasuredPod {
    pub(crate) phase: Phase,
    pub(crate) deleting: bool,
    pub(crate) ready: bool,
    /// When readiness last changed.
    pub(crate) ready_changed: Option<Timestamp>,
    pub(crate) started: Option<Timestamp>,
    /// What the pod asks for, in thousandths, of the resource in question.
    pub(crate) request: i64,
    /// What was measured, in thousandths; `None` where nothing was.
    pub(crate) usage: Option<i64>,
}

/// What a metric proposes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proposal {
    pub(crate) replicas: i64,
    /// Percent of the requests, for utilisation.
    pub(crate) utilisation: i64,
    /// The mean over the pods that count, in thousandths; for values over all, the value itself.
    pub(crate) value: i64,
}

/// What is aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aim {
    /// Percent of what the pods ask for.
    Utilisation(i64),
    /// A mean per pod, in thousandths.
    Average(i64),
}

#[derive(Debug, Default)]
struct Groups<'a> {
    ready: Vec<&'a MeasuredPod>,
    unready: Vec<&'a MeasuredPod>,
    missing: Vec<&'a MeasuredPod>,
}

fn group(pods: &[MeasuredPod], processor: bool, now: Timestamp) -> Groups<'_> {
    let mut groups = Groups::default();
    for pod in pods.iter().filter(|pod| !pod.deleting && pod.phase != Phase::Failed) {
        if pod.phase == Phase::Pending {
            groups.unready.push(pod);
        } else if pod.usage.is_none() {
            groups.missing.push(pod);
        } else if processor && is_unready(pod, now) {
            groups.unready.push(pod);
        } else {
            groups.ready.push(pod);
        }
    }
    groups
}

fn is_unready(pod: &MeasuredPod, now: Timestamp) -> bool {
    let (Some(started), Some(changed)) = (pod.started, pod.ready_changed) else {
        return true;
    };
    if now.duration_since(started) < CPU_INITIALISATION {
        return !pod.ready;
    }
    !pod.ready && changed.duration_since(started) < INITIAL_READINESS
}

struct Ratio {
    ratio: f64,
    utilisation: i64,
    value: i64,
}

/// What the pods that count use and ask for, added up.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    pods: i64,
    used: i64,
    asked: i64,
}

impl Sum {
    fn add(&mut self, pod: &MeasuredPod, used: i64) {
        self.pods += 1;
        self.used += used;
        self.asked += pod.request;
    }
}

fn ratio(aim: Aim, sum: Sum) -> Option<Ratio> {
    if sum.pods <= 0 {
        return None;
    }
    let mean = sum.used / sum.pods;
    Some(match aim {
        Aim::Utilisation(target) => {
            if sum.asked <= 0 || target <= 0 {
                return None;
            }
            let utilisation = sum.used.saturating_mul(100) / sum.asked;
            Ratio {
                ratio: quotient(utilisation, target),
                utilisation,
                value: mean,
            }
        }
        Aim::Average(target) if target > 0 => Ratio {
            ratio: quotient(mean, target),
            utilisation: 0,
            value: mean,
        },
        Aim::Average(_) => return None,
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the real controller computes in floating point as well; amounts stay far below 2^52"
)]
fn quotient(number: i64, by: i64) -> f64 {
    number as f64 / by as f64
}

/// The smallest whole number that is not below the product; counts of pods fit by far.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "counts of pods; the cast saturates"
)]
pub(crate) fn ceil_times(ratio: f64, count: i64) -> i64 {
    (ratio * count as f64).ceil() as i64
}

fn within(ratio: f64) -> bool {
    (1.0 - ratio).abs() <= TOLERANCE
}

fn count(pods: usize) -> i64 {
    i64::try_from(pods).unwrap_or(i64::MAX)
}

/// The proposal of a metric that is measured at each pod.
///
/// Pods without a measurement count as fully used when that would shrink the target and as idle when it would grow it;
/// pods that are not ready count as idle when it would grow. Nothing is proposed where nothing can be measured.
pub(crate) fn per_pod(
    aim: Aim,
    processor: bool,
    current: i64,
    pods: &[MeasuredPod],
    now: Timestamp,
) -> Result<Proposal, &'static str> {
    if pods.is_empty() {
        return Err("no pods returned by selector while calculating replica count");
    }
    let groups = group(pods, processor, now);
    if groups.ready.is_empty() {
        return Err("did not receive metrics for targeted pods (pods might be unready)");
    }
    let mut sum = Sum::default();
    for pod in &groups.ready {
        sum.add(pod, pod.usage.unwrap_or(0));
    }
    let first = ratio(aim, sum).ok_or("no metrics returned matched known pods")?;
    let proposal = |replicas| Proposal {
        replicas,
        utilisation: first.utilisation,
        value: first.value,
    };
    let grows_past_unready = !groups.unready.is_empty() && first.ratio > 1.0;
    if !grows_past_unready && groups.missing.is_empty() {
        let replicas = if within(first.ratio) {
            current
        } else {
            ceil_times(first.ratio, count(groups.ready.len()))
        };
        return Ok(proposal(replicas));
    }
    for pod in &groups.missing {
        let assumed = match aim {
            _ if first.ratio >= 1.0 => 0,
            Aim::Utilisation(target) => pod.request.saturating_mul(target.max(100)) / 100,
            Aim::Average(target) => target,
        };
        sum.add(pod, assumed);
    }
    if grows_past_unready {
        for pod in &groups.unready {
            sum.add(pod, 0);
        }
    }
    let second = ratio(aim, sum).ok_or("no metrics returned matched known pods")?.ratio;
    let turned = (first.ratio < 1.0 && second > 1.0) || (first.ratio > 1.0 && second < 1.0);
    if within(second) || turned {
        return Ok(proposal(current));
    }
    let replicas = ceil_times(second, sum.pods);
    let against = (second < 1.0 && replicas > current) || (second > 1.0 && replicas < current);
    Ok(proposal(if against { current } else { replicas }))
}

/// The proposal of a value that all replicas share, aimed at as it is; `ready` is the number of ready pods.
pub(crate) fn whole(usage: i64, target: i64, current: i64, ready: i64) -> Result<Proposal, &'static str> {
    if target <= 0 {
        return Err("the target of the metric is not positive");
    }
    let ratio = quotient(usage, target);
    let replicas = match current {
        0 => ceil_times(ratio, 1),
        _ if within(ratio) => current,
        _ => ceil_times(ratio, ready),
    };
    Ok(Proposal {
        replicas,
        utilisation: 0,
        value: usage,
    })
}

/// The proposal of a value that is divided by the replicas; `replicas` is how many there are now.
pub(crate) fn shared(usage: i64, target: i64, replicas: i64) -> Result<Proposal, &'static str> {
    if target <= 0 {
        return Err("the target of the metric is not positive");
    }
    let ratio = if replicas > 0 {
        quotient(usage, target.saturating_mul(replicas))
    } else {
        f64::INFINITY
    };
    let wanted = if within(ratio) {
        replicas
    } else {
        ceil_times(quotient(usage, target), 1)
    };
    let mean = if replicas > 0 {
        ceil_times(quotient(usage, replicas), 1)
    } else {
        usage
    };
    Ok(Proposal {
        replicas: wanted,
        utilisation: 0,
        value: mean,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pods(usages: &[Option<i64>]) -> Vec<MeasuredPod> {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let pod = |usage: &Option<i64>| MeasuredPod {
            phase: Phase::Running,
            deleting: false,
            ready: true,
            ready_changed: Some(start),
            started: Some(start),
            request: 1_000,
            usage: *usage,
        };
        usages.iter().map(pod).collect()
    }

    fn check(aim: Aim, pods: &[MeasuredPod], expected: i64) {
        let now = "2026-01-01T01:00:00Z".parse().unwrap();
        let current = count(pods.len());
        assert_eq!(
            per_pod(aim, true, current, pods, now).unwrap().replicas,
            expected,
            "{pods:?}"
        );
    }

    #[test]
    fn usage_over_target_grows_the_target() {
        let aim = Aim::Utilisation(50);
        // The bench of real clusters: ten pods at 90 % with a target of 50 % become eighteen.
        check(aim, &pods(&[Some(900); 10]), 18);
        check(aim, &pods(&[Some(250); 10]), 5);
        check(aim, &pods(&[Some(540); 10]), 10);
        check(aim, &pods(&[Some(460); 10]), 10);
        check(Aim::Average(300), &pods(&[Some(600), Some(600)]), 4);
    }

    #[test]
    fn unknown_pods_hold_back() {
        let aim = Aim::Utilisation(50);
        check(aim, &pods(&[Some(900), Some(900), None, None]), 4);
        check(aim, &pods(&[Some(100), Some(100), Some(100), None]), 3);
        let mut starting = pods(&[Some(900), Some(900), Some(10)]);
        if let Some(last) = starting.last_mut() {
            last.phase = Phase::Pending;
        }
        check(aim, &starting, 4);
    }

    #[test]
    fn nothing_is_proposed_from_nothing() {
        let now = "2026-01-01T01:00:00Z".parse().unwrap();
        assert!(per_pod(Aim::Utilisation(50), true, 1, &pods(&[None]), now).is_err());
        assert!(per_pod(Aim::Utilisation(50), true, 0, &[], now).is_err());
    }

    #[test]
    fn shared_values_are_divided() {
        assert_eq!(shared(900_000, 100_000, 3).unwrap().replicas, 9);
        assert_eq!(shared(310_000, 100_000, 3).unwrap().replicas, 3);
        assert_eq!(whole(200_000, 100_000, 3, 3).unwrap().replicas, 6);
        assert_eq!(whole(105_000, 100_000, 3, 3).unwrap().replicas, 3);
    }
}
