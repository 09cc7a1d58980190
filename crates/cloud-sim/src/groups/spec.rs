//! What a new group or launch template shall be.

use std::collections::BTreeSet;
use std::time::Duration;

use ports::cloud::{
    CloudError, GroupName, HealthCheckKind, LaunchTemplate, Market, MixedInstances, Tags, TemplateVersion,
};

use crate::state::TemplateRecord;
use crate::world::World;

/// Content of a version of a launch template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchTemplateSpec {
    /// Image.
    pub image: Option<String>,
    /// Instance type.
    pub instance_type: Option<String>,
    /// User data, base64.
    pub user_data: Option<String>,
    /// Market.
    pub market: Market,
    /// Instance profile.
    pub instance_profile: Option<String>,
    /// Tags of instances.
    pub instance_tags: Tags,
}

impl LaunchTemplateSpec {
    /// On-demand instances of a type from an image.
    #[must_use]
    pub fn new(image: &str, instance_type: &str) -> Self {
        Self {
            image: Some(image.to_owned()),
            instance_type: Some(instance_type.to_owned()),
            user_data: None,
            market: Market::OnDemand,
            instance_profile: None,
            instance_tags: Tags::new(),
        }
    }
}

/// A new group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSpec {
    /// Name.
    pub name: GroupName,
    /// Smallest size.
    pub min: u32,
    /// Largest size.
    pub max: u32,
    /// Size; the smallest one when absent.
    pub desired: Option<u32>,
    /// Subnets; empty means one in every zone.
    pub subnets: Vec<String>,
    /// Id or name of the launch template.
    pub template: String,
    /// Version of it.
    pub version: TemplateVersion,
    /// Several types or spot shares.
    pub mixed: Option<MixedInstances>,
    /// Tags.
    pub tags: Tags,
    /// Keys of the tags that instances get; the others stay on the group.
    pub propagated: BTreeSet<String>,
    /// New instances are protected from scale-in.
    pub protect_new: bool,
    /// Health check.
    pub health_check: HealthCheckKind,
    /// Time after its start in which an instance is not judged by load balancers.
    pub grace: Duration,
    /// Classic load balancers.
    pub load_balancers: Vec<String>,
    /// Target groups.
    pub target_groups: Vec<String>,
}

impl GroupSpec {
    /// A group of a size between two bounds, over all zones, from the newest version of a template.
    #[must_use]
    pub fn new(name: &str, template: &str, min: u32, desired: u32, max: u32) -> Self {
        Self {
            name: GroupName::from(name),
            min,
            max,
            desired: Some(desired),
            subnets: Vec::new(),
            template: template.to_owned(),
            version: TemplateVersion::Latest,
            mixed: None,
            tags: Tags::new(),
            propagated: BTreeSet::new(),
            protect_new: false,
            health_check: HealthCheckKind::Instance,
            grace: Duration::from_secs(300),
            load_balancers: Vec::new(),
            target_groups: Vec::new(),
        }
    }
}

pub(super) fn invalid(call: &'static str, message: impl Into<String>) -> CloudError {
    let message = message.into();
    CloudError::Invalid { call, message }
}

impl World {
    /// Makes a launch template with its first version; returns its id.
    pub(crate) fn create_template(&mut self, name: &str, spec: LaunchTemplateSpec) -> Result<String, CloudError> {
        if self.state.templates.values().any(|template| template.name == name) {
            let (kind, id) = ("launch template", name.to_owned());
            return Err(CloudError::AlreadyExists { kind, id });
        }
        let id = self.new_id("lt");
        let record = TemplateRecord {
            id: id.clone(),
            name: name.to_owned(),
            versions: Vec::new(),
            default: 1,
        };
        self.state.templates.insert(id.clone(), record);
        self.add_template_version(&id, spec)?;
        Ok(id)
    }

    /// Adds a version; returns its number. The default version stays what it is.
    pub(crate) fn add_template_version(&mut self, template: &str, spec: LaunchTemplateSpec) -> Result<u64, CloudError> {
        let created = self.now;
        let record = self.template_mut(template)?;
        let number = u64::try_from(record.versions.len()).unwrap_or(u64::MAX) + 1;
        let version = LaunchTemplate {
            id: record.id.clone(),
            name: record.name.clone(),
            version: number,
            is_default: false,
            image: spec.image,
            instance_type: spec.instance_type,
            user_data: spec.user_data,
            market: spec.market,
            instance_profile: spec.instance_profile,
            instance_tags: spec.instance_tags,
            created,
        };
        record.versions.push(version);
        Ok(number)
    }

    fn template_mut(&mut self, template: &str) -> Result<&mut TemplateRecord, CloudError> {
        let missing = || CloudError::NotFound {
            kind: "launch template",
            id: template.to_owned(),
        };
        let mut records = self.state.templates.values_mut();
        records
            .find(|record| record.id == template || record.name == template)
            .ok_or_else(missing)
    }

    /// One version of a template by id or name.
    pub(crate) fn template_version(
        &self,
        template: &str,
        version: TemplateVersion,
    ) -> Result<LaunchTemplate, CloudError> {
        let missing = |kind| CloudError::NotFound {
            kind,
            id: format!("{template} {version}"),
        };
        let mut records = self.state.templates.values();
        let record = records.find(|record| record.id == template || record.name == template);
        let record = record.ok_or_else(|| missing("launch template"))?;
        let number = match version {
            TemplateVersion::Number(number) => number,
            TemplateVersion::Latest => u64::try_from(record.versions.len()).unwrap_or(u64::MAX),
            TemplateVersion::Default => record.default,
        };
        let found = record.versions.iter().find(|version| version.version == number);
        let mut found = found.cloned().ok_or_else(|| missing("launch template version"))?;
        found.is_default = found.version == record.default;
        Ok(found)
    }
}
