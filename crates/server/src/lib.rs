//! room server
