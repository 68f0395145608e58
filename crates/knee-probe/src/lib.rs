//! Windows: synchronous readers of what runs.
//!
//! What lives here: `/proc`, cgroup v1 and v2, sockets, pages over HTTP and FastCGI, folders of status files
//! and the new lines of a log. Each reader has a file of its own, with trees of good, absent and
//! broken files in `testdata/`. What never does: writing anything, a thread or a clock of its own,
//! judging what was read.

pub mod cgroup;
pub mod elf;
mod error;
pub mod fastcgi;
pub mod folder;
pub mod gopages;
pub mod http;
pub mod limits;
pub mod lines;
pub mod machine;
pub mod mounts;
mod names;
pub mod process;
pub mod sockets;

pub use error::ProbeError;
