//! What `knee watch` shows: as text, as a screen that is drawn again, and as a document.

pub mod document;
pub mod known;
pub mod live;
pub mod text;
