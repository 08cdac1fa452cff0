//! The machines of this room by themselves: no socket, no disk, time as a number.

mod model;
mod nonsense;
mod queue;
