//! `fleetwright top`: the fleet on a full screen of a terminal, with k9s' keys.
//!
//! An [`App`] is what is seen and where one stands; [`App::key`] takes a key and says what to do ([`Do`]), [`App::take`] takes
//! a new [`Picture`] of the fleet, [`draw`] draws it. All three are free of terminal and network, so tests press keys and look
//! at the screen. The program around it reads keys, fetches pictures, and restores the terminal.
//!
//! Keys: arrows or `j` `k` move, `Enter` goes into, `Esc` goes back, `/` filters, `:` jumps to a view, `?` helps, `q` leaves.
//! It works at 80 by 24, without a mouse and without colours.
//!
//! What this crate deliberately does not do: it changes nothing (a block is set with `fleetwright block`), fetches nothing,
//! and reads no clock: a picture says when it was true.
//!
//! Main types: [`App`], [`Picture`], [`Do`], [`View`].
//!
//! ```
//! use ratatui::{Terminal, backend::TestBackend};
//! use top::{App, Picture, draw};
//!
//! let mut app = App::new();
//! app.take(Picture::default());
//! let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
//! terminal.draw(|frame| draw(&mut app, frame, true)).unwrap();
//! ```

mod app;
mod draw;
mod list;
mod picture;
mod tree;

pub use app::{App, Do, View};
pub use draw::draw;
pub use picture::{ClusterLine, NodeLine, Picture, UpdateLine};
