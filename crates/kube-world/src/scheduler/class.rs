//! Classes of equal pods, and the standing counts that decisions about them look at.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cluster::Cluster;
use super::pod::{NodeRules, PodClass};
use super::read::Labels;
use super::tally::{ClassId, Counted, NodeId, Role, Scope, Tally, TallyId, TallyKey, carried};
use super::terms::{AffinityTerm, HOSTNAME, PodSet, Spread};

/// Pods of a class on one node.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Placed {
    pub(crate) all: u32,
    pub(crate) live: u32,
}

/// A class in use.
#[derive(Debug)]
pub(crate) struct Class {
    pub(crate) spec: Arc<PodClass>,
    /// Pods of the class, placed or not.
    pub(crate) pods: usize,
    /// Where its placed pods are.
    pub(crate) placed: BTreeMap<NodeId, Placed>,
    /// Tallies that count its pods; `true` for those that pass over terminating ones.
    pub(crate) counted_in: Vec<(TallyId, bool)>,
    pub(crate) links: Links,
}

/// A spread constraint with its tally.
#[derive(Debug, Clone)]
pub(crate) struct SpreadLink {
    pub(crate) tally: TallyId,
    pub(crate) max_skew: i64,
    pub(crate) min_domains: i64,
    /// 1 when the pod itself is among the counted.
    pub(crate) own: i64,
    /// The domains are the nodes themselves.
    pub(crate) by_node: bool,
}

/// The tallies that decide about pods of a class.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// Number of its node rules.
    pub(crate) rules: usize,
    pub(crate) hard_spread: Vec<SpreadLink>,
    pub(crate) soft_spread: Vec<SpreadLink>,
    /// Required affinity, a tally per term.
    pub(crate) affinity: Vec<TallyId>,
    /// Whether the pod satisfies its own required affinity: then the first of its kind may go anywhere.
    pub(crate) own_affinity: bool,
    pub(crate) anti: Vec<TallyId>,
    /// Wishes of its own, with weights.
    pub(crate) wishes: Vec<(TallyId, i64)>,
    /// Its own terms as seen by others: kept alive as long as the class.
    carries: Vec<TallyId>,
    /// Anti-affinity of others that concerns it. Not owned.
    pub(crate) kept_away_by: Vec<TallyId>,
    /// Weighted terms of others that concern it. Not owned.
    pub(crate) weighed_by: Vec<(TallyId, i64)>,
}

impl Links {
    /// The tallies that the class keeps alive.
    fn owned(&self) -> impl Iterator<Item = TallyId> {
        let spread = self.hard_spread.iter().chain(&self.soft_spread).map(|link| link.tally);
        let wishes = self.wishes.iter().map(|(tally, _)| *tally);
        let plain = self.affinity.iter().chain(&self.anti).chain(&self.carries).copied();
        spread.chain(wishes).chain(plain)
    }

    /// The tallies that count the class for the terms that it carries, each once.
    fn carried(&self) -> impl Iterator<Item = TallyId> {
        let mut tallies = self.carries.clone();
        tallies.sort_unstable();
        tallies.dedup();
        tallies.into_iter()
    }

    fn concern(&mut self, tally: TallyId, role: Role) {
        match role {
            Role::KeepsAway => self.kept_away_by.push(tally),
            Role::Weighs(weight) => self.weighed_by.push((tally, weight)),
        }
    }

    fn forget(&mut self, tally: TallyId) {
        self.kept_away_by.retain(|other| *other != tally);
        self.weighed_by.retain(|(other, _)| *other != tally);
    }
}

impl Class {
    /// Counts its placed pods.
    fn enter(&self, tally: &mut Tally, live_only: bool) {
        for (node, placed) in &self.placed {
            for _ in 0..if live_only { placed.live } else { placed.all } {
                tally.count(*node, true);
            }
        }
    }
}

impl Cluster {
    /// The number of a class, made when it is new; the caller owns one pod of it.
    pub(crate) fn join_class(&mut self, spec: PodClass) -> ClassId {
        if let Some(id) = self.class_ids.get(&spec).copied()
            && let Some(class) = self.classes.get_mut(id)
        {
            class.pods += 1;
            return id;
        }
        let spec = Arc::new(spec);
        let labels = self.namespace_labels(&spec.namespace).clone();
        let counted = |id: TallyId| Some((id, self.tallies.get(id)?.key.counts(&spec, &labels)?));
        let near = self.neighbours.tallies(&spec.namespace);
        let counted_in = near.into_iter().filter_map(counted).collect();
        let id = self.classes.insert(Class {
            spec: Arc::clone(&spec),
            pods: 1,
            placed: BTreeMap::new(),
            counted_in,
            links: Links::default(),
        });
        self.class_ids.insert(Arc::clone(&spec), id);
        self.neighbours.add_class(&spec.namespace, id);
        let links = self.link(&spec, &labels);
        if let Some(class) = self.classes.get_mut(id) {
            class.counted_in.extend(links.carried().map(|tally| (tally, false)));
            class.links = links;
        }
        id
    }

