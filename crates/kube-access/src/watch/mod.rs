//! Watches: what happens to objects of a set of kinds, in one order, without losing or repeating anything.
//!
//! Each kind is listed page by page and then watched from that version on. A watch that ends is continued where it stopped; one
//! whose place is forgotten (410) is listed again and compared, so that what happened in between arrives as ordinary events.
//! Of each object only a projection is handed on: memory is bounded by what the caller finds worth knowing. A [`Reader`] makes
//! it straight from the text, without a tree of the object.
//!
//! The order of delivery follows from the order of the kinds and of the server's events, never from hashes: kube's own
//! reflector and controller are not used for that reason.

mod feed;
mod known;
mod lean;
mod members;
mod merge;
mod reader;

pub use feed::WatchOptions;
pub use merge::{Mirror, WatchEvent, WatchSet};
pub use reader::{Place, Project, Reader};
