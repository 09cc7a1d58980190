//! The cloud's side of the nodes: groups, their machines, and which of them are outdated.

use std::collections::{BTreeMap, BTreeSet};

use disruption::PoolName;
use jiff::Timestamp;
use ports::cloud::{
    Group, GroupName, Instance, InstanceFilter, InstanceId, InstanceLifecycle, LaunchTemplate, LaunchTemplateRef,
    Market, NodeCloud, Tags, TemplateVersion,
};

use crate::error::RolloutError;
use crate::names::{AUTOSCALER_TAG, POOL_TAG, cluster_tag};
use crate::tracked::Tracked;

/// What a machine is made and ended by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Home {
    /// A group of the cloud.
    Group(GroupName),
    /// A NodeClaim of the cluster.
    Claim(Box<str>),
}

/// A machine of a group or of a NodeClaim.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Machine {
    pub(crate) id: InstanceId,
    pub(crate) home: Home,
    pub(crate) pool: PoolName,
    /// The cloud calls it healthy and in service.
    pub(crate) serves: bool,
    /// On its way up.
    pub(crate) coming: bool,
    /// On its way down.
    pub(crate) leaving: bool,
    pub(crate) spot: bool,
    pub(crate) launched: Option<Timestamp>,
    /// What differs from what its group launches now.
    pub(crate) outdated: Option<Box<str>>,
    /// When the cloud takes it back, and its word for that.
    pub(crate) ends: Option<(Timestamp, Box<str>)>,
}

