//! Bounds of groups that come down below what runs (fault F12): the cloud ends the machines beyond a bound at once and drains none
//! of them. So the update of the stack waits until those are gone under the contract: the groups get a tag with the size that they
//! are to come down to ([`COMES_DOWN_TAG`]), by which whoever drains nodes knows which are too many.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use disruption::marking::COMES_DOWN_TAG;
use jiff::Timestamp;
use ports::cloud::{Group, GroupSize, Tags};
use serde_json::Value;

use super::stack_run::StackRun;
use super::{Failure, Finding};

/// When to look again.
const LOOK: Duration = Duration::from_secs(60);
/// The kind of resource that has bounds.
const GROUP: &str = "AWS::AutoScaling::AutoScalingGroup";
/// Tags that the provider puts on what a stack makes.
const STACK: &str = "aws:cloudformation:stack-name";
const RESOURCE: &str = "aws:cloudformation:logical-id";
/// Tag with the name of the pool.
const POOL: &str = "NodePool";

/// The bounds that a template gives a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounds {
    min: Option<u32>,
    max: u32,
}

/// The bounds of the groups in a template, by the names of the resources. A bound that is no plain number is not known here.
fn bounds(template: &str) -> BTreeMap<String, Bounds> {
    let document = yaml::load_value(template, &yaml::Options::manifests()).ok();
    let resources = document
        .as_ref()
        .and_then(|document| document.value.get("Resources")?.as_object());
    let number = |resource: &Value, field: &str| -> Option<u32> {
        let value = resource.pointer("/Properties")?.get(field)?;
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
            .parse()
            .ok()
    };
    let all = resources.into_iter().flatten().filter_map(|(name, resource)| {
        let is = resource.get("Type").and_then(Value::as_str) == Some(GROUP);
        let max = number(resource, "MaxSize").filter(|_| is)?;
        let min = number(resource, "MinSize");
        Some((name.clone(), Bounds { min, max }))
    });
    all.collect()
}

/// A group with the bounds that it has by the template in force and by the one that is wanted.
struct Bounded {
    group: Group,
    before: Option<Bounds>,
    wanted: Bounds,
}

impl Bounded {
    /// Its bound comes down, or was about to before, and more machines run than it leaves. A group that is larger than its template
    /// says because its nodes are being replaced is none of these.
    fn is_held(&self) -> bool {
        let lower = self.before.is_none_or(|before| self.wanted.max < before.max);
        (lower || self.is_tagged()) && self.group.desired > self.wanted.max
    }

    fn is_tagged(&self) -> bool {
        self.group.tags.contains_key(COMES_DOWN_TAG)
    }
}

impl StackRun<'_> {
    /// Holds the update of a stack whose groups have more machines than its bounds leave, and answers what it waits for. Marks of
    /// before are taken away where nothing is to come down any more.
    pub(super) async fn held(&self, stack: &str, existing: &str, wanted: &str) -> Result<(), Finding> {
        let path = format!("stacks/{stack}");
        let wanted = bounds(wanted);
        if wanted.is_empty() || !self.guard.rules.drained {
            return Ok(());
        }
        let before = bounds(existing);
        let of_stack = Tags::from([(STACK.to_owned(), stack.to_owned())]);
        let groups = self.cloud.groups(&of_stack).await;
        let groups = groups
            .map_err(|error| Finding::Failed(Failure::of(&path, "the groups of the stack cannot be read", &error)))?;
        let bounded: Vec<Bounded> = groups
            .into_iter()
            .filter_map(|group| {
                // What no pool has, such as etcd, is never drained, so nothing would end the wait for it.
                let resource = group.tags.get(RESOURCE).filter(|_| group.tags.contains_key(POOL))?;
                let (before, wanted) = (before.get(resource).copied(), *wanted.get(resource)?);
                Some(Bounded { group, before, wanted })
            })
            .collect();
        for one in bounded.iter().filter(|one| !one.is_held() && one.is_tagged()) {
            self.let_go(&path, one).await?;
        }
        let held: Vec<&Bounded> = bounded.iter().filter(|one| one.is_held()).collect();
        if held.is_empty() {
            return Ok(());
        }
        for one in &held {
            self.mark(&path, one).await?;
        }
        // Whatever is wanted next, the groups are looked at again before it is done.
        let forgotten = self.memory.set(stack, None).await;
        forgotten.map_err(|error| Finding::Failed(Failure::of(&path, "the registry cannot be written", &error)))?;
        Err(Finding::Wait {
            until: self.clock.now().saturating_add(LOOK).unwrap_or(Timestamp::MAX),
            sentence: sentence(&held),
        })
    }

    /// Says on a group what it is to come down to.
    async fn mark(&self, path: &str, one: &Bounded) -> Result<(), Finding> {
        let bound = one.wanted.max.to_string();
        if one.group.tags.get(COMES_DOWN_TAG) == Some(&bound) {
            return Ok(());
        }
        self.permit().await?;
        let tags = Tags::from([(COMES_DOWN_TAG.to_owned(), bound)]);
        let marked = self.cloud.tag_group(&one.group.name, &tags).await;
        marked.map_err(|error| Finding::Failed(Failure::of(path, "a group cannot be marked", &error)))
    }

    /// Nothing is to come down any more: the group has its bounds back, which followed it down, and loses the mark.
    async fn let_go(&self, path: &str, one: &Bounded) -> Result<(), Finding> {
        let failed = |error: &ports::cloud::CloudError| {
            Finding::Failed(Failure::of(path, "a group that came down cannot be let go", error))
        };
        let size = GroupSize {
            min: one
                .wanted
                .min
                .filter(|min| *min > one.group.min && *min <= one.group.desired),
            max: (one.wanted.max > one.group.max).then_some(one.wanted.max),
            desired: None,
        };
        if size != GroupSize::default() {
            self.permit().await?;
            self.cloud
                .resize_group(&one.group.name, size)
                .await
                .map_err(|error| failed(&error))?;
        }
        self.permit().await?;
        let keys = BTreeSet::from([COMES_DOWN_TAG.to_owned()]);
        self.cloud
            .untag_group(&one.group.name, &keys)
            .await
            .map_err(|error| failed(&error))
    }
}

fn sentence(held: &[&Bounded]) -> String {
    let pool = held.iter().find_map(|one| one.group.tags.get(POOL));
    let pool = pool.map_or("", String::as_str);
    let sum = |number: &dyn Fn(&Bounded) -> u32| held.iter().fold(0_u32, |sum, one| sum.saturating_add(number(one)));
    let (runs, bound) = (sum(&|one| one.group.desired), sum(&|one| one.wanted.max));
    let more = runs.saturating_sub(bound);
    let s = if more == 1 { "" } else { "s" };
    format!(
        "node pool {pool} waits: {runs} machines run and max_size comes down to {bound}; the {more} node{s} above it are drained first, within the bounds of \
         the disruption policy; a larger max_size, or a block, ends that"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_from_numbers_and_texts_of_groups_only() {
        let text = "Resources:\n  \
            A: {Type: 'AWS::AutoScaling::AutoScalingGroup', Properties: {MinSize: '1', MaxSize: 3, Tags: !Ref X}}\n  \
            B: {Type: 'AWS::AutoScaling::AutoScalingGroup', Properties: {MaxSize: !Ref Most}}\n  \
            C: {Type: 'AWS::EC2::LaunchTemplate', Properties: {MaxSize: 3}}\n";
        let found = bounds(text);
        let expected = Bounds { min: Some(1), max: 3 };
        assert_eq!(found, BTreeMap::from([("A".to_owned(), expected)]));
        assert!(bounds("no template").is_empty());
    }
}
