//! The program from the outside, as a container starts it.

mod init;
mod size;
mod support;
mod terminal;
