//! Files in, a service with origins out; edits and patches. Never touches network or clock, starts nothing.
