//! THE EDITOR: a pure vim core over a text buffer; no terminal, no chat. Keys go in one at a time,
//! text and cursor come out. What is supported and how it is held against the real Vim:
//! `docs/vim.md`.

mod block;
mod block_insert;
mod block_object;
pub mod case;
mod casing;
mod change;
mod chars;
mod command;
mod delete;
mod editor;
mod find;
mod insert;
mod insert_keys;
mod join;
mod key;
pub mod limits;
mod mark_names;
mod marks;
mod matching;
mod motion;
mod number;
mod object;
mod operate;
mod paragraph;
mod parse;
mod put;
mod quote;
mod redo;
mod register;
mod replace;
mod run;
mod sentence;
mod shift;
mod surface;
mod tables;
mod tag;
mod text;
mod undo;
mod visual;
mod word;
mod yank;

pub use editor::Editor;
pub use key::{Key, keys_from_notation};
pub use surface::{Mode, Selection};
pub use visual::VisualKind;
