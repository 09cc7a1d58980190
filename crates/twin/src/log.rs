//! The one event log of a fleet: clusters, clouds and faults, in the order in which things happened.

use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// Takes each line of a fleet's log, without its line end.
pub type LogSink = Box<dyn FnMut(&str) + Send>;

/// What happened in a fleet, as lines: `PLACE TIME ...`, where the place is a cluster's id, `cloud:ACCOUNT/REGION` or
/// `fault:CLUSTER`. Lines hold no addresses of memory, no wall clock and no order of hashing, so that two runs can be
/// compared by [`FleetLog::digest`]. Handles are cheap to clone and are the same log.
#[derive(Clone)]
pub struct FleetLog(Arc<Mutex<Inner>>);

struct Inner {
    digest: Sha256,
    lines: u64,
    sink: Option<LogSink>,
    line: String,
}

impl std::fmt::Debug for FleetLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FleetLog")
            .field("lines", &self.lines())
            .finish_non_exhaustive()
    }
}

impl FleetLog {
    /// An empty log that hands its lines to a sink, if there is one.
    #[must_use]
    pub fn new(sink: Option<LogSink>) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            digest: Sha256::new(),
            lines: 0,
            sink,
            line: String::new(),
        })))
    }

    /// Adds a line about a place; whoever does something to a fleet from outside notes it so. The text begins with the time.
    pub fn write(&self, place: &str, text: impl std::fmt::Display) {
        use std::fmt::Write;
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *inner;
        inner.line.clear();
        // Writing to a String does not fail.
        let _ = write!(inner.line, "{place} {text}");
        inner.digest.update(inner.line.as_bytes());
        inner.digest.update(b"\n");
        inner.lines += 1;
        if let Some(sink) = &mut inner.sink {
            sink(&inner.line);
        }
    }

    /// How many lines there are.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).lines
    }

    /// The SHA-256 of all lines so far, each with its line end, in hexadecimal digits.
    #[must_use]
    pub fn digest(&self) -> String {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = inner.digest.clone().finalize();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
