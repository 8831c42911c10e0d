//! The first byte of every message, by the names of PostgreSQL's protocol chapter.
//!
//! Some bytes mean one thing from a client and another from a server; the constants keep them apart.

macro_rules! tags {
    ($($(#[$doc:meta])* $name:ident = $byte:literal;)*) => {
        $($(#[$doc])* pub const $name: u8 = $byte;)*
    };
}

tags! {
    /// Bind, from a client.
    BIND = b'B';
    /// Close of a statement or portal, from a client.
    CLOSE = b'C';
    /// Copy data, both ways.
    COPY_DATA = b'd';
    /// End of copy data, both ways.
    COPY_DONE = b'c';
    /// Copy given up, from a client.
    COPY_FAIL = b'f';
    /// Describe a statement or portal, from a client.
    DESCRIBE = b'D';
    /// Execute a portal, from a client.
    EXECUTE = b'E';
    /// Flush, from a client.
    FLUSH = b'H';
    /// Function call, from a client.
    FUNCTION_CALL = b'F';
    /// Parse, from a client.
    PARSE = b'P';
    /// Password, SASL initial response, SASL response or GSS response, from a client.
    PASSWORD = b'p';
    /// Simple query, from a client.
    QUERY = b'Q';
    /// Sync, from a client.
    SYNC = b'S';
    /// Terminate, from a client.
    TERMINATE = b'X';

    /// What a Describe or Close is about: a prepared statement.
    STATEMENT = b'S';
    /// What a Describe or Close is about: a portal.
    PORTAL = b'P';

    /// Authentication request of any kind, from a server.
    AUTHENTICATION = b'R';
    /// Cancel key, from a server.
    BACKEND_KEY_DATA = b'K';
    /// Bind done, from a server.
    BIND_COMPLETE = b'2';
    /// Close done, from a server.
    CLOSE_COMPLETE = b'3';
    /// Command done, from a server.
    COMMAND_COMPLETE = b'C';
    /// Copy both ways begins, from a server.
    COPY_BOTH_RESPONSE = b'W';
    /// Copy to the server begins, from a server.
    COPY_IN_RESPONSE = b'G';
    /// Copy to the client begins, from a server.
    COPY_OUT_RESPONSE = b'H';
    /// One row, from a server.
    DATA_ROW = b'D';
    /// The query was empty, from a server.
    EMPTY_QUERY_RESPONSE = b'I';
    /// Error, from a server.
    ERROR_RESPONSE = b'E';
    /// Result of a function call, from a server.
    FUNCTION_CALL_RESPONSE = b'V';
    /// The server does not know what the client asked of the protocol, from a server.
    NEGOTIATE_PROTOCOL_VERSION = b'v';
    /// No row description, from a server.
    NO_DATA = b'n';
    /// Notice, from a server.
    NOTICE_RESPONSE = b'N';
    /// LISTEN/NOTIFY message, from a server.
    NOTIFICATION_RESPONSE = b'A';
    /// Types of a statement's parameters, from a server.
    PARAMETER_DESCRIPTION = b't';
    /// A reported setting, from a server.
    PARAMETER_STATUS = b'S';
    /// Parse done, from a server.
    PARSE_COMPLETE = b'1';
    /// Execute stopped at its row limit, from a server.
    PORTAL_SUSPENDED = b's';
    /// The server waits for the next query, from a server.
    READY_FOR_QUERY = b'Z';
    /// Columns of the rows to come, from a server.
    ROW_DESCRIPTION = b'T';
}
