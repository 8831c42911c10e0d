//! Archives made in the test, good and bad.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{ArchiveError, unpack};

struct Made {
    dir: tempfile::TempDir,
    tar: tar::Builder<Vec<u8>>,
}

impl Made {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        Self {
            dir,
            tar: tar::Builder::new(Vec::new()),
        }
    }

    fn server() -> Self {
        Self::new()
            .file("pg/bin/postgres", 0o755)
            .file("pg/bin/initdb", 0o755)
    }

    fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        header
    }

    /// Writes the name byte for byte, which the builder's own functions refuse for `..`.
    fn raw(mut self, name: &str, mut header: tar::Header, body: &[u8]) -> Self {
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        self.tar.append(&header, body).expect("append");
        self
    }

    fn file(self, name: &str, mode: u32) -> Self {
        let header = Self::header(tar::EntryType::Regular, mode, 2);
        self.raw(name, header, b"hi")
    }

    fn link(self, name: &str, to: &str) -> Self {
        let mut header = Self::header(tar::EntryType::Symlink, 0o777, 0);
        header.set_link_name_literal(to).expect("link name");
        self.raw(name, header, b"")
    }

    fn unpack(self) -> (Result<PathBuf, ArchiveError>, tempfile::TempDir) {
        let file = self.dir.path().join("server.tgz");
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&self.tar.into_inner().expect("tar"))
            .expect("gzip");
        fs::write(&file, gz.finish().expect("gzip")).expect("write");
        (unpack(&file, &self.dir.path().join("cache")), self.dir)
    }
}

fn nothing_outside(dir: &Path) -> bool {
    let cache = fs::read_dir(dir.join("cache")).expect("cache").count();
    cache == 0 && !dir.join("evil").exists() && !dir.join("cache/evil").exists()
}

#[test]
fn programs_are_found_and_executable_even_when_the_archive_lost_their_mode() {
    let (bin, _dir) = Made::new()
        .file("a/b/bin/postgres", 0o644)
        .file("a/b/bin/initdb", 0o644)
        .unpack();

    let bin = bin.expect("unpacked");
    let mode = fs::metadata(bin.join("postgres"))
        .expect("stat")
        .permissions()
        .mode();
    assert!(bin.ends_with("a/b/bin"));
    assert_eq!(mode & 0o777, 0o755);
}

#[test]
fn a_name_with_dots_is_refused_and_nothing_is_left() {
    let (result, dir) = Made::server().file("pg/../../evil", 0o644).unpack();

    assert!(
        matches!(result, Err(ArchiveError::Escapes(_))),
        "{result:?}"
    );
    assert!(nothing_outside(dir.path()));
}

#[test]
fn an_absolute_name_is_refused() {
    let (result, dir) = Made::server().file("/tmp/evil", 0o644).unpack();

    assert!(
        matches!(result, Err(ArchiveError::Escapes(_))),
        "{result:?}"
    );
    assert!(nothing_outside(dir.path()));
}

#[test]
fn a_link_that_leads_out_is_refused() {
    for to in ["/etc/passwd", "../../../evil", "../../../../etc"] {
        let (result, dir) = Made::server().link("pg/lib/x", to).unpack();

        assert!(
            matches!(result, Err(ArchiveError::Escapes(_))),
            "{to}: {result:?}"
        );
        assert!(nothing_outside(dir.path()));
    }
}

#[test]
fn links_that_lead_out_together_are_refused() {
    // The second is harmless by its name and leads out by way of the first.
    let chained = Made::server()
        .link("pg/a/b/s", "../../..")
        .link("pg/t", "a/b/s/../../evil");
    let behind = Made::server().link("pg/t", "..").link("pg/t/evil", "bin");
    for made in [chained, behind] {
        let (result, dir) = made.unpack();

        assert!(
            matches!(result, Err(ArchiveError::Escapes(_))),
            "{result:?}"
        );
        assert!(nothing_outside(dir.path()));
    }
}

#[test]
fn a_file_behind_a_link_stays_inside() {
    let (result, dir) = Made::server()
        .link("pg/way", "..")
        .file("pg/way/evil", 0o644)
        .unpack();

    result.expect("the link comes last and finds a directory of its name");
    assert!(!dir.path().join("cache/evil").exists());
}

#[test]
fn links_inside_are_made_also_from_the_list_of_an_npm_package() {
    let list = br#"[{"source":"native/lib/libpq.so.5.17","target":"native/lib/libpq.so.5"}]"#;
    let header = Made::header(tar::EntryType::Regular, 0o644, list.len() as u64);
    let (bin, _dir) = Made::new()
        .file("package/native/bin/postgres", 0o644)
        .file("package/native/bin/initdb", 0o644)
        .file("package/native/lib/libpq.so.5.17", 0o644)
        .link("package/native/lib/libx.so", "libpq.so.5.17")
        .raw("package/native/pg-symlinks.json", header, list)
        .unpack();

    let lib = bin.expect("unpacked").join("../lib");
    assert_eq!(
        fs::read(lib.join("libpq.so.5")).expect("listed link"),
        b"hi"
    );
    assert_eq!(
        fs::read(lib.join("libx.so")).expect("link of the archive"),
        b"hi"
    );
}

#[test]
fn a_second_unpacking_uses_the_first() {
    let made = Made::server();
    let (first, dir) = made.unpack();
    let first = first.expect("unpacked");
    fs::write(first.join("mark"), "").expect("mark");

    let again = unpack(&dir.path().join("server.tgz"), &dir.path().join("cache")).expect("again");

    assert!(again.join("mark").exists());
}

#[test]
fn an_archive_without_a_server_and_a_file_that_is_none_are_refused() {
    let (result, dir) = Made::new().file("pg/bin/psql", 0o755).unpack();
    assert!(matches!(result, Err(ArchiveError::NoServer)), "{result:?}");
    assert!(nothing_outside(dir.path()));

    let text = dir.path().join("text.tgz");
    fs::write(&text, "no archive").expect("write");
    let result = unpack(&text, &dir.path().join("cache"));
    assert!(matches!(result, Err(ArchiveError::Format)), "{result:?}");
}

#[test]
fn a_device_is_refused() {
    let header = Made::header(tar::EntryType::Block, 0o644, 0);
    let (result, dir) = Made::server().raw("pg/disk", header, b"").unpack();

    assert!(matches!(result, Err(ArchiveError::Kind(_))), "{result:?}");
    assert!(nothing_outside(dir.path()));
}

#[test]
fn an_archive_cut_off_in_the_middle_leaves_nothing() {
    let (_, dir) = Made::server().unpack();
    let whole = fs::read(dir.path().join("server.tgz")).expect("read");
    let cut = dir.path().join("cut.tgz");
    fs::write(&cut, &whole[..whole.len() / 2]).expect("write");
    fs::remove_dir_all(dir.path().join("cache")).expect("clean");

    let result = unpack(&cut, &dir.path().join("cache"));

    assert!(
        matches!(
            result,
            Err(ArchiveError::Io { .. } | ArchiveError::NoServer)
        ),
        "{result:?}"
    );
    assert!(nothing_outside(dir.path()));
}
