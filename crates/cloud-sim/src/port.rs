//! The contract of `ports`, filled by the simulation: each method names the provider's call and hands over to the account.

mod groups;
mod instances;
mod services;
mod stacks;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use model::AccountId;
use ports::Clock;
use ports::cloud::{Cloud, CloudError, Clouds};

use crate::options::WorldOptions;
use crate::sim::CloudSim;

impl Cloud for CloudSim {
    fn account(&self) -> &str {
        self.place().0
    }

    fn region(&self) -> &str {
        self.place().1
    }
}

/// Many accounts: each comes into being when it is first opened, with a seed of its own.
#[derive(Debug, Clone)]
pub struct SimClouds {
    template: WorldOptions,
    clock: Arc<dyn Clock>,
    open: Arc<Mutex<BTreeMap<(String, String), CloudSim>>>,
    /// The accounts whose role can be assumed; all where nobody says.
    known: Option<Arc<BTreeSet<String>>>,
}

impl SimClouds {
    /// Accounts that are like `template` except for number, region and seed, all on one clock.
    #[must_use]
    pub fn new(template: WorldOptions, clock: Arc<dyn Clock>) -> Self {
        let open = Arc::default();
        Self {
            template,
            clock,
            open,
            known: None,
        }
    }

    /// Only these accounts (numbers, with or without `aws:` in front) have a role that can be assumed; opening another one is
    /// denied. Without this all have one.
    #[must_use]
    pub fn only(mut self, accounts: &[&str]) -> Self {
        let number = |account: &&str| account.rsplit(':').next().unwrap_or(account).to_owned();
        self.known = Some(Arc::new(accounts.iter().map(number).collect()));
        self
    }

    /// The account with this number (with or without `aws:` in front) in a region.
    #[must_use]
    pub fn sim(&self, account: &str, region: &str) -> CloudSim {
        let account = account.rsplit(':').next().unwrap_or(account);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (account.to_owned(), region.to_owned());
        let make = || {
            let mut options = self.template.clone();
            // The name of the place goes into the seed, so that the order of opening does not matter.
            let place = format!("{account}/{region}");
            let digits = crate::random::Random::new(self.template.seed).hex("account", &place, 16);
            options.seed = u64::from_str_radix(&digits, 16).unwrap_or(self.template.seed);
            (options.account, options.region) = (account.to_owned(), region.to_owned());
            CloudSim::new(options, Arc::clone(&self.clock))
        };
        open.entry(key).or_insert_with(make).clone()
    }
}

#[async_trait]
impl Clouds for SimClouds {
    async fn open(&self, account: &AccountId, region: &str) -> Result<Arc<dyn Cloud>, CloudError> {
        let number = account.as_str().rsplit(':').next().unwrap_or_default();
        if self.known.as_ref().is_some_and(|known| !known.contains(number)) {
            let message = format!("the identity is not authorized to assume the role of account {number}");
            return Err(CloudError::Denied {
                call: "AssumeRole",
                message,
            });
        }
        Ok(Arc::new(self.sim(account.as_str(), region)))
    }
}
