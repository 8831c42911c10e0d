//! Changes of one side, done at the other: in the order of their commits, each transaction as a whole and once.

mod shape;
mod statement;

mod prepared;

mod apply;

mod changes;

mod follower;

pub use follower::{Follower, Seen};
