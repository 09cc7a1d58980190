//! Commits, good and bad, on the whole fleet.

use plan::waves::Phase;
use ports::Ledger;
use ports::ledger::{EntryFilter, EntryKind};
use ports::registry::PageRequest;

use super::fleet::{Fleet, WHOLE, broken_for, good, unchecked};

#[tokio::test(start_paused = true)]
async fn a_good_commit_reaches_all_clusters_of_four_channels_in_order_and_within_the_limits() {
    let fleet = Fleet::of(&WHOLE).await;
    assert_eq!(fleet.aliases.len(), 148);
    for (channel, _) in WHOLE {
        fleet.commit(channel, good("two", "2"));
        fleet
            .until("a channel is done", 6, async |fleet| {
                fleet.behind(Some(channel), "two").await.is_empty()
            })
            .await;
    }
    let turns = fleet.turns().await;
    assert_eq!(turns.len(), 148, "every cluster was let begin");
    // Test before production; in each of them canaries first, and they are done before others begin.
    let clusters = fleet.clusters().await;
    let of = |environment: &str, canaries: bool| {
        let own = clusters
            .iter()
            .filter(|c| c.channel == "beta" && c.environment == environment);
        let aliases = own.map(|cluster| cluster.alias.to_string());
        aliases
            .filter(|alias| turns[alias].wave.ends_with("canaries") == canaries)
            .collect::<Vec<_>>()
    };
    let order = [
        of("test", true),
        of("test", false),
        of("production", true),
        of("production", false),
    ];
    assert_eq!((order[0].len(), order[2].len()), (2, 2), "one canary of each type");
    for pair in order.windows(2) {
        assert!(fleet.before(&pair[0], &pair[1]), "{order:?}");
    }
    let most = fleet.most();
    assert!(most.fleet <= 10 && most.accounts <= 2 && most.waves <= 5, "{most:?}");
    assert_eq!(most.waves, 5, "the limit is used: {most:?}");
    for (channel, _) in WHOLE {
        let run = fleet.run(channel).await;
        assert!(run.over.is_some() && run.phase == Phase::Resting, "{run:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn f3_incident_18_a_commit_that_breaks_one_type_halts_in_its_first_wave_and_the_fix_overtakes_it() {
    let fleet = Fleet::of(&WHOLE).await;
    fleet.commit("beta", broken_for("bad", "2", "gpu"));
    fleet
        .until("the channel halts", 1, async |fleet| {
            fleet.phase("beta").await == Phase::Halted
        })
        .await;
    // It stays so: whoever fails is tried again and again, and nobody else begins.
    fleet.bench.pass_time(7_200).await;
    let touched = fleet.touched("bad").await;
    assert_eq!(touched.len(), 2, "the canaries of both types: {touched:?}");
    let run = fleet.run("beta").await;
    let halt = run.halt.unwrap();
    assert_eq!(halt.clusters, ["beta-04"]);
    assert_eq!(halt.causes.len(), 1, "{:?}", halt.causes);
    assert!(halt.causes[0].says.contains("Bad_Name"), "{:?}", halt.causes);
    assert_eq!(
        fleet.behind(Some("stable"), "zero").await,
        Vec::<String>::new(),
        "other channels rest"
    );

    fleet.first();
    fleet.commit("beta", good("fix", "3"));
    fleet
        .until("the fix is everywhere", 6, async |fleet| {
            fleet.behind(Some("beta"), "fix").await.is_empty()
        })
        .await;
    assert_eq!(
        fleet.first().as_deref(),
        Some("beta-04"),
        "what is broken is mended first"
    );
    assert!(
        fleet.run("beta").await.halt.is_none(),
        "W6: the halt ends with its cause"
    );
}

#[tokio::test(start_paused = true)]
async fn incident_8_a_commit_that_loses_everything_waits_in_its_canaries_for_agreement() {
    let fleet = Fleet::of(&[("beta", 12)]).await;
    let maps: Vec<(String, String)> = (0..60)
        .map(|n| {
            (
                format!("cluster/manifests/many/m{n}.yaml"),
                crate::updates::map_named(&format!("m{n}")),
            )
        })
        .collect();
    let files: Vec<(&str, &str)> = maps.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    fleet.commit("beta", crate::updates::commit("many", "1", &files));
    fleet
        .until("all have them", 2, async |fleet| {
            fleet.behind(None, "many").await.is_empty()
        })
        .await;
    // The template root is gone: nothing of it is wanted any more.
    fleet.commit("beta", good("root-lost", "1"));
    fleet.bench.pass_time(4 * 3_600).await;
    let touched = fleet.touched("root-lost").await;
    assert_eq!(touched.len(), 2, "the canaries of test alone ask: {touched:?}");
    let (requests, all) = (EntryFilter::of(EntryKind::prune_request()), PageRequest::all());
    let asked = fleet.bench.registry.list_entries(&requests, &all).await.unwrap();
    assert_eq!(asked.items.len(), 2);
    for alias in &fleet.aliases {
        assert!(fleet.bench.object(alias, "configmaps", "m7").is_some(), "{alias}");
    }
    // One that does not come to its end counts as failed in the end, and the halt names it.
    fleet.bench.pass_time(3 * 3_600).await;
    let run = fleet.run("beta").await;
    assert_eq!(run.phase, Phase::Halted);
    assert_eq!(run.halt.unwrap().clusters.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn incident_13_a_channel_that_cannot_be_read_any_more_moves_nothing() {
    let fleet = Fleet::of(&[("beta", 12)]).await;
    fleet.commit("beta", good("two", "2"));
    fleet
        .until("some have begun", 1, async |fleet| {
            !fleet.touched("two").await.is_empty()
        })
        .await;
    fleet.bench.source.forget("beta");
    fleet.wake();
    fleet.bench.pass_time(60).await;
    let begun = fleet.touched("two").await;
    fleet.bench.pass_time(3_600).await;
    assert_eq!(
        fleet.touched("two").await,
        begun,
        "an error is not an empty channel, nor another version"
    );
    assert!(fleet.bench.setting("beta-11", "level").is_some());
    fleet.commit("beta", good("two", "2"));
    fleet
        .until("it goes on", 2, async |fleet| {
            fleet.behind(None, "two").await.is_empty()
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn f2_clusters_that_fail_for_ever_hold_up_neither_other_channels_nor_what_their_wave_bears() {
    let fleet = Fleet::of(&[("dev", 3), ("beta", 20)]).await;
    let mut policy = unchecked();
    policy.failure_budget.canary = plan::policy::Share::Percent(100);
    policy.failure_budget.wave = plan::policy::Share::Percent(50);
    policy.failure_budget.channel = plan::policy::Share::Percent(50);
    fleet.policies.replace(policy);
    // Two of ten clusters in each environment fail; that is borne.
    fleet.commit("beta", broken_for("bad", "2", "gpu"));
    fleet
        .until("all others have it", 6, async |fleet| {
            fleet.behind(Some("beta"), "bad").await.len() == 4
        })
        .await;
    fleet.commit("dev", good("two", "2"));
    let asked = fleet.now();
    fleet
        .until("the other channel has it", 1, async |fleet| {
            fleet.behind(Some("dev"), "two").await.is_empty()
        })
        .await;
    let took = fleet.now().duration_since(asked);
    assert!(took.as_secs() < 120, "{took:?}");
}
