//! Windows: synchronous readers of what runs.
//!
//! What lives here: `/proc`, cgroup v1 and v2, sockets, status pages, a log's new lines. Each
//! reader has a file of its own and trees of good and broken files in `testdata/`. What never
//! does: writing anything, waiting for more than an answer, judging what was read.

pub mod cgroup;
