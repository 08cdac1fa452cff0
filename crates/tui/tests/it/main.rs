//! The screen, as its user meets it: keys in, pictures and effects out. No terminal, no network, no
//! clock.

mod box_keys;
mod days;
mod deeds;
mod docs;
mod finding;
mod help;
mod keys;
mod never_panics;
mod pictures;
mod popups;
mod reading;
mod receipts;
mod settings;
mod several;
mod speed;
mod stage;
mod talking;
mod tutor;
