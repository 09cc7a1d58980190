//! Clusters with everything that their desired state depends on, for the commands about configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use cli_args::{CompareArgs, SelectionArgs, SourceArgs, env_vars};
use git_source::{DirectoryIds, GitOptions, SourceOptions, SourceSpec, TreeOptions};
use model::{Cluster, ClusterId, FileRegistry, LifecycleStatus};
use ports::config_source::{Channel, ChannelOverrides, CombinedVersion, ConfigSource, ConfigSources};
use ports::{Classified as _, Registry as _, Retry};
use render::{Config, Facts, FactsFile, Input, Outcome, Renderer, Source};

use crate::carrying_out::Frozen;
use crate::console::Console;
use crate::documents::read_text;
use crate::failure::{Failure, chain};
use crate::mask::Mask;
use crate::objects::CLUSTER_FIELDS;
use crate::selector::Selector;
use crate::session::Session;
use crate::settings::{Env, Settings};

/// A selected cluster with what the registry says about it.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) cluster: Arc<Cluster>,
    owner: String,
    account_name: String,
    siblings: Vec<Arc<Cluster>>,
}

/// The inputs of one cluster, or why there are none: a channel that does not exist concerns only its clusters.
pub(crate) type Prepared = Result<Input, String>;

/// What rendering gave for one cluster, or why it was not rendered.
pub(crate) type Rendered = Result<Outcome, String>;

/// Selected clusters and the facts about them.
pub(crate) struct Fleet {
    pub(crate) subjects: Vec<Subject>,
    facts: FactsFile,
    /// The facts of clusters that have none of their own.
    shared_facts: Arc<Facts>,
    /// The registry, when it is a file.
    pub(crate) document: Option<FileRegistry>,
}

impl Fleet {
    /// The facts of each cluster.
    pub(crate) fn facts_by_cluster(&self) -> BTreeMap<ClusterId, Arc<Facts>> {
        let ids = self.subjects.iter().map(|subject| subject.cluster.id.clone());
        ids.map(|id| (id.clone(), self.facts_of(&id))).collect()
    }

    fn facts_of(&self, id: &ClusterId) -> Arc<Facts> {
        match self.facts.clusters.contains_key(id.as_str()) {
            true => Arc::new(self.facts.for_cluster(id.as_str())),
            false => Arc::clone(&self.shared_facts),
        }
    }

    /// Reads registry and facts, and selects.
    pub(crate) async fn read(
        sources: &SourceArgs,
        selection: &SelectionArgs,
        mut settings: Settings,
    ) -> Result<Self, Failure> {
        let mut of_file = None;
        let document = match sources.registry.as_deref() {
            Some(file) if !file.starts_with("http://") && !file.starts_with("https://") => {
                of_file.insert(read_registry(file)?).clone()
            }
            url => {
                if let Some(url) = url {
                    settings.server.value = url.to_owned();
                }
                Session::new(&settings)?.client.export().await?
            }
        };
        let facts = match &sources.facts {
            None => FactsFile::default(),
            Some(path) => {
                let (name, text) = read_text(path)?;
                FactsFile::parse(&text).map_err(|error| Failure::new(format!("{name}: {error}")))?
            }
        };
        Ok(Self {
            subjects: select(subjects(document), selection)?,
            shared_facts: Arc::new(facts.defaults.clone()),
            facts,
            document: of_file,
        })
    }

    /// The inputs of every cluster at its own channel, or at `channel`.
    pub(crate) async fn inputs(&self, opened: &Opened, channel: Option<&str>) -> Result<Vec<Prepared>, Failure> {
        let channel = channel.map(Channel::new).transpose()?;
        if let Some(why) = &opened.unreachable {
            return Ok(self.subjects.iter().map(|_| Err(why.clone())).collect());
        }
        let sources = &opened.sources;
        let mut configs: BTreeMap<String, Result<Config, String>> = BTreeMap::new();
        let mut all = Vec::new();
        for subject in &self.subjects {
            let version = self.version(subject, sources, channel.as_ref()).await;
            let config = match version {
                Err(why) => Err(why),
                Ok(version) => match configs.get(&version.id()) {
                    Some(known) => known.clone(),
                    None => {
                        let read = config(sources, &version).await;
                        configs.insert(version.id(), read.clone());
                        read
                    }
                },
            };
            all.push(config.map(|config| self.input(subject, config)));
        }
        Ok(all)
    }

