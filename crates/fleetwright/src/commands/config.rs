//! `config`.

use std::path::PathBuf;

use cli_args::{ConfigArgs, ConfigCommand, GetContextsArgs, GlobalArgs, Output, SetContextArgs, ViewArgs};
use serde_json::{Value, json};

use crate::config_file::{ConfigFile, Context};
use crate::console::Console;
use crate::failure::Failure;
use crate::print::{self, Format};
use crate::settings::{Env, Origin, Settings, config_path};
use crate::table::{Table, or_none};

pub(super) fn run(args: ConfigArgs, flags: &GlobalArgs, env: &Env, console: &mut Console) -> Result<(), Failure> {
    match args.command {
        ConfigCommand::View(args) => view(&args, &Settings::resolve(flags, env)?, console),
        ConfigCommand::GetContexts(args) => contexts(&args, flags, env, console),
        ConfigCommand::UseContext(args) => {
            let (path, mut file) = file_in_force(flags, env)?;
            if file.context(&args.name).is_none() {
                let names: Vec<&str> = file.contexts.iter().map(|context| context.name.as_str()).collect();
                let failure = Failure::new(format!("context {:?} does not exist", args.name));
                return Err(if names.is_empty() {
                    failure.hint("\"fleetwright config set-context NAME --server URL\" makes one")
                } else {
                    failure.hint(format!("there are {}", names.join(", ")))
                });
            }
            file.current_context = Some(args.name.clone());
            file.write(&path)?;
            console.line(&format!("context/{} is the current one", args.name))
        }
        ConfigCommand::SetContext(args) => set_context(&args, flags, env, console),
    }
}

/// The values in force as rows of name, value, origin.
fn view(args: &ViewArgs, settings: &Settings, console: &mut Console) -> Result<(), Failure> {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    let rows: [(&str, String, &Origin); 7] = [
        ("config", path(&settings.config.value), &settings.config.origin),
        (
            "context",
            settings.context.value.clone().unwrap_or_default(),
            &settings.context.origin,
        ),
        ("server", settings.server.value.clone(), &settings.server.origin),
        (
            "token-file",
            path(&settings.token_file.value),
            &settings.token_file.origin,
        ),
        ("ca-file", path(&settings.ca_file.value), &settings.ca_file.origin),
        ("output", output_name(&settings.output.value), &settings.output.origin),
        (
            "request-timeout",
            format!("{}s", settings.request_timeout.value.as_secs()),
            &settings.request_timeout.origin,
        ),
    ];
    let format = args
        .output
        .as_ref()
        .map(|output| Format::whole(output, "config view"))
        .transpose()?
        .flatten();
    if let Some(format) = format {
        let items = rows
            .iter()
            .map(|(name, value, origin)| json!({"name": name, "value": value, "origin": origin.to_string()}));
        return format.print_value(&print::list(items.collect::<Vec<Value>>()), console);
    }
    let mut table = Table::with_header(["NAME", "VALUE", "ORIGIN"]);
    for (name, value, origin) in rows {
        table.push(vec![name.to_owned(), or_none(value), origin.to_string()]);
    }
    console.write(table.take_text().as_bytes())
}

fn output_name(output: &Output) -> String {
    match output {
        Output::Table => "table".to_owned(),
        Output::Wide => "wide".to_owned(),
        Output::Json => "json".to_owned(),
        Output::Yaml => "yaml".to_owned(),
        Output::Name => "name".to_owned(),
        Output::Jsonpath(template) => format!("jsonpath={template}"),
        Output::CustomColumns(spec) => format!("custom-columns={spec}"),
    }
}

fn contexts(args: &GetContextsArgs, flags: &GlobalArgs, env: &Env, console: &mut Console) -> Result<(), Failure> {
    let config = config_path(flags, env);
    let file = ConfigFile::read(config.value.as_deref(), config.origin != Origin::Default)?;
    let mut table = Table::default();
    if !args.no_headers {
        table.push(["CURRENT", "NAME", "SERVER", "TOKEN-FILE"].map(str::to_owned).to_vec());
    }
    for context in &file.contexts {
        let current = file.current_context.as_deref() == Some(context.name.as_str());
        let token = context.token_file.as_ref().map(|path| path.display().to_string());
        table.push(vec![
            if current { "*".to_owned() } else { String::new() },
            context.name.clone(),
            or_none(context.server.clone().unwrap_or_default()),
            or_none(token.unwrap_or_default()),
        ]);
    }
    console.write(table.take_text().as_bytes())
}

fn set_context(args: &SetContextArgs, flags: &GlobalArgs, env: &Env, console: &mut Console) -> Result<(), Failure> {
    let (path, mut file) = file_in_force(flags, env)?;
    if let Some(text) = args.default_output.as_deref().filter(|text| !text.is_empty()) {
        text.parse::<Output>()
            .map_err(|rule| Failure::new(format!("--default-output: {rule}, got {text:?}")))?;
    }
    let known = file.contexts.iter_mut().find(|context| context.name == args.name);
    let (verb, context) = match known {
        Some(context) => ("configured", context),
        None => {
            file.contexts.push(Context {
                name: args.name.clone(),
                ..Context::default()
            });
            let Some(context) = file.contexts.last_mut() else {
                return Ok(());
            };
            ("created", context)
        }
    };
    let text = |old: &mut Option<String>, new: Option<&String>| {
        if let Some(new) = new {
            *old = Some(new.clone()).filter(|text| !text.is_empty());
        }
    };
    let place = |old: &mut Option<PathBuf>, new: Option<&PathBuf>| {
        if let Some(new) = new {
            // Relative paths of the file are relative to the file, those of a command line to where it was typed.
            *old = Some(std::path::absolute(new).unwrap_or_else(|_| new.clone()));
        }
    };
    text(&mut context.server, flags.server.as_ref());
    text(&mut context.output, args.default_output.as_ref());
    place(&mut context.token_file, flags.token_file.as_ref());
    place(&mut context.ca_file, flags.ca_file.as_ref());
    context.request_timeout = flags.request_timeout.or(context.request_timeout);
    if file.current_context.is_none() {
        file.current_context = Some(args.name.clone());
    }
    file.write(&path)?;
    console.line(&format!("context/{} {verb}", args.name))
}

/// The file to change, with its contents; it need not exist yet.
fn file_in_force(flags: &GlobalArgs, env: &Env) -> Result<(PathBuf, ConfigFile), Failure> {
    let Some(path) = config_path(flags, env).value else {
        return Err(Failure::new("there is no place for a configuration file").hint("set HOME, or give --config FILE"));
    };
    let file = ConfigFile::read(Some(&path), false)?;
    Ok((path, file))
}
