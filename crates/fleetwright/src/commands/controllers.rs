//! `controllers`: the small controllers of one cluster in this process.

use std::collections::BTreeSet;
use std::sync::Arc;

use cli_args::{ControllerName, ControllersArgs, LogFormat, env_vars};
use controllers::leader::{Elector, Leadership, LeaseOptions};
use controllers::lifecycle::Lifecycle;
use controllers::readiness::{self, StartUpTaint};
use controllers::shutdown;
use disruption::Policy;
use kube_access::{Access, AccessError, Context};
use model::{ClusterId, ConfigItems};
use ports::{Ids as _, SystemClock, SystemIds};
use rollout::{NoCloud, Refresh, RolloutError};
use service::Shutdown;

use crate::console::Console;
use crate::failure::Failure;
use crate::live::environment;
use crate::notices;
use crate::settings::Env;

pub(super) async fn run(args: ControllersArgs, env: &Env, console: &mut Console) -> Result<(), Failure> {
    let format = match args.log_format {
        LogFormat::Text => service::LogFormat::Text,
        LogFormat::Json => service::LogFormat::Json,
    };
    let filter = args
        .log
        .as_deref()
        .or_else(|| env.get(&env_vars::LOG))
        .unwrap_or("info");
    service::init_tracing(format, filter, console.colour()).map_err(|error| Failure::of(&error))?;
    let shutdown = Shutdown::new();
    shutdown
        .on_signals()
        .map_err(|error| Failure::of(&error).while_doing("listening to signals"))?;
    let work = Arc::new(Work::of(&args).await?);
    let own_name = || {
        env.get(&env_vars::HOSTNAME)
            .map_or_else(|| SystemIds.uuid(), str::to_owned)
    };
    let identity = args.identity.clone().unwrap_or_else(own_name);
    console.say(&format!(
        "{identity}: waiting for the lead in namespace {}",
        args.namespace
    ));
    let elector = Elector::new(work.access.clone(), LeaseOptions::new(&args.namespace, &identity));
    tokio::select! {
        biased;
        () = shutdown.begun() => Ok(()),
        done = elector.lead(|leadership| {
            let (work, end) = (Arc::clone(&work), shutdown.clone());
            async move {
                tokio::select! {
                    biased;
                    () = end.begun() => Ok(()),
                    done = work.run(leadership) => done,
                }
            }
        }) => done,
    }
}

/// What runs while we lead.
struct Work {
    access: Access,
    enabled: BTreeSet<ControllerName>,
    lifecycle: Lifecycle,
    taint: StartUpTaint,
}

impl Work {
    async fn of(args: &ControllersArgs) -> Result<Self, Failure> {
        let cluster: ClusterId = args.cluster_id.parse().map_err(Failure::new)?;
        let context = Context::new(cluster.as_str(), Arc::new(SystemClock), Arc::new(SystemIds));
        let access = match &args.kubeconfig {
            Some(file) => Access::from_kubeconfig(context, file, args.kube_context.as_deref()).await,
            None => Access::in_cluster(context),
        };
        let hint = "outside a cluster give --kubeconfig FILE";
        let access = access.map_err(|error| Failure::of(&error).hint(hint))?;
        let notices = notices::to(args.notify_url.as_deref())?;
        let tag_name = cluster.as_str().to_owned();
        Ok(Self {
            enabled: args.enable.iter().copied().collect(),
            lifecycle: Lifecycle {
                access: access.clone(),
                cloud: Arc::new(NoCloud),
                cluster,
                tag_name,
                policy: policy(args)?,
                namespace: args.namespace.clone(),
                no_schedule: args.no_schedule_taint.then(|| "true".to_owned()),
                notices,
                refresh: Refresh::default(),
            },
            taint: StartUpTaint {
                key: args.startup_taint.clone(),
                namespace: args.namespace.clone(),
            },
            access,
        })
    }

    /// Runs all of them; one that fails at its beginning ends the others, and Kubernetes starts the process again.
    async fn run(&self, leadership: Arc<Leadership>) -> Result<(), Failure> {
        let on = |name: ControllerName| self.enabled.contains(&name);
        let lifecycle = async {
            if on(ControllerName::NodeLifecycle) {
                let done = self.lifecycle.run(Arc::clone(&leadership)).await;
                return done.map_err(|error: RolloutError| Failure::of(&error).while_doing("node-lifecycle"));
            }
            Ok(())
        };
        let failed = |what: &'static str| move |error: AccessError| Failure::of(&error).while_doing(what);
        let readiness = async {
            if on(ControllerName::NodeReadiness) {
                let done = readiness::run(&self.access, &self.taint, &leadership).await;
                return done.map_err(failed("node-readiness"));
            }
            Ok(())
        };
        let notices = async {
            if on(ControllerName::NodeShutdown) {
                return shutdown::run(&self.access, &leadership)
                    .await
                    .map_err(failed("node-shutdown"));
            }
            Ok(())
        };
        tokio::try_join!(lifecycle, readiness, notices).map(|_| ())
    }
}

/// The published policy with what the flags say.
fn policy(args: &ControllersArgs) -> Result<Policy, Failure> {
    let mut items = ConfigItems::new();
    for (key, flag) in [
        ("drain_grace_period", &args.drain_grace_period),
        ("drain_min_pod_lifetime", &args.drain_min_pod_lifetime),
        (
            "drain_min_healthy_sibling_lifetime",
            &args.drain_min_healthy_sibling_lifetime,
        ),
        (
            "drain_min_unhealthy_sibling_lifetime",
            &args.drain_min_unhealthy_sibling_lifetime,
        ),
        ("drain_force_evict_interval", &args.drain_force_evict_interval),
    ] {
        if let Some(value) = flag {
            items.insert(key.parse().map_err(Failure::new)?, value.clone());
        }
    }
    Policy::resolve(Some(environment(args.policy)), &[&items]).map_err(|problems| {
        let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Failure::new(all.join("; ")).hint("durations are Go's, such as 6h or 1h30m")
    })
}
