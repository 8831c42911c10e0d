//! Rows with names: each row of a copy in text form begins with what it is called, which is no part of its hash.

use xxhash_rust::xxh3::Xxh3;

use crate::live_move::copy::Table;
use crate::wire_session::Run;

/// No more of a name is kept, in bytes.
const LONGEST: usize = 1024;

/// How rows of this table are called: by its key, or by where they are.
pub(super) fn by(table: &Table) -> String {
    match table.key.is_empty() {
        true => "ctid".to_owned(),
        false => table.key.join(", "),
    }
}

/// The statement that sends all rows with their names.
pub(super) fn copy_out(table: &Table) -> String {
    let keys = table.key.iter().map(|key| {
        let key = crate::sql::identifier(key);
        format!("{key}::text")
    });
    let name = match table.key.is_empty() {
        true => "ctid::text".to_owned(),
        false => format!("concat_ws(', ', {})", keys.collect::<Vec<_>>().join(", ")),
    };
    let columns: String = table
        .columns()
        .iter()
        .map(|column| format!(", {column}"))
        .collect();
    let condition = table.condition.as_deref().unwrap_or_default();
    format!(
        "copy (select {name}{columns} from only {} {condition}) to stdout with (format text)",
        table.name
    )
}

/// Takes rows apart while they pass.
pub(super) struct NamedRows {
    name: Vec<u8>,
    is_named: bool,
    state: Box<Xxh3>,
}

impl NamedRows {
    pub(super) fn new() -> Self {
        Self {
            name: Vec::new(),
            is_named: false,
            state: Box::new(Xxh3::new()),
        }
    }

    /// Takes in a run; `each` gets the hash of every row that ends in it, and its name.
    pub(super) fn run(&mut self, run: &Run<'_>, mut each: impl FnMut(u128, &str)) {
        for piece in run.pieces() {
            self.take(piece.bytes);
            if piece.is_last {
                let hash = self.state.digest128();
                let name = String::from_utf8_lossy(&self.name);
                each(hash, name.trim_end_matches('\n'));
                self.state.reset();
                self.name.clear();
                self.is_named = false;
            }
        }
    }

    fn take(&mut self, mut bytes: &[u8]) {
        if !self.is_named {
            // In text form a tab that is part of a value is written otherwise.
            let end = bytes.iter().position(|byte| *byte == b'\t');
            let (name, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            let room = LONGEST.saturating_sub(self.name.len());
            self.name.extend_from_slice(&name[..name.len().min(room)]);
            self.is_named = end.is_some();
            bytes = rest;
        }
        self.state.update(bytes);
    }
}
