//! Parsed templates and their execution.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::error::{ExecError, ParseError};
use crate::exec::run;
use crate::function::{FunctionNames, Functions};
use crate::limits::{Limits, ParseLimits};
use crate::parse::{Body, Source, parse};
use crate::record::Recorder;
use crate::value::Value;

/// A parsed and checked template with the definitions inside it. Immutable: make it once, execute it for every cluster.
#[derive(Debug)]
pub struct Template {
    pub(crate) name: Arc<str>,
    pub(crate) source: Arc<str>,
    pub(crate) main: Body,
    pub(crate) definitions: BTreeMap<Arc<str>, Body>,
}

impl Template {
    /// Parses a text. `name` stands in errors, usually it is the file; `functions` says which functions there are besides Go's own.
    ///
    /// # Errors
    /// A [`ParseError`] with its place for a broken text, an unknown function or variable, or `break` outside a loop, in branches
    /// that are never taken as well.
    pub fn parse(
        name: impl Into<Arc<str>>,
        source: impl Into<Arc<str>>,
        functions: &dyn FunctionNames,
    ) -> Result<Self, ParseError> {
        Self::parse_within(name, source, functions, ParseLimits::default())
    }

    /// [`parse`](Self::parse) with other bounds.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_within(
        name: impl Into<Arc<str>>,
        source: impl Into<Arc<str>>,
        functions: &dyn FunctionNames,
        limits: ParseLimits,
    ) -> Result<Self, ParseError> {
        let (name, source) = (name.into(), source.into());
        let parsed = parse(
            Source {
                name: &name,
                text: &source,
            },
            functions,
            limits,
        )?;
        Ok(Self {
            name,
            source,
            main: parsed.main,
            definitions: parsed.definitions,
        })
    }

    /// The name given when parsing.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text it was parsed from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The names of the templates defined inside it.
    pub fn definitions(&self) -> impl Iterator<Item = &str> {
        self.definitions.keys().map(|name| &**name)
    }
}

/// What a map gives for a key it does not have. An object without the field is an error in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingKey {
    /// An error, Go's `missingkey=error`.
    #[default]
    Error,
    /// The zero value of the map's element type, Go's `missingkey=zero`.
    Zero,
    /// Nothing, which prints as `<no value>`, Go's `missingkey=default`.
    Nothing,
}

/// One execution of a template: its functions, its bounds and its recorder.
pub struct Execution<'a> {
    template: &'a Template,
    functions: &'a Functions,
    missing_key: MissingKey,
    limits: Limits,
    recorder: Option<&'a mut (dyn Recorder + 'a)>,
}

impl fmt::Debug for Execution<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execution")
            .field("template", &self.template.name)
            .field("missing_key", &self.missing_key)
            .field("limits", &self.limits)
            .field("records", &self.recorder.is_some())
            .finish_non_exhaustive()
    }
}

impl<'a> Execution<'a> {
    /// An execution where missing keys are errors, with the default limits and without recorder.
    pub fn new(template: &'a Template, functions: &'a Functions) -> Self {
        Self {
            template,
            functions,
            missing_key: MissingKey::default(),
            limits: Limits::default(),
            recorder: None,
        }
    }

    /// Says what a map gives for a key it does not have.
    #[must_use]
    pub fn missing_key(mut self, missing_key: MissingKey) -> Self {
        self.missing_key = missing_key;
        self
    }

    /// Sets other bounds.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Reports reads to a recorder.
    #[must_use]
    pub fn recorder(mut self, recorder: &'a mut (dyn Recorder + 'a)) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// Renders the template with the data as dot.
    ///
    /// # Errors
    /// An [`ExecError`] with place and expression; what was rendered until then is dropped.
    pub fn run(self, data: &Value) -> Result<String, ExecError> {
        run(
            self.template,
            self.functions,
            self.missing_key,
            self.limits,
            self.recorder,
            data,
        )
    }
}
