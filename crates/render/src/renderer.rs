//! The renderer: one pass over all templates of a cluster.

mod execute;
mod pools;
mod siblings;
mod stacks;

use std::collections::BTreeMap;
use std::sync::Arc;

use gotemplate::{Functions, Value};
use model::ClusterVersion;

use crate::config::{ComponentFiles, FileRef};
use crate::data;
use crate::desired::{Component, DesiredCluster, Explanation, Manifest, Outcome, RenderWarning};
use crate::error::{RenderError, RenderErrorKind};
use crate::functions;
use crate::input::Input;
use crate::items::{DefaultItem, Items, Layer};
use crate::memo::Memo;
use crate::templates::Templates;

/// Renders clusters. Keep one for a fleet: parsed templates, decoded texts and the last results are shared, and it may be
/// used from many threads at once.
#[derive(Debug, Default)]
pub struct Renderer {
    templates: Arc<Templates>,
    memo: Memo,
}

/// The state of one rendering.
struct Run<'r> {
    renderer: &'r Renderer,
    input: &'r Input,
    /// Digest of the inputs apart from config items and the tree.
    context: String,
    items: Items,
    pool_items: BTreeMap<String, BTreeMap<String, String>>,
    cluster: Value,
    functions: Functions,
    missing: Vec<String>,
    desired: DesiredCluster,
    errors: Vec<RenderError>,
}

/// What one template is executed with.
struct Scope<'s> {
    pool: Option<(&'s str, &'s BTreeMap<String, String>, &'s Value)>,
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
        let mut errors = Vec::new();
        let mut reads = BTreeMap::new();
        let mut warnings = Vec::new();
        let defaults = self.defaults(input, &mut errors, &mut reads, &mut warnings);
        let items = Items::new(&input.cluster, defaults, &input.facts);
        let cluster = data::cluster(input, &items);
        let mut run = Run {
            renderer: self,
            input,
            context: execute::context_digest(input),
            pool_items: input
                .cluster
                .node_pools
                .iter()
                .map(|pool| (pool.name.to_string(), items.of_pool(pool)))
                .collect(),
            cluster,
            functions: functions::build(&input.facts, None),
            missing: Vec::new(),
            desired: DesiredCluster {
                cluster: input.cluster.id.to_string(),
                config: input.config.id(),
                version: ClusterVersion::of(input.config.id(), &input.cluster).to_string(),
                items: items.cluster.clone(),
                defaults: items.defaults.clone(),
                reads,
                warnings,
                ..DesiredCluster::default()
            },
            items,
            errors,
        };
        run.all();
        Outcome {
            desired: run.desired,
            errors: run.errors,
        }
    }

    /// Which layer sets a config item, who overrides whom, and which templates read it.
    #[must_use]
    pub fn explain(&self, input: &Input, key: &str) -> Explanation {
        let desired = self.render(input).desired;
        explain(input, &desired, key)
    }

    /// The defaults of every source, rendered with empty config items.
    fn defaults(
        &self,
        input: &Input,
        errors: &mut Vec<RenderError>,
        reads: &mut BTreeMap<String, Vec<String>>,
        warnings: &mut Vec<RenderWarning>,
    ) -> BTreeMap<String, Vec<DefaultItem>> {
        let mut all: BTreeMap<String, Vec<DefaultItem>> = BTreeMap::new();
        let functions = functions::build(&input.facts, None);
        let cluster = data::cluster_without_items(input);
        let dot = data::dot(&cluster, None, &BTreeMap::new());
        for file in input.config.each("cluster/config-defaults.yaml") {
            let name = file.name();
            let rendered = self.templates.get(&file).and_then(|template| {
                gotemplate::Execution::new(&template, &functions)
                    .run(&dot)
                    .map_err(RenderErrorKind::Exec)
            });
            let parsed = rendered.and_then(|text| {
                yaml::load_string_map(&text, &yaml::Options::manifests()).map_err(RenderErrorKind::Yaml)
            });
            match parsed {
                Ok((entries, tolerated)) => {
                    reads.insert(name.clone(), Vec::new());
                    warnings.extend(tolerated.into_iter().map(|warning| RenderWarning {
                        path: name.clone(),
                        text: warning.to_string(),
                    }));
                    let lines = source_lines(&file);
                    for (key, entry) in entries {
                        let line = best_line(&lines, &key, &entry.value);
                        let layer = Layer::Default {
                            file: name.clone(),
                            version: file.source.tree.id.clone(),
                            line,
                        };
                        let value = entry.value;
                        all.entry(key).or_default().push(DefaultItem { value, layer });
                    }
                }
                Err(kind) => errors.push(RenderError::new(&name, None, kind)),
            }
        }
        all
    }
}

/// Lines of a file that set a key, with the text after the colon.
fn source_lines<'f>(file: &FileRef<'f>) -> BTreeMap<&'f str, Vec<(usize, &'f str)>> {
    let text = std::str::from_utf8(&file.file.content).unwrap_or_default();
    let mut lines: BTreeMap<&str, Vec<(usize, &str)>> = BTreeMap::new();
    for (i, line) in text.lines().enumerate() {
        if let Some((key, value)) = line.split_once(':')
            && !line.starts_with([' ', '#', '{'])
        {
            lines
                .entry(key.trim().trim_matches(['"', '\'']))
                .or_default()
                .push((i + 1, value.trim()));
        }
    }
    lines
}

/// A key may stand in several branches: the line with this value, else the first.
fn best_line(lines: &BTreeMap<&str, Vec<(usize, &str)>>, key: &str, value: &str) -> usize {
    let candidates = lines.get(key).map(Vec::as_slice).unwrap_or_default();
    let same = candidates
        .iter()
        .find(|(_, text)| text.trim_matches(['"', '\'']) == value);
    same.or(candidates.first()).map_or(0, |(line, _)| *line)
}

/// The layers of a key, from a finished rendering.
pub(crate) fn explain(input: &Input, desired: &DesiredCluster, key: &str) -> Explanation {
    let mut layers = Vec::new();
    if let Some(value) = input.cluster.config_items.get(key) {
        layers.push((Layer::Cluster, value.clone()));
    }
    let defaults = desired.defaults.get(key).map(Vec::as_slice).unwrap_or_default();
    for default in defaults.iter().rev() {
        layers.push((default.layer.clone(), default.value.clone()));
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
        self.functions = self.component_functions(&components, values);
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
            let Some(text) = self.text(file, &scope) else { continue };
            let path = file.name();
            match self.renderer.memo.decode(&text) {
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