    async fn version(
        &self,
        subject: &Subject,
        sources: &ConfigSources,
        channel: Option<&Channel>,
    ) -> Result<CombinedVersion, String> {
        let overrides = match subject.cluster.config_items.get("override_channel") {
            Some(text) if channel.is_none() => text.parse::<ChannelOverrides>().map_err(|error| chain(&error))?,
            _ => ChannelOverrides::default(),
        };
        let own = Channel::new(subject.cluster.channel.clone()).map_err(|error| chain(&error))?;
        sources
            .resolve(channel.unwrap_or(&own), &overrides)
            .await
            .map_err(|error| chain(&error))
    }

    fn input(&self, subject: &Subject, config: Config) -> Input {
        let facts = self.facts_of(&subject.cluster.id);
        Input {
            cluster: Arc::clone(&subject.cluster),
            owner: subject.owner.clone(),
            account_name: subject.account_name.clone(),
            account_clusters: subject.siblings.clone(),
            config,
            facts,
        }
    }
}

/// The clusters that are compared, with the inputs of both sides.
pub(crate) struct Comparison {
    pub(crate) fleet: Fleet,
    pub(crate) from: Vec<Prepared>,
    pub(crate) to: Vec<Prepared>,
    /// Where the first side is read from; the second too, unless it has sources of its own.
    pub(crate) sources: Opened,
}

impl Comparison {
    /// Reads registry, facts and both versions of the configuration.
    pub(crate) async fn read(
        args: &CompareArgs,
        settings: Settings,
        env: &Env,
        console: &mut Console,
    ) -> Result<Self, Failure> {
        let fleet = Fleet::read(&args.sources, &args.selection, settings).await?;
        let sources = open(&args.sources.config_sources, &args.sources, env, console).await?;
        let from = fleet.inputs(&sources, args.from.as_deref()).await?;
        let to = if args.to_config_sources.is_empty() {
            fleet.inputs(&sources, args.to.as_deref()).await?
        } else {
            let sources = open(&args.to_config_sources, &args.sources, env, console).await?;
            fleet.inputs(&sources, args.to.as_deref()).await?
        };
        Ok(Self {
            fleet,
            from,
            to,
            sources,
        })
    }

    /// The sides of the cluster at this place.
    pub(crate) fn sides(&self, at: usize) -> Option<(&Prepared, &Prepared)> {
        Some((self.from.get(at)?, self.to.get(at)?))
    }
}

/// Both sides of one cluster, rendered.
pub(crate) struct Sides {
    pub(crate) before: Rendered,
    pub(crate) after: Rendered,
    /// What either side holds secret.
    pub(crate) mask: Mask,
    pub(crate) problems: [Problems; 2],
}

impl Sides {
    /// Renders both sides of one cluster and lets the renderer's memory of them go again: with one renderer for both, what they
    /// share is rendered once.
    pub(crate) fn render(renderer: &Renderer, from: &Prepared, to: &Prepared) -> Self {
        let sides = [from, to].map(|input| (input, render_one(renderer, input)));
        let mut mask = Mask::default();
        for (input, outcome) in &sides {
            if let (Ok(input), Ok(outcome)) = (input, outcome) {
                renderer.forget(&input.cluster.id);
                mask.add(input, &outcome.desired);
            }
        }
        let [(_, before), (_, after)] = sides;
        Self {
            problems: [Problems::of(&before), Problems::of(&after)],
            before,
            after,
            mask,
        }
    }
}

/// Opened sources.
pub(crate) struct Opened {
    sources: ConfigSources,
    /// Why a source could not be brought up to date. A cluster's version has a part of every source, so all clusters need it.
    unreachable: Option<String>,
}

impl Opened {
    /// Why a source could not be brought up to date.
    pub(crate) fn unreachable(&self) -> Option<&str> {
        self.unreachable.as_deref()
    }

