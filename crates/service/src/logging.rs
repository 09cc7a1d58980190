//! Log lines on standard error.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::traces::TraceLayer;

/// Form of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line, for collectors.
    Json,
}

/// Why logging cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter cannot be read.
    #[error("log filter {filter:?} cannot be read")]
    Filter {
        /// The filter.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Logging was set up before.
    #[error("logging is set up already")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// Sends log lines to standard error, in this form, as far as `filter` lets them (`info`, or `info,store=debug`).
///
/// Standard output stays free for data. Colour is used on terminals only and never when `NO_COLOR` asks for none.
///
/// # Errors
/// When the filter cannot be read or logging was set up before.
pub fn init_tracing(format: LogFormat, filter: &str, colour: bool) -> Result<(), LoggingError> {
    init_tracing_with(format, filter, colour, None)
}

/// The same, with spans collected for a collector besides, as far as the filter lets them.
///
/// # Errors
/// Those of [`init_tracing`].
pub fn init_tracing_with(
    format: LogFormat,
    filter: &str,
    colour: bool,
    traces: Option<TraceLayer>,
) -> Result<(), LoggingError> {
    let filter = EnvFilter::try_new(filter).map_err(|source| LoggingError::Filter {
        filter: filter.to_owned(),
        source,
    })?;
    let registry = tracing_subscriber::registry().with(filter).with(traces);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => registry.with(lines.with_ansi(colour)).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    }
    .map_err(LoggingError::Twice)
}
