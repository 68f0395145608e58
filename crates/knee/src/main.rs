//! The door: command line, configuration, rendering.

fn main() {}
