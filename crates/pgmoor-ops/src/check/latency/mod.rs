//! How far away the server is.

checks! { round_trip }
