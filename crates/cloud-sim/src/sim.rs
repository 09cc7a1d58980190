//! The handle that callers hold: the state machine behind a lock, on a clock, with faults in front.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use ports::Clock;
use ports::cloud::{
    Architecture, Certificate, CloudError, ControlPlane, Group, GroupName, Image, Instance, InstanceId, InstanceState,
    InstanceType, LaunchTemplateRef, LoadBalancer, Market, NetworkInterface, Volume,
};
use sha2::{Digest, Sha256};

use crate::event::{Event, What};
use crate::faults::{CallFault, FaultPlan};
use crate::groups::{GroupSpec, LaunchTemplateSpec};
use crate::options::{Timings, WorldOptions};
use crate::world::World;

/// One simulated account in one region; clones are the same account.
///
/// Through [`ports::cloud::Cloud`] it is used as any cloud is, with throttling and faults. Its own methods are the hand of
/// the test or of the twin: they act at once, without either.
#[derive(Debug, Clone)]
pub struct CloudSim {
    world: Arc<Mutex<World>>,
    clock: Arc<dyn Clock>,
    account: Arc<str>,
    region: Arc<str>,
    listener: Arc<Listener>,
    /// Calls through this handle do not wait.
    impatient: bool,
}

/// Who wants to hear of calls that write.
#[derive(Default)]
struct Listener(OnceLock<Box<dyn Fn() + Send + Sync>>);

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Listener").field(&self.0.get().is_some()).finish()
    }
}

impl CloudSim {
    /// An account on a clock. The clock should show [`WorldOptions::start`] or later; the account lives from the earlier of
    /// the two on, and everything that is due in between happens at the first call.
    #[must_use]
    pub fn new(options: WorldOptions, clock: Arc<dyn Clock>) -> Self {
        let (account, region) = (options.account.as_str().into(), options.region.as_str().into());
        let world = Arc::new(Mutex::new(World::new(options)));
        Self {
            world,
            clock,
            account,
            region,
            listener: Arc::default(),
            impatient: false,
        }
    }

    /// A handle for those who act while simulated time stands still: calls through it take no time, and one that a fault
    /// delays ends at once as if its caller had given it up, with nothing done ([`CloudError::OutcomeUnknown`]).
    #[must_use]
    pub fn impatient(&self) -> Self {
        Self {
            impatient: true,
            ..self.clone()
        }
    }

    /// Calls this after every call through [`ports::cloud::Cloud`] that writes, so that who sleeps until [`CloudSim::next_due`]
    /// can look again. The first listener stays.
    pub fn on_write(&self, listener: impl Fn() + Send + Sync + 'static) {
        // A second one is dropped, as the contract says.
        let _ = self.listener.0.set(Box::new(listener));
    }

    pub(crate) fn place(&self) -> (&str, &str) {
        (&self.account, &self.region)
    }

