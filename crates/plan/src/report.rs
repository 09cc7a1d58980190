//! A plan for people: in a terminal with terraform's signs, as Markdown for a pull request, as a table.

mod forecast;
mod markdown;
mod table;
mod text;
mod words;

pub use markdown::markdown;
pub use table::table;
pub use text::{Style, text};
