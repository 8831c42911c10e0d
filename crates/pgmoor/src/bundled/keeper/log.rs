//! The server's log: a file of limited size beside the data directory, and its last lines in memory.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

/// The current file and the one before it each grow to this.
const MAX_FILE: u64 = 16 << 20;
const TAIL: usize = 12;
/// A longer line is cut into lines of this length.
const MAX_LINE: u64 = 8 << 10;

#[derive(Clone)]
pub(super) struct Log(Arc<Mutex<State>>);

struct State {
    path: PathBuf,
    file: Option<File>,
    size: u64,
    tail: VecDeque<String>,
}

impl Log {
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let file = open(&path)?;
        let size = file.metadata()?.len();
        Ok(Self(Arc::new(Mutex::new(State {
            path,
            file: Some(file),
            size,
            tail: VecDeque::new(),
        }))))
    }

    /// The last lines since [`Log::forget`].
    pub(super) fn tail(&self) -> Vec<String> {
        self.state(|state| state.tail.iter().cloned().collect())
    }

    pub(super) fn forget(&self) {
        self.state(|state| state.tail.clear());
    }

    pub(super) fn line(&self, line: &[u8]) {
        self.state(|state| state.line(line));
    }

    /// Takes in all that comes until the end.
    pub(super) async fn follow(self, from: impl AsyncRead + Unpin) {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        loop {
            line.clear();
            match (&mut from)
                .take(MAX_LINE)
                .read_until(b'\n', &mut line)
                .await
            {
                Ok(0) | Err(_) => return,
                Ok(_) => self.line(line.strip_suffix(b"\n").unwrap_or(&line)),
            }
        }
    }

    fn state<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn line(&mut self, line: &[u8]) {
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail
            .push_back(String::from_utf8_lossy(line).into_owned());
        if self.size > MAX_FILE {
            self.file = None;
            let _ = std::fs::rename(&self.path, self.path.with_extension("log.1"));
            self.size = 0;
        }
        // A full disk must not take the server down: what cannot be written is dropped.
        if self.file.is_none() {
            self.file = open(&self.path).ok();
        }
        if let Some(file) = &mut self.file {
            self.size += line.len() as u64 + 1;
            let _ = file.write_all(&[line, b"\n"].concat());
        }
    }
}

fn open(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_lines_are_kept_and_all_are_in_the_file() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("postgresql.log");
        let log = Log::open(path.clone()).expect("open");
        let text: String = (0..50).map(|n| format!("line {n}\n")).collect();

        log.clone().follow(text.as_bytes()).await;

        assert_eq!(log.tail().len(), TAIL);
        assert_eq!(log.tail().last().map(String::as_str), Some("line 49"));
        assert_eq!(std::fs::read_to_string(&path).expect("read"), text);
    }

    #[test]
    fn the_file_does_not_grow_for_ever() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("postgresql.log");
        let log = Log::open(path.clone()).expect("open");
        let line = vec![b'x'; 1 << 20];

        (0..40).for_each(|_| log.line(&line));

        let total: u64 = std::fs::read_dir(dir.path())
            .expect("list")
            .map(|entry| entry.expect("entry").metadata().expect("stat").len())
            .sum();
        assert!(total <= 2 * (MAX_FILE + (1 << 20) + 2), "{total}");
        assert!(dir.path().join("postgresql.log.1").exists());
    }
}
