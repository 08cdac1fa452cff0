//! THE SCREEN: the terminal client. `model.rs` is what it knows, `update.rs` what changes it,
//! `view/` draws it, `commands.rs` is the table of all keys, and `run.rs` joins them to the
//! terminal and to the line.
//!
//! Nothing here sees SQL or a socket; nothing under `view/` knows the client; `update.rs` waits for
//! nothing.

mod clipboard;
pub mod commands;
pub mod completion;
pub mod composer;
pub mod decode;
pub mod effect;
pub mod emoji;
pub mod finder;
mod frame_cost;
pub mod help;
mod history;
mod keyboard;
pub mod keymap;
pub mod keys;
pub mod layout;
pub mod limits;
pub mod line_edit;
pub mod links;
pub mod markdown;
pub mod model;
pub mod notices;
mod outside;
mod perform;
pub mod rows;
mod run;
pub mod scroll;
pub mod settings;
mod terminal;
pub mod tutor;
pub mod update;
pub mod view;
pub mod which_key;
pub mod words;
pub mod wrap;

pub use effect::Exit;
pub use frame_cost::{FrameCost, frame_cost};
pub use run::{Error, Options, Result, run};
