//! Events in, text out.
//!
//! What lives here: words, tables, the JSON document. What never does: a figure that no event
//! holds, or writing to a stream: the verbs do that.

pub mod curve;
pub mod figures;
pub mod json;
pub mod plain;
pub mod progress;
#[cfg(test)]
pub mod sample;
pub mod table;
pub mod terminal;
pub mod text;
pub mod words;
