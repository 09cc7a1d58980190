use super::*;

const WHOLE: &str = r#"
kind: FleetPolicy
channels:
  - name: dev
    inFlight: 3
  - name: beta
    failureBudget: {wave: 2, deadline: 90m}
    waves: {steps: [10%, 50%]}
limits: {wave: 8, account: 1, fleet: 20, urgent: 2 }
failureBudget: {canary: 1, wave: 10%, channel: 4, fleet: 6}
waves:
  environments: [e2e, test, "*", production]
  type: [provider, region]
  canary: {perType: 2}
  settle: 30s
windows:
  - name: working hours
    clusters: environment=production
    days: [mon, tue, wed, thu]
    from: "09:00"
    to: "16:30"
    timeZone: Europe/Berlin
freezes:
  - from: 2026-12-20
    to: "2027-01-04T08:00:00+01:00"
    reason: the end of the year
    clusters: criticality_level in (2, 3)
floor: {time: 8h, every: 1w}
alarms: {block: 3d}
"#;

#[test]
fn a_whole_document_is_read_and_written() {
    let policy = FleetPolicy::parse(WHOLE).unwrap();
    assert_eq!(
        policy.limits_in("dev"),
        Limits {
            wave: 3,
            account: 1,
            fleet: 20,
            urgent: 2
        }
    );
    assert_eq!(policy.limits_in("stable").wave, 8);
    assert_eq!(policy.budget_in("beta").wave, Share::Count(2));
    assert_eq!(policy.budget_in("dev").wave, Share::Percent(10));
    assert_eq!(policy.waves_in("beta").steps, [Share::Percent(10), Share::Percent(50)]);
    assert_eq!(policy.waves_in("dev").canary.per_type, 2);
    let freeze = &policy.freezes[0];
    assert_eq!(
        (freeze.from.to_string(), freeze.to.to_string()),
        ("2026-12-20T00:00:00Z".into(), "2027-01-04T07:00:00Z".into())
    );
    let mut json = serde_json::to_value(&policy).unwrap();
    json["kind"] = "FleetPolicy".into();
    assert_eq!(
        FleetPolicy::parse(&json.to_string()).unwrap(),
        policy,
        "what is written can be read"
    );
}

#[test]
fn a_document_that_says_nothing_has_small_defaults() {
    let policy = FleetPolicy::parse("kind: FleetPolicy\n").unwrap();
    assert_eq!(policy, FleetPolicy::default());
    assert_eq!(policy.validate(), Ok(()));
    assert_eq!(
        policy.limits,
        Limits {
            wave: 5,
            account: 2,
            fleet: 10,
            urgent: 2
        }
    );
    assert_eq!(policy.failure_budget.canary.of(100), 0);
    assert_eq!(policy.failure_budget.wave.of(65), 3);
}

#[test]
fn refusals_name_field_rule_and_value() {
    for (text, parts) in [
        ("limits: {wave: 1}\n", ["kind", ""]),
        ("kind: Other\n", ["kind: must be FleetPolicy", "Other"]),
        ("kind: FleetPolicy\nwindow: []\n", ["unknown field `window`", ""]),
        (
            "kind: FleetPolicy\nlimits: {waves: 1}\n",
            ["unknown field `waves`", "wave"],
        ),
        (
            "kind: FleetPolicy\nlimits: {fleet: 0}\n",
            ["limits.fleet: must be at least 1", "0"],
        ),
        (
            "kind: FleetPolicy\nfailureBudget: {wave: 120%}\n",
            ["120%", "share such as 5%"],
        ),
        ("kind: FleetPolicy\nfloor: {time: 1 week}\n", ["1 week", "span such as"]),
        (
            "kind: FleetPolicy\nfloor: {time: 3d, every: 2d}\n",
            ["floor.time: must not be longer", "3d"],
        ),
        (
            "kind: FleetPolicy\nchannels: [{name: a}, {name: a}]\n",
            ["channels[1].name", "twice"],
        ),
        (
            "kind: FleetPolicy\nchannels: [{name: a, inFlight: 0}]\n",
            ["channels[0].inFlight", "at least 1"],
        ),
        (
            "kind: FleetPolicy\nwaves: {type: [colour]}\n",
            ["waves.type: must be fields of clusters", "colour"],
        ),
        (
            "kind: FleetPolicy\nwaves: {steps: [0%]}\n",
            ["waves.steps", "at least one"],
        ),
        (
            "kind: FleetPolicy\nwindows: [{name: n, from: '9:00', to: '10:00'}]\n",
            ["9:00", "time of day such as 18:30"],
        ),
        (
            "kind: FleetPolicy\nwindows: [{name: n, from: '09:00', to: '10:00', timeZone: Mars}]\n",
            ["Mars", "no time zone"],
        ),
        (
            "kind: FleetPolicy\nwindows: [{name: n, from: '09:00', to: '10:00', clusters: colour=red}]\n",
            ["colour", "there is no field"],
        ),
        (
            "kind: FleetPolicy\nfreezes: [{from: 2026-01-02, to: 2026-01-01, reason: x}]\n",
            ["freezes[0].to: must be after 2026-01-02", "2026-01-01"],
        ),
        (
            "kind: FleetPolicy\nfreezes: [{from: 2026-01-01, to: 2026-01-02, reason: ' '}]\n",
            ["freezes[0].reason: must say why", ""],
        ),
        (
            "kind: FleetPolicy\nfreezes: [{from: soon, to: 2026-01-02, reason: x}]\n",
            ["soon", "no moment"],
        ),
    ] {
        let refused = FleetPolicy::parse(text).unwrap_err().to_string();
        for part in parts {
            assert!(refused.contains(part), "{text}: {refused}");
        }
    }
}

#[test]
fn spans_and_shares_are_said_as_they_are_written() {
    for text in ["10m", "7d", "90s", "3w", "1h"] {
        let span: Span = serde_json::from_value(text.into()).unwrap();
        let again: Span = serde_json::from_value(span.to_string().into()).unwrap();
        assert_eq!(span, again, "{text}");
    }
    assert_eq!(Share::Percent(5).of(19), 0);
    assert_eq!(Share::Percent(5).of_at_least(19), 1);
    assert_eq!(Share::Count(7).of(3), 3);
}
