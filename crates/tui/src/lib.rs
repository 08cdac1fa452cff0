//! room tui
