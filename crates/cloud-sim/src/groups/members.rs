//! The instances of a group, and how the group shows them.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, OnceLock};

use ports::cloud::{GroupInstance, InstanceId};

use super::Member;

/// Members by id. What they are shown as is kept until one of them may have changed: groups are looked at far more often.
#[derive(Debug, Clone, Default)]
pub(crate) struct Members {
    all: BTreeMap<InstanceId, Member>,
    shown: OnceLock<Arc<[GroupInstance]>>,
}

impl Members {
    /// The members as the cloud shows them, in id order.
    pub(crate) fn shown(&self) -> Arc<[GroupInstance]> {
        let instance = |(id, member): (&InstanceId, &Member)| GroupInstance {
            id: id.clone(),
            zone: member.zone.clone(),
            instance_type: member.instance_type.clone(),
            lifecycle: member.lifecycle,
            healthy: member.healthy,
            launch_template: Some(member.template.clone()),
            protected_from_scale_in: member.protected,
        };
        let shown = self.shown.get_or_init(|| self.all.iter().map(instance).collect());
        Arc::clone(shown)
    }
}

impl Deref for Members {
    type Target = BTreeMap<InstanceId, Member>;

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

impl DerefMut for Members {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.shown.take();
        &mut self.all
    }
}
