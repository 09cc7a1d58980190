//! The laws of forced terminations: V2 and V3 with every clock by itself, V15, and what of V4 and K1 bears on them.

use jiff::{SignedDuration, Timestamp};

use super::facts::{Kind, Name, PodFacts};
use super::oracle::{Judgement, LATE, Numbers, Sent, State};

/// What a forced termination may take from its decision to its end before its pace is counted anew.
const UNDER_WAY: SignedDuration = SignedDuration::from_secs(5);

impl State {
    /// A deletion is a forced termination: V2 and V3, each clock by itself.
    pub(crate) fn deletion(&mut self, name: Name, sent: Sent, now: Timestamp) -> Judgement {
        let Some(pod) = self.facts.pods.get(&name).cloned() else {
            return Judgement::Other;
        };
        if pod.deleted.is_some() {
            // It is on its way out already: the answer was lost, and the client asks again.
            return Judgement::Other;
        }
        let numbers = self.numbers.clone();
        let mut found = Vec::new();
        let ending = self.ending(&pod.node);
        let blocked = sent.blocked && ending.is_none();
        self.judge(&mut found, "K1", pod.movable(), || {
            format!("{now} {name:?} forced, which stays")
        });
        self.judge(&mut found, "V15", self.evidence.contains(&pod.uid), || {
            format!("{now} {name:?} forced without a record")
        });
        // Clocks have to be over when it is decided, not when a slow API has done it.
        let decided = self.decided.get(&pod.uid).copied().or(sent.at).unwrap_or(now);
        let wrong = self.unnoticed;
        if ending.is_some_and(|at| decided + wrong >= at - numbers.margin) {
            return Judgement::Delete {
                pod: name,
                blocked,
                found,
            };
        }
        let over = |from: Option<Timestamp>, time: SignedDuration| {
            from.is_some_and(|from| decided.duration_since(from) + wrong >= time)
        };
        let node = self.facts.nodes.get(&pod.node).cloned().unwrap_or_default();
        let (grace, life) = (
            over(node.draining, numbers.grace - LATE),
            over(Some(pod.created), numbers.pod),
        );
        self.judge(&mut found, "V2 grace", grace, || {
            format!("{now} {name:?}, drain since {:?}", node.draining)
        });
        self.judge(&mut found, "V2 lifetime", life, || {
            format!("{now} {name:?}, created {}", pod.created)
        });
        if let Kind::Job(job) = &pod.kind
            && let Some(deadline) = self.facts.deadlines.get(job).copied()
        {
            self.judge(&mut found, "V2 deadline", decided + wrong >= deadline, || {
                format!("{decided} {name:?}, deadline {deadline}")
            });
        }
        if let Some(moving) = pod.moving {
            // The engine may have learnt of it later, never earlier.
            let known = decided.duration_since(moving) > numbers.fresh;
            let met = over(Some(moving), numbers.operator) || !known;
            self.judge(&mut found, "V2 operator", met, || {
                format!("{decided} {name:?}, operator at work since {moving}")
            });
        }
        self.siblings(&name, &pod, &numbers, &mut found, decided);
        let apart = |last: Option<Timestamp>, interval| over(last.or(Some(Timestamp::MIN)), interval - UNDER_WAY);
        let last = self.forced_on.get(&pod.node).copied();
        self.judge(&mut found, "V3 node", apart(last, numbers.interval), || {
            format!("{decided} {name:?} on {}, the last one {last:?}", pod.node)
        });
        for key in self.facts.budgets_of(&name, &pod) {
            let last = self.forced_in.get(&key).copied();
            self.judge(&mut found, "V3 budget", apart(last, numbers.ready), || {
                format!("{decided} {name:?} in {key:?}, the last one {last:?}")
            });
        }
        Judgement::Delete {
            pod: name,
            blocked,
            found,
        }
    }

    fn siblings(&mut self, name: &Name, pod: &PodFacts, numbers: &Numbers, found: &mut Vec<String>, now: Timestamp) {
        let wrong = self.unnoticed;
        let mut unmet = Vec::new();
        let siblings = self.facts.siblings(name, pod);
        let count = siblings.len();
        for (other, sibling) in siblings {
            let (law, from, time) = if let Some(deleted) = sibling.deleted {
                ("V2 unready", deleted, numbers.unready)
            } else {
                let from = if numbers.since_change {
                    sibling.ready_changed.max(sibling.created)
                } else {
                    sibling.created
                };
                if sibling.ready {
                    ("V2 ready", from, numbers.ready)
                } else {
                    ("V2 unready", from, numbers.unready)
                }
            };
            // What changed a moment ago nobody can know while the API lies.
            let changed = sibling
                .ready_changed
                .max(sibling.created)
                .max(sibling.deleted.unwrap_or(Timestamp::MIN));
            if now.duration_since(from) + wrong < time && now.duration_since(changed) > numbers.fresh {
                unmet.push(format!("{law}: {now} {name:?} forced, sibling {other:?} since {from}"));
            }
        }
        *self.checks.entry("V2 siblings").or_default() += u64::try_from(count).unwrap();
        found.extend(unmet);
    }

    pub(crate) fn was_forced(&mut self, name: &Name, found: Vec<String>, now: Timestamp) {
        self.breaches.extend(found);
        self.forced += 1;
        let Some(pod) = self.facts.pods.get(name).cloned() else {
            return;
        };
        if self.ending(&pod.node).is_none() {
            self.forced_on.insert(pod.node.clone(), now);
            for key in self.facts.budgets_of(name, &pod) {
                self.forced_in.insert(key, now);
            }
        }
    }
}