    /// The account, brought up to the clock's time.
    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        world.advance(now);
        world
    }

    /// When the next thing happens on its own; `None` when nothing will. An idle account has nothing due.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner).next_due()
    }

    /// Lets everything happen that is due up to `now`, in order. Calls do so by themselves with the clock's time.
    pub fn advance(&self, now: Timestamp) {
        self.world.lock().unwrap_or_else(PoisonError::into_inner).advance(now);
    }

    /// Time up to which everything has happened.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.world.lock().unwrap_or_else(PoisonError::into_inner).now
    }

    /// Everything that happened after the event with this number, oldest first; 0 gives all that is remembered.
    #[must_use]
    pub fn changes_since(&self, sequence: u64) -> Vec<Event> {
        self.lock().log.since(sequence).cloned().collect()
    }

    /// Number of the newest event; 0 before the first.
    #[must_use]
    pub fn last_event(&self) -> u64 {
        self.lock().log.last()
    }

    /// Forgets events up to this number, for long simulations.
    pub fn forget_events(&self, up_to: u64) {
        self.lock().log.forget_up_to(up_to);
    }

    /// The log in its text form, a line per event.
    #[must_use]
    pub fn log_text(&self) -> String {
        self.lock().log.since(0).map(|event| format!("{event}\n")).collect()
    }

    /// Goes on with this fault plan; rules that are in the old one as well keep what they have counted.
    pub fn set_faults(&self, plan: FaultPlan) {
        self.lock().set_faults(plan);
    }

    /// Adds an image; returns its id. The id follows from owner and name as rendering derives it for simulated clouds.
    pub fn add_image(&self, owner: &str, name: &str) -> String {
        let mut world = self.lock();
        add_image(&mut world, owner, name)
    }

    /// Adds an image under an id of the caller's.
    pub fn add_image_with_id(&self, id: &str) {
        let mut world = self.lock();
        let image = Image {
            id: id.to_owned(),
            name: id.to_owned(),
            owner: world.options.account.clone(),
            architecture: Architecture::Amd64,
            created: world.now,
        };
        world.state.images.insert(id.to_owned(), image);
    }

    /// Makes a launch template with a first version; returns its id.
    ///
    /// # Errors
    /// [`CloudError::AlreadyExists`] for a name in use.
    pub fn create_launch_template(&self, name: &str, spec: LaunchTemplateSpec) -> Result<String, CloudError> {
        self.lock().create_template(name, spec)
    }

    /// Adds a version to a launch template; returns its number.
    ///
    /// # Errors
    /// [`CloudError::NotFound`] for a template that does not exist.
    pub fn add_launch_template_version(&self, template: &str, spec: LaunchTemplateSpec) -> Result<u64, CloudError> {
        self.lock().add_template_version(template, spec)
    }

    /// Makes a group outside of any stack.
    ///
    /// # Errors
    /// Those of the provider: a template, image or subnet that does not exist, sizes that do not fit.
    pub fn create_group(&self, spec: GroupSpec) -> Result<(), CloudError> {
        self.lock().create_group(spec)
    }

    /// Sets or replaces a hook of a group; instances that are held already stay with the old one.
    ///
    /// # Errors
    /// [`CloudError::NotFound`] for a group that does not exist.
    pub fn put_hook(
        &self,
        group: &ports::cloud::GroupName,
        hook: ports::cloud::LifecycleHook,
    ) -> Result<(), CloudError> {
        let mut world = self.lock();
        let record = world.state.groups.get_mut(group).ok_or_else(|| CloudError::NotFound {
            kind: "node group",
            id: group.to_string(),
        })?;
        record.hooks.insert(hook.name.clone(), hook);
        Ok(())
    }

    /// Starts an instance outside of any group, as Karpenter does; returns its id.
    ///
    /// # Errors
    /// [`CloudError::NotFound`] for an unknown template or a zone without subnet; [`CloudError::Limit`] when the type or
    /// zone has no capacity.
    pub fn run_instance(
        &self,
        template: &str,
        instance_type: &str,
        zone: &str,
        market: Market,
        tags: ports::cloud::Tags,
    ) -> Result<InstanceId, CloudError> {
        let mut world = self.lock();
        let content = world.template_version(template, ports::cloud::TemplateVersion::Latest)?;
        let subnet = world
            .state
            .subnets
            .values()
            .find(|subnet| subnet.zone == zone)
            .map(|subnet| subnet.id.clone());
        let subnet = subnet.ok_or_else(|| CloudError::NotFound {
            kind: "zone",
            id: zone.to_owned(),
        })?;
        if world.faults.lacks_capacity(instance_type, zone, market, world.now) {
            let message = format!("InsufficientInstanceCapacity: no {instance_type} in {zone}");
            return Err(CloudError::Limit {
                call: "RunInstances",
                message,
            });
        }
        let id = InstanceId(world.new_id("i"));
        let private_ip = world.take_address(&subnet);
        let mut all = content.instance_tags.clone();
        all.extend(tags);
        let view = Instance {
            id: id.clone(),
            state: InstanceState::Pending,
            state_reason: None,
            zone: zone.to_owned(),
            subnet,
            instance_type: instance_type.to_owned(),
            image: content.image.clone().unwrap_or_default(),
            market,
            private_dns: world.private_dns(&private_ip),
            private_ip,
            launch_template: Some(LaunchTemplateRef {
                id: content.id,
                name: content.name,
                version: ports::cloud::TemplateVersion::Number(content.version),
            }),
            instance_profile: content.instance_profile,
            tags: all,
            group: None,
            launched: world.now,
            scheduled: Vec::new(),
        };
        world.add_instance(view, content.user_data);
        Ok(id)
    }

    /// An instance as it is now, past throttling and faults.
    #[must_use]
    pub fn instance(&self, id: &InstanceId) -> Option<Instance> {
        let world = self.lock();
        let record = world.state.instances.get(id)?;
        Some(Instance::clone(&record.view))
    }

    /// All groups as they are now, in name order, past throttling and faults.
    #[must_use]
    pub fn groups_now(&self) -> Vec<Group> {
        self.lock().state.groups.values().map(|record| record.view()).collect()
    }

    /// A group as it is now, past throttling and faults.
    #[must_use]
    pub fn group_now(&self, name: &GroupName) -> Option<Group> {
        self.lock().state.groups.get(name).map(|record| record.view())
    }

    /// All instances as they are now, in id order, past throttling and faults.
    #[must_use]
    pub fn instances_now(&self) -> Vec<Instance> {
        self.lock()
            .state
            .instances
            .values()
            .map(|record| Instance::clone(&record.view))
            .collect()
    }

    /// How long things take here.
    #[must_use]
    pub fn timings(&self) -> Timings {
        self.lock().options.timings.clone()
    }

    /// What machines of an instance type are like.
    #[must_use]
    pub fn machine_type(&self, name: &str) -> Option<InstanceType> {
        crate::catalogue::instance_types().remove(name)
    }

    /// True for an instance whose node shall never become ready.
    #[must_use]
    pub fn is_never_ready(&self, id: &InstanceId) -> bool {
        self.lock()
            .state
            .instances
            .get(id)
            .is_some_and(|record| record.never_ready)
    }

    /// The boot agent of an instance is through: launch hooks go on, its stack gets a signal. For bridges that boot nodes
    /// themselves ([`WorldOptions::boot_agent`] off).
    pub fn agent_ready(&self, id: &InstanceId) {
        self.lock().agent_ready(id);
    }

    /// An instance answers its load balancers' checks, or does not.
    pub fn set_answers(&self, id: &InstanceId, answers: bool) {
        let mut world = self.lock();
        if let Some(record) = world.state.instances.get_mut(id) {
            record.answers = answers;
        }
        if !answers {
            world.plan_health_check(id);
        }
    }

    /// The machine under an instance dies: it is gone without a word, and its group will see it.
    pub fn kill_instance(&self, id: &InstanceId) {
        self.lock().shut_down(id, "Server.InternalError");
    }

    /// The cloud takes a spot instance back, after its usual notice.
    pub fn interrupt_spot(&self, id: &InstanceId) {
        self.lock().announce_spot_loss(id, Duration::ZERO);
    }

    /// The provider plans to retire the machine under an instance at that time.
    pub fn schedule_retirement(&self, id: &InstanceId, at: Timestamp) {
        let mut world = self.lock();
        if let Some(record) = world.state.instances.get_mut(id) {
            let code = "instance-retirement".to_owned();
            record
                .view_mut()
                .scheduled
                .push(ports::cloud::ScheduledEvent { code, not_before: at });
        }
    }

    /// Makes a key, with an alias such as `alias/etcd-cluster` if given; returns its ARN.
    pub fn add_key(&self, alias: Option<&str>) -> String {
        let mut world = self.lock();
        let id = world.create_key();
        if let Some(alias) = alias {
            world.state.aliases.insert(alias.to_owned(), id.clone());
        }
        world.state.keys.get(&id).map(|key| key.arn.clone()).unwrap_or_default()
    }

    /// Makes a DNS zone; returns its id.
    pub fn add_dns_zone(&self, name: &str, private: bool) -> String {
        self.lock().create_zone(name, private)
    }

    /// Adds a certificate as it is.
    pub fn add_certificate(&self, certificate: Certificate) {
        self.lock()
            .state
            .certificates
            .insert(certificate.id.clone(), certificate);
    }

    /// Adds a load balancer as it is, such as one that a `Service` made.
    pub fn add_load_balancer(&self, balancer: LoadBalancer) {
        self.lock().state.balancers.insert(balancer.id.clone(), balancer);
    }

    /// Adds a volume as it is.
    pub fn add_volume(&self, volume: Volume) {
        self.lock().state.volumes.insert(volume.id.clone(), volume);
    }

    /// Adds a network interface as it is.
    pub fn add_network_interface(&self, interface: NetworkInterface) {
        self.lock().state.interfaces.insert(interface.id.clone(), interface);
    }

    /// Adds a managed control plane as it is.
    pub fn add_control_plane(&self, plane: ControlPlane) {
        self.lock().state.control_planes.insert(plane.name.clone(), plane);
    }

    /// Names an instance profile that exists.
    pub fn add_instance_profile(&self, name: &str) {
        self.lock().state.profiles.insert(name.to_owned());
    }

    /// Puts up an export as if a stack of somebody else's had it.
    pub fn add_export(&self, name: &str, value: &str) {
        let value = (String::new(), value.to_owned());
        self.lock().state.exports.insert(name.to_owned(), value);
    }

    /// Turns versions of a bucket on.
    pub fn keep_versions(&self, bucket: &str) {
        if let Some(bucket) = self.lock().state.buckets.get_mut(bucket) {
            bucket.versioned = true;
        }
    }

    /// Leaves a stack in `REVIEW_IN_PROGRESS`, as a change set that nobody executed does; returns its id.
    ///
    /// # Errors
    /// Those of [`ports::cloud::Stacks::create_stack`].
    pub fn leave_stack_in_review(&self, name: &str) -> Result<String, CloudError> {
        self.lock().leave_in_review(name)
    }

    /// Tags of a thing that a stack made and that has no record of its own, by its physical id.
    #[must_use]
    pub fn tags_of(&self, physical_id: &str) -> Option<ports::cloud::Tags> {
        self.lock().state.tags.get(physical_id).cloned()
    }

    /// A call that reads.
    pub(crate) async fn read<T>(
        &self,
        call: &'static str,
        work: impl FnOnce(&mut World) -> Result<T, CloudError> + Send,
    ) -> Result<T, CloudError> {
        match self.before(call, "", true).await? {
            Some(CallFault::Stale(lag)) => self.lock().in_the_past(lag, work),
            Some(CallFault::LoseAnswer) => Err(CloudError::OutcomeUnknown { call }),
            _ => work(&mut self.lock()),
        }
    }

    /// A call that changes something; it stands in the log with its outcome.
    pub(crate) async fn write<T>(
        &self,
        call: &'static str,
        subject: &str,
        work: impl FnOnce(&mut World) -> Result<T, CloudError> + Send,
    ) -> Result<T, CloudError> {
        let fault = self.before(call, subject, false).await?;
        let mut world = self.lock();
        let result = work(&mut world);
        let outcome = result.as_ref().map_or_else(class, |_| "ok");
        let subject = subject.to_owned();
        world.log(What::Call { call, subject, outcome });
        drop(world);
        if let Some(listener) = self.listener.0.get() {
            listener();
        }
        match fault {
            Some(CallFault::LoseAnswer) => Err(CloudError::OutcomeUnknown { call }),
            _ => result,
        }
    }

    /// What stands between a caller and the work: latency, limits, faults.
    async fn before(&self, call: &'static str, subject: &str, reads: bool) -> Result<Option<CallFault>, CloudError> {
        let (pause, fault) = {
            let mut world = self.lock();
            let number = world.count("call");
            let latency = world.options.latency;
            let mut pause = latency.map_or(Duration::ZERO, |span| world.span("latency", &number.to_string(), span));
            let now = world.now;
            let fault = world.faults.on_call(call, reads, now);
            if let Some(fault) = &fault {
                let subject = format!("{call} {subject}").trim_end().to_owned();
                let kind = fault.name().to_owned();
                world.log(What::Fault { subject, kind });
            }
            let limits = world.options.limits.clone();
            if let Err(after) = world.throttle.take(&limits, call, reads, now) {
                return Err(CloudError::Throttled { call, after });
            }
            if let Some(CallFault::Delay(more)) = fault {
                pause += more;
            }
            (pause, fault)
        };
        match &fault {
            Some(CallFault::Delay(_)) if self.impatient => return Err(CloudError::OutcomeUnknown { call }),
            _ if self.impatient || pause.is_zero() => {}
            _ => self.clock.sleep(pause).await,
        }
        match fault {
            Some(CallFault::Refuse) => {
                let message = "ServiceUnavailable: the service is temporarily unavailable".to_owned();
                Err(CloudError::Unavailable { call, message })
            }
            Some(CallFault::Deny) => {
                let message = format!("the identity is not authorized to perform {call}");
                Err(CloudError::Denied { call, message })
            }
            Some(CallFault::Throttle) => {
                let after = Duration::from_secs(1);
                Err(CloudError::Throttled { call, after })
            }
            other => Ok(other),
        }
    }
}

