//! Questions to a Prometheus, for checks that people write.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{Classified, Fault, Retry};

/// One series of an answer with its value at the moment that was asked about.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Labels of the series.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
}

/// Why there is no answer. A query without series is one, and no error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrometheusError {
    /// The server does not take the query.
    #[error("the query is refused: {0}")]
    Refused(String),
    /// The server does not answer, or with something else than an answer.
    #[error("Prometheus at {server} does not answer: {why}")]
    Unavailable {
        /// The server.
        server: String,
        /// Why.
        why: String,
    },
}

impl Classified for PrometheusError {
    fn fault(&self) -> Fault {
        match self {
            Self::Refused(_) => Fault::Config,
            Self::Unavailable { .. } => Fault::Cloud,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Refused(_) => Retry::Never,
            Self::Unavailable { .. } => Retry::After(Duration::from_secs(30)),
        }
    }
}

/// Asks Prometheus servers.
#[async_trait]
pub trait Prometheus: Send + Sync + std::fmt::Debug {
    /// The series that a query has at a moment, from the server at this address; a scalar is one series without labels.
    ///
    /// # Errors
    /// When the server refuses the query or does not answer.
    async fn query(&self, server: &str, promql: &str, at: Timestamp) -> Result<Vec<Sample>, PrometheusError>;
}
