//! `history`.

use cli_args::{HistoryArgs, HistoryCommand};
use ports::registry::{HistoryRecord, ObjectKind, PageRequest};
use ports::{Registry as _, RegistryError};

use crate::console::Console;
use crate::failure::Failure;
use crate::print::{self, Format};
use crate::session::Session;
use crate::settings::Settings;
use crate::table::{Table, or_none};

/// Fields that a row names before it counts the others.
const SHOWN_FIELDS: usize = 3;

pub(super) async fn run(args: HistoryArgs, settings: &Settings, console: &mut Console) -> Result<(), Failure> {
    let (kind, args) = match args.command {
        HistoryCommand::Cluster(args) => (ObjectKind::Cluster, args),
        HistoryCommand::Account(args) => (ObjectKind::InfrastructureAccount, args),
    };
    let format = Format::whole(&settings.output_or(args.output.as_ref()), "history")?;
    let session = Session::new(settings)?;
    let id = match kind {
        ObjectKind::Cluster => match session.find_cluster(&args.name).await {
            Ok(cluster) => cluster.object.id.to_string(),
            // The history of a removed cluster stays.
            Err(RegistryError::NotFound { .. }) => args.name.clone(),
            Err(error) => return Err(error.into()),
        },
        ObjectKind::InfrastructureAccount | ObjectKind::Entry => args.name.clone(),
    };
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let page = session
        .client
        .history(
            kind,
            &id,
            &PageRequest {
                limit: Some(limit),
                after: None,
            },
        )
        .await?;
    if page.items.is_empty() {
        return Err(Failure::new(format!(
            "{} {:?} has no history",
            kind.as_str(),
            args.name
        )));
    }
    match format {
        Some(format) => {
            let values: Result<Vec<_>, _> = page.items.iter().map(serde_json::to_value).collect();
            format.print_value(&print::list(values.map_err(|error| Failure::of(&error))?), console)
        }
        None => console.write(table(&page.items, !args.no_headers).as_bytes()),
    }
}

/// The records as a table, newest first.
pub(super) fn table(records: &[HistoryRecord], headers: bool) -> String {
    let mut table = Table::default();
    if headers {
        table.push(
            ["TIME", "ACTION", "REVISION", "ACTOR", "FIELDS"]
                .map(str::to_owned)
                .to_vec(),
        );
    }
    for record in records {
        let change = &record.change;
        let names: Vec<&str> = record.fields.iter().map(|field| field.field.as_str()).collect();
        let mut fields = names.iter().take(SHOWN_FIELDS).copied().collect::<Vec<_>>().join(",");
        if let Some(more) = names.len().checked_sub(SHOWN_FIELDS).filter(|more| *more > 0) {
            fields.push_str(&format!(",+{more}"));
        }
        let seconds = jiff::Timestamp::from_second(change.time.as_second()).unwrap_or(change.time);
        table.push(vec![
            seconds.to_string(),
            change.action.as_str().to_owned(),
            change.revision.to_string(),
            or_none(change.actor.clone()),
            or_none(fields),
        ]);
    }
    table.take_text()
}
