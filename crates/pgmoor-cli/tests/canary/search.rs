//! Finds secrets in whatever form they may have slipped out: as they are, base64 at any offset, hex,
//! percent-encoded, a list of numbers.

use std::fs;
use std::path::{Path, PathBuf};

use pgmoor_testkit::random_password;

/// One secret: where it went in, and the letters and digits at its core, which no form of quoting
/// changes.
#[derive(Clone)]
pub(crate) struct Canary {
    pub(crate) name: &'static str,
    pub(crate) core: String,
    bytes: Vec<u8>,
}

impl Canary {
    pub(crate) fn new(name: &'static str) -> Self {
        let random = random_password();
        let core: String = random.chars().filter(char::is_ascii_alphanumeric).collect();
        Self::known(name, core.get(..16).expect("a password is longer"))
    }

    pub(crate) fn known(name: &'static str, core: &str) -> Self {
        assert!(core.len() >= 16, "{name} is too short to be found by it");
        Self {
            name,
            core: core.to_owned(),
            bytes: core.as_bytes().to_vec(),
        }
    }

    /// A secret that is no text.
    pub(crate) fn of_bytes(name: &'static str, bytes: &[u8]) -> Self {
        Self {
            name,
            core: String::new(),
            bytes: bytes.to_vec(),
        }
    }

    /// A password with everything in it that some place has to quote.
    pub(crate) fn password(&self) -> String {
        format!("p@:{}/%'x\"", self.core)
    }

    /// The password as it stands in a URL.
    pub(crate) fn in_url(&self) -> String {
        let encode = |byte: u8| match byte.is_ascii_alphanumeric() {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        };
        self.password().bytes().map(encode).collect()
    }

    fn forms(&self) -> Vec<(&'static str, Vec<u8>)> {
        let core = &self.bytes[..];
        let numbers: Vec<String> = core.iter().map(u8::to_string).collect();
        let hex = |separator: &str, upper: bool| -> Vec<u8> {
            let digits = |byte: &u8| match upper {
                true => format!("{separator}{byte:02X}"),
                false => format!("{separator}{byte:02x}"),
            };
            core.iter().map(digits).collect::<String>().into_bytes()
        };
        let wide = core.iter().flat_map(|byte| [*byte, 0]).collect();
        let mut forms = vec![
            ("plain", core.to_vec()),
            ("hex", hex("", false)),
            ("HEX", hex("", true)),
            ("percent-encoded", hex("%", false)),
            ("PERCENT-ENCODED", hex("%", true)),
            ("UTF-16", wide),
            ("numbers", numbers.join(", ").into_bytes()),
            ("numbers", numbers.join(",").into_bytes()),
        ];
        for offset in 0..3 {
            forms.push(("base64", base64_inside(core, offset)));
        }
        forms
    }
}

/// What base64 makes of these bytes when so many others (modulo 3) stand before them, without the
/// digits that depend on the neighbours.
fn base64_inside(bytes: &[u8], offset: usize) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    // Whole groups of three only.
    let whole = &bytes[(3 - offset) % 3..];
    whole
        .chunks_exact(3)
        .flat_map(|three| {
            let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
            [18, 12, 6, 0].map(|shift| DIGITS[(bits >> shift & 63) as usize])
        })
        .collect()
}

/// What was found where.
pub(crate) struct Search {
    needles: Vec<(String, Vec<u8>)>,
    pub(crate) hits: Vec<String>,
    pub(crate) searched: usize,
}

impl Search {
    pub(crate) fn of(canaries: &[Canary]) -> Self {
        let needles = canaries.iter().flat_map(|canary| {
            let forms = canary.forms().into_iter();
            forms.map(|(form, bytes)| (format!("{} ({form})", canary.name), bytes))
        });
        Self {
            needles: needles.collect(),
            hits: Vec::new(),
            searched: 0,
        }
    }

