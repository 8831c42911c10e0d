//! Whether we are let in, and how well that is protected.

checks! { password }
