//! From a configured endpoint to one trusted, authenticated PostgreSQL connection.
