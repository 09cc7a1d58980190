//! Reading the cloud: how its answers become the fleet.
//!
//! A reading comes every few seconds while machines come and go, and most of what it says was said before. Machines are made
//! anew only where something of them differs, so that a reading costs what changed and one comparison of the rest.

use std::collections::{BTreeMap, BTreeSet};

use disruption::PoolName;
use jiff::Timestamp;
use ports::cloud::{
    Group, GroupInstance, GroupName, Instance, InstanceFilter, InstanceId, InstanceLifecycle, LaunchTemplate,
    LaunchTemplateRef, Market, NodeCloud, Tags, TemplateVersion,
};

use crate::error::RolloutError;
use crate::in_order::InOrder;
use crate::machines::{Fleet, Home, Machine, is_active};
use crate::names::{POOL_TAG, cluster_tag};

/// What the cloud said last, as far as groups do not have it.
#[derive(Debug, Default)]
pub(crate) struct Readings {
    templates: BTreeMap<(String, u64), LaunchTemplate>,
    /// By instance.
    instances: BTreeMap<InstanceId, Known>,
    /// What each group made when its machines were made from it.
    wanted: BTreeMap<GroupName, (PoolName, Wanted)>,
    /// Machines to be made anew although their group says the same of them: their instance changed, or we changed them.
    anew: BTreeSet<Box<str>>,
    /// When all instances were read last.
    all_read: Option<Timestamp>,
}

/// Machines as a reading has them.
struct Found<'g> {
    /// All of them, by id.
    ids: Vec<&'g str>,
    /// Those that may differ from what they were.
    made: Vec<Machine>,
    wanted: BTreeMap<GroupName, (PoolName, Wanted)>,
    broken: BTreeMap<PoolName, String>,
}

impl Fleet {
    /// Reads groups and machines of one cluster: one call for the groups, one for instances, one for each launch template
    /// version that was not read yet.
    ///
    /// Of the instances those of the spot market and new ones are read, because notices of the market are short. The others
    /// change by nothing but announcements that come long before, so all are read only with `whole`.
    pub(crate) async fn read(
        &mut self,
        cloud: &dyn NodeCloud,
        cluster: &str,
        now: Timestamp,
        whole: bool,
    ) -> Result<(), RolloutError> {
        let tags = Tags::from([(cluster_tag(cluster), "owned".to_owned())]);
        let groups = cloud.groups(&tags).await?;
        self.readings.read_instances(cloud, &groups, whole).await?;
        if whole {
            self.readings.all_read = Some(now);
        }
        let Found {
            mut ids,
            made,
            wanted,
            broken,
        } = self.found(cloud, &groups).await?;
        ids.sort_unstable();
        let mut is_there = InOrder::new(ids.iter().copied());
        // The cloud does not tell of NodeClaims: they stay until they are joined anew. Without them, what is remembered of
        // their machines would be dropped, such as that they were ready once.
        let of_group = |machine: &Machine| matches!(machine.home, Home::Group(_));
        let own = self.machines.iter().filter(|(_, machine)| of_group(machine));
        let gone = own.map(|(id, _)| id).filter(|id| !is_there.has(id));
        let gone: Vec<Box<str>> = gone.cloned().collect();
        let differs = |machine: &Machine| match self.machines.get(machine.id.as_str()) {
            Some(before) => of_group(before) && before != machine,
            None => true,
        };
        let other: Vec<Machine> = made.into_iter().filter(differs).collect();
        let groups: BTreeMap<GroupName, Group> = groups.into_iter().map(|group| (group.name.clone(), group)).collect();
        self.groups.set(groups);
        if !gone.is_empty() || !other.is_empty() {
            let machines = &mut *self.machines;
            for id in gone {
                machines.remove(&id);
                self.touched.insert(id);
            }
            for machine in other {
                let id: Box<str> = machine.id.as_str().into();
                self.touched.insert(id.clone());
                machines.insert(id, machine);
            }
        }
        self.broken.set(broken);
        self.readings.wanted = wanted;
        self.readings.anew.clear();
        Ok(())
    }

