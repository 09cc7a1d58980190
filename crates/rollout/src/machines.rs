//! The cloud's side of the nodes: groups, their machines, and which of them are outdated.

use std::collections::{BTreeMap, BTreeSet};

use disruption::PoolName;
use jiff::Timestamp;
use ports::cloud::{Group, GroupName, InstanceId, InstanceLifecycle};

use crate::names::{AUTOSCALER_TAG, POOL_TAG};
use crate::readings::Readings;
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
    /// What the cloud was read to have.
    pub(crate) readings: Readings,
}

impl Fleet {
    /// A machine to be changed by what we did or chose. The next reading makes it anew from what the cloud says.
    pub(crate) fn machine_mut(&mut self, id: &str) -> Option<&mut Machine> {
        self.readings.make_anew(id);
        self.machines.get_mut(id)
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
        let claim = |machine: &&Machine| matches!(machine.home, Home::Claim(_)) && !machine.leaving;
        let claims = self.machines.values().filter(claim);
        let claims = claims.filter(|machine| machine.pool == *pool).count();
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

pub(crate) fn is_active(lifecycle: InstanceLifecycle) -> bool {
    use InstanceLifecycle::{InService, Pending, PendingProceed, PendingWait};
    matches!(lifecycle, Pending | PendingWait | PendingProceed | InService)
}
