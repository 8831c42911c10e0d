//! What the server is.

checks! { version }
