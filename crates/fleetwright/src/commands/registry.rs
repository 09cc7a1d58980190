//! `registry serve`.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use cli_args::{LogFormat, RegistryArgs, RegistryCommand, ServeArgs, env_vars};
use ports::SystemClock;
use registry::auth::{AnyOf, Authenticate, HttpFetch, Oidc, OidcOptions, TokenFile};
use registry::{Access, Loopback};
use service::Tls;
use store::DatabaseUrl;

use crate::console::Console;
use crate::documents::read_text;
use crate::failure::Failure;
use crate::serving::{Serving, Shown};
use crate::settings::Env;
use crate::spans::Spans;

pub(super) async fn run(
    args: RegistryArgs,
    token_file: Option<&Path>,
    env: &Env,
    console: &mut Console,
) -> Result<(), Failure> {
    let RegistryCommand::Serve(args) = args.command;
    serving(&args, token_file, None, env, console).await?.run().await;
    Ok(())
}

/// A server that is started and says so. It shows the registry of its own store, or the one that `shown` makes from it.
pub(super) async fn serving(
    args: &ServeArgs,
    token_file: Option<&Path>,
    shown: Option<Shown<'_>>,
    env: &Env,
    console: &mut Console,
) -> Result<Serving, Failure> {
    let format = match args.log_format {
        LogFormat::Text => service::LogFormat::Text,
        LogFormat::Json => service::LogFormat::Json,
    };
    let filter = args
        .log
        .as_deref()
        .or_else(|| env.get(&env_vars::LOG))
        .unwrap_or("info");
    let database = database(args, env)?;
    let access = access(args, token_file).await?;
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => Some(Tls::from_files(certificate, key).map_err(|error| Failure::of(&error))?),
        _ => None,
    };
    let endpoint = args
        .otlp_endpoint
        .as_deref()
        .or_else(|| env.get(&env_vars::OTLP_ENDPOINT));
    let traces = endpoint.map(Spans::to).transpose()?;
    let (layer, spans) = traces
        .map(|(layer, spans)| (Some(layer), Some(spans)))
        .unwrap_or_default();
    service::init_tracing_with(format, filter, console.colour(), layer).map_err(|error| Failure::of(&error))?;
    if let Some(spans) = spans {
        // It ends with the process; spans of its last seconds may be lost.
        tokio::spawn(spans.send());
    }
    let open = matches!(access, Access::Open(_));
    let serving = Serving::start(
        &database,
        args.listen,
        access,
        tls,
        Arc::new(SystemClock),
        Arc::new(web::Alone),
        shown,
    )
    .await?;
    console.say(&format!("serving the registry in {database} on {}", serving.url()));
    if open {
        console.warn("nobody is asked for a token: whoever reaches this address is admin");
    }
    Ok(serving)
}

/// The database with its password, which may come from the environment or a file: arguments show in the process list.
fn database(args: &ServeArgs, env: &Env) -> Result<DatabaseUrl, Failure> {
    let given = database_of(args.database.as_deref(), args.database_password_file.as_deref(), env)?;
    given.ok_or_else(no_database)
}

/// What is to be said when a database is needed and none is given.
pub(crate) fn no_database() -> Failure {
    Failure::new("no database is given").hint("give --database sqlite:PATH, or FLEETWRIGHT_DATABASE")
}

/// The database that flags and environment name, if they name one.
pub(crate) fn database_of(
    url: Option<&str>,
    password_file: Option<&Path>,
    env: &Env,
) -> Result<Option<DatabaseUrl>, Failure> {
    let Some(url) = url.or_else(|| env.get(&env_vars::DATABASE)) else {
        return Ok(None);
    };
    let password = match password_file {
        Some(path) => Some(read_text(path)?.1.trim_end_matches(['\r', '\n']).to_owned()),
        None => env.get(&env_vars::DATABASE_PASSWORD).map(str::to_owned),
    };
    let url = match password {
        Some(password) if url.starts_with("postgres") => with_password(url, &password),
        _ => url.to_owned(),
    };
    let parsed: Result<DatabaseUrl, store::DatabaseUrlError> = url.parse();
    parsed.map(Some).map_err(|error| Failure::of(&error))
}

/// The URL with the password as a parameter, which wins over one in the authority.
fn with_password(url: &str, password: &str) -> String {
    let mut whole = format!("{url}{}password=", if url.contains('?') { '&' } else { '?' });
    for byte in password.bytes() {
        if byte.is_ascii_alphanumeric() {
            whole.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(whole, "%{byte:02X}");
        }
    }
    whole
}

/// Who may call. There is no silent default: serving everybody must be asked for.
async fn access(args: &ServeArgs, token_file: Option<&Path>) -> Result<Access, Failure> {
    let mut known: Vec<Arc<dyn Authenticate>> = Vec::new();
    if let Some(path) = token_file {
        if args.no_auth {
            return Err(Failure::new("--no-auth and --token-file exclude each other"));
        }
        let file = TokenFile::open(path, Arc::new(SystemClock)).await;
        known.push(Arc::new(file.map_err(|error| {
            Failure::of(&error).hint("each line is NAME ROLE sha256:HEX, roles are reader, operator and admin")
        })?));
    }
    if let (Some(issuer), Some(audience)) = (&args.oidc_issuer, &args.oidc_audience) {
        let fetch = HttpFetch::new().map_err(|error| Failure::of(&error))?;
        let options = OidcOptions::new(issuer, audience);
        known.push(Arc::new(Oidc::new(options, Arc::new(fetch), Arc::new(SystemClock))));
    }
    if args.no_auth {
        let loopback = Loopback::new(args.listen).map_err(|error| Failure::of(&error))?;
        return Ok(Access::Open(loopback));
    }
    if known.is_empty() {
        let failure = Failure::new("it is not said who may call");
        return Err(failure.hint(
            "give --token-file, or --oidc-issuer and --oidc-audience; --no-auth serves everybody on this machine",
        ));
    }
    Ok(Access::Tokens(Arc::new(AnyOf(known))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_added_and_never_shown() {
        for (url, expected) in [
            ("postgres://u@h/d", "postgres://u@h/d?password=p%40s%2F"),
            (
                "postgres://u@h/d?sslmode=require",
                "postgres://u@h/d?sslmode=require&password=p%40s%2F",
            ),
        ] {
            let whole = with_password(url, "p@s/");
            assert_eq!(whole, expected);
            assert!(!whole.parse::<DatabaseUrl>().unwrap().to_string().contains("p%40"));
        }
    }
}
