//! The renderer: one pass over all templates of a cluster.

mod defaults;
mod execute;
mod pools;
mod siblings;
mod stacks;

use std::collections::BTreeMap;
use std::sync::Arc;

use gotemplate::{Functions, Value};
use model::ClusterVersion;

use crate::config::ComponentFiles;
use crate::data;
use crate::desired::{Component, DesiredCluster, Explanation, Manifest, Outcome, RenderWarning};
use crate::error::RenderError;
use crate::functions;
use crate::input::Input;
use crate::items::{Items, Layer, Layered};
use crate::memo::Memo;
use crate::templates::Templates;
use defaults::DefaultsMemo;

/// Renders clusters. Keep one for a fleet: parsed templates, decoded texts and the last results are shared, and it may be
/// used from many threads at once.
#[derive(Debug, Default)]
pub struct Renderer {
    templates: Arc<Templates>,
    defaults: DefaultsMemo,
    memo: Memo,
}

/// The state of one rendering.
struct Run<'r> {
    renderer: &'r Renderer,
    input: &'r Input,
    surroundings: execute::Surroundings,
    items: Items,
    pool_items: BTreeMap<&'r str, Arc<Layered>>,
    cluster: Value,
    functions: Functions,
    missing: Vec<String>,
    desired: DesiredCluster,
    errors: Vec<RenderError>,
}

/// What one template is executed with.
struct Scope<'s> {
    pool: Option<(&'s str, &'s Layered, &'s Value)>,
    values: &'s BTreeMap<String, Value>,
}

impl Renderer {
    /// An empty renderer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Renders one cluster. Never fails as a whole: every template that fails gives one error, the others are there.
    #[must_use]
    pub fn render(&self, input: &Input) -> Outcome {
        let context = execute::context_digest(input);
        let all = self.defaults.all(input, &self.templates, &context);
        let items = Items::new(&input.cluster, &all.defaults, &input.facts);
        let pools = input.cluster.node_pools.iter();
        let id = input.cluster.id.as_str();
        let mut run = Run {
            renderer: self,
            input,
            surroundings: execute::Surroundings::new(context),
            pool_items: pools.map(|pool| (pool.name.as_str(), items.of_pool(pool))).collect(),
            cluster: data::cluster(input, &items),
            functions: functions::build(&input.facts, None),
            missing: Vec::new(),
            desired: DesiredCluster {
                cluster: id.to_owned(),
                config: input.config.id(),
                version: ClusterVersion::of(input.config.id(), &input.cluster).to_string(),
                items: self.memo.items(id, |known| items.cluster.shared(known)),
                defaults: Arc::new(all.defaults),
                reads: all.reads,
                warnings: all.warnings,
                ..DesiredCluster::default()
            },
            items,
            errors: all.errors,
        };
        run.all();
        Outcome {
            desired: run.desired,
            errors: run.errors,
        }
    }

    /// Drops what is kept for one cluster alone, for a pass over a fleet that does not come back to it: memory then stays that
    /// of a few clusters. What clusters share is kept.
    pub fn forget(&self, cluster: &model::ClusterId) {
        self.defaults.forget(cluster.as_str());
        self.memo.forget(cluster.as_str());
    }

    /// Which layer sets a config item, who overrides whom, and which templates read it.
    #[must_use]
    pub fn explain(&self, input: &Input, key: &str) -> Explanation {
        let desired = self.render(input).desired;
        explain(input, &desired, key)
    }
}

/// The layers of a key, from a finished rendering.
pub(crate) fn explain(input: &Input, desired: &DesiredCluster, key: &str) -> Explanation {
    let mut layers = Vec::new();
    if let Some(value) = input.cluster.config_items.get(key) {
        layers.push((Layer::Cluster, value.clone()));
    }
    let defaults = desired.defaults.get(key).map(Vec::as_slice).unwrap_or_default();
    for default in defaults.iter().rev() {
        layers.push((default.layer.clone(), default.value.to_string()));
    }
    if layers.is_empty()
        && let Some(value) = desired.items.get(key)
    {
        layers.push((Layer::Fact, value.clone()));
    }
    let pools = input
        .cluster
        .node_pools
        .iter()
        .filter_map(|pool| Some((pool.name.to_string(), pool.config_items.get(key)?.clone())))
        .collect();
    Explanation {
        key: key.to_owned(),
        layers,
        pools,
        readers: desired.readers(key).into_iter().map(str::to_owned).collect(),
    }
}

impl Run<'_> {
    fn all(&mut self) {
        let (mut values, missing) = data::base_values(&self.input.cluster, &self.input.facts);
        self.missing = missing;
        self.deletions(&values);
        self.etcd(&mut values);
        self.main_stack(&values);
        match data::strings_map(self.input.facts.stack_outputs.as_ref(), "Values.ClusterStackOutputs") {
            Some(outputs) => {
                values.insert("ClusterStackOutputs".to_owned(), outputs);
            }
            None => self.missing.push("ClusterStackOutputs".to_owned()),
        }
        self.extra_stacks(&values);
        self.components(&values);
        self.pools(&values);
    }

    fn components(&mut self, values: &BTreeMap<String, Value>) {
        let config = self.input.config.clone();
        let components = config.components();
        self.functions = self.component_functions(values);
        for component in components {
            let rendered = self.component(&component, values);
            self.desired.components.push(rendered);
        }
        self.functions = functions::build(&self.input.facts, None);
    }

    fn component(&mut self, component: &ComponentFiles<'_>, values: &BTreeMap<String, Value>) -> Component {
        let mut manifests = Vec::new();
        for file in &component.files {
            let scope = Scope { pool: None, values };
            let Some(rendered) = self.text(file, &scope) else {
                continue;
            };
            let path = file.name();
            match rendered.content() {
                Ok(content) => {
                    self.desired
                        .warnings
                        .extend(content.warnings.iter().map(|warning| RenderWarning {
                            path: path.clone(),
                            text: warning.to_string(),
                        }));
                    manifests.push(Manifest {
                        name: path.rsplit('/').next().unwrap_or(&path).to_owned(),
                        path,
                        content,
                    });
                }
                Err(kind) => self.errors.push(RenderError::new(&path, None, kind)),
            }
        }
        Component {
            name: component.name.clone(),
            manifests,
        }
    }
}
