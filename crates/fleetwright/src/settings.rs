//! The values in force, each with where it comes from: flag, environment, configuration file, default.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cli_args::env_vars::{self, EnvVar};
use cli_args::{GlobalArgs, Output};

use crate::config_file::{ConfigFile, Context};
use crate::failure::Failure;

/// Where `up` serves, so that a newcomer needs no configuration at all.
pub(crate) const DEFAULT_SERVER: &str = "http://127.0.0.1:8080";

/// The environment, read once; an empty variable counts as absent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Env(BTreeMap<&'static str, String>);

impl Env {
    /// Those variables of the process that are declared.
    pub(crate) fn of_process() -> Self {
        let read = |v: &EnvVar| {
            std::env::var(v.name)
                .ok()
                .filter(|value| !value.is_empty())
                .map(|value| (v.name, value))
        };
        Self(env_vars::ALL.iter().filter_map(read).collect())
    }

    /// The value of a variable.
    pub(crate) fn get(&self, variable: &EnvVar) -> Option<&str> {
        self.0.get(variable.name).map(String::as_str)
    }

    /// `$XDG_x_HOME`, or `below` in the home directory.
    pub(crate) fn xdg(&self, variable: &EnvVar, below: &str) -> Option<PathBuf> {
        // The specification: relative paths are invalid and must be left out.
        let given = self.get(variable).map(PathBuf::from).filter(|path| path.is_absolute());
        given.or_else(|| self.get(&env_vars::HOME).map(|home| Path::new(home).join(below)))
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A flag.
    Flag(&'static str),
    /// An environment variable.
    Env(&'static str),
    /// The configuration file.
    File,
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "flag {name}"),
            Self::Env(name) => write!(f, "environment {name}"),
            Self::File => f.write_str("configuration file"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value with its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
}

/// Everything that is in force.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) config: Setting<Option<PathBuf>>,
    pub(crate) context: Setting<Option<String>>,
    pub(crate) server: Setting<String>,
    pub(crate) token_file: Setting<Option<PathBuf>>,
    pub(crate) ca_file: Setting<Option<PathBuf>>,
    pub(crate) output: Setting<Output>,
    pub(crate) request_timeout: Setting<Duration>,
}

impl Settings {
    /// Reads the configuration file and works out what is in force.
    ///
    /// # Errors
    /// When a file that was asked for is missing, the file is not sound, or a context does not exist.
    pub(crate) fn resolve(flags: &GlobalArgs, env: &Env) -> Result<Self, Failure> {
        let config = config_path(flags, env);
        let file = ConfigFile::read(config.value.as_deref(), config.origin != Origin::Default)?;
        let context = first(
            flags.context.clone(),
            &env_vars::CONTEXT,
            env,
            file.current_context.clone(),
            Ok,
        )?;
        let chosen = match &context.value {
            Some(name) => file
                .context(name)
                .cloned()
                .ok_or_else(|| no_context(name, &context.origin, &file))?,
            None => Context::default(),
        };
        let folder = config.value.as_deref().and_then(Path::parent).map(Path::to_owned);
        let place = |path: &PathBuf| located(path, folder.as_deref(), env);
        let token_file = chosen.token_file.as_ref().map(place);
        let ca_file = chosen.ca_file.as_ref().map(place);
        let output = chosen
            .output
            .as_deref()
            .map(|text| parse_output(text, "output of the context"))
            .transpose()?;
        let seconds = chosen.request_timeout.map(Duration::from_secs);
        Ok(Self {
            server: or_default(
                first(flags.server.clone(), &env_vars::SERVER, env, chosen.server.clone(), Ok)?,
                || DEFAULT_SERVER.to_owned(),
            ),
            token_file: first(
                flags.token_file.clone(),
                &env_vars::TOKEN_FILE,
                env,
                token_file,
                to_path,
            )?,
            ca_file: first(flags.ca_file.clone(), &env_vars::CA_FILE, env, ca_file, to_path)?,
            output: or_default(
                first(None, &env_vars::OUTPUT, env, output, |text| {
                    parse_output(&text, env_vars::OUTPUT.name)
                })?,
                || Output::Table,
            ),
            request_timeout: or_default(
                first(
                    flags.request_timeout.map(Duration::from_secs),
                    &env_vars::REQUEST_TIMEOUT,
                    env,
                    seconds,
                    |text| parse_seconds(&text),
                )?,
                || Duration::from_secs(30),
            ),
            config,
            context,
        })
    }

    /// The output format to use when the command asked for `asked`.
    pub(crate) fn output_or(&self, asked: Option<&Output>) -> Output {
        asked.unwrap_or(&self.output.value).clone()
    }
}

/// Flag, else environment, else file.
fn first<T>(
    flag: Option<T>,
    variable: &EnvVar,
    env: &Env,
    file: Option<T>,
    parse: impl FnOnce(String) -> Result<T, Failure>,
) -> Result<Setting<Option<T>>, Failure> {
    if let Some(value) = flag {
        return Ok(Setting {
            value: Some(value),
            origin: Origin::Flag(variable.flag.unwrap_or(variable.name)),
        });
    }
    if let Some(text) = env.get(variable) {
        return Ok(Setting {
            value: Some(parse(text.to_owned())?),
            origin: Origin::Env(variable.name),
        });
    }
    let origin = if file.is_some() { Origin::File } else { Origin::Default };
    Ok(Setting { value: file, origin })
}

fn or_default<T>(setting: Setting<Option<T>>, default: impl FnOnce() -> T) -> Setting<T> {
    Setting {
        value: setting.value.unwrap_or_else(default),
        origin: setting.origin,
    }
}

fn to_path(text: String) -> Result<PathBuf, Failure> {
    Ok(PathBuf::from(text))
}

fn parse_output(text: &str, place: &str) -> Result<Output, Failure> {
    text.parse()
        .map_err(|rule| Failure::new(format!("{place}: {rule}, got {text:?}")))
}

fn parse_seconds(text: &str) -> Result<Duration, Failure> {
    let name = env_vars::REQUEST_TIMEOUT.name;
    match text.parse::<u64>() {
        Ok(seconds @ 1..=3600) => Ok(Duration::from_secs(seconds)),
        _ => Err(Failure::new(format!(
            "{name}: must be a number of seconds from 1 to 3600, got {text:?}"
        ))),
    }
}

/// Where the configuration file is, or would be.
pub(crate) fn config_path(flags: &GlobalArgs, env: &Env) -> Setting<Option<PathBuf>> {
    if let Some(path) = &flags.config {
        return Setting {
            value: Some(path.clone()),
            origin: Origin::Flag("--config"),
        };
    }
    if let Some(path) = env.get(&env_vars::CONFIG) {
        return Setting {
            value: Some(PathBuf::from(path)),
            origin: Origin::Env(env_vars::CONFIG.name),
        };
    }
    let base = env.xdg(&env_vars::XDG_CONFIG_HOME, ".config");
    Setting {
        value: base.map(|base| base.join("fleetwright").join("config.yaml")),
        origin: Origin::Default,
    }
}

/// A path of the configuration file: relative to the file, `~/` is the home directory.
fn located(path: &Path, folder: Option<&Path>, env: &Env) -> PathBuf {
    if let (Ok(rest), Some(home)) = (path.strip_prefix("~"), env.get(&env_vars::HOME)) {
        return Path::new(home).join(rest);
    }
    folder.map_or_else(|| path.to_owned(), |folder| folder.join(path))
}

fn no_context(name: &str, origin: &Origin, file: &ConfigFile) -> Failure {
    let names: Vec<&str> = file.contexts.iter().map(|context| context.name.as_str()).collect();
    let failure = Failure::new(format!("context {name:?} ({origin}) does not exist"));
    if names.is_empty() {
        failure.hint("\"fleetwright config set-context NAME --server URL\" makes one")
    } else {
        failure.hint(format!("there are {}", names.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&'static str, &str)]) -> Env {
        Env(pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
    }

    #[test]
    fn flag_wins_over_environment_over_file_over_default() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        let text = "current-context: a\ncontexts:\n- name: a\n  server: http://file\n  token-file: t\n- name: b\n  output: wide\n";
        std::fs::write(&path, text).unwrap();
        let file = path.to_str().unwrap();
        let none = GlobalArgs::default();
        let flag = GlobalArgs {
            server: Some("http://flag".to_owned()),
            ..GlobalArgs::default()
        };
        for (flags, variables, expected, origin) in [
            (
                &flag,
                vec![("FLEETWRIGHT_SERVER", "http://env"), ("FLEETWRIGHT_CONFIG", file)],
                "http://flag",
                Origin::Flag("--server"),
            ),
            (
                &none,
                vec![("FLEETWRIGHT_SERVER", "http://env"), ("FLEETWRIGHT_CONFIG", file)],
                "http://env",
                Origin::Env("FLEETWRIGHT_SERVER"),
            ),
            (&none, vec![("FLEETWRIGHT_CONFIG", file)], "http://file", Origin::File),
            (
                &none,
                vec![("FLEETWRIGHT_CONFIG", file), ("FLEETWRIGHT_CONTEXT", "b")],
                DEFAULT_SERVER,
                Origin::Default,
            ),
            (&none, vec![], DEFAULT_SERVER, Origin::Default),
        ] {
            let settings = Settings::resolve(flags, &env(&variables)).unwrap();
            assert_eq!(
                settings.server,
                Setting {
                    value: expected.to_owned(),
                    origin
                },
                "{variables:?}"
            );
        }
        let settings = Settings::resolve(&none, &env(&[("FLEETWRIGHT_CONFIG", file)])).unwrap();
        assert_eq!(settings.token_file.value, Some(folder.path().join("t")));
    }

    #[test]
    fn a_missing_file_counts_only_when_it_was_asked_for() {
        let home = env(&[("HOME", "/nowhere-at-all")]);
        assert!(Settings::resolve(&GlobalArgs::default(), &home).is_ok());
        let asked = GlobalArgs {
            config: Some(PathBuf::from("/nowhere-at-all/c.yaml")),
            ..GlobalArgs::default()
        };
        assert!(Settings::resolve(&asked, &home).is_err());
    }
}
