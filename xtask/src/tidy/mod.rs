//! Looks for what grows untidy, and holds it with a ratchet: no rule may have more findings in an
//! area than `xtask/tidy.ratchet` says. What the compiler and clippy find is left to them.

mod source;

mod functions;
mod modules;
mod text;

mod ratchet;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use ratchet::Ratchet;
use source::Source;
use xtask::failure::{Context, Failure};
use xtask::repository;

#[derive(clap::Args, Default)]
pub(crate) struct Options {
    /// Show every finding, also those that the ratchet allows
    #[arg(long)]
    all: bool,
    /// Write the ratchet anew from what is found now
    #[arg(long)]
    bless: bool,
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// A file begins with `//!` and says what it is for.
    Purpose,
    /// A module imports only from modules that its parent lists above it.
    ModuleOrder,
    /// A file has at most 500 lines.
    FileLength,
    /// A function has at most 95 lines.
    FunctionLength,
    /// Words that the glossary has better ones for.
    Glossary,
    /// The host of a package registry is named nowhere.
    RegistryHost,
    /// Tests wait for conditions.
    SleepInTest,
    /// Product code says what it expects.
    Unwrap,
    /// A TODO carries an issue number.
    TodoWithoutNumber,
}

impl Rule {
    pub(crate) const ALL: [Rule; 9] = [
        Rule::Purpose,
        Rule::ModuleOrder,
        Rule::FileLength,
        Rule::FunctionLength,
        Rule::Glossary,
        Rule::RegistryHost,
        Rule::SleepInTest,
        Rule::Unwrap,
        Rule::TodoWithoutNumber,
    ];

    /// The rule's name in the report and in the ratchet.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Rule::Purpose => "purpose",
            Rule::ModuleOrder => "module-order",
            Rule::FileLength => "file-length",
            Rule::FunctionLength => "function-length",
            Rule::Glossary => "glossary",
            Rule::RegistryHost => "registry-host",
            Rule::SleepInTest => "sleep-in-test",
            Rule::Unwrap => "unwrap",
            Rule::TodoWithoutNumber => "todo-without-number",
        }
    }

    /// Whether the ratchet may allow any finding of it.
    pub(crate) fn is_negotiable(self) -> bool {
        self != Rule::RegistryHost
    }
}

/// One place where a rule does not hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) rule: Rule,
    pub(crate) path: PathBuf,
    /// From 1.
    pub(crate) line: usize,
    pub(crate) what: String,
}

impl Finding {
    /// The crate, or the top directory, that it is counted for.
    pub(crate) fn area(&self) -> String {
        area(&self.path)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding {
            rule,
            path,
            line,
            what,
        } = self;
        write!(f, "{}:{line}: {}: {what}", path.display(), rule.name())
    }
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let findings = look()?;
    let path = repository::root().join("xtask/tidy.ratchet");
    let now = Ratchet::of(&findings);
    let allowed = match fs::read_to_string(&path) {
        Ok(text) => Ratchet::parse(&text)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ratchet::default(),
        Err(error) => {
            return Err(Failure::new(format!("cannot read \"{}\"", path.display()))
                .because(error.to_string()));
        }
    };
    let over = if options.bless {
        fs::write(&path, now.negotiable().to_string())
            .context(|| format!("cannot write \"{}\"", path.display()))?;
        now.over(&now.negotiable())
    } else {
        now.over(&allowed)
    };

    for finding in &findings {
        if options.all || over.contains(&(finding.rule, finding.area())) {
            anstream::println!("{finding}");
        }
    }
    anstream::print!("{}", now.table(&allowed));
    conclude(&over, now.is_below(&allowed) && !options.bless)
}

fn conclude(over: &BTreeSet<(Rule, String)>, can_be_lowered: bool) -> Result<(), Failure> {
    if can_be_lowered {
        anstream::eprintln!("tidy: the ratchet can be lowered: cargo x tidy --bless");
    }
    if over.is_empty() {
        return Ok(());
    }
    let grown: Vec<String> = over
        .iter()
        .map(|(rule, area)| format!("{} in {area}", rule.name()))
        .collect();
    Err(Failure::new("it has grown untidier than the ratchet allows")
        .because(grown.join(", "))
        .hint("better each place shown above; or, with a reason in the commit, cargo x tidy --bless"))
}

fn look() -> Result<Vec<Finding>, Failure> {
    let mut sources = Vec::new();
    let mut findings = Vec::new();
    for path in repository::files()? {
        let full = repository::root().join(&path);
        let bytes = fs::read(&full).context(|| format!("cannot read \"{}\"", full.display()))?;
        let Ok(text) = String::from_utf8(bytes) else {
            continue; // Not text: an archive, a fuzz corpus file, an image.
        };
        findings.extend(text::look(&path, &text));
        if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(Source::new(path, text));
        }
    }
    for source in &sources {
        findings.extend(source::look(source));
        findings.extend(functions::look(source));
    }
    findings.extend(modules::look(&sources));
    findings.sort();
    Ok(findings)
}

fn area(path: &Path) -> String {
    let mut parts = path.iter().map(|part| part.to_string_lossy());
    let first = parts.next().unwrap_or_default();
    match parts.next() {
        Some(second) if first == "crates" => second.into_owned(),
        Some(_) => first.into_owned(),
        None => "root".into(),
    }
}
