//! `import`.

use std::collections::BTreeMap;

use cli_args::{ImportArgs, ImportModeName};
use model::{ClusterStatus, FileRegistry, Validate as _};
use ports::Registry as _;
use ports::registry::{ImportMode, ImportReport};
use serde_json::Value;

use super::DRY_RUN;
use crate::console::Console;
use crate::documents::{FileKind, read_objects};
use crate::failure::Failure;
use crate::session::Session;
use crate::settings::Settings;

pub(super) async fn run(args: ImportArgs, settings: &Settings, console: &mut Console) -> Result<(), Failure> {
    let document = read_document(&args)?;
    let session = Session::new(settings)?;
    let (report, note) = if args.dry_run {
        (foresee(&document, args.mode, &session.client.export().await?)?, DRY_RUN)
    } else {
        let mode = match args.mode {
            ImportModeName::Create => ImportMode::Create,
            ImportModeName::Apply => ImportMode::Apply,
        };
        let report = session.client.import(document, mode, &session.write()).await;
        let report = report.map_err(|error| {
            let exists = matches!(error, ports::RegistryError::AlreadyExists { .. });
            let failure = Failure::from(error);
            if exists {
                failure.hint("--mode apply brings objects that exist to what the document says")
            } else {
                failure
            }
        })?;
        (report, "")
    };
    for (verb, names) in [
        ("created", &report.created),
        ("configured", &report.updated),
        ("unchanged", &report.unchanged),
    ] {
        for name in names {
            console.line(&format!(
                "{} {verb}{note}",
                name.replacen("infrastructure-account/", "account/", 1)
            ))?;
        }
    }
    Ok(())
}

fn read_document(args: &ImportArgs) -> Result<FileRegistry, Failure> {
    let mut document = FileRegistry::default();
    for given in read_objects(std::slice::from_ref(&args.file))? {
        match given.kind {
            FileKind::Account => document.infrastructure_accounts.push(given.read()?),
            FileKind::Cluster => document.clusters.push(given.read()?),
            FileKind::NodePool => {
                return Err(given.failure("a registry document holds node pools inside their clusters"));
            }
        }
    }
    Ok(document)
}

/// What an import would do, worked out from what is there.
fn foresee(document: &FileRegistry, mode: ImportModeName, stored: &FileRegistry) -> Result<ImportReport, Failure> {
    let before = by_name(stored)?;
    let mut report = ImportReport::default();
    for cluster in &document.clusters {
        cluster.cluster.validate()?;
    }
    for account in &document.infrastructure_accounts {
        account.validate()?;
    }
    for (name, value) in by_name(document)? {
        match before.get(&name) {
            None => report.created.push(name),
            Some(_) if mode == ImportModeName::Create => {
                let failure = Failure::new(format!("{name} exists already"));
                return Err(failure.hint("--mode apply brings objects that exist to what the document says"));
            }
            Some(old) if same(old, value) => report.unchanged.push(name),
            Some(_) => report.updated.push(name),
        }
    }
    Ok(report)
}

/// True when writing `new` over `old` would change nothing. A document without status leaves the stored one.
fn same(old: &Value, mut new: Value) -> bool {
    let blank = serde_json::to_value(ClusterStatus::default()).unwrap_or_default();
    if let (Some(members), Some(status)) = (new.as_object_mut(), old.get("status"))
        && members.get("status") == Some(&blank)
    {
        members.insert("status".to_owned(), status.clone());
    }
    *old == new
}

/// Objects by `kind/id`, without what the registry adds itself.
fn by_name(document: &FileRegistry) -> Result<BTreeMap<String, Value>, Failure> {
    let mut objects = BTreeMap::new();
    for account in &document.infrastructure_accounts {
        let value = serde_json::to_value(account).map_err(|error| Failure::of(&error))?;
        objects.insert(format!("infrastructure-account/{}", account.id), value);
    }
    for cluster in &document.clusters {
        let mut value = serde_json::to_value(&cluster.cluster).map_err(|error| Failure::of(&error))?;
        if let Some(members) = value.as_object_mut() {
            members.remove("created_at");
        }
        objects.insert(format!("cluster/{}", cluster.cluster.id), value);
    }
    Ok(objects)
}
