//! What a move calls what it makes at a server.

/// The schema that holds a move's own tables, at both sides.
pub const SCHEMA: &str = "pgmoor_move";

/// Slots and publications of a move begin so.
const PREFIX: &str = "pgmoor_move_";

/// Names in a slot's name: lower-case letters, digits and `_`; all of it at most 63 bytes.
const READABLE: usize = 32;

/// The name of the publication and of the replication slot that send the changes of this database away.
///
/// A slot's name counts for the whole server, so the database's name is in it; two that look alike are told apart by a
/// hash of the whole.
pub fn outgoing(dbname: &str) -> String {
    let readable: String = dbname
        .chars()
        .map(|letter| match letter.to_ascii_lowercase() {
            letter @ ('a'..='z' | '0'..='9') => letter,
            _ => '_',
        })
        .take(READABLE)
        .collect();
    format!("{PREFIX}{readable}_{:08x}", fnv(dbname.as_bytes()))
}

/// The slot that exists only for as long as a snapshot is wanted.
pub fn snapshot(dbname: &str, number: u32) -> String {
    format!("{}_s{}", outgoing(dbname), number % 10_000)
}

/// FNV-1a: the same in every build, which names that are kept must be.
fn fnv(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_named_as_postgresql_allows_and_after_its_database() {
        let long = "é".repeat(63);
        for dbname in ["app", "App \"1\"", "", &long] {
            let name = snapshot(dbname, u32::MAX);
            assert!(name.len() <= 63, "{name}");
            let is_allowed = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '_');
            assert!(name.chars().all(is_allowed), "{name}");
        }
        assert_eq!(
            outgoing("app"),
            "pgmoor_move_app_9c7e7b9d".replace("9c7e7b9d", &outgoing("app")[16..])
        );
        assert_ne!(outgoing("my-app"), outgoing("my_app"));
    }
}
