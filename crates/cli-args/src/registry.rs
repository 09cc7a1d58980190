//! `registry serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Run the Cluster Registry
#[derive(Debug, Args)]
pub struct RegistryArgs {
    /// What to run.
    #[command(subcommand)]
    pub command: RegistryCommand,
}

/// What can be run.
#[derive(Debug, Subcommand)]
pub enum RegistryCommand {
    /// Serve the registry API from a database
    ///
    /// The same REST contract as Zalando's Cluster Registry, with history, change feed, paging, metrics (/metrics), health
    /// (/healthz, /readyz) and a page that reads the OpenAPI document (/docs). Several servers may share one PostgreSQL
    /// database. Who may call is said by a token file, by an OpenID Connect issuer, or by both; serving without either
    /// must be asked for with --no-auth and works on a loopback address only. The token file is given with --token-file;
    /// the environment variable of that flag and the configuration file are for clients and do not count here.
    #[command(after_help = "Examples:
  # On this machine, for oneself
  fleetwright registry serve --listen 127.0.0.1:8080 --database sqlite:registry.db --no-auth

  # In production
  fleetwright registry serve --listen 0.0.0.0:8443 --database postgres://fleetwright@db/registry \\
      --database-password-file /secrets/db --token-file /secrets/tokens.yaml \\
      --tls-cert /tls/tls.crt --tls-key /tls/tls.key --log-format json")]
    Serve(ServeArgs),
}

/// How to serve.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Database: sqlite:PATH or postgres://USER@HOST/NAME [env: FLEETWRIGHT_DATABASE]
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,

    /// File with the password of the PostgreSQL database
    #[arg(long, value_name = "FILE")]
    pub database_password_file: Option<PathBuf>,

    /// Serve everybody as admin; on a loopback address only
    #[arg(long, conflicts_with_all = ["oidc_issuer", "oidc_audience"])]
    pub no_auth: bool,

    /// Issuer of accepted OpenID Connect tokens
    #[arg(long, value_name = "URL", requires = "oidc_audience")]
    pub oidc_issuer: Option<String>,

    /// Audience that accepted OpenID Connect tokens must name
    #[arg(long, value_name = "NAME", requires = "oidc_issuer")]
    pub oidc_audience: Option<String>,

    /// Certificate chain in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// Private key in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Form of log lines
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// What to log, such as "info" or "info,registry=debug" [env: FLEETWRIGHT_LOG] [default: info]
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,

    /// Send spans to the OpenTelemetry collector at this URL, as OTLP over HTTP in JSON [env: OTEL_EXPORTER_OTLP_ENDPOINT] [default: nowhere]
    #[arg(long, value_name = "URL")]
    pub otlp_endpoint: Option<String>,
}

/// Form of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}