    /// The machines of the groups; those of which nothing changed are named only.
    async fn found<'g>(&mut self, cloud: &dyn NodeCloud, groups: &'g [Group]) -> Result<Found<'g>, RolloutError> {
        let (mut ids, mut made) = (Vec::new(), Vec::new());
        let (mut all_wanted, mut broken) = (BTreeMap::new(), BTreeMap::new());
        for group in groups {
            let Some(pool) = group.tags.get(POOL_TAG).map(|name| PoolName::from(name.as_str())) else {
                continue;
            };
            let wanted = match self.readings.wanted(cloud, &pool, group).await {
                Ok(wanted) => (pool, wanted),
                Err(error @ RolloutError::Group { .. }) => {
                    broken.insert(pool, error.to_string());
                    continue;
                }
                Err(error) => return Err(error),
            };
            let before = self.groups.get(&group.name).map(|before| &*before.instances);
            let same = self.readings.wanted.get(&group.name) == Some(&wanted);
            let mut before = before.filter(|_| same).unwrap_or_default().iter().peekable();
            for member in group.instances.iter() {
                let id = member.id.as_str();
                ids.push(id);
                while before.next_if(|known| known.id < member.id).is_some() {}
                let known = before.next_if(|known| known.id == member.id);
                if known != Some(member) || self.readings.anew.contains(id) {
                    let instance = self.readings.instances.get(&member.id);
                    made.push(machine(group, &wanted.0, member, instance, &wanted.1));
                }
            }
            all_wanted.insert(group.name.clone(), wanted);
        }
        Ok(Found {
            ids,
            made,
            wanted: all_wanted,
            broken,
        })
    }
}

impl Readings {
    /// When all instances were read last.
    pub(crate) fn all_read(&self) -> Option<Timestamp> {
        self.all_read
    }

    /// Has a machine made anew by the next reading.
    pub(crate) fn make_anew(&mut self, id: &str) {
        if !self.anew.contains(id) {
            self.anew.insert(id.into());
        }
    }

    async fn read_instances(
        &mut self,
        cloud: &dyn NodeCloud,
        groups: &[Group],
        whole: bool,
    ) -> Result<(), RolloutError> {
        let all = groups
            .iter()
            .flat_map(|group| group.instances.iter())
            .map(|one| one.id.as_str());
        let mut all: Vec<&str> = all.collect();
        all.sort_unstable();
        let mut known = self.instances.iter().peekable();
        let asked = all.iter().filter(|id| {
            while known.next_if(|(other, _)| other.as_str() < **id).is_some() {}
            let is_known = |(other, known): &(&InstanceId, &Known)| other.as_str() == **id && !known.spot;
            whole || known.next_if(is_known).is_none()
        });
        let filter = InstanceFilter {
            ids: asked.map(|id| InstanceId::from(*id)).collect(),
            ..InstanceFilter::default()
        };
        let mut read: BTreeMap<InstanceId, Known> = BTreeMap::new();
        if !filter.ids.is_empty() {
            let answer = cloud.instances(&filter).await?.into_iter();
            read = answer.map(|one| (one.id.clone(), Known::of(&one))).collect();
        }
        let mut is_there = InOrder::new(all.iter().copied());
        let unread = |id: &InstanceId| filter.ids.contains(id) && !read.contains_key(id);
        let mut left = |id: &InstanceId| !is_there.has(id.as_str()) || unread(id);
        let left: Vec<InstanceId> = self.instances.keys().filter(|id| left(id)).cloned().collect();
        for id in left {
            self.make_anew(id.as_str());
            self.instances.remove(&id);
        }
        for (id, known) in read {
            if self.instances.get(&id) != Some(&known) {
                self.make_anew(id.as_str());
                self.instances.insert(id, known);
            }
        }
        Ok(())
    }

