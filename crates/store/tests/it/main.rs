//! The store on real databases.
#![expect(clippy::unwrap_used, reason = "a test may end on the spot")]

mod before;
mod faults;
mod hot;
mod maxima;
mod model;
mod plans;
mod races;
mod rights;
mod shards;
mod story;
mod support;
