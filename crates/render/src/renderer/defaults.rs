//! The defaults of every source, rendered with empty config items.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use gotemplate::Execution;

use crate::config::FileRef;
use crate::data;
use crate::desired::RenderWarning;
use crate::error::{RenderError, RenderErrorKind};
use crate::functions;
use crate::input::Input;
use crate::items::{DefaultItem, Defaults, Items, Layer};
use crate::memo::{Key, digest};
use crate::templates::Templates;

/// The defaults of one file for one cluster: values and the lines that set them.
#[derive(Debug, PartialEq)]
struct Parsed {
    entries: BTreeMap<Arc<str>, (Arc<str>, usize)>,
    warnings: Vec<String>,
}

/// Id of a cluster, and source and path of a file.
type Place = (String, String);

/// The last result of each file for each cluster. Defaults see the registry entry and the facts but no config items, so they
/// seldom change.
#[derive(Debug, Default)]
pub(super) struct DefaultsMemo {
    of_cluster: Mutex<BTreeMap<Place, (Key, Arc<Parsed>)>>,
    /// The last result of each file, whose values the next cluster shares.
    latest: Mutex<BTreeMap<String, Arc<Parsed>>>,
}

/// What the defaults of all sources come to.
#[derive(Debug, Default)]
pub(super) struct AllDefaults {
    pub(super) defaults: Defaults,
    pub(super) reads: BTreeMap<String, Arc<[Arc<str>]>>,
    pub(super) warnings: Vec<RenderWarning>,
    pub(super) errors: Vec<RenderError>,
}

impl DefaultsMemo {
    /// `context` is the digest of all inputs but the config items of the cluster and the tree.
    pub(super) fn all(&self, input: &Input, templates: &Templates, context: &str) -> AllDefaults {
        let mut all = AllDefaults::default();
        for file in input.config.each("cluster/config-defaults.yaml") {
            let name = file.name();
            match self.of_file(input, templates, context, &file, &name) {
                Ok(parsed) => {
                    all.reads.insert(name.clone(), Arc::default());
                    all.warnings.extend(parsed.warnings.iter().map(|text| RenderWarning {
                        path: name.clone(),
                        text: text.clone(),
                    }));
                    let (name, version): (Arc<str>, Arc<str>) = (name.into(), file.source.tree.id.as_str().into());
                    for (key, (value, line)) in &parsed.entries {
                        let layer = Layer::Default {
                            file: Arc::clone(&name),
                            version: Arc::clone(&version),
                            line: *line,
                        };
                        let value = Arc::clone(value);
                        let item = DefaultItem { value, layer };
                        all.defaults.entry(Arc::clone(key)).or_default().push(item);
                    }
                }
                Err(kind) => all.errors.push(RenderError::new(&name, None, kind)),
            }
        }
        all
    }

    /// Drops what is kept for one cluster.
    pub(super) fn forget(&self, cluster: &str) {
        let mut known = self.of_cluster.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(id, _), _| id != cluster);
    }

    fn of_file(
        &self,
        input: &Input,
        templates: &Templates,
        context: &str,
        file: &FileRef<'_>,
        name: &str,
    ) -> Result<Arc<Parsed>, RenderErrorKind> {
        let pools: Vec<_> = input.cluster.node_pools.iter().map(|pool| &pool.config_items).collect();
        let made_from = digest(format!("{context}\n{}\n{pools:?}", file.file.id).as_bytes());
        let place = (input.cluster.id.to_string(), name.to_owned());
        // A poisoned lock only means that another thread panicked while it held complete data.
        let known = self.of_cluster.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, parsed)) = known.get(&place).filter(|(key, _)| *key == made_from) {
            return Ok(Arc::clone(parsed));
        }
        drop(known);
        let template = templates.get(file)?;
        let dot = data::dot(&data::cluster(input, &Items::default()), None, &BTreeMap::new());
        let text = Execution::new(&template, &functions::build(&input.facts, None))
            .run(&dot)
            .map_err(RenderErrorKind::Exec)?;
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let parsed = parse(&text, file, latest.get(name))?;
        latest.insert(name.to_owned(), Arc::clone(&parsed));
        drop(latest);
        let mut known = self.of_cluster.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(place, (made_from, Arc::clone(&parsed)));
        Ok(parsed)
    }
}

/// Reads a rendered file. What is equal in `like` is shared with it.
fn parse(text: &str, file: &FileRef<'_>, like: Option<&Arc<Parsed>>) -> Result<Arc<Parsed>, RenderErrorKind> {
    let (entries, warnings) =
        yaml::load_string_map(text, &yaml::Options::manifests()).map_err(RenderErrorKind::Yaml)?;
    let lines = source_lines(file);
    let entries = entries.into_iter().map(|(key, entry)| {
        let line = best_line(&lines, &key, &entry.value);
        let known = like.and_then(|like| like.entries.get_key_value(key.as_str()));
        match known {
            Some((key, (value, _))) if **value == *entry.value => (Arc::clone(key), (Arc::clone(value), line)),
            Some((key, _)) => (Arc::clone(key), (entry.value.into(), line)),
            None => (key.into(), (entry.value.into(), line)),
        }
    });
    let parsed = Parsed {
        entries: entries.collect(),
        warnings: warnings.iter().map(ToString::to_string).collect(),
    };
    match like {
        Some(like) if **like == parsed => Ok(Arc::clone(like)),
        _ => Ok(Arc::new(parsed)),
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
