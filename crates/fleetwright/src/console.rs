//! Where a command writes: results to standard output, everything else to standard error.

use std::io::{self, BufWriter, IsTerminal as _, Stderr, Stdout, Write};

use cli_args::{ColorChoice, env_vars};

use crate::failure::Failure;
use crate::settings::Env;

/// The two streams.
pub(crate) struct Console {
    out: BufWriter<Stdout>,
    err: Stderr,
    colour: bool,
}

impl Console {
    /// The streams of this process.
    pub(crate) fn new(choice: ColorChoice, env: &Env) -> Self {
        let err = io::stderr();
        let colour = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                err.is_terminal()
                    && env.get(&env_vars::NO_COLOR).is_none()
                    && env.get(&env_vars::TERM).is_none_or(|term| term != "dumb")
            }
        };
        Self {
            out: BufWriter::new(io::stdout()),
            err,
            colour,
        }
    }

    /// True when messages are coloured.
    pub(crate) fn colour(&self) -> bool {
        self.colour
    }

    /// Writes a result as it is.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes).map_err(output_failure)
    }

    /// Writes a line of a result.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.write(text.as_bytes())?;
        self.write(b"\n")
    }

    /// Hands everything written to the reader.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(output_failure)
    }

    /// Says something to the person, not to the program behind a pipe.
    pub(crate) fn say(&mut self, text: &str) {
        // Whoever closed standard error does not want to know.
        let _ = writeln!(self.err, "{text}");
    }

    /// Says something that should be noticed.
    pub(crate) fn warn(&mut self, text: &str) {
        let label = self.paint("33", "warning:");
        self.say(&format!("{label} {text}"));
    }

    /// Says on a terminal how far a long piece of work is; says nothing into a log.
    pub(crate) fn progress(&mut self, done: usize, of: usize, what: &str) {
        const WORTH_SAYING: usize = 20;
        if of < WORTH_SAYING || !self.err.is_terminal() {
            return;
        }
        let end = if done == of { "\r\u{1b}[K" } else { "" };
        let _ = write!(self.err, "\r{done} of {of} {what}{end}");
        let _ = self.err.flush();
    }

    /// Says why the command fails.
    pub(crate) fn fail(&mut self, failure: &Failure) {
        let _ = self.out.flush();
        let failure = match failure {
            Failure::Trouble(inner) => inner,
            other => other,
        };
        if let Failure::Said { message, hint } = failure {
            let label = self.paint("1;31", "error:");
            self.say(&format!("{label} {message}"));
            if let Some(hint) = hint {
                let label = self.paint("36", "hint:");
                self.say(&format!("{label} {hint}"));
            }
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

fn output_failure(error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Failure::BrokenPipe
    } else {
        Failure::new(format!("standard output: {error}"))
    }
}
