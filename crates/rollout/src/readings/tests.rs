use std::sync::Arc;

use cloud_sim::{CloudSim, GroupSpec, LaunchTemplateSpec, WorldOptions};
use futures::FutureExt;
use jiff::SignedDuration;
use ports::cloud::{GroupSize, NodeGroups, Shrink};
use ports::{Ids, SeededIds, SystemClock};

use super::*;

/// Runs a call that answers at once.
fn now<T>(call: impl Future<Output = T>) -> T {
    call.now_or_never().expect("a call without latency answers at once")
}

fn template(image: &str, spot: bool) -> LaunchTemplateSpec {
    let mut spec = LaunchTemplateSpec::new(image, "m5.large");
    if spot {
        spec.market = Market::Spot;
    }
    spec
}

/// A cloud with a group of each market and one without a pool, ahead of the machine's clock, so that only the test moves it.
fn cloud(seed: u64) -> CloudSim {
    let mut options = WorldOptions::new("123456789012", "eu-central-1", seed).unthrottled();
    options.start = Timestamp::MAX - SignedDuration::from_hours(24 * 365);
    let sim = CloudSim::new(options, Arc::new(SystemClock));
    sim.add_image_with_id("ami-1");
    for name in ["workers", "spot", "others"] {
        sim.create_launch_template(name, template("ami-1", name == "spot"))
            .unwrap();
        let mut group = GroupSpec::new(name, name, 0, 4, 9);
        group.version = TemplateVersion::Number(1);
        let mut tags = Tags::from([("kubernetes.io/cluster/kube-1".to_owned(), "owned".to_owned())]);
        if name != "others" {
            tags.insert(POOL_TAG.to_owned(), name.to_owned());
        }
        group.tags = tags;
        sim.create_group(group).unwrap();
    }
    sim
}

/// Something that happens in the cloud.
fn happen(sim: &CloudSim, ids: &SeededIds) {
    let draw = |count: u64| ids.next_u64() % count.max(1);
    let name = ["workers", "spot", "others"][draw(3) as usize];
    let group = now(sim.group(&name.into())).unwrap();
    let member = group.instances.get(draw(group.instances.len() as u64) as usize);
    let id = member.map_or_else(|| InstanceId::from("i-none"), |member| member.id.clone());
    // Refusals are part of the game.
    let _ = match draw(8) {
        0 => now(sim.resize_group(
            &group.name,
            GroupSize {
                desired: Some(draw(10) as u32),
                ..GroupSize::default()
            },
        )),
        1 => now(sim.terminate_in_group(&id, if draw(2) == 0 { Shrink::Yes } else { Shrink::No })),
        2 => {
            let version = sim.add_launch_template_version(name, template("ami-1", name == "spot"));
            let version = TemplateVersion::Number(version.unwrap());
            now(sim.set_group_template_version(&group.name, version))
        }
        3 => now(sim.set_group_template_version(&group.name, TemplateVersion::Latest)),
        4 => {
            sim.interrupt_spot(&id);
            Ok(())
        }
        5 => {
            sim.schedule_retirement(&id, sim.now() + SignedDuration::from_hours(2));
            Ok(())
        }
        6 => {
            let tags = Tags::from([(POOL_TAG.to_owned(), ["workers", "spot"][draw(2) as usize].to_owned())]);
            now(sim.tag_group(&group.name, &tags))
        }
        _ => now(sim.untag_group(&group.name, &BTreeSet::from([POOL_TAG.to_owned()]))),
    };
}

#[test]
fn a_fleet_that_is_read_again_is_what_a_new_one_is_read_as() {
    let (mut readings, mut changed) = (0, 0);
    for seed in 0..40 {
        let (sim, ids) = (cloud(seed), SeededIds::new(seed));
        let mut kept = Fleet::default();
        for _ in 0..60 {
            sim.advance(sim.now() + SignedDuration::from_secs(i64::from(ids.next_u64() as u8)));
            if ids.next_u64().is_multiple_of(2) {
                happen(&sim, &ids);
            }
            // We choose and end machines between readings, which say later what became of it.
            let any = kept.machines.keys().nth(ids.next_u64() as usize % 8).cloned();
            if let Some(machine) = any.and_then(|id| kept.machine_mut(&id)) {
                machine.leaving = true;
                machine.outdated = Some("chosen".into());
            }
            let before = kept.machines.clone();
            kept.touched.clear();
            let whole = ids.next_u64().is_multiple_of(2);
            now(kept.read(&sim, "kube-1", sim.now(), whole)).unwrap();
            readings += 1;
            let all = before.keys().chain(kept.machines.keys());
            let differs = all.filter(|id| before.get(*id) != kept.machines.get(*id));
            let differs: BTreeSet<Box<str>> = differs.cloned().collect();
            assert_eq!(kept.touched, differs, "seed {seed}");
            changed += differs.len();
            // Notices of machines that are not of the spot market are known after a whole reading only.
            if whole {
                let mut new = Fleet::default();
                now(new.read(&sim, "kube-1", sim.now(), true)).unwrap();
                assert_eq!(*kept.machines, *new.machines, "seed {seed}");
                assert_eq!(*kept.groups, *new.groups, "seed {seed}");
                assert_eq!(*kept.broken, *new.broken, "seed {seed}");
            }
        }
    }
    assert!(changed > readings / 2, "{changed} changes in {readings} readings");
}

#[test]
fn a_machine_that_nothing_happens_to_is_not_made_anew() {
    let sim = cloud(1);
    sim.advance(sim.now() + SignedDuration::from_mins(20));
    let mut fleet = Fleet::default();
    now(fleet.read(&sim, "kube-1", sim.now(), true)).unwrap();
    let changes = |fleet: &Fleet| [fleet.groups.changes(), fleet.machines.changes(), fleet.broken.changes()];
    let before = changes(&fleet);
    now(fleet.read(&sim, "kube-1", sim.now(), true)).unwrap();
    assert_eq!(changes(&fleet), before);
    let groups = now(sim.groups(&Tags::new())).unwrap();
    let found = now(fleet.found(&sim, &groups)).unwrap();
    assert_eq!((found.ids.len(), found.made.len()), (8, 0));
}
