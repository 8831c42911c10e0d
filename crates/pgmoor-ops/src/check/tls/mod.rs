//! Whether the line is encrypted, and the server is who it should be.

checks! { offered }
