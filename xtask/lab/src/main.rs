//! dev and bench.
fn main() {}
