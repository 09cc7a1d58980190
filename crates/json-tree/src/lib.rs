//! JSON values that share what they have in common: cheap to copy, quick to look into, canonical.
//!
//! A cluster in memory copies objects all the time: the state before a write and after it, what a controller wants and what
//! there is. With trees that own every text and every map, most of its time goes into making and dropping equal copies. The
//! [`Value`] here is counted by reference: a copy is a pointer, and a change copies the maps on the way to it alone.
//! Short texts lie in the value itself, and a map is a sorted list of its members in one piece.
//!
//! It reads and looks like `serde_json::Value`, so code for one is code for the other: [`json!`], `value["a"]["b"]`,
//! [`Value::pointer`], [`Map::entry`]. Members are always in the order of their names, which makes all text canonical. Numbers are
//! those of serde_json.
//!
//! It deliberately has no parser and no printer of its own (both are serde_json's) and keeps no order of insertion. Text is read and
//! written by serde_json's own functions; [`from_value`] makes Rust structures of trees.
//!
//! ```
//! use json_tree::{Value, json};
//! let pod = json!({"metadata": {"name": "web-0"}, "spec": {"nodeName": "n1"}, "status": {"phase": "Pending"}});
//! let mut running = pod.clone();
//! running["status"]["phase"] = json!("Running");
//! assert_eq!(pod["status"]["phase"], "Pending");
//! assert!(pod["spec"].shares(&running["spec"]));
//! assert_eq!(running["status"].to_string(), r#"{"phase":"Running"}"#);
//! let read: Value = serde_json::from_str(&running.to_string()).unwrap();
//! assert_eq!(read, running);
//! ```

mod compare;
mod convert;
mod index;
mod list;
mod macros;
mod map;
mod names;
mod number;
mod read;
mod serial;
mod value;

pub use convert::ToTree;
pub use ecow::EcoString as Text;
pub use index::Index;
pub use list::List;
pub use map::{Entry, Map, OccupiedEntry, Revision, VacantEntry};
pub use read::from_value;
pub use serde_json::{Error, Number};
pub use value::Value;
