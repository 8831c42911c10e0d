//! The `pgmoor` command.

fn main() {}
