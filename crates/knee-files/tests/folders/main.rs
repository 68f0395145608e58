//! Whole folders: what is discovered in them, how that is launched, and what patches make of them.

mod broken;
mod deployed;
mod examples;
mod init;
mod node;
mod python;
mod round_trip;
mod support;
mod wild;
