//! Which database holds which shard, and moving one to another.

mod load;
mod missing;
mod moving;
mod places;