/// The image of an owner and name; the digits follow from both, so that every run and rendering agree on them.
pub(crate) fn add_image(world: &mut World, owner: &str, name: &str) -> String {
    let digest = hex::encode(Sha256::new().chain_update(name).chain_update(owner).finalize());
    let id = format!("ami-{}", digest.chars().take(17).collect::<String>());
    let arm = ["arm64", "aarch64"].iter().any(|word| name.contains(word));
    let image = Image {
        id: id.clone(),
        name: name.to_owned(),
        owner: owner.to_owned(),
        architecture: if arm { Architecture::Arm64 } else { Architecture::Amd64 },
        created: world.now,
    };
    world.state.images.entry(id.clone()).or_insert(image);
    id
}

/// The class of a refusal, for the log.
fn class(error: &CloudError) -> &'static str {
    match error {
        CloudError::Throttled { .. } => "throttled",
        CloudError::NotFound { .. } => "not-found",
        CloudError::AlreadyExists { .. } => "already-exists",
        CloudError::Invalid { .. } => "invalid",
        CloudError::Conflict { .. } => "conflict",
        CloudError::PreconditionFailed { .. } => "precondition-failed",
        CloudError::Denied { .. } => "denied",
        CloudError::Limit { .. } => "limit",
        CloudError::Unavailable { .. } => "unavailable",
        CloudError::OutcomeUnknown { .. } => "unknown",
    }
}
