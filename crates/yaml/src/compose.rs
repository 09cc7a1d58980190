//! From the parser's events to JSON values: aliases, merge keys, duplicate keys, places, bounds.

mod builder;

use std::collections::BTreeMap;

use serde_json::Value;
use serde_saphyr::granit_parser;

use crate::error::{Error, Reason, Warning};
use crate::options::Options;
use builder::Builder;

/// One document of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The content. Maps are sorted by key.
    pub value: Value,
    /// Line of its first node, counted from 1.
    pub line: usize,
    /// What was tolerated in it.
    pub warnings: Vec<Warning>,
}

/// A value of a flat map, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StringEntry {
    /// Source text of the scalar; a null is the empty string.
    pub value: String,
    /// Line of the value, counted from 1.
    pub line: usize,
}

/// Reads all documents of a stream. Documents without content (only comments, blank or `null`) are left out (fact 44).
///
/// # Errors
/// The first [`Error`], with its place: the text is not YAML, breaks a rule of `options`, or passes one of its limits.
pub fn load_documents(text: &str, options: &Options) -> Result<Vec<Document>, Error> {
    let mut documents = Vec::new();
    read(text, options, |builder| {
        let document = builder.take_document();
        if !document.value.is_null() {
            documents.push(document);
        }
    })?;
    Ok(documents)
}

/// Reads a text that holds exactly one document with content.
///
/// # Errors
/// Those of [`load_documents`], and [`Reason::DocumentCount`].
pub fn load_value(text: &str, options: &Options) -> Result<Document, Error> {
    let mut documents = load_documents(text, options)?;
    match (documents.len(), documents.pop()) {
        (1, Some(document)) => Ok(document),
        (count, last) => {
            let line = last.map_or(0, |d| d.line);
            Err(Error::new((line, 0), Reason::DocumentCount(count)))
        }
    }
}

/// Reads a flat map of scalars whose values keep their source text: `0644` stays `"0644"`, `yes` stays `"yes"`.
///
/// This is how default config items are read: numbers and booleans keep their spelling, null is the empty string. Of equal
/// keys the last one wins, with a warning, unless `options` refuse them. A text without content is an empty map.
///
/// # Errors
/// Those of [`load_documents`]; [`Reason::Shape`] if a value is a list or a mapping.
pub fn load_string_map(text: &str, options: &Options) -> Result<(BTreeMap<String, StringEntry>, Vec<Warning>), Error> {
    let mut entries = BTreeMap::new();
    let mut warnings = Vec::new();
    let mut count = 0usize;
    let mut builder = Builder::new(options);
    builder.keep_source_text();
    run(text, options, &mut builder, |builder| {
        if builder.has_content() {
            count += 1;
        }
        if count == 1 {
            entries = builder.take_entries();
            warnings = builder.take_document().warnings;
        }
    })?;
    match count {
        0 | 1 => Ok((entries, warnings)),
        _ => Err(Error::new((0, 0), Reason::DocumentCount(count))),
    }
}

fn read(text: &str, options: &Options, each: impl FnMut(&mut Builder<'_>)) -> Result<(), Error> {
    run(text, options, &mut Builder::new(options), each)
}

/// Feeds the events of a text to a builder and calls back at the end of each document.
fn run<'o>(
    text: &str,
    options: &'o Options,
    builder: &mut Builder<'o>,
    mut each: impl FnMut(&mut Builder<'o>),
) -> Result<(), Error> {
    for item in events(text, options)? {
        let (event, span) = item.map_err(|e| syntax(&e))?;
        let place = place(&span.start);
        if builder.event(event, place)? {
            each(builder);
        }
    }
    Ok(())
}

/// The parser over a text, with our bounds.
pub(crate) fn events<'t>(
    text: &'t str,
    options: &Options,
) -> Result<granit_parser::Parser<'t, granit_parser::StrInput<'t>>, Error> {
    if text.len() > options.limits.text_bytes {
        return Err(Error::new(
            (0, 0),
            Reason::Limit {
                what: "text too long (bytes)",
                limit: options.limits.text_bytes,
            },
        ));
    }
    let mut settings = granit_parser::Options::default();
    settings.set_emit_comments(false);
    settings.flow_nesting_limit = options.limits.depth;
    settings.block_nesting_limit = options.limits.depth;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Ok(granit_parser::Parser::new_from_str_with_options(text, settings))
}

/// Line and column of a marker, both counted from 1.
pub(crate) fn place(marker: &granit_parser::Marker) -> (usize, usize) {
    (marker.line(), marker.col() + 1)
}

pub(crate) fn syntax(error: &granit_parser::ScanError) -> Error {
    Error::new(place(error.marker()), Reason::Syntax(error.info()))
}
