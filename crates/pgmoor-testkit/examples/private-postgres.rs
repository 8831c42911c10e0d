//! Runs a private PostgreSQL with TLS for a program that is not written in Rust.
//!
//! Prints one line of JSON with the addresses and certificate files, and stops, leaving nothing,
//! when its standard input ends:
//!
//! ```console
//! $ cargo run --package pgmoor-testkit --example private-postgres [MAJOR] [NAME=VALUE]...
//! {"host":"127.0.0.1","port":23114,"user":"app","password":"…","database":"app",…}
//! ```

use std::io::Read;

use pgmoor_testkit::{Ca, Postgres};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let ca = Ca::default();
    let gateway = ca.server();
    let mut builder = Postgres::builder().tls(&ca).conf("max_connections", "200");
    for argument in std::env::args().skip(1) {
        builder = match argument.split_once('=') {
            Some((name, value)) => builder.conf(name, value),
            None => builder.major(argument.parse().expect("argument is a major version")),
        };
    }
    let postgres = builder.start().await;
    let facts = json!({
        "major": postgres.major(),
        "host": "127.0.0.1",
        "port": postgres.port(),
        "socket_dir": postgres.socket_dir(),
        "user": "app",
        "password": postgres.app_password(),
        "database": "app",
        "admin_user": "postgres",
        "admin_password": postgres.admin_password(),
        "root_certificate": ca.root_path(),
        "gateway_certificate": gateway.chain_path(),
        "gateway_key": gateway.key_path(),
    });
    println!("{facts}");

    // Whoever started us holds the other end open for as long as it needs the server.
    let mut ignored = Vec::new();
    std::io::stdin()
        .read_to_end(&mut ignored)
        .expect("read standard input");
}
