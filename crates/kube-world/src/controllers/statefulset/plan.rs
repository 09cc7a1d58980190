//! The order in which a StatefulSet makes, replaces and removes its pods.
//!
//! With `OrderedReady` one pod at a time: the next one is made when all before it are available, and taken away from the
//! top. With `Parallel` sizes change at once. Updates go from the highest ordinal down to the partition.

/// A pod of the set as the order sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) ordinal: i64,
    pub(crate) name: String,
    pub(crate) revision: String,
    /// Failed or Succeeded: it will never be ready again.
    pub(crate) ended: bool,
    pub(crate) terminating: bool,
    pub(crate) pending: bool,
    /// Running, ready for `minReadySeconds`.
    pub(crate) available: bool,
    /// Whether name, labels and volumes are those the ordinal asks for.
    pub(crate) identity: bool,
}

impl Member {
    fn is_unavailable(&self) -> bool {
        !self.available || self.terminating
    }
}

/// How pods are replaced by those of a newer revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Update {
    /// By whoever deletes them.
    OnDelete,
    /// From the top down to this ordinal's index, so many unavailable at once.
    Rolling { partition: i64, unavailable: i64 },
}

/// The wish of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    /// The first ordinal.
    pub(crate) start: i64,
    pub(crate) replicas: i64,
    /// Whether pods wait for each other (`OrderedReady`).
    pub(crate) ordered: bool,
    pub(crate) update: Update,
    pub(crate) update_revision: String,
}

/// Why a pod is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    Ended,
    ScaleDown,
    Update,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Create {
        ordinal: i64,
    },
    /// Make claims that a pending pod lacks.
    Claims {
        ordinal: i64,
    },
    /// Give the pod back the labels of its ordinal.
    Identify {
        name: String,
    },
    Delete {
        name: String,
        why: Why,
    },
}

/// What to do now, in order. An empty plan waits for pods to change.
pub(crate) fn plan(shape: &Shape, members: &[Member]) -> Vec<Step> {
    let end = shape.start.saturating_add(shape.replicas);
    let mut condemned: Vec<&Member> = members
        .iter()
        .filter(|member| member.ordinal < shape.start || member.ordinal >= end)
        .collect();
    condemned.sort_by_key(|member| std::cmp::Reverse(member.ordinal));
    let replica = |ordinal: i64| members.iter().find(|member| member.ordinal == ordinal);
    let mut steps = Vec::new();
    for ordinal in shape.start..end {
        let blocked = keep(ordinal, replica(ordinal), &mut steps);
        if blocked && shape.ordered {
            return steps;
        }
    }
    let first_unavailable = (shape.start..end).find(|ordinal| replica(*ordinal).is_none_or(Member::is_unavailable));
    let first_condemned = condemned
        .iter()
        .rev()
        .find(|member| member.is_unavailable())
        .map(|member| member.ordinal);
    let first = first_unavailable.or(first_condemned);
    for member in &condemned {
        if member.terminating || (member.is_unavailable() && first != Some(member.ordinal)) {
            if shape.ordered {
                return steps;
            }
            if member.terminating {
                continue;
            }
        }
        steps.push(Step::Delete {
            name: member.name.clone(),
            why: Why::ScaleDown,
        });
        if shape.ordered {
            return steps;
        }
    }
    let replicas: Vec<Option<&Member>> = (shape.start..end).map(replica).collect();
    steps.extend(update(shape, &replicas));
    steps
}

/// Brings one replica about; whether a set that keeps order has to wait for it.
fn keep(ordinal: i64, member: Option<&Member>, steps: &mut Vec<Step>) -> bool {
    let Some(member) = member else {
        steps.push(Step::Create { ordinal });
        return true;
    };
    if member.ended {
        if !member.terminating {
            steps.push(Step::Delete {
                name: member.name.clone(),
                why: Why::Ended,
            });
        }
        return true;
    }
    if member.pending {
        steps.push(Step::Claims { ordinal });
    }
    if !member.identity && !member.terminating {
        steps.push(Step::Identify {
            name: member.name.clone(),
        });
    }
    member.is_unavailable()
}

