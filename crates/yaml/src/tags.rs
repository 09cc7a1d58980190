//! A look at the tags of a text, for templates that must never be written back.

use serde_saphyr::granit_parser::Event;

use crate::compose::{events, place, syntax};
use crate::error::Error;
use crate::options::Options;

/// One use of a tag that is not one of the core schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagUse {
    /// The tag as written, such as `!Sub`.
    pub tag: String,
    /// Line, counted from 1.
    pub line: usize,
    /// Column, counted from 1 in characters.
    pub column: usize,
}

/// The local tags of a text in order, such as the short functions of a CloudFormation template.
///
/// Loading such a text into a JSON value loses them; use this to find out, and pass the text itself on.
///
/// # Errors
/// [`Error`] if the text is not YAML or longer than the limit of `options`.
pub fn inspect_tags(text: &str, options: &Options) -> Result<Vec<TagUse>, Error> {
    let mut found = Vec::new();
    for item in events(text, options)? {
        let (event, span) = item.map_err(|e| syntax(&e))?;
        let (Event::Scalar(_, _, _, Some(tag))
        | Event::SequenceStart(_, _, Some(tag))
        | Event::MappingStart(_, _, Some(tag))) = event
        else {
            continue;
        };
        if tag.core_suffix().is_none() {
            let (line, column) = place(&span.tag_start.unwrap_or(span.start));
            found.push(TagUse {
                tag: tag.original(),
                line,
                column,
            });
        }
    }
    Ok(found)
}
