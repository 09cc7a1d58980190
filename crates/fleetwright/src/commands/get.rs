//! `get`.

use std::collections::BTreeSet;

use cli_args::{GetArgs, Kind};
use futures::StreamExt as _;
use ports::Registry as _;
use ports::RegistryError;
use ports::registry::{AccountFilter, Action, Change, ClusterFilter, Detail, ObjectKind, PageRequest};
use serde_json::Value;

use crate::channels;
use crate::console::Console;
use crate::failure::Failure;
use crate::ledger;
use crate::movement;
use crate::objects::{self, Object};
use crate::print::{self, Format};
use crate::selector::Selector;
use crate::session::Session;
use crate::settings::Settings;
use crate::table::Table;

/// What is asked for, checked.
struct Query {
    kind: Kind,
    names: Vec<String>,
    cluster: Option<String>,
    selector: Selector,
    format: Format,
    headers: bool,
    sort_by: Option<String>,
}

pub(super) async fn run(args: GetArgs, settings: &Settings, console: &mut Console) -> Result<(), Failure> {
    if args.cluster.is_some() && args.kind != Kind::NodePools {
        return Err(
            Failure::new("--cluster is for node pools").hint("clusters are named: fleetwright get cluster NAME")
        );
    }
    let selector = args
        .selector
        .as_deref()
        .map(|text| Selector::parse(text, objects::fields(args.kind)));
    let query = Query {
        kind: args.kind,
        names: args.names,
        cluster: args.cluster,
        selector: selector.transpose()?.unwrap_or_default(),
        format: Format::new(&settings.output_or(args.output.as_ref()))?,
        headers: !args.no_headers,
        sort_by: args.sort_by,
    };
    let session = Session::new(settings)?;
    // The position is taken before the list: a change in between is then shown twice rather than never.
    let position = if args.watch {
        Some(session.client.last_change().await?)
    } else {
        None
    };
    let (found, missing) = fetch(&session, &query).await?;
    let mut printer = Printer::new(&query);
    // When everything that was named is missing, the failures below say all there is to say.
    if !found.is_empty() || missing.is_empty() {
        printer.list(found, &session, console, args.watch)?;
    }
    console.flush()?;
    for failure in &missing {
        console.fail(failure);
    }
    if let Some(position) = position {
        return watch(&session, &query, &mut printer, position, console).await;
    }
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Failure::AlreadySaid)
    }
}

/// The objects, and a failure for each name that is not there.
async fn fetch(session: &Session, query: &Query) -> Result<(Vec<(Object, Value)>, Vec<Failure>), Failure> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    match query.kind {
        Kind::Clusters if !query.names.is_empty() => {
            for name in &query.names {
                match session.cluster(name).await {
                    Ok(cluster) => found.push(Object::Cluster(Box::new(cluster.object))),
                    Err(failure) => missing.push(failure),
                }
            }
        }
        Kind::Clusters => {
            let filter = query.selector.cluster_filter();
            let page = session
                .client
                .list_clusters(&filter, Detail::Full, &PageRequest::all())
                .await?;
            found.extend(page.items.into_iter().map(|c| Object::Cluster(Box::new(c.object))));
        }
        Kind::NodePools => found = pools(session, query, &mut missing).await?,
        Kind::Channels => found = channels::fetch(session, &query.names, &mut missing).await?,
        Kind::Waves | Kind::Acts | Kind::Alarms => {
            found = movement::fetch(session, query.kind, &query.names, &mut missing).await?;
        }
        Kind::Blocks | Kind::Updates | Kind::Approvals | Kind::Rollouts | Kind::Evidence => {
            found = ledger::fetch(session, query.kind, &query.names, &mut missing).await?
        }
        Kind::Accounts => {
            let page = session
                .client
                .list_accounts(&AccountFilter::default(), &PageRequest::all())
                .await?;
            found.extend(page.items.into_iter().map(|account| Object::Account(account.object)));
            keep_named(&mut found, query, &mut missing, |object| match object {
                Object::Account(account) => Some(account.id.as_str()),
                _ => None,
            });
        }
    }
    let mut selected = Vec::new();
    for object in found {
        let value = object.value()?;
        if query.selector.matches(&value) {
            selected.push((object, value));
        }
    }
    if let Some(path) = &query.sort_by {
        print::sort_by(&mut selected, path)?;
    }
    Ok((selected, missing))
}

