//! The event log: everything that happened in a world, in order, in a text form that runs can be compared by.

use std::fmt;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::kind::Kind;

/// Takes each line of a log, without its line end.
pub type Sink = Box<dyn FnMut(&str) + Send>;

/// The log of a world: a running digest of all lines, and a sink for who wants the text.
///
/// A line is `TIME ACTOR VERB OBJECT OUTCOME`: who did it (a controller's name, `scheduler`, `api` for everybody else,
/// `world` for machines), what was done, to which object, and how it ended: the version and size of what was written, or the
/// reason of a refusal.
pub struct EventLog {
    digest: Sha256,
    lines: u64,
    line: String,
    sink: Option<Sink>,
}

impl fmt::Debug for EventLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLog")
            .field("lines", &self.lines)
            .finish_non_exhaustive()
    }
}

impl EventLog {
    pub(super) fn new(sink: Option<Sink>) -> Self {
        Self {
            digest: Sha256::new(),
            lines: 0,
            line: String::new(),
            sink,
        }
    }

    pub(super) fn write(
        &mut self,
        time: Timestamp,
        actor: &str,
        verb: &str,
        object: impl fmt::Display,
        outcome: fmt::Arguments<'_>,
    ) {
        use fmt::Write;
        self.line.clear();
        // Writing to a String does not fail.
        let _ = write!(self.line, "{time} {actor} {verb} {object} {outcome}");
        self.digest.update(self.line.as_bytes());
        self.digest.update(b"\n");
        self.lines += 1;
        if let Some(sink) = &mut self.sink {
            sink(&self.line);
        }
    }

    /// How many lines there are.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The SHA-256 of all lines so far, each with its line end, in hexadecimal digits.
    #[must_use]
    pub fn digest(&self) -> String {
        use fmt::Write;
        self.digest
            .clone()
            .finalize()
            .iter()
            .fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
    }
}

/// An object as the log names it; its kind may be one that nothing in the world looks at.
pub(super) struct Place<'a> {
    pub(super) group: &'a str,
    pub(super) resource: &'a str,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.resource)?;
        if Kind::of(self.group, self.resource).is_none() && !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if !self.namespace.is_empty() {
            write!(f, "/{}", self.namespace)?;
        }
        write!(f, "/{}", self.name)
    }
}
