//! A server that answers every message with as little as there is, and sometimes with what a case
//! wants instead.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use pgmoor_testkit::{Message, ScriptedConnection, ScriptedServer, Serving, backend};
use tokio::sync::oneshot;

const CANCEL: u32 = 80_877_102;
/// The query that gets another answer begins so.
const ASKS: &str = "say ";

/// What is said to whom.
#[derive(Clone, Default)]
pub(crate) struct Stage(Arc<Lines>);

/// Bytes, and who waits until they were said.
type Said = (Vec<u8>, oneshot::Sender<()>);

#[derive(Default)]
struct Lines {
    next: AtomicU64,
    known: Mutex<HashMap<u64, Said>>,
}

/// A line that will be said.
pub(crate) struct Line {
    number: u64,
    said: oneshot::Receiver<()>,
}

impl Line {
    /// The query to ask for it.
    pub(crate) fn query(&self) -> String {
        format!("{ASKS}{}", self.number)
    }

    /// Until the server has said it and closed the connection.
    pub(crate) async fn wait(self) {
        self.said.await.expect("the server says it");
    }
}

impl Stage {
    /// The server will say this, whatever it is, and close the connection.
    pub(crate) fn will_say(&self, bytes: Vec<u8>) -> Line {
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let (tell, said) = oneshot::channel();
        let mut known = self.0.known.lock().expect("nobody panics here");
        known.insert(number, (bytes, tell));
        Line { number, said }
    }

    /// Begins to serve.
    pub(crate) async fn serve(self) -> Serving {
        ScriptedServer::tcp()
            .await
            .serve(move |connection| self.clone().serve_one(connection))
    }

    async fn serve_one(self, mut connection: ScriptedConnection) {
        match connection.try_untagged().await {
            Ok(Some((CANCEL, _))) | Ok(None) | Err(_) => return,
            Ok(Some(_)) => {}
        }
        if connection.try_send(&backend::auth_ok()).await.is_err() {
            return;
        }
        connection.greet().await;
        connection.set_patience(std::time::Duration::from_secs(3600));
        while let Ok(Some(message)) = connection.try_next().await {
            if let Some((bytes, tell)) = self.line_for(&message) {
                let _ = connection.try_send(&bytes).await;
                drop(connection);
                let _ = tell.send(());
                return;
            }
            let Some(answer) = answer(&message) else {
                return;
            };
            if connection.try_send(&answer).await.is_err() {
                return;
            }
        }
    }

    fn line_for(&self, message: &Message) -> Option<Said> {
        let text = text(message)?;
        let number = text.strip_prefix(ASKS)?.parse().ok()?;
        let mut known = self.0.known.lock().expect("nobody panics here");
        known.remove(&number)
    }
}

fn text(message: &Message) -> Option<&str> {
    let body = message.body.strip_suffix(&[0])?;
    std::str::from_utf8(body)
        .ok()
        .filter(|_| message.tag == b'Q')
}

/// The least that answers a message; none when the server would end the connection.
fn answer(message: &Message) -> Option<Vec<u8>> {
    let ready = backend::ready(b'I');
    Some(match message.tag {
        b'Q' if text(message) == Some("good") => [
            backend::row_description(&["value"]),
            backend::data_row(&[Some("good")]),
            backend::command_complete("SELECT 1"),
            ready,
        ]
        .concat(),
        b'Q' => [backend::command_complete("SET"), ready].concat(),
        b'F' => [Message::new(b'V', [0xff; 4]).bytes(), ready].concat(),
        b'P' => backend::parse_complete(),
        b'B' => backend::bind_complete(),
        b'D' => backend::no_data(),
        b'E' => backend::command_complete("SELECT 0"),
        b'C' => backend::close_complete(),
        b'S' => ready,
        b'H' | b'd' | b'c' | b'f' => Vec::new(),
        _ => return None,
    })
}