/// Node pools of one cluster or of all.
async fn pools(session: &Session, query: &Query, missing: &mut Vec<Failure>) -> Result<Vec<Object>, Failure> {
    let clusters = match &query.cluster {
        Some(name) => vec![session.cluster(name).await?.object],
        None => {
            let all = session
                .client
                .list_clusters(&ClusterFilter::default(), Detail::Full, &PageRequest::all())
                .await?;
            all.items.into_iter().map(|cluster| cluster.object).collect()
        }
    };
    let mut found = Vec::new();
    for cluster in clusters {
        let alias = cluster.alias.to_string();
        found.extend(
            cluster
                .node_pools
                .into_iter()
                .map(|pool| Object::Pool(alias.clone(), pool)),
        );
    }
    keep_named(&mut found, query, missing, |object| match object {
        Object::Pool(_, pool) => Some(pool.name.as_str()),
        _ => None,
    });
    Ok(found)
}

/// Keeps the objects that are named, and notes the names that none has.
fn keep_named(
    found: &mut Vec<Object>,
    query: &Query,
    missing: &mut Vec<Failure>,
    name: impl Fn(&Object) -> Option<&str>,
) {
    if query.names.is_empty() {
        return;
    }
    let there: BTreeSet<String> = found
        .iter()
        .filter_map(|object| name(object).map(str::to_owned))
        .collect();
    let what = if query.kind == Kind::Accounts {
        "infrastructure account"
    } else {
        "node pool"
    };
    missing.extend(
        query
            .names
            .iter()
            .filter(|n| !there.contains(*n))
            .map(|n| Failure::new(format!("{what} {n:?} not found"))),
    );
    found.retain(|object| name(object).is_some_and(|n| query.names.iter().any(|wanted| wanted == n)));
}

/// Prints lists and then single objects in the same columns.
struct Printer<'a> {
    query: &'a Query,
    table: Table,
    printed: bool,
}

impl<'a> Printer<'a> {
    fn new(query: &'a Query) -> Self {
        let names: Vec<String> = match &query.format {
            Format::Table { wide } => objects::header(query.kind, *wide)
                .into_iter()
                .map(str::to_owned)
                .collect(),
            Format::Columns(columns) => columns.iter().map(|(name, _)| name.clone()).collect(),
            _ => Vec::new(),
        };
        let mut table = Table::default();
        if query.headers {
            table.push(names)
        } else {
            table.widen(&[])
        }
        Self {
            query,
            table,
            printed: false,
        }
    }

    fn list(
        &mut self,
        found: Vec<(Object, Value)>,
        session: &Session,
        console: &mut Console,
        watch: bool,
    ) -> Result<(), Failure> {
        let rows = matches!(
            self.query.format,
            Format::Table { .. } | Format::Columns(_) | Format::Name
        );
        if rows || watch {
            if found.is_empty() && !watch {
                console.say("no objects found");
                return Ok(());
            }
            for (object, value) in &found {
                self.row(object, value, session);
                if !rows {
                    self.print_one(object, value, console)?;
                }
            }
            return self.print_rows(&found, console);
        }
        let one = matches!((found.len(), self.query.names.as_slice()), (1, [_]));
        let mut values: Vec<Value> = found.into_iter().map(|(_, value)| value).collect();
        let value = if one {
            values.pop().unwrap_or_default()
        } else {
            print::list(values)
        };
        self.query.format.print_value(&value, console)
    }

    fn row(&mut self, object: &Object, value: &Value, session: &Session) {
        match &self.query.format {
            Format::Table { wide } => self.table.push(object.row(*wide, session.clock.now())),
            Format::Columns(columns) => self.table.push(print::column_row(columns, value)),
            _ => {}
        }
    }

    fn print_rows(&mut self, found: &[(Object, Value)], console: &mut Console) -> Result<(), Failure> {
        match self.query.format {
            Format::Name => found.iter().try_for_each(|(object, _)| console.line(&object.name())),
            Format::Table { .. } | Format::Columns(_) => console.write(self.table.take_text().as_bytes()),
            _ => Ok(()),
        }
    }

    /// One object of a watch, in a format without rows.
    fn print_one(&mut self, object: &Object, value: &Value, console: &mut Console) -> Result<(), Failure> {
        match self.query.format {
            Format::Yaml if std::mem::replace(&mut self.printed, true) => console.line("---")?,
            Format::Name => return console.line(&object.name()),
            _ => {}
        }
        self.query.format.print_value(value, console)
    }
}