    /// The sources as they will be: they can be brought up to date again.
    pub(crate) fn live(&self) -> Result<ConfigSources, Failure> {
        crate::shadowing::shared(&self.sources)
    }

    /// The sources as they are now: whoever reads them later finds the same.
    pub(crate) fn frozen(&self) -> Result<ConfigSources, Failure> {
        let all = self.sources.sources().iter();
        let frozen = all.map(|source| Arc::new(Frozen(Arc::clone(source))) as Arc<dyn ConfigSource>);
        ConfigSources::new(frozen.collect()).map_err(|error| Failure::of(&error))
    }
}

/// Opens the sources and brings git mirrors up to date.
pub(crate) async fn open(
    specs: &[String],
    args: &SourceArgs,
    env: &Env,
    console: &mut Console,
) -> Result<Opened, Failure> {
    let mut git = GitOptions::new(cache_directory(args.cache_dir.as_ref(), env));
    git.token_file.clone_from(&args.git_token_file);
    git.ssh_private_key.clone_from(&args.ssh_key);
    git.ssh_known_hosts.clone_from(&args.ssh_known_hosts);
    let directory_ids = if args.constant_directory_id {
        DirectoryIds::Constant
    } else {
        DirectoryIds::Content
    };
    let options = SourceOptions {
        git,
        tree: TreeOptions::default(),
        directory_ids,
    };
    let mut opened = Vec::new();
    for text in specs {
        let spec: SourceSpec = text.parse().map_err(|error: git_source::SpecError| {
            Failure::of(&error).while_doing(format!("--config-source {text:?}"))
        })?;
        opened.push(spec.open(&options));
    }
    let sources = ConfigSources::new(opened).map_err(|error| Failure::of(&error))?;
    let mut unreachable = None;
    if !args.offline {
        for (name, refreshed) in sources.refresh().await {
            match refreshed {
                Ok(refreshed) => {
                    if let Some(why) = refreshed.rebuilt {
                        console.warn(&format!("config source {name}: the mirror was built anew: {why}"));
                    }
                }
                Err(error) => {
                    // A place that may answer later can be done without; a wrong tree cannot.
                    let hint = match error.retry() {
                        Retry::Never => "",
                        _ => " (--offline uses what was fetched before)",
                    };
                    unreachable.get_or_insert(format!("{}{hint}", chain(&error)));
                }
            }
        }
    }
    Ok(Opened { sources, unreachable })
}

/// Where mirrors of git repositories go.
pub(crate) fn cache_directory(given: Option<&PathBuf>, env: &Env) -> PathBuf {
    let usual = || {
        env.xdg(&env_vars::XDG_CACHE_HOME, ".cache")
            .map(|base| base.join("fleetwright").join("git"))
    };
    given
        .cloned()
        .or_else(usual)
        .unwrap_or_else(|| PathBuf::from(".fleetwright-cache"))
}

