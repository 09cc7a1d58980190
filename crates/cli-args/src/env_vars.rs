//! Every environment variable that the program reads, each with its meaning, declared in this one place.

/// An environment variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnvVar {
    /// Its name.
    pub name: &'static str,
    /// What it means, in one line.
    pub help: &'static str,
    /// The flag that wins over it, where there is one.
    pub flag: Option<&'static str>,
}

/// URL of the server.
pub const SERVER: EnvVar = EnvVar {
    name: "FLEETWRIGHT_SERVER",
    help: "URL of the server",
    flag: Some("--server"),
};
/// File with the bearer token.
pub const TOKEN_FILE: EnvVar = EnvVar {
    name: "FLEETWRIGHT_TOKEN_FILE",
    help: "file with the bearer token",
    flag: Some("--token-file"),
};
/// File with certificates to trust.
pub const CA_FILE: EnvVar = EnvVar {
    name: "FLEETWRIGHT_CA_FILE",
    help: "file with PEM certificates to trust",
    flag: Some("--ca-file"),
};
/// Context of the configuration file.
pub const CONTEXT: EnvVar = EnvVar {
    name: "FLEETWRIGHT_CONTEXT",
    help: "context of the configuration file",
    flag: Some("--context"),
};
/// The configuration file.
pub const CONFIG: EnvVar = EnvVar {
    name: "FLEETWRIGHT_CONFIG",
    help: "the configuration file",
    flag: Some("--config"),
};
/// Default output format.
pub const OUTPUT: EnvVar = EnvVar {
    name: "FLEETWRIGHT_OUTPUT",
    help: "output format of get and export",
    flag: Some("--output"),
};
/// Seconds until a request is given up.
pub const REQUEST_TIMEOUT: EnvVar = EnvVar {
    name: "FLEETWRIGHT_REQUEST_TIMEOUT",
    help: "seconds after which a request is given up",
    flag: Some("--request-timeout"),
};
/// Database of `registry serve`.
pub const DATABASE: EnvVar = EnvVar {
    name: "FLEETWRIGHT_DATABASE",
    help: "database of \"serve\" and \"shadow\", where it must not stand in the process list",
    flag: Some("--database"),
};
/// Password of the database.
pub const DATABASE_PASSWORD: EnvVar = EnvVar {
    name: "FLEETWRIGHT_DATABASE_PASSWORD",
    help: "password of the PostgreSQL database, instead of one in its URL",
    flag: None,
};
/// What servers log.
pub const LOG: EnvVar = EnvVar {
    name: "FLEETWRIGHT_LOG",
    help: "what servers log, such as \"info\" or \"info,registry=debug\"",
    flag: Some("--log"),
};
/// Collector of spans.
pub const OTLP_ENDPOINT: EnvVar = EnvVar {
    name: "OTEL_EXPORTER_OTLP_ENDPOINT",
    help: "URL of the OpenTelemetry collector that servers send spans to",
    flag: Some("--otlp-endpoint"),
};
/// No colours.
pub const NO_COLOR: EnvVar = EnvVar {
    name: "NO_COLOR",
    help: "when not empty: no colours",
    flag: Some("--color"),
};
/// Kind of terminal.
pub const TERM: EnvVar = EnvVar {
    name: "TERM",
    help: "when \"dumb\": no colours",
    flag: Some("--color"),
};
/// Base of the configuration file's place.
pub const XDG_CONFIG_HOME: EnvVar = EnvVar {
    name: "XDG_CONFIG_HOME",
    help: "where fleetwright/config.yaml is, instead of ~/.config",
    flag: Some("--config"),
};
/// Base of the data directory's place.
pub const XDG_DATA_HOME: EnvVar = EnvVar {
    name: "XDG_DATA_HOME",
    help: "where \"up\" keeps its data, instead of ~/.local/share",
    flag: Some("--data"),
};
/// Base of the place of git mirrors.
pub const XDG_CACHE_HOME: EnvVar = EnvVar {
    name: "XDG_CACHE_HOME",
    help: "where mirrors of git repositories are kept, instead of ~/.cache",
    flag: Some("--cache-dir"),
};
/// Kubeconfigs.
pub const KUBECONFIG: EnvVar = EnvVar {
    name: "KUBECONFIG",
    help: "where \"cluster-update\" finds the current cluster, instead of ~/.kube/config",
    flag: None,
};
/// Base of the place where running simulations are noted.
pub const XDG_RUNTIME_DIR: EnvVar = EnvVar {
    name: "XDG_RUNTIME_DIR",
    help: "where \"sim up\" notes that it runs, instead of XDG_STATE_HOME",
    flag: None,
};
/// Base of the same place where there is no runtime directory.
pub const XDG_STATE_HOME: EnvVar = EnvVar {
    name: "XDG_STATE_HOME",
    help: "where \"sim up\" notes that it runs, instead of ~/.local/state",
    flag: None,
};
/// Name of the machine or pod.
pub const HOSTNAME: EnvVar = EnvVar {
    name: "HOSTNAME",
    help: "name of this replica of \"controllers\"; Kubernetes sets it to the pod's",
    flag: Some("--identity"),
};
/// Home directory.
pub const HOME: EnvVar = EnvVar {
    name: "HOME",
    help: "the home directory, base of the places above",
    flag: None,
};
/// The user.
pub const USER: EnvVar = EnvVar {
    name: "USER",
    help: "who adopts a cluster or hands it back",
    flag: Some("--by"),
};

/// All of them, in the order in which help lists them.
pub const ALL: &[EnvVar] = &[
    SERVER,
    TOKEN_FILE,
    CA_FILE,
    CONTEXT,
    CONFIG,
    OUTPUT,
    REQUEST_TIMEOUT,
    DATABASE,
    DATABASE_PASSWORD,
    LOG,
    OTLP_ENDPOINT,
    NO_COLOR,
    TERM,
    XDG_CONFIG_HOME,
    XDG_DATA_HOME,
    XDG_CACHE_HOME,
    KUBECONFIG,
    XDG_RUNTIME_DIR,
    XDG_STATE_HOME,
    HOSTNAME,
    HOME,
    USER,
];