    /// Gives up one pod of a class; with the last one the class and what only it needed go.
    pub(crate) fn leave_class(&mut self, id: ClassId) {
        let Some(class) = self.classes.get_mut(id) else { return };
        class.pods = class.pods.saturating_sub(1);
        if class.pods > 0 {
            return;
        }
        if let Some(class) = self.classes.remove(id) {
            // The number may be given to another class, of which nothing is known yet.
            self.generation += 1;
            self.class_ids.remove(&class.spec);
            self.neighbours.remove_class(&class.spec.namespace, id);
            self.rules.release(class.links.rules);
            for tally in class.links.owned() {
                self.release_tally(tally);
            }
        }
    }

    fn link(&mut self, spec: &Arc<PodClass>, labels: &Labels) -> Links {
        let mut links = Links {
            rules: self.rules.join(&spec.rules, self.nodes.bound()),
            ..Links::default()
        };
        self.link_spread(spec, &mut links);
        let all: Vec<PodSet> = spec.affinity.required.iter().map(|term| term.pods.clone()).collect();
        links.own_affinity = all
            .iter()
            .all(|set| set.contains(&spec.namespace, labels, &spec.labels));
        for term in &spec.affinity.required {
            links
                .affinity
                .push(self.join_tally(members(all.clone(), false), &term.topology_key));
        }
        for term in &spec.affinity.required_anti {
            links
                .anti
                .push(self.join_tally(members(vec![term.pods.clone()], false), &term.topology_key));
        }
        for (weight, term) in &spec.affinity.preferred {
            let tally = self.join_tally(members(vec![term.pods.clone()], false), &term.topology_key);
            links.wishes.push((tally, *weight));
        }
        let carried: Vec<(Role, AffinityTerm)> = carried(spec).map(|(role, term)| (role, term.clone())).collect();
        for (role, term) in carried {
            let topology_key = term.topology_key.clone();
            links
                .carries
                .push(self.join_tally(Counted::Carriers { role, term }, &topology_key));
        }
        self.concerns(spec, labels, &mut links);
        links
    }

    /// Notes which terms of others concern the class.
    fn concerns(&self, spec: &PodClass, labels: &Labels, links: &mut Links) {
        links.kept_away_by.clear();
        links.weighed_by.clear();
        for id in self.neighbours.tallies(&spec.namespace) {
            if let Some(tally) = self.tallies.get(id)
                && let Counted::Carriers { role, term } = &tally.key.counted
                && term.pods.contains(&spec.namespace, labels, &spec.labels)
            {
                links.concern(id, *role);
            }
        }
    }

    fn link_spread(&mut self, spec: &Arc<PodClass>, links: &mut Links) {
        let rules = Arc::new(NodeRules {
            preferred: Vec::new(),
            tolerations: Vec::new(),
            ..spec.rules.clone()
        });
        for required in [true, false] {
            let group: Vec<&Spread> = spec
                .spread
                .iter()
                .filter(|spread| spread.required == required)
                .collect();
            let mut keys: Vec<String> = group.iter().map(|spread| spread.topology_key.clone()).collect();
            keys.sort();
            keys.dedup();
            if spec.default_spread {
                keys.clear();
            }
            for spread in group {
                let counted = if spread.selector.is_everything() {
                    Counted::Nobody
                } else {
                    members(vec![PodSet::within(&spec.namespace, spread.selector.clone())], true)
                };
                let key = TallyKey {
                    counted,
                    topology_key: spread.topology_key.clone(),
                    scope: Scope {
                        keys: keys.clone(),
                        rules: spread.honor_affinity.then(|| Arc::clone(&rules)),
                        tolerations: spread.honor_taints.then(|| spec.rules.tolerations.clone()),
                    },
                };
                let link = SpreadLink {
                    tally: self.join_tally_key(key),
                    max_skew: spread.max_skew,
                    min_domains: spread.min_domains,
                    own: i64::from(spread.selector.matches(&spec.labels)),
                    by_node: spread.topology_key == HOSTNAME,
                };
                if required {
                    links.hard_spread.push(link)
                } else {
                    links.soft_spread.push(link)
                }
            }
        }
    }

