//! One relayed connection and the faults that befall it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::watch;

use super::{Counters, Cut, Direction, Faults};
use crate::stream::Socket;

/// Why a direction has ended.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// Its sender has finished; the other direction goes on.
    Finished,
    /// Both directions close.
    Closed,
    /// Both directions close by a reset.
    Reset,
}

/// Counts an open connection for as long as it lives.
struct Open(Arc<Counters>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) async fn serve(
    client: Socket,
    faults: watch::Receiver<Faults>,
    counters: Arc<Counters>,
) {
    counters.open.fetch_add(1, Ordering::Relaxed);
    let _open = Open(Arc::clone(&counters));
    let (refuse, target) = {
        let faults = faults.borrow();
        (faults.refuse, faults.target.clone())
    };
    let server = match target.connect().await {
        Ok(server) if !refuse => server,
        _ => return client.reset_on_close(),
    };
    let (mut from_client, mut to_client) = split(client);
    let (mut from_server, mut to_server) = split(server);
    let end = {
        let up = Pump::new(Direction::ToServer, faults.clone(), &counters);
        let down = Pump::new(Direction::ToClient, faults, &counters);
        let up = up.run(&mut from_client, &mut to_server);
        let down = down.run(&mut from_server, &mut to_client);
        tokio::pin!(up, down);
        tokio::select! {
            end = &mut up => if end == End::Finished { down.await } else { end },
            end = &mut down => if end == End::Finished { up.await } else { end },
        }
    };
    if end == End::Reset {
        from_client.unsplit(to_client).reset_on_close();
        from_server.unsplit(to_server).reset_on_close();
    }
}

/// Moves the bytes of one direction.
struct Pump<'a> {
    direction: Direction,
    faults: watch::Receiver<Faults>,
    counters: &'a Counters,
    passed: u64,
    /// The order to cut that holds, and how many bytes had passed when it came.
    cut: Option<(Cut, u64)>,
    seen: Seen,
}

/// How often something had been ordered before this connection was made.
struct Seen {
    resets: u64,
    closes: u64,
    half_closes: u64,
}

impl<'a> Pump<'a> {
    fn new(
        direction: Direction,
        faults: watch::Receiver<Faults>,
        counters: &'a Counters,
    ) -> Pump<'a> {
        let seen = {
            let faults = faults.borrow();
            Seen {
                resets: faults.resets,
                closes: faults.closes,
                half_closes: faults.lanes[direction.index()].half_closes,
            }
        };
        Pump {
            direction,
            faults,
            counters,
            passed: 0,
            cut: None,
            seen,
        }
    }

    async fn run(mut self, from: &mut ReadHalf<Socket>, to: &mut WriteHalf<Socket>) -> End {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            if let Some(end) = self.ordered_end() {
                return finish(end, to).await;
            }
            let read = tokio::select! {
                changed = self.faults.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return End::Closed,
                },
                read = from.read(&mut buffer) => read,
            };
            match read {
                Ok(0) => return finish(End::Finished, to).await,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return End::Reset,
                Err(_) => return End::Closed,
                Ok(read) => {
                    if let Some(end) = self.pass(&buffer[..read], to).await {
                        return finish(end, to).await;
                    }
                }
            }
        }
    }

    /// What has been ordered since this connection was made and ends this direction.
    fn ordered_end(&mut self) -> Option<End> {
        let faults = self.faults.borrow_and_update();
        let lane = &faults.lanes[self.direction.index()];
        if lane.cut != self.cut.map(|(cut, _)| cut) {
            self.cut = lane.cut.map(|cut| (cut, self.passed));
        }
        if faults.resets > self.seen.resets {
            return Some(End::Reset);
        }
        let exhausted = self
            .cut
            .is_some_and(|(cut, at)| self.passed >= at + cut.after);
        if faults.closes > self.seen.closes || exhausted {
            return Some(End::Closed);
        }
        (lane.half_closes > self.seen.half_closes).then_some(End::Finished)
    }

    /// Passes bytes on, held back and cut as ordered.
    async fn pass(&mut self, bytes: &[u8], to: &mut WriteHalf<Socket>) -> Option<End> {
        let delay = self.lane(|lane| lane.delay);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        while self.lane(|lane| lane.stalled) {
            if self.faults.changed().await.is_err() {
                return Some(End::Closed);
            }
            if let Some(end) = self.ordered_end() {
                return Some(end);
            }
        }
        if let Some(end) = self.ordered_end() {
            return Some(end);
        }
        let allowed = self
            .cut
            .map_or(u64::MAX, |(cut, at)| at + cut.after - self.passed);
        let allowed = usize::try_from(allowed).unwrap_or(usize::MAX);
        let is_cut = bytes.len() > allowed;
        let bytes = &bytes[..bytes.len().min(allowed)];
        let piece = match self.lane(|lane| lane.bytewise) {
            true => 1,
            false => bytes.len().max(1),
        };
        for piece in bytes.chunks(piece) {
            if to.write_all(piece).await.is_err() {
                return Some(End::Closed);
            }
            self.passed += piece.len() as u64;
            let counter = &self.counters.bytes[self.direction.index()];
            counter.fetch_add(piece.len() as u64, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
        // Bytes are missing now, also when the order was taken back meanwhile.
        if is_cut {
            return Some(End::Closed);
        }
        self.ordered_end()
    }

    fn lane<T>(&self, look: impl FnOnce(&super::Lane) -> T) -> T {
        look(&self.faults.borrow().lanes[self.direction.index()])
    }
}

/// Tells the receiver that nothing more comes, when only this direction ends.
async fn finish(end: End, to: &mut WriteHalf<Socket>) -> End {
    if end == End::Finished && to.shutdown().await.is_err() {
        return End::Closed;
    }
    end
}
