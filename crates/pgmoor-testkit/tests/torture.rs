//! The torture notices what it is there to notice: before gateways that are wrong on purpose.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use pgmoor_testkit::torture::{Door, PoolMode, Report, Torture, Witness, superuser, torture};
use pgmoor_testkit::{Address, Postgres};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Pieces of answers that pass before two clients get each other's; a login takes about five each.
const RIGHT_ANSWERS: u32 = 20;

/// Relays two clients, each to a server connection of its own, and after some time gives each the
/// answers of the other. When one goes, both do.
async fn relay_pair(clients: [TcpStream; 2], server: u16) -> io::Result<()> {
    let [mut first, mut second] = clients;
    let mut first_server = TcpStream::connect(("127.0.0.1", server)).await?;
    let mut second_server = TcpStream::connect(("127.0.0.1", server)).await?;
    let (mut a, mut b, mut c, mut d) = ([0; 4096], [0; 4096], [0; 4096], [0; 4096]);
    let mut passed = 0;
    loop {
        let (read, piece, to) = tokio::select! {
            read = first.read(&mut a) => (read?, &a, &mut first_server),
            read = second.read(&mut b) => (read?, &b, &mut second_server),
            read = first_server.read(&mut c) => {
                passed += 1;
                (read?, &c, if passed > RIGHT_ANSWERS { &mut second } else { &mut first })
            }
            read = second_server.read(&mut d) => {
                passed += 1;
                (read?, &d, if passed > RIGHT_ANSWERS { &mut first } else { &mut second })
            }
        };
        if read == 0 {
            return Ok(());
        }
        to.write_all(&piece[..read]).await?;
    }
}

/// A gateway that swaps answers.
async fn swapping_gateway(server: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
    let port = listener.local_addr().expect("it has an address").port();
    tokio::spawn(async move {
        loop {
            let (first, _) = listener.accept().await.expect("accept");
            let (second, _) = listener.accept().await.expect("accept");
            // How a pair ends is told to its clients.
            tokio::spawn(async move { drop(relay_pair([first, second], server).await) });
        }
    });
    port
}

async fn tortured(postgres: &Postgres, port: u16, mode: PoolMode, clients: u32) -> Report {
    let gate = Door {
        address: Address::local(port),
        tls: None,
        user: "app".into(),
        password: postgres.app_password().into(),
        database: "app".into(),
    };
    let run = Torture {
        gates: vec![gate],
        server: superuser(postgres),
        mode,
        clients,
        seed: 1,
        time: Duration::from_secs(3),
        patience: Duration::from_secs(10),
        fault: "none".into(),
    };
    let report = torture(&run, &Arc::new(Witness::default()), None).await;
    println!("{report}");
    report
}

#[tokio::test]
async fn a_server_without_any_gateway_gives_everybody_what_is_theirs() {
    let postgres = Postgres::start().await;

    let report = tortured(&postgres, postgres.port(), PoolMode::Session, 12).await;

    assert!(report.is_good(), "{report}");
    assert!(report.committed > 5, "{report}");
}

#[tokio::test]
async fn a_gateway_that_swaps_the_answers_of_two_clients_is_found_out() {
    let postgres = Postgres::start().await;
    let port = swapping_gateway(postgres.port()).await;

    let report = tortured(&postgres, port, PoolMode::Transaction, 12).await;

    assert!(report.figures.wrong > 0, "{report}");
    assert!(!report.is_good(), "{report}");
}