/// Does `work` for every cluster, on as many threads as there are cores, and hands the results on in the order of the clusters,
/// each as soon as those before it are there: nothing has to be kept but what `take` keeps. Its first failure ends the work.
pub(crate) fn each<T: Send>(
    count: usize,
    work: impl Fn(usize) -> T + Sync,
    mut take: impl FnMut(usize, T) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(count.max(1));
    std::thread::scope(|scope| {
        let (done, results) = std::sync::mpsc::sync_channel(threads);
        for _ in 0..threads {
            let (done, next, work) = (done.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    // Nobody listens any more after a failure.
                    if at >= count || done.send((at, work(at))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        let mut waiting = BTreeMap::new();
        let mut turn = 0;
        for (at, result) in results {
            waiting.insert(at, result);
            while let Some(result) = waiting.remove(&turn) {
                take(turn, result)?;
                turn += 1;
            }
        }
        Ok(())
    })
}

/// Renders all. The order of results is that of the inputs.
pub(crate) fn render_all(
    renderer: &Renderer,
    inputs: &[Prepared],
    console: &mut Console,
) -> Result<Vec<Rendered>, Failure> {
    let mut all = Vec::new();
    let work = |at: usize| inputs.get(at).map(|input| render_one(renderer, input));
    each(inputs.len(), work, |at, outcome| {
        all.extend(outcome);
        console.progress(at + 1, inputs.len(), RENDERED);
        Ok(())
    })?;
    Ok(all)
}

/// What progress counts.
pub(crate) const RENDERED: &str = "clusters rendered";

/// Renders one cluster if its inputs are there.
pub(crate) fn render_one(renderer: &Renderer, input: &Prepared) -> Rendered {
    input.as_ref().map(|input| renderer.render(input)).map_err(Clone::clone)
}

/// What is wrong with one cluster in one or more sides of a comparison, without the outcome itself.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    warnings: Vec<String>,
    errors: Vec<String>,
}

impl Problems {
    /// What keeps the cluster from being rendered whole.
    pub(crate) fn errors(&self) -> &[String] {
        &self.errors
    }

    pub(crate) fn of(outcome: &Rendered) -> Self {
        match outcome {
            Ok(outcome) => {
                let warnings = outcome.desired.warnings.iter();
                Self {
                    warnings: warnings.map(|w| format!("{}: {}", w.path, w.text)).collect(),
                    errors: telling(outcome),
                }
            }
            Err(why) => Self {
                warnings: Vec::new(),
                errors: vec![why.clone()],
            },
        }
    }
}

/// Says every error once, with the clusters that have it in one of the sides; true when there was one.
pub(crate) fn say_errors(fleet: &Fleet, sides: &[Vec<Problems>], console: &mut Console) -> bool {
    let mut errors = Folded::default();
    for problems in sides {
        for (at, own) in problems.iter().enumerate() {
            own.errors.iter().for_each(|text| errors.add(text, at));
        }
    }
    for line in errors.lines(fleet) {
        console.fail(&Failure::new(line));
    }
    !errors.0.is_empty()
}

/// Says every warning once, with the clusters that have it.
pub(crate) fn say_warnings(fleet: &Fleet, problems: &[Problems], console: &mut Console) {
    let mut warnings = Folded::default();
    for (at, own) in problems.iter().enumerate() {
        own.warnings.iter().for_each(|text| warnings.add(text, at));
    }
    warnings.lines(fleet).iter().for_each(|line| console.warn(line));
}

/// Texts in the order of their first appearance, each with the places of the clusters that have it.
#[derive(Default)]
struct Folded<'f>(Vec<(&'f str, BTreeSet<usize>)>);

impl<'f> Folded<'f> {
    fn add(&mut self, text: &'f str, cluster: usize) {
        match self.0.iter_mut().find(|(known, _)| *known == text) {
            Some((_, clusters)) => {
                clusters.insert(cluster);
            }
            None => self.0.push((text, [cluster].into())),
        }
    }

    /// Each text after the clusters that it concerns.
    fn lines(&self, fleet: &Fleet) -> Vec<String> {
        let of = |clusters: &BTreeSet<usize>| -> Vec<&str> {
            let subjects = clusters.iter().filter_map(|at| fleet.subjects.get(*at));
            subjects.map(|subject| subject.cluster.alias.as_str()).collect()
        };
        let all = self.0.iter();
        all.map(|(text, clusters)| format!("{}: {text}", names(&of(clusters))))
            .collect()
    }
}

/// The errors of a cluster. When its defaults cannot be read, every template misses their keys: then only the cause is told.
fn telling(outcome: &Outcome) -> Vec<String> {
    let cause = |error: &&render::RenderError| error.path.ends_with("/config-defaults.yaml");
    let causes: Vec<String> = outcome.errors.iter().filter(cause).map(ToString::to_string).collect();
    let rest = outcome.errors.len() - causes.len();
    if causes.is_empty() || rest == 0 {
        return outcome.errors.iter().map(ToString::to_string).collect();
    }
    causes
        .into_iter()
        .map(|text| format!("{text} ({rest} more errors follow from it)"))
        .collect()
}

