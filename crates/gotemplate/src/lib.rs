//! Go's `text/template` as a library that can be pointed at thousands of files and trusted with secrets.
//!
//! What it adds to a plain port of the language: errors with file, line, column and expression in Go's own wording, a suggestion for a
//! mistyped key, objects with fields and methods, typed maps and lists (so that `index` gives the right zero value), functions
//! that carry data, a record of the values a template read, and bounds on everything a hostile template could use up.
//!
//! What it deliberately does not do: no files, no clock, no network, no HTML escaping by context, no Sprig. Which functions
//! exist beyond Go's own is the caller's business ([`Functions`]). Errors never print a value from the data, only keys, types and
//! function names, because data holds secrets.
//!
//! The language's outer structure (text, trim markers, comments, blocks) is read here, the pipelines inside the actions by
//! the crate `gotmpl`. The result is a [`Template`]: immutable, `Send + Sync`, made once and executed for many data sets with an
//! [`Execution`]. Data are [`Value`]s, which share their contents, so executing copies nothing.
//!
//! ```
//! use gotemplate::{Execution, Functions, Map, Template, Value};
//!
//! let functions = Functions::new();
//! let template = Template::parse("pool.yaml", "size: {{ .size | printf \"%03d\" }}", &functions)?;
//! let data = Value::from(Map::new([("size", Value::from(7))]));
//! assert_eq!(Execution::new(&template, &functions).run(&data)?, "size: 007");
//!
//! let wrong = Template::parse("pool.yaml", "size: {{ .sise }}", &functions)?;
//! let error = Execution::new(&wrong, &functions).run(&data).map(|_| ()).map_err(|e| e.to_string());
//! assert_eq!(
//!     error,
//!     Err(r#"template: pool.yaml:1:9: executing "pool.yaml" at <.sise>: map has no entry for key "sise" (did you mean "size"?)"#.into())
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod builtins;
mod error;
mod exec;
mod format;
mod function;
mod limits;
mod parse;
mod place;
mod record;
mod suggest;
mod template;
mod value;

pub use error::{ErrorKind, ExecError, ParseError, ParseErrorKind};
pub use function::{CallContext, Function, FunctionError, FunctionNames, Functions, ParamType};
pub use limits::{LimitExceeded, Limits, ParseLimits};
pub use record::{Read, ReadSet, Reads, Recorder};
pub use template::{Execution, MissingKey, Template};
pub use value::{ElementType, List, Map, Object, Record, Value};
