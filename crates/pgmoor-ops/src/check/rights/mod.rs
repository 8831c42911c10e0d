//! What the login may do.

checks!(
    schema_exists,
    create_table,
    create_schema,
    create_database,
    create_role,
    set_role,
    owner,
    table_access,
    default_privileges,
    search_path,
    password_validity,
    least,
);
