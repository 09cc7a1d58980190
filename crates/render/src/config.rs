//! Where things are in a configuration: the layout of a source and the rules for several sources.

use std::sync::Arc;

use model::config_tree::{ConfigTree, TreeFile};

/// A named source of configuration at one version.
#[derive(Debug, Clone)]
pub struct Source {
    /// Name of the source, as the operator gave it; `main` for a single one.
    pub name: String,
    /// Its files.
    pub tree: Arc<ConfigTree>,
}

/// One or more sources in the operator's order.
///
/// Main stack, etcd and node pools come from the first source only; defaults, deletions, extra stacks and components from
/// all of them (facts 13 to 15).
#[derive(Debug, Clone)]
pub struct Config {
    sources: Vec<Source>,
}

/// A file and where it comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileRef<'c> {
    pub(crate) source: &'c Source,
    pub(crate) path: &'c str,
    pub(crate) file: &'c TreeFile,
}

impl FileRef<'_> {
    /// Name of the template: source and path, which errors show (fact 13).
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.source.name, self.path)
    }
}

/// A directory of manifests.
#[derive(Debug)]
pub(crate) struct ComponentFiles<'c> {
    pub(crate) name: String,
    pub(crate) files: Vec<FileRef<'c>>,
}

impl Config {
    /// Several sources in order.
    #[must_use]
    pub fn new(sources: Vec<Source>) -> Self {
        Self { sources }
    }

    /// A single source, named `main`.
    #[must_use]
    pub fn single(tree: Arc<ConfigTree>) -> Self {
        let name = "main".to_owned();
        Self::new(vec![Source { name, tree }])
    }

    /// The sources in order.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Id of the configuration: of the single source, or `name=id;name2=id2` (fact 6).
    #[must_use]
    pub fn id(&self) -> String {
        match self.sources.as_slice() {
            [only] => only.tree.id.clone(),
            all => {
                let parts: Vec<String> = all.iter().map(|s| format!("{}={}", s.name, s.tree.id)).collect();
                parts.join(";")
            }
        }
    }

    /// A file of the first source.
    pub(crate) fn first(&self, path: &str) -> Option<FileRef<'_>> {
        file(self.sources.first()?, path)
    }

    /// A file in every source that has it.
    pub(crate) fn each(&self, path: &str) -> impl Iterator<Item = FileRef<'_>> {
        let path = path.to_owned();
        self.sources.iter().filter_map(move |source| file(source, &path))
    }

    /// YAML files directly in a directory, over all sources.
    pub(crate) fn in_directory(&self, directory: &str) -> Vec<FileRef<'_>> {
        self.sources
            .iter()
            .flat_map(|source| below(source, directory))
            .filter(|(_, rest)| !rest.contains('/') && is_yaml(rest))
            .map(|(found, _)| found)
            .collect()
    }

    /// Components in order: sources as given, directories and files in byte order, one level deep (fact 13).
    pub(crate) fn components(&self) -> Vec<ComponentFiles<'_>> {
        let mut components: Vec<ComponentFiles<'_>> = Vec::new();
        for source in &self.sources {
            let start = components.len();
            let mut last = None;
            for (found, rest) in below(source, "cluster/manifests/") {
                let Some((directory, name)) = rest.split_once('/') else {
                    continue;
                };
                if name.contains('/') || !is_yaml(name) {
                    continue;
                }
                // The files of a directory follow each other, since its name with the slash is their common prefix.
                if last == Some(directory)
                    && let Some(known) = components.last_mut()
                {
                    known.files.push(found);
                    continue;
                }
                last = Some(directory);
                components.push(ComponentFiles {
                    name: match self.sources.len() {
                        1 => directory.to_owned(),
                        _ => format!("{}/{directory}", source.name),
                    },
                    files: vec![found],
                });
            }
            // `a-b/x` sorts before `a/x` as a path, but the directory `a` comes before `a-b`.
            if let Some(own) = components.get_mut(start..) {
                own.sort_by(|a, b| a.name.cmp(&b.name));
            }
        }
        components
    }
}

fn file<'c>(source: &'c Source, path: &str) -> Option<FileRef<'c>> {
    let (path, file) = source.tree.files.get_key_value(path)?;
    let file = follow(&source.tree, path, file);
    Some(FileRef { source, path, file })
}

/// Follows a symbolic link that a checkout without links (git's `core.symlinks=false`, an archive, a copy) holds as a file
/// with the target as its only text. No template or YAML file of use is a lone relative path to a sibling that exists.
fn follow<'c>(tree: &'c ConfigTree, path: &str, file: &'c TreeFile) -> &'c TreeFile {
    let mut path = path.to_owned();
    let mut file = file;
    // Links may point at links; eight steps end every cycle.
    for _ in 0..8 {
        let Some(target) = link_target(&path, &file.content) else {
            break;
        };
        let Some(next) = tree.files.get(&target) else { break };
        path = target;
        file = next;
    }
    file
}

fn link_target(path: &str, content: &[u8]) -> Option<String> {
    if content.len() > 1024 || !content.starts_with(b".") || content.contains(&b'\n') {
        return None;
    }
    let text = std::str::from_utf8(content).ok()?;
    if !text.starts_with("../") && !text.starts_with("./") {
        return None;
    }
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in text.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

fn below<'c>(source: &'c Source, directory: &str) -> impl Iterator<Item = (FileRef<'c>, &'c str)> {
    let directory = directory.to_owned();
    source
        .tree
        .files
        .range(directory.clone()..)
        .map_while(move |(path, file)| {
            let rest = path.strip_prefix(&directory)?;
            let file = follow(&source.tree, path, file);
            Some((FileRef { source, path, file }, rest))
        })
}

fn is_yaml(name: &str) -> bool {
    name.ends_with(".yaml") || name.ends_with(".yml")
}
