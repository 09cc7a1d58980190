//! What to do about one object, from what is remembered and what is observed. Pure.

use super::compare::settled;
use super::fields::applied_by;
use super::memory::Applied;
use super::observe::Observed;
use super::plan::Step;

/// What to do about an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing: it is as git wants it, and every field that we applied is still ours.
    Nothing,
    /// Apply it. `gone` means that it was there and somebody deleted it.
    Apply { gone: bool },
    /// Ask the server what applying would change. `drift` means that we applied it before, so that whatever would change
    /// in an object that git wants the same was changed by somebody else.
    Inspect { drift: bool },
}

/// Decides. `observed` is none if the object is not a member of the set, or not there at all.
pub(crate) fn decide(step: &Step, applied: Option<&Applied>, observed: Option<&Observed>, manager: &str) -> Decision {
    let Some(observed) = observed else {
        return Decision::Apply {
            gone: applied.is_some(),
        };
    };
    if let Some(applied) = applied.filter(|applied| applied.uid == observed.uid) {
        // The version says that nobody wrote at all; the field set, that nobody touched what is ours.
        let untouched = applied.resource_version == observed.resource_version
            || (!observed.fields.is_empty() && applied.fields == observed.fields);
        return match (applied.hash == step.hash, untouched) {
            (true, true) => Decision::Nothing,
            (false, true) => Decision::Apply { gone: false },
            (_, false) => Decision::Inspect { drift: true },
        };
    }
    let live = observed.live_as(&step.api_version);
    match live.and_then(|live| Some((live, applied_by(live, manager)?))) {
        Some((live, owned)) if settled(&step.object, live, owned) => Decision::Nothing,
        _ => Decision::Inspect { drift: false },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::apply::plan::Phase;
    use crate::resource::{GroupKind, ObjectKey};

    fn applied(hash: &str, version: &str, fields: &str) -> Applied {
        Applied {
            hash: hash.into(),
            uid: "u".into(),
            resource_version: version.into(),
            fields: fields.into(),
        }
    }

    fn observed(uid: &str, version: &str, fields: &str) -> Observed {
        Observed {
            uid: uid.into(),
            resource_version: version.into(),
            fields: fields.into(),
            ours: true,
            controlled: false,
            deleting: false,
            protected: false,
            live: None,
        }
    }

    #[test]
    fn only_certainty_lets_an_object_alone() {
        let step = Step {
            component: String::new(),
            key: ObjectKey::new(GroupKind::new("", "C"), "", "n"),
            api_version: "v1".into(),
            phase: Phase::Component(0),
            level: 0,
            needs: Vec::new(),
            object: Arc::new(json!({})),
            hash: "h".into(),
        };
        let check = |memory: Option<Applied>, now: Option<Observed>, expected| {
            assert_eq!(
                decide(&step, memory.as_ref(), now.as_ref(), "m"),
                expected,
                "{memory:?} {now:?}"
            );
        };
        check(None, None, Decision::Apply { gone: false });
        check(Some(applied("h", "1", "f")), None, Decision::Apply { gone: true });
        check(
            Some(applied("h", "1", "f")),
            Some(observed("u", "1", "f")),
            Decision::Nothing,
        );
        // Status was written: another version, our fields untouched.
        check(
            Some(applied("h", "1", "f")),
            Some(observed("u", "2", "f")),
            Decision::Nothing,
        );
        check(
            Some(applied("h", "1", "f")),
            Some(observed("u", "2", "g")),
            Decision::Inspect { drift: true },
        );
        check(
            Some(applied("old", "1", "f")),
            Some(observed("u", "1", "f")),
            Decision::Apply { gone: false },
        );
        check(
            Some(applied("old", "1", "f")),
            Some(observed("u", "2", "g")),
            Decision::Inspect { drift: true },
        );
        // Somebody deleted it and made another one.
        check(
            Some(applied("h", "1", "f")),
            Some(observed("v", "1", "f")),
            Decision::Inspect { drift: false },
        );
        check(None, Some(observed("u", "1", "f")), Decision::Inspect { drift: false });
        // Our entry is gone altogether: two empty names are not the same name.
        check(
            Some(applied("h", "1", "")),
            Some(observed("u", "2", "")),
            Decision::Inspect { drift: true },
        );
    }
}
