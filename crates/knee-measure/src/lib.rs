//! Open-loop load and observation on one clock. Never changes the target.