fn update(shape: &Shape, replicas: &[Option<&Member>]) -> Vec<Step> {
    let Update::Rolling { partition, unavailable } = shape.update else {
        return Vec::new();
    };
    // What was only just planned to be made is unavailable as well.
    let missing = replicas
        .iter()
        .filter(|member| member.is_none_or(Member::is_unavailable))
        .count();
    let missing = i64::try_from(missing).unwrap_or(i64::MAX);
    let room = usize::try_from(unavailable.saturating_sub(missing)).unwrap_or(0);
    let old = replicas.iter().flatten().rev().filter(|member| {
        member.ordinal - shape.start >= partition && member.revision != shape.update_revision && !member.terminating
    });
    let delete = |member: &&Member| Step::Delete {
        name: member.name.clone(),
        why: Why::Update,
    };
    old.take(room).map(delete).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(replicas: i64, ordered: bool, partition: i64, unavailable: i64) -> Shape {
        let update = Update::Rolling { partition, unavailable };
        Shape {
            start: 0,
            replicas,
            ordered,
            update,
            update_revision: "b".to_owned(),
        }
    }

    /// Members from letters: `a`/`b` available at a revision, capital: not available, `x` missing, `t` terminating, `f` failed.
    fn members(letters: &str) -> Vec<Member> {
        let member = |(ordinal, letter): (usize, char)| Member {
            ordinal: ordinal as i64,
            name: format!("w-{ordinal}"),
            revision: letter.to_ascii_lowercase().to_string(),
            ended: letter == 'f',
            terminating: letter == 't',
            pending: letter.is_uppercase(),
            available: matches!(letter, 'a' | 'b'),
            identity: true,
        };
        letters
            .chars()
            .enumerate()
            .filter(|(_, letter)| *letter != 'x')
            .map(member)
            .collect()
    }

    /// Steps as text: `+N` create, `-N` delete, `cN` claims.
    fn check(shape: &Shape, letters: &str, expected: &str) {
        let print = |step: &Step| match step {
            Step::Create { ordinal } => format!("+{ordinal}"),
            Step::Claims { ordinal } => format!("c{ordinal}"),
            Step::Identify { name } => format!("i{}", name.trim_start_matches("w-")),
            Step::Delete { name, .. } => format!("-{}", name.trim_start_matches("w-")),
        };
        let found: Vec<String> = plan(shape, &members(letters)).iter().map(print).collect();
        assert_eq!(found.join(" "), expected, "{letters} {shape:?}");
    }

    #[test]
    fn ordered_sets_start_and_stop_one_by_one() {
        let three = shape(3, true, 0, 1);
        check(&three, "", "+0");
        check(&three, "B", "c0");
        check(&three, "b", "+1");
        check(&three, "bb", "+2");
        check(&three, "bbb", "");
        check(&three, "xbb", "+0");
        check(&three, "tbb", "");
        check(&three, "fbb", "-0");
        let one = shape(1, true, 0, 1);
        check(&one, "bbb", "-2");
        check(&one, "bbt", "");
        // A broken pod at the top may go; a healthy one above a broken one goes first.
        check(&one, "bbB", "-2");
        check(&one, "bBb", "-2");
        check(&one, "bBB", "");
    }

    #[test]
    fn parallel_sets_change_size_at_once() {
        let three = shape(3, false, 0, 1);
        check(&three, "", "+0 +1 +2");
        check(&three, "bxb", "+1");
        check(&shape(1, false, 0, 1), "bbb", "-2 -1");
        check(&shape(1, false, 0, 1), "bBt", "-1");
    }

    #[test]
    fn updates_go_from_the_top_to_the_partition() {
        check(&shape(3, true, 0, 1), "aaa", "-2");
        check(&shape(3, true, 0, 1), "aaB", "c2");
        check(&shape(3, true, 0, 1), "aab", "-1");
        check(&shape(3, true, 0, 1), "abb", "-0");
        check(&shape(3, true, 1, 1), "abb", "");
        check(&shape(4, true, 0, 2), "aaaa", "-3 -2");
        check(&shape(4, false, 0, 2), "aaaB", "c3 -2");
        check(
            &Shape {
                update: Update::OnDelete,
                ..shape(3, true, 0, 1)
            },
            "aaa",
            "",
        );
    }
}
