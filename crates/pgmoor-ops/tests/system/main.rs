//! Configurations of applications, read and written.

#![allow(clippy::unwrap_used, missing_docs)]

mod site;

mod samples;

mod langsmith;

mod coder;

mod backstage;

mod prisme;

mod environment;

mod secrets;

mod round_trip;

mod rendering;

mod merging;
