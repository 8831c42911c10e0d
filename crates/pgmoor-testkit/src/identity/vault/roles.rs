//! Roles of a real PostgreSQL, made and dropped at once: on a thread with a connection of its own, so that
//! who answers a request can wait for it.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use tokio_postgres::NoTls;

/// What is to be done, and whom to tell how it went.
type Work = (String, Sender<Result<(), String>>);

/// The thread; it ends when this is dropped.
pub(super) struct Roles {
    work: Option<Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl Roles {
    /// Does it as whoever `url` names.
    pub(super) fn at(url: String) -> Self {
        let (work, orders) = channel();
        let thread = std::thread::spawn(move || obey(&url, &orders));
        Self {
            work: Some(work),
            thread: Some(thread),
        }
    }

    /// Runs statements, and waits for them.
    pub(super) fn run(&self, sql: String) -> Result<(), String> {
        let (told, answer) = channel();
        let work = self.work.as_ref().expect("it runs");
        work.send((sql, told)).expect("the thread runs");
        answer.recv().expect("the thread answers")
    }
}

impl Drop for Roles {
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn obey(url: &str, orders: &Receiver<Work>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls)
            .await
            .expect("a connection");
        tokio::spawn(connection);
        // While an order is waited for, nothing happens on the connection either.
        while let Ok((sql, told)) = orders.recv() {
            let done = client.batch_execute(&sql).await;
            let _ = told.send(done.map_err(|error| format!("{error:?}")));
        }
    });
}
