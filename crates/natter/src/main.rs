//! natter: one binary that chats and serves. The subcommands, nothing else.

fn main() {}
