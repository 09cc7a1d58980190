//! Bounds that keep a hostile or broken template from taking the process down.

use thiserror::Error;

/// What one execution may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Nodes walked, commands and arguments evaluated and loop iterations together, plus one for each 1024 bytes of the strings that
    /// functions are given and for each 64 values that printing walks.
    pub steps: u64,
    /// Bytes of the rendered text.
    pub output_bytes: usize,
    /// Bytes of all strings that functions produce on the way, which bounds memory.
    pub produced_bytes: usize,
    /// Nesting of blocks, parenthesised pipelines and template calls together, which bounds the stack.
    pub depth: usize,
    /// Nesting of lists and maps that functions build.
    pub value_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 2_000_000,
            output_bytes: 16 << 20,
            produced_bytes: 64 << 20,
            depth: 200,
            value_depth: 64,
        }
    }
}

/// What a template text may ask of the parser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseLimits {
    /// Bytes of the source text.
    pub source_bytes: usize,
    /// Nesting of blocks. Parentheses are held to 90 in any case.
    pub depth: usize,
}

impl Default for ParseLimits {
    fn default() -> Self {
        Self {
            source_bytes: 8 << 20,
            depth: 90,
        }
    }
}

/// A bound that an execution ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LimitExceeded {
    /// [`Limits::steps`].
    #[error("template takes more than {0} steps")]
    Steps(u64),
    /// [`Limits::output_bytes`].
    #[error("template prints more than {0} bytes")]
    Output(usize),
    /// [`Limits::produced_bytes`].
    #[error("template functions produce more than {0} bytes")]
    Produced(usize),
    /// [`Limits::depth`].
    #[error("exceeded maximum template depth ({0})")]
    Depth(usize),
    /// [`Limits::value_depth`].
    #[error("lists and maps are nested deeper than {0}")]
    ValueDepth(usize),
}

/// What is left of the limits during one execution.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: Limits,
    steps_left: u64,
    produced_left: usize,
}

impl Budget {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            steps_left: limits.steps,
            produced_left: limits.produced_bytes,
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn step(&mut self) -> Result<(), LimitExceeded> {
        self.steps(1)
    }

    /// Work that grows with the size of something: so many things at `per_step` of them a step.
    pub(crate) fn work(&mut self, things: usize, per_step: usize) -> Result<(), LimitExceeded> {
        self.steps(u64::try_from(things / per_step.max(1)).unwrap_or(u64::MAX))
    }

    fn steps(&mut self, steps: u64) -> Result<(), LimitExceeded> {
        match self.steps_left.checked_sub(steps) {
            Some(left) => {
                self.steps_left = left;
                Ok(())
            }
            None => Err(LimitExceeded::Steps(self.limits.steps)),
        }
    }

    pub(crate) fn produce(&mut self, bytes: usize) -> Result<(), LimitExceeded> {
        match self.produced_left.checked_sub(bytes) {
            Some(left) => {
                self.produced_left = left;
                Ok(())
            }
            None => Err(LimitExceeded::Produced(self.limits.produced_bytes)),
        }
    }

    pub(crate) fn produced_left(&self) -> usize {
        self.produced_left
    }
}