    fn join_tally(&mut self, counted: Counted, topology_key: &str) -> TallyId {
        self.join_tally_key(TallyKey {
            counted,
            topology_key: topology_key.to_owned(),
            scope: Scope::default(),
        })
    }

    /// The tally for a question, filled from what is placed when it is new; the caller is one more user.
    fn join_tally_key(&mut self, key: TallyKey) -> TallyId {
        let id = match self.tally_ids.get(&key).copied() {
            Some(id) => id,
            None => self.add_tally(key),
        };
        if let Some(tally) = self.tallies.get_mut(id) {
            tally.users = tally.users.saturating_add(1);
        }
        id
    }

    fn add_tally(&mut self, key: TallyKey) -> TallyId {
        let infos = || {
            self.nodes
                .iter()
                .filter_map(|(id, slot)| Some((id, slot.info.as_ref()?)))
        };
        self.topologies
            .watch(&key.topology_key, infos().map(|(id, node)| (id, &node.labels)));
        let mut tally = Tally::new(key.clone());
        for (id, node) in infos() {
            tally.place(id, node, self.topologies.domain(&key.topology_key, id));
        }
        let id = self.tallies.insert(tally);
        self.tally_ids.insert(key.clone(), id);
        self.neighbours.add_tally(&key, id);
        self.connect_tally(id, &key);
        id
    }

    /// Tells the classes that the tally may concern that it is there, and counts the pods that it counts. Who carries a term
    /// is told by its own links.
    fn connect_tally(&mut self, id: TallyId, key: &TallyKey) {
        let namespaces = &self.namespaces;
        let none = Labels::new();
        let Some(tally) = self.tallies.get_mut(id) else { return };
        for class in self.neighbours.classes(key) {
            let Some(class) = self.classes.get_mut(class) else {
                continue;
            };
            let labels = namespaces.get(&class.spec.namespace).unwrap_or(&none);
            if let Some(live_only) = key.counts(&class.spec, labels) {
                class.counted_in.push((id, live_only));
                class.enter(tally, live_only);
            }
            if let Counted::Carriers { role, term } = &key.counted
                && term.pods.contains(&class.spec.namespace, labels, &class.spec.labels)
            {
                class.links.concern(id, *role);
            }
        }
    }

    fn release_tally(&mut self, id: TallyId) {
        let Some(tally) = self.tallies.get_mut(id) else { return };
        tally.users = tally.users.saturating_sub(1);
        if tally.users > 0 {
            return;
        }
        let Some(tally) = self.tallies.remove(id) else { return };
        self.tally_ids.remove(&tally.key);
        self.neighbours.remove_tally(&tally.key, id);
        for class in self.neighbours.classes(&tally.key) {
            if let Some(class) = self.classes.get_mut(class) {
                class.counted_in.retain(|(other, _)| *other != id);
                class.links.forget(id);
            }
        }
    }

    /// Labels of a namespace changed: what namespace selectors select may be something else now, so all counts that
    /// depend on them are made anew. Namespaces change their labels rarely.
    pub(crate) fn relink_all(&mut self) {
        for (_, class) in self.classes.iter_mut() {
            class.counted_in.clear();
            class.links.kept_away_by.clear();
            class.links.weighed_by.clear();
        }
        let keys: Vec<(TallyId, TallyKey)> = self.tallies.iter().map(|(id, tally)| (id, tally.key.clone())).collect();
        for (id, key) in keys {
            let mut fresh = Tally::new(key.clone());
            for (node, slot) in self.nodes.iter() {
                if let Some(info) = &slot.info {
                    fresh.place(node, info, self.topologies.domain(&key.topology_key, node));
                }
            }
            if let Some(tally) = self.tallies.get_mut(id) {
                fresh.users = tally.users;
                *tally = fresh;
            }
            self.connect_tally(id, &key);
        }
        let none = Labels::new();
        for (_, class) in self.classes.iter_mut() {
            let (spec, labels) = (&class.spec, self.namespaces.get(&class.spec.namespace).unwrap_or(&none));
            let own = |term: &AffinityTerm| term.pods.contains(&spec.namespace, labels, &spec.labels);
            class.links.own_affinity = spec.affinity.required.iter().all(own);
            for id in class.links.carried() {
                if let Some(tally) = self.tallies.get_mut(id) {
                    class.counted_in.push((id, false));
                    class.enter(tally, false);
                }
            }
        }
    }
}

fn members(sets: Vec<PodSet>, live_only: bool) -> Counted {
    Counted::Members { sets, live_only }
}
