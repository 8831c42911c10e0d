//! The tasks behind `cargo x`.

fn main() {}
