//! What every task of this repository stands on: failures as people read them, other programs, the
//! machine, the repository. The tasks themselves are in the binary and in the package `lab`.

pub mod failure;
pub mod shell;

pub mod host;
pub mod repository;