/// Prints each object again whenever it changes, until somebody stops the program.
async fn watch(
    session: &Session,
    query: &Query,
    printer: &mut Printer<'_>,
    position: i64,
    console: &mut Console,
) -> Result<(), Failure> {
    let mut changes = session.client.watch(position).await?;
    while let Some(change) = changes.next().await {
        let change = change?;
        let wanted = match change.kind {
            ObjectKind::Cluster => matches!(query.kind, Kind::Clusters | Kind::NodePools),
            ObjectKind::InfrastructureAccount => query.kind == Kind::Accounts,
            ObjectKind::Entry => !matches!(query.kind, Kind::Clusters | Kind::NodePools | Kind::Accounts),
        };
        if !wanted {
            continue;
        }
        if change.action == Action::Deleted {
            // There is nothing left to show in the columns; silence would leave readers with a row that lies.
            console.flush()?;
            console.say(&format!("{} {} was deleted", change.kind.as_str(), change.id));
            continue;
        }
        for (object, value) in changed(session, query, &change).await? {
            match query.format {
                Format::Table { .. } | Format::Columns(_) => {
                    printer.row(&object, &value, session);
                    printer.print_rows(&[], console)?;
                }
                _ => printer.print_one(&object, &value, console)?,
            }
        }
        console.flush()?;
    }
    Err(Failure::new("the change feed has ended").hint("run the command again"))
}

/// What a change is about, as far as it was asked for.
async fn changed(session: &Session, query: &Query, change: &Change) -> Result<Vec<(Object, Value)>, Failure> {
    let found = match query.kind {
        Kind::Channels => channels::changed(session, &change.id).await?.into_iter().collect(),
        Kind::Waves | Kind::Acts | Kind::Alarms => movement::changed(session, query.kind, &change.id).await?,
        Kind::Accounts => {
            let account = session.client.get_account(&change.id.parse()?).await;
            gone_is_none(account)?
                .map(|account| Object::Account(account.object))
                .into_iter()
                .collect()
        }
        Kind::Blocks | Kind::Updates | Kind::Approvals | Kind::Rollouts | Kind::Evidence => {
            ledger::changed(session, query.kind, &change.id)
                .await?
                .into_iter()
                .collect()
        }
        kind => {
            let cluster = gone_is_none(session.client.get_cluster(&change.id.parse()?, Detail::Full).await)?;
            match (kind, cluster.map(|cluster| cluster.object)) {
                (_, None) => Vec::new(),
                (Kind::NodePools, Some(cluster)) => {
                    let asked = query.cluster.as_deref().is_none_or(|name| is_called(&cluster, name));
                    let alias = cluster.alias.to_string();
                    let pools = cluster.node_pools.into_iter().filter(|_| asked);
                    pools.map(|pool| Object::Pool(alias.clone(), pool)).collect()
                }
                (_, Some(cluster)) => vec![Object::Cluster(Box::new(cluster))],
            }
        }
    };
    let mut asked = Vec::new();
    for object in found {
        let named = query.names.is_empty()
            || query.names.iter().any(|name| match &object {
                Object::Cluster(cluster) => is_called(cluster, name),
                Object::Pool(_, pool) => pool.name.as_str() == name,
                Object::Account(account) => account.id.as_str() == name,
                Object::Block(block) => is_of(&block.cluster, Some(&block.entry.cluster_id), name),
                Object::Approval(approval) => is_of(&approval.cluster, Some(&approval.entry.cluster_id), name),
                Object::Rollout(record) | Object::Evidence(record) => {
                    is_of(&record.cluster, record.entry.cluster_id.as_ref(), name)
                }
                Object::Channel(channel) => channels::is_called(channel, name),
                Object::Wave(_) | Object::Act(_) | Object::Alarm(_) => movement::is_called(&object, name),
                Object::Update(update) => is_of(&update.cluster, update.entry.cluster_id.as_ref(), name),
            });
        let value = object.value()?;
        if named && query.selector.matches(&value) {
            asked.push((object, value));
        }
    }
    Ok(asked)
}

/// Whether an entry is about the cluster with this id or alias.
fn is_of(alias: &str, id: Option<&model::ClusterId>, name: &str) -> bool {
    let name = name.strip_prefix("cluster/").unwrap_or(name);
    alias == name || id.is_some_and(|id| id.as_str() == name)
}

fn is_called(cluster: &model::Cluster, name: &str) -> bool {
    let name = name.strip_prefix("cluster/").unwrap_or(name);
    cluster.id.as_str() == name || cluster.alias.as_str() == name
}

/// An object that has gone since its change is no error: its deletion comes next.
fn gone_is_none<T>(result: Result<T, RegistryError>) -> Result<Option<T>, RegistryError> {
    match result {
        Ok(object) => Ok(Some(object)),
        Err(RegistryError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
