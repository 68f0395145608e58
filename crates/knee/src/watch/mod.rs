//! What `knee watch` shows: as text, as a screen that is drawn again, as a document, and as a flame graph.

pub mod document;
mod flame;
pub mod known;
pub mod live;
pub mod profile;
pub mod text;
