//! How far away the server is, and how long its sessions take to begin.

checks! { round_trip, jitter, connect, handshake, login }
