//! What the application wants besides.

checks!(databases,);
