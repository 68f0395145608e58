//! Windows: synchronous readers of /proc, cgroup v1 and v2, sockets and status pages. Writes nothing.
