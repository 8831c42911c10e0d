//! How the address and its secrets are written.

checks! { readable }