/// `cluster a`, or `3 clusters (a, b, c)`, with long lists cut.
pub(crate) fn names<S: AsRef<str>>(clusters: &[S]) -> String {
    const SHOWN: usize = 6;
    match clusters {
        [one] => format!("cluster {}", one.as_ref()),
        many => {
            let shown: Vec<&str> = many.iter().take(SHOWN).map(AsRef::as_ref).collect();
            let more = many.len().saturating_sub(SHOWN);
            let rest = if more > 0 {
                format!(", {more} more")
            } else {
                String::new()
            };
            format!("{} clusters ({}{rest})", many.len(), shown.join(", "))
        }
    }
}

async fn config(sources: &ConfigSources, version: &CombinedVersion) -> Result<Config, String> {
    let trees = sources.trees(version).await.map_err(|error| chain(&error))?;
    Ok(Config::new(
        trees
            .into_iter()
            .map(|tree| Source {
                name: tree.source.to_string(),
                tree: tree.tree,
            })
            .collect(),
    ))
}

/// A registry document.
pub(crate) fn read_registry(file: &str) -> Result<FileRegistry, Failure> {
    let (name, text) = read_text(&PathBuf::from(file))?;
    let document: FileRegistry = yaml::from_str(&text).map_err(|error| Failure::new(format!("{name}: {error}")))?;
    for (i, entry) in document.clusters.iter().enumerate() {
        model::Validate::validate(&entry.cluster)
            .map_err(|problems| Failure::from(problems).while_doing(format!("{name}: clusters[{i}]")))?;
    }
    Ok(document)
}

/// Clusters with owner and account name, joined from ready accounts where the entry does not say.
fn subjects(document: FileRegistry) -> Vec<Subject> {
    let ready = model::AccountLifecycle::Ready;
    let accounts: BTreeMap<_, _> = document
        .infrastructure_accounts
        .iter()
        .filter(|account| account.lifecycle_status == ready)
        .map(|account| (account.id.clone(), account))
        .collect();
    let clusters: Vec<Arc<Cluster>> = document
        .clusters
        .iter()
        .map(|entry| Arc::new(entry.cluster.clone()))
        .collect();
    let named = clusters.iter().zip(&document.clusters);
    named
        .map(|(cluster, entry)| {
            let account = accounts.get(&cluster.infrastructure_account);
            let siblings = clusters
                .iter()
                .filter(|c| c.infrastructure_account == cluster.infrastructure_account);
            Subject {
                owner: entry
                    .owner
                    .clone()
                    .or_else(|| account.map(|a| a.owner.clone()))
                    .unwrap_or_default(),
                account_name: entry
                    .account_name
                    .clone()
                    .or_else(|| account.map(|a| a.name.clone()))
                    .unwrap_or_default(),
                siblings: siblings.cloned().collect(),
                cluster: Arc::clone(cluster),
            }
        })
        .collect()
}

fn select(subjects: Vec<Subject>, selection: &SelectionArgs) -> Result<Vec<Subject>, Failure> {
    if !selection.clusters.is_empty() {
        return selection.clusters.iter().map(|name| by_name(&subjects, name)).collect();
    }
    let selector = selection
        .selector
        .as_deref()
        .map(|text| Selector::parse(text, CLUSTER_FIELDS))
        .transpose()?;
    let mut selected = Vec::new();
    for subject in subjects {
        if subject.cluster.lifecycle_status == LifecycleStatus::Decommissioned {
            continue;
        }
        let value = serde_json::to_value(&*subject.cluster).map_err(|error| Failure::of(&error))?;
        if selector.as_ref().is_none_or(|selector| selector.matches(&value)) {
            selected.push(subject);
        }
    }
    if selected.is_empty() {
        return Err(Failure::new("no cluster matches the selection"));
    }
    Ok(selected)
}

fn by_name(subjects: &[Subject], name: &str) -> Result<Subject, Failure> {
    let name = name.strip_prefix("cluster/").unwrap_or(name);
    let found = subjects
        .iter()
        .find(|s| s.cluster.alias.as_str() == name || s.cluster.id.as_str() == name);
    found.cloned().ok_or_else(|| {
        Failure::new(format!(
            "cluster {name:?} not found: it is neither an id nor an alias of the registry"
        ))
    })
}