    /// Looks through the bytes that come from `place`.
    pub(crate) fn bytes(&mut self, place: &str, bytes: &[u8]) {
        self.searched += 1;
        for (name, needle) in &self.needles {
            let found = bytes
                .windows(needle.len())
                .position(|window| window == needle);
            if let Some(at) = found {
                let around =
                    &bytes[at.saturating_sub(60)..(at + needle.len() + 20).min(bytes.len())];
                self.hits
                    .push(format!("{name} in {place}: {}", around.escape_ascii()));
            }
        }
    }

    /// Looks through every file below a directory, except those that are meant to hold a secret.
    pub(crate) fn files(&mut self, directory: &Path, meant: &[PathBuf]) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            // Files come and go while others work there.
            let Ok(metadata) = fs::symlink_metadata(&path) else {
                continue;
            };
            if metadata.is_dir() {
                self.files(&path, meant);
            } else if metadata.is_file() && !meant.contains(&path) {
                let bytes = fs::read(&path).unwrap_or_default();
                self.bytes(&path.display().to_string(), &bytes);
            }
        }
    }

    /// Looks through the arguments of every process, and the environment of these.
    pub(crate) fn processes(&mut self, environments_of: &[u32]) {
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let file = entry.path().join("cmdline");
            if let Ok(bytes) = fs::read(&file) {
                self.bytes(&file.display().to_string(), &bytes);
            }
        }
        for pid in environments_of {
            let file = format!("/proc/{pid}/environ");
            self.bytes(&file, &fs::read(&file).unwrap_or_default());
        }
    }
}

#[test]
fn a_secret_is_found_in_every_form_at_every_place() {
    let canary = Canary::known("it", "k7QzWv3nXr8LpT2m");
    let found = |text: &[u8]| {
        let mut search = Search::of(std::slice::from_ref(&canary));
        search.bytes("here", text);
        search.hits.len()
    };
    let hex: String = canary
        .core
        .bytes()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let percent: String = canary
        .core
        .bytes()
        .map(|byte| format!("%{byte:02X}"))
        .collect();

    assert_eq!(found(b"nothing of interest k7QzWv3nXr8LpT2n"), 0);
    for text in [
        format!("password={}", canary.password()),
        format!("postgres://app:{}@h/db", canary.in_url()),
        format!("{:?}", canary.password()),
        hex.clone(),
        hex.to_uppercase(),
        percent.to_lowercase(),
        percent,
        format!("{:?}", canary.core.as_bytes()),
        canary.core.chars().flat_map(|c| [c, '\0']).collect(),
        // base64 of "app:", "x" and nothing before the secret, and other things behind.
        "YXBwOms3UXpXdjNuWHI4THBUMm0h".to_owned(),
        "eGs3UXpXdjNuWHI4THBUMm0uLg==".to_owned(),
        "azdReld2M25YcjhMcFQybQ==".to_owned(),
        "eHhrN1F6V3YzblhyOExwVDJtIQ==".to_owned(),
    ] {
        assert_eq!(found(text.as_bytes()), 1, "{text}");
    }
}

#[test]
fn files_and_arguments_are_looked_through() {
    let directory = tempfile::tempdir().expect("a directory");
    let canary = Canary::new("it");
    let below = directory.path().join("below");
    fs::create_dir(&below).expect("made");
    let (meant, leaked) = (below.join("meant"), below.join("leaked"));
    for file in [&meant, &leaked] {
        fs::write(file, canary.password()).expect("written");
    }
    let mut child = std::process::Command::new("sh")
        .args(["-c", "read line; exit 0", &canary.password()])
        .env("LEAK", canary.password())
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("a shell");

    let mut search = Search::of(&[canary]);
    search.files(directory.path(), &[meant]);
    assert_eq!(search.hits.len(), 1, "{:?}", search.hits);
    // The kernel lets a parent go on before the arguments of the new program can be read.
    let arguments = format!("/proc/{}/cmdline", child.id());
    let started = std::time::Instant::now();
    while fs::read(&arguments).is_ok_and(|read| read.is_empty()) {
        assert!(
            started.elapsed().as_secs() < 20,
            "the shell has no arguments"
        );
        std::thread::yield_now();
    }
    search.processes(&[child.id()]);

    assert_eq!(search.hits.len(), 3, "{:?}", search.hits);
    drop(child.stdin.take());
    child.wait().expect("it ends");
}
