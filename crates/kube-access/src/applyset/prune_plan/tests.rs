use super::*;

fn observed(uid: &str) -> Observed {
    Observed {
        uid: uid.into(),
        resource_version: "1".into(),
        fields: "f".into(),
        ours: true,
        controlled: false,
        deleting: false,
        protected: false,
        live: None,
    }
}

fn observation(objects: &[(&str, &str, Observed)]) -> Observation {
    let mut out = Observation::default();
    for (kind, name, observed) in objects {
        let kind = GroupKind::parse(kind);
        let key = ObjectKey::new(kind.clone(), "", name);
        out.kinds.entry(kind).or_default().insert(key, observed.clone());
    }
    out
}

#[test]
fn definitions_and_namespaces_go_last_and_strangers_stay() {
    let copied = Observed {
        ours: false,
        ..observed("x")
    };
    let controlled = Observed {
        controlled: true,
        ..observed("y")
    };
    let protected = Observed {
        protected: true,
        ..observed("z")
    };
    let seen = observation(&[
        ("Namespace", "n", observed("1")),
        ("CustomResourceDefinition.apiextensions.k8s.io", "d", observed("2")),
        ("Thing.example.org", "t", observed("3")),
        ("ConfigMap", "c", observed("4")),
        (
            "ValidatingWebhookConfiguration.admissionregistration.k8s.io",
            "w",
            observed("5"),
        ),
        ("EndpointSlice.discovery.k8s.io", "e", copied),
        ("ReplicaSet.apps", "r", controlled),
        ("Secret", "s", protected),
    ]);
    let plan = plan_prune("set", &ApplyPlan::default(), &seen);
    assert_eq!(
        plan.to_string(),
        "delete ValidatingWebhookConfiguration.admissionregistration.k8s.io w\ndelete Thing.example.org t\n\
         delete ConfigMap c\ndelete CustomResourceDefinition.apiextensions.k8s.io d\ndelete Namespace n\n\
         keep Secret s: its annotation asks to keep it\n\
         keep ReplicaSet.apps r: it belongs to another object\n\
         keep EndpointSlice.discovery.k8s.io e: its label was copied, we did not apply it\n"
    );
}

#[test]
fn consent_is_for_exactly_one_selection() {
    let seen = |uids: &[&str]| {
        let names: Vec<(String, Observed)> = uids.iter().map(|uid| (format!("c{uid}"), observed(uid))).collect();
        let objects: Vec<(&str, &str, Observed)> = names
            .iter()
            .map(|(name, observed)| ("ConfigMap", name.as_str(), observed.clone()))
            .collect();
        let mut plan = plan_prune("set", &ApplyPlan::default(), &observation(&objects));
        plan.wanted = 1;
        plan
    };
    let threshold = Threshold {
        objects: 2,
        percent: 10,
    };
    assert_eq!(seen(&["1", "2"]).allowed(threshold, None), Ok(()));
    let three = seen(&["1", "2", "3"]);
    let refusal = three.allowed(threshold, None).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "prune of 3 of 3 objects needs consent (allowed without: 2)"
    );
    let consent = three.consent("ada");
    assert_eq!(three.allowed(threshold, Some(&consent)), Ok(()));
    // Another object of the same name, or one more, is another selection.
    for other in [seen(&["1", "2", "4"]), seen(&["1", "2", "3", "4"])] {
        assert!(matches!(
            other.allowed(threshold, Some(&consent)),
            Err(PruneRefusal::OtherConsent { .. })
        ));
    }
    let mut nothing_wanted = seen(&["1"]);
    nothing_wanted.wanted = 0;
    assert!(nothing_wanted.allowed(threshold, None).is_err());
}

#[test]
fn what_is_held_back_stays_a_member_and_is_no_part_of_the_plan() {
    let seen = observation(&[("ConfigMap", "a", observed("1")), ("ConfigMap", "b", observed("2"))]);
    let mut plan = plan_prune("set", &ApplyPlan::default(), &seen);
    let whole = plan.hash();
    plan.hold_back(|item| item.key.name == "b");
    assert_eq!(
        plan.to_string(),
        "delete ConfigMap a\nkeep ConfigMap b: something else has to be gone first\n"
    );
    assert_ne!(plan.hash(), whole);
}
