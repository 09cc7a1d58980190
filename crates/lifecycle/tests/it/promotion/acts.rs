//! Gates and what people do: freezes, pauses, fast lanes.

use jiff::SignedDuration;
use model::GateState;
use model::acts::{FastLane, FreezeAct, Pause};
use ports::Clock as _;
use ports::acts::{Act, Movement, lift, perform};

use super::{NO_AGREEMENT, Story};
use crate::bench::context;

async fn act<T: Movement>(story: &Story, act: T) -> Act<T> {
    let bench = &story.bench;
    let with: (&dyn ports::Clock, &dyn ports::Ids) = (&*bench.clock, &bench.ids);
    perform(&*bench.registry, with, act, &context("alice")).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_gate_waits_for_the_end_of_a_freeze_and_of_a_pause_of_its_channel() {
    let Some((story, one)) = Story::begin(NO_AGREEMENT).await else {
        return;
    };
    let until = story
        .bench
        .clock
        .now()
        .checked_add(SignedDuration::from_hours(4))
        .unwrap();
    let freeze = FreezeAct {
        clusters: model::selector::Selector::of_clusters("channel=alpha").unwrap(),
        reason: "sale".to_owned(),
        until: Some(until),
        ..FreezeAct::default()
    };
    act(&story, freeze).await;
    let two = story.push("two");
    story.roll(&["kube-1"], 2).await;
    story.minutes(180).await;
    assert_eq!(
        story.origin.tip("alpha"),
        one,
        "its soak time is over, and the freeze holds"
    );
    let (state, sentence) = story.gate("alpha").await;
    assert_eq!(state, GateState::Waiting);
    assert!(
        sentence.starts_with("a freeze by alice (\"sale\") holds channel alpha"),
        "{sentence}"
    );
    assert_eq!(story.channel("alpha").await.gate.unwrap().eta, Some(until));
    story.minutes(60).await;
    assert_eq!(story.origin.tip("alpha"), two, "it ended by itself");

    let pause = Pause {
        channel: "beta".to_owned(),
        reason: "looking".to_owned(),
        ..Pause::default()
    };
    let pause = act(&story, pause).await;
    story.roll(&["kube-2"], 2).await;
    story.minutes(120).await;
    assert_eq!(story.origin.tip("beta"), one);
    let (_, sentence) = story.gate("beta").await;
    assert!(
        sentence.starts_with("channel beta is paused by alice (\"looking\"); \"fleetwright resume channel beta\""),
        "{sentence}"
    );
    lift::<Pause>(&*story.bench.registry, &*story.bench.clock, &pause.id, &context("bob"))
        .await
        .unwrap();
    story.minutes(2).await;
    assert_eq!(story.origin.tip("beta"), two);
}

#[tokio::test(start_paused = true)]
async fn windows_hold_a_gate_and_the_floor_opens_it() {
    // Never open: the floor alone gives time, the last six hours of each two days.
    let text = format!(
        "{NO_AGREEMENT}windows: [{{name: never, clusters: channel=alpha, days: [mon], from: '00:00', to: '00:01'}}]\n\
         floor: {{time: 6h, every: 48h}}\n"
    );
    let Some((story, one)) = Story::begin(&text).await else {
        return;
    };
    let two = story.push("two");
    story.roll(&["kube-1"], 2).await;
    story.minutes(30).await;
    assert_eq!(story.origin.tip("alpha"), one);
    let (_, sentence) = story.gate("alpha").await;
    assert!(
        sentence.starts_with("its maintenance window never holds channel alpha"),
        "{sentence}"
    );
    let eta = story.channel("alpha").await.gate.unwrap().eta.unwrap();
    let left = eta.duration_since(story.bench.clock.now());
    assert!(left.as_hours() < 48, "{eta}");
    story.minutes(left.as_secs().unsigned_abs() / 60 + 3).await;
    assert_eq!(story.origin.tip("alpha"), two);
}

#[tokio::test(start_paused = true)]
async fn a_fast_lane_passes_soaking_and_freezes_and_the_move_keeps_the_evidence_but_not_a_pause() {
    let text = NO_AGREEMENT.replace("soak: 5m", "soak: 24h");
    let Some((story, one)) = Story::begin(&text).await else {
        return;
    };
    let freeze = FreezeAct {
        reason: "sale".to_owned(),
        ..FreezeAct::default()
    };
    let two = story.push("two");
    story.roll(&["kube-1"], 2).await;
    act(&story, freeze).await;
    story.minutes(10).await;
    assert_eq!(story.origin.tip("alpha"), one);
    let pause = Pause {
        channel: "alpha".to_owned(),
        reason: "looking".to_owned(),
        ..Pause::default()
    };
    let pause = act(&story, pause).await;
    let lane = FastLane {
        channel: "alpha".to_owned(),
        config: two[..10].to_owned(),
        reason: "CVE-2026-1".to_owned(),
        ticket: Some("INC-7".to_owned()),
        ..FastLane::default()
    };
    let lane = act(&story, lane).await;
    story.minutes(2).await;
    assert_eq!(story.origin.tip("alpha"), one, "a pause holds it too");
    lift::<Pause>(&*story.bench.registry, &*story.bench.clock, &pause.id, &context("bob"))
        .await
        .unwrap();
    story.minutes(2).await;
    assert_eq!(story.origin.tip("alpha"), two);
    let passed = story.moves().await[0].what.passed.clone();
    let begin = format!(
        "fast lane \"CVE-2026-1\" by alice, INC-7 ({}): instead of: soaks for 1d,",
        lane.id
    );
    assert!(passed.starts_with(&begin), "{passed}");
    assert!(
        passed.ends_with("a freeze by alice (\"sale\") holds channel alpha; alice or whoever may unfreeze can lift it"),
        "{passed}"
    );
    // It is for this commit and this channel alone.
    story.roll(&["kube-2"], 2).await;
    story.minutes(60).await;
    assert_eq!(story.origin.tip("beta"), one);
}
