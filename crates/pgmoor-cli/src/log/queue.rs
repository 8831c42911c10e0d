//! Room for lines before they are written, so that whoever logs never waits for whoever reads.
//!
//! A log is a pipe, mostly, and whoever reads it may stop: then lines are lost, and counted, and no
//! thread but the one that writes them stands still.

use std::io::{ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tracing::warn;

/// Bytes of lines that may wait, beside as many that are being written.
const ROOM: usize = 4 << 20;
/// How soon a terminal that takes nothing now is asked again.
const AGAIN: Duration = Duration::from_millis(10);

/// Lines that wait, and the thread that writes them.
pub(super) struct Queue(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    is_writing: bool,
    /// Lines for which there was no room.
    lost: u64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Starts the thread that writes to `out`.
    ///
    /// # Panics
    ///
    /// When the system gives no thread.
    pub(super) fn before(out: impl Write + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        thread::Builder::new()
            .name("log".into())
            .spawn(move || write_all(&writer, out))
            .expect("a process that starts can have threads");
        Self(shared)
    }

    /// Waits until all lines are written, or until the time is over.
    pub(super) fn wait_until_empty(&self, limit: Duration) {
        let end = Instant::now() + limit;
        let mut waiting = self.0.lock();
        while !waiting.lines.is_empty() || waiting.is_writing {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let woken = self.0.changed.wait_timeout(waiting, left);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Write for &Queue {
    /// One line, or nothing of it.
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let mut waiting = self.0.lock();
        if waiting.lines.len() + line.len() > ROOM {
            waiting.lost += 1;
        } else {
            waiting.lines.extend_from_slice(line);
            self.0.changed.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Writes as long as the process lives.
fn write_all(shared: &Shared, mut out: impl Write) {
    let mut lines = Vec::new();
    loop {
        let mut waiting = shared.lock();
        waiting.is_writing = false;
        shared.changed.notify_all();
        while waiting.lines.is_empty() {
            let woken = shared.changed.wait(waiting);
            waiting = woken.unwrap_or_else(PoisonError::into_inner);
        }
        waiting.is_writing = true;
        // What is kept is what an ordinary day needs.
        lines.clear();
        lines.shrink_to(64 << 10);
        std::mem::swap(&mut lines, &mut waiting.lines);
        let lost = std::mem::take(&mut waiting.lost);
        drop(waiting);
        write_lines(&mut out, &lines);
        if lost > 0 {
            // It stands where they would, behind those that there was room for.
            warn!(
                lines = lost,
                "lines of the log were lost, because nobody has read it in time"
            );
        }
    }
}

/// What cannot be written is lost: a complaint would go to the same full disk.
fn write_lines(out: &mut impl Write, mut lines: &[u8]) {
    while !lines.is_empty() {
        match out.write(lines) {
            Ok(0) => return,
            Ok(written) => lines = &lines[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Whoever shares the terminal has made it so.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(AGAIN),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Somebody who reads a piece only when told to.
    struct Slow(mpsc::Receiver<()>, mpsc::Sender<Vec<u8>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.recv().map_err(std::io::Error::other)?;
            self.1.send(bytes.to_vec()).map_err(std::io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_logs_never_waits_and_no_more_is_kept_than_there_is_room_for() {
        let (go, may_go) = mpsc::channel();
        let (wrote, written) = mpsc::channel();
        let queue = Queue::before(Slow(may_go, wrote));
        let line = [&[b'x'; 1023][..], b"\n"].concat();

        for _ in 0..3 * ROOM / line.len() {
            (&queue).write_all(&line).expect("it is taken or lost");
        }
        let kept = queue.0.lock().lines.len();
        let lost = queue.0.lock().lost;
        queue.wait_until_empty(Duration::ZERO);
        // However many pieces the thread makes of it: it may have begun before the first line or behind the last.
        for _ in 0..20 {
            go.send(()).expect("the thread lives");
        }
        queue.wait_until_empty(Duration::from_secs(10));
        let written = written.try_iter().flatten();
        let all = written.filter(|byte| *byte == b'x').count() / (line.len() - 1);

        assert!(kept <= ROOM, "{kept}");
        assert_eq!(all + lost as usize, 3 * ROOM / line.len());
        assert!(queue.0.lock().lines.is_empty());
        assert_eq!(queue.0.lock().lost, 0, "they were told");
    }

    #[test]
    fn nothing_is_lost_while_somebody_reads() {
        let (go, may_go) = mpsc::channel();
        let (wrote, written) = mpsc::channel();
        let queue = Queue::before(Slow(may_go, wrote));
        for _ in 0..20 {
            go.send(()).expect("the thread lives");
        }

        for number in 0..10 {
            writeln!(&queue, "line {number}").expect("it is taken");
        }
        queue.wait_until_empty(Duration::from_secs(10));

        let text: Vec<u8> = written.try_iter().flatten().collect();
        let lines = (0..10).map(|number| format!("line {number}\n"));
        assert_eq!(String::from_utf8_lossy(&text), lines.collect::<String>());
    }
}