    /// What a group makes now.
    async fn wanted(&mut self, cloud: &dyn NodeCloud, pool: &PoolName, group: &Group) -> Result<Wanted, RolloutError> {
        let wrong = |why| RolloutError::Group {
            pool: pool.clone(),
            group: group.name.to_string(),
            why,
        };
        let reference = group
            .launch_template
            .clone()
            .ok_or_else(|| wrong("it has no launch template"))?;
        let TemplateVersion::Number(number) = reference.version else {
            return Err(wrong(
                "its launch template version is a floating one, $Latest or $Default",
            ));
        };
        let key = (reference.id.clone(), number);
        if !self.templates.contains_key(&key) {
            let read = cloud.launch_template(&reference.id, reference.version).await?;
            self.templates.insert(key.clone(), read);
        }
        let template = self.templates.get(&key);
        let own_type = template.and_then(|template| template.instance_type.clone());
        let own_spot = template.is_some_and(|template| template.market == Market::Spot);
        let (types, spot) = match &group.mixed_instances {
            None => (own_type.into_iter().collect(), own_spot),
            Some(mixed) => {
                let spot = match (mixed.on_demand_base, mixed.on_demand_percent_above_base) {
                    (0, 0) => true,
                    (0, 100) => false,
                    _ => return Err(wrong("its share of on-demand machines is neither all nor none")),
                };
                let types: BTreeSet<String> = mixed.instance_types.iter().cloned().collect();
                let own = types.is_empty().then(|| own_type.into_iter().collect());
                (own.unwrap_or(types), spot)
            }
        };
        Ok(Wanted {
            template: reference,
            types,
            spot,
        })
    }
}

/// What is kept of an instance.
#[derive(Debug, PartialEq)]
struct Known {
    spot: bool,
    launched: Timestamp,
    /// When the cloud takes it back, and its word for that.
    ends: Option<(Timestamp, Box<str>)>,
}

impl Known {
    fn of(instance: &Instance) -> Self {
        let endings = instance
            .scheduled
            .iter()
            .filter(|event| ENDINGS.contains(&event.code.as_str()));
        let first = endings.min_by_key(|event| event.not_before);
        Self {
            spot: instance.market == Market::Spot,
            launched: instance.launched,
            ends: first.map(|event| (event.not_before, event.code.as_str().into())),
        }
    }
}

#[derive(Debug, PartialEq)]
struct Wanted {
    template: LaunchTemplateRef,
    types: BTreeSet<String>,
    spot: bool,
}

/// Events of the cloud that end a machine. A recommendation ends nothing.
const ENDINGS: [&str; 3] = ["spot-interruption", "instance-retirement", "instance-stop"];

fn machine(
    group: &Group,
    pool: &PoolName,
    member: &GroupInstance,
    instance: Option<&Known>,
    wanted: &Wanted,
) -> Machine {
    let spot = instance.map_or(wanted.spot, |one| one.spot);
    let ends = instance.and_then(|one| one.ends.clone());
    let differs = || -> Option<Box<str>> {
        if member.launch_template.as_ref() != Some(&wanted.template) {
            let version = |one: &LaunchTemplateRef| format!("{} version {}", one.name, one.version);
            let old = member.launch_template.as_ref().map_or("none".to_owned(), version);
            return Some(format!("launch template is {old}, the pool's is {}", version(&wanted.template)).into());
        }
        if !wanted.types.is_empty() && !wanted.types.contains(&member.instance_type) {
            return Some(format!("instance type {} is not the pool's", member.instance_type).into());
        }
        let market = |spot| if spot { "spot" } else { "on-demand" };
        (spot != wanted.spot).then(|| {
            let (own, pool) = (market(spot), market(wanted.spot));
            format!("market is {own}, the pool's is {pool}").into()
        })
    };
    Machine {
        id: member.id.clone(),
        home: Home::Group(group.name.clone()),
        pool: pool.clone(),
        serves: member.healthy && member.lifecycle == InstanceLifecycle::InService,
        coming: is_active(member.lifecycle) && member.lifecycle != InstanceLifecycle::InService,
        leaving: !is_active(member.lifecycle),
        spot,
        launched: instance.map(|one| one.launched),
        outdated: differs(),
        ends,
    }
}

#[cfg(test)]
mod tests;