/// All groups of a cluster with their machines, as last read.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    pub(crate) groups: Tracked<BTreeMap<GroupName, Group>>,
    pub(crate) machines: Tracked<BTreeMap<Box<str>, Machine>>,
    /// Pools whose groups cannot be compared.
    pub(crate) broken: Tracked<BTreeMap<PoolName, String>>,
    /// Whether it was busy when groups and machines had changed so often.
    was_busy: Option<([u64; 2], bool)>,
    /// Machines that changed since the nodes were joined with them.
    pub(crate) touched: BTreeSet<Box<str>>,
    templates: BTreeMap<(String, u64), LaunchTemplate>,
    /// What the cloud said last of each instance.
    instances: BTreeMap<InstanceId, Known>,
    /// When all of them were read last.
    all_read: Option<Timestamp>,
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
        self.read_instances(cloud, &groups, whole).await?;
        if whole {
            self.all_read = Some(now);
        }
        let (mut machines, mut broken) = (BTreeMap::new(), BTreeMap::new());
        for group in &groups {
            let Some(pool) = group.tags.get(POOL_TAG).map(|name| PoolName::from(name.as_str())) else {
                continue;
            };
            let wanted = match self.wanted(cloud, &pool, group).await {
                Ok(wanted) => wanted,
                Err(error @ RolloutError::Group { .. }) => {
                    broken.insert(pool, error.to_string());
                    continue;
                }
                Err(error) => return Err(error),
            };
            for member in &group.instances {
                let instance = self.instances.get(&member.id);
                machines.insert(
                    member.id.as_str().into(),
                    machine(group, &pool, member, instance, &wanted),
                );
            }
        }
        // The cloud does not tell of NodeClaims: they stay until they are joined anew. Without them, what is remembered of
        // their machines would be dropped, such as that they were ready once.
        let claims = self
            .machines
            .iter()
            .filter(|(_, machine)| matches!(machine.home, Home::Claim(_)));
        machines.extend(claims.map(|(id, machine)| (id.clone(), machine.clone())));
        let groups = groups.into_iter().map(|group| (group.name.clone(), group));
        self.groups.set(groups.collect());
        let gone = self.machines.keys().filter(|id| !machines.contains_key(*id));
        let other = machines
            .iter()
            .filter(|(id, machine)| self.machines.get(*id) != Some(*machine));
        let touched: BTreeSet<Box<str>> = gone.chain(other.map(|(id, _)| id)).cloned().collect();
        if !touched.is_empty() {
            *self.machines = machines;
            self.touched.extend(touched);
        }
        self.broken.set(broken);
        Ok(())
    }

    /// When all instances were read last.
    pub(crate) fn all_read(&self) -> Option<Timestamp> {
        self.all_read
    }

    async fn read_instances(
        &mut self,
        cloud: &dyn NodeCloud,
        groups: &[Group],
        whole: bool,
    ) -> Result<(), RolloutError> {
        let members = || groups.iter().flat_map(|group| &group.instances).map(|one| &one.id);
        let there: BTreeSet<&InstanceId> = members().collect();
        let known = |id: &InstanceId| self.instances.get(id).is_some_and(|known| !known.spot);
        let ids = members().filter(|id| whole || !known(id)).cloned().collect();
        let filter = InstanceFilter {
            ids,
            ..InstanceFilter::default()
        };
        self.instances
            .retain(|id, _| there.contains(id) && !filter.ids.contains(id));
        if !filter.ids.is_empty() {
            let read = cloud.instances(&filter).await?.into_iter();
            self.instances.extend(read.map(|one| (one.id.clone(), Known::of(&one))));
        }
        Ok(())
    }

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

    /// The groups of a pool, by name.
    pub(crate) fn groups_of<'a>(&'a self, pool: &'a PoolName) -> impl Iterator<Item = &'a Group> {
        self.groups
            .values()
            .filter(move |group| group.tags.get(POOL_TAG).is_some_and(|name| name == pool.as_str()))
    }

    /// The machines of a pool, by id.
    pub(crate) fn machines_of<'a>(&'a self, pool: &'a PoolName) -> impl Iterator<Item = &'a Machine> {
        self.machines.values().filter(move |machine| machine.pool == *pool)
    }

    /// How many nodes a pool wants: what its groups want, and its NodeClaims that are not on their way out.
    pub(crate) fn desired(&self, pool: &PoolName) -> u32 {
        let claims = self
            .machines_of(pool)
            .filter(|machine| matches!(machine.home, Home::Claim(_)) && !machine.leaving)
            .count();
        self.groups_of(pool)
            .fold(u32::try_from(claims).unwrap_or(u32::MAX), |sum, group| {
                sum.saturating_add(group.desired)
            })
    }

    /// The autoscaler may size a group of this pool.
    pub(crate) fn autoscaled<'a>(&'a self, pool: &'a PoolName) -> impl Iterator<Item = &'a Group> {
        self.groups_of(pool)
            .filter(|group| group.tags.contains_key(AUTOSCALER_TAG))
    }

    /// Machines are on their way up or down, or groups have not what they want.
    pub(crate) fn busy(&mut self) -> bool {
        let changes = [self.groups.changes(), self.machines.changes()];
        match self.was_busy {
            Some((then, busy)) if then == changes => busy,
            _ => {
                let busy = self.moves();
                self.was_busy = Some((changes, busy));
                busy
            }
        }
    }

    fn moves(&self) -> bool {
        // Claims are watched: what happens to them is known without asking.
        let moving = |machine: &Machine| matches!(machine.home, Home::Group(_)) && (machine.coming || machine.leaving);
        let active = |group: &Group| group.instances.iter().filter(|one| is_active(one.lifecycle)).count();
        self.machines.values().any(moving)
            || self
                .groups
                .values()
                .any(|group| usize::try_from(group.desired).unwrap_or(usize::MAX) != active(group))
    }
}

/// What is kept of an instance.
#[derive(Debug)]
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

struct Wanted {
    template: LaunchTemplateRef,
    types: BTreeSet<String>,
    spot: bool,
}

fn is_active(lifecycle: InstanceLifecycle) -> bool {
    use InstanceLifecycle::{InService, Pending, PendingProceed, PendingWait};
    matches!(lifecycle, Pending | PendingWait | PendingProceed | InService)
}

/// Events of the cloud that end a machine. A recommendation ends nothing.
const ENDINGS: [&str; 3] = ["spot-interruption", "instance-retirement", "instance-stop"];

fn machine(
    group: &Group,
    pool: &PoolName,
    member: &ports::cloud::GroupInstance,
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
