//! Reports for people: [`text`] for terminals, [`html`] as one page that needs nothing but itself.

mod chart;
mod html;
mod tables;
mod text;
mod words;

pub use html::html;
pub use text::text;
