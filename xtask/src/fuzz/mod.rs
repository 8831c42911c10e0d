//! Runs the fuzz targets of `fuzz/`, one after the other, each for a stated time; and R13, recorded
//! streams that are changed.

mod engine;
mod figures;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use engine::directory;
use figures::Figures;
use xtask::failure::{Context, Failure};
use xtask::{repository, shell};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Targets to run; all when none is named
    targets: Vec<String>,
    /// How long each target runs
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The same in minutes
    #[arg(long, conflicts_with = "seconds")]
    minutes: Option<u64>,
    /// Only run this input, of the one target that is named
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Do not fuzz: put what was found so far and reaches something new into the committed seeds
    #[arg(long)]
    keep: bool,
    /// Instead of the targets: changed copies of recorded streams, decoded and looked through
    #[arg(long, value_name = "CASES", num_args = 0..=1, default_missing_value = "10000000")]
    streams: Option<u64>,
    /// Instead of the targets: the same through the sockets of a running gateway
    #[arg(long, value_name = "CASES", num_args = 0..=1, default_missing_value = "100000")]
    sockets: Option<u64>,
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    if let Some(cases) = options.streams {
        return changed_streams("pgmoor-wire", "streams", cases);
    }
    if let Some(cases) = options.sockets {
        return changed_streams("pgmoor-gateway", "changed_streams", cases);
    }
    let known = targets(&repository::root().join("fuzz/fuzz_targets"))?;
    let chosen = chosen(&known, &options.targets)?;
    let programs = engine::build()?;
    if let Some(input) = &options.input {
        let [target] = *chosen else {
            return Err(
                Failure::new("an input is for one target").hint("cargo x fuzz TARGET --input FILE")
            );
        };
        return shell::run(Command::new(programs.join(target)).arg(input));
    }
    if options.keep {
        return chosen.iter().try_for_each(|target| keep(target, &programs));
    }
    let seconds = options.minutes.map_or(options.seconds, |m| m * 60);
    let mut rows = Vec::new();
    for target in chosen {
        rows.push(fuzz(target, &programs, seconds)?);
    }
    anstream::print!("{}", figures::table(&rows));
    Ok(())
}

/// The short form: some seconds for each target; what it found in words.
pub(crate) fn run_briefly(seconds: u64) -> Result<String, Failure> {
    let known = targets(&repository::root().join("fuzz/fuzz_targets"))?;
    let programs = engine::build()?;
    let mut executions = 0;
    for target in &known {
        executions += fuzz(target, &programs, seconds)?.executions;
    }
    Ok(format!(
        "{} targets, {seconds} s each, {executions} executions",
        known.len()
    ))
}

fn fuzz(target: &str, programs: &Path, seconds: u64) -> Result<Figures, Failure> {
    // What the fuzzer finds on its way goes to the first directory; the committed seeds stay as
    // they are.
    let found = made(directory().join("found").join(target))?;
    let faults = made(directory().join("faults"))?;
    let seeds = seeds(target);
    let mut figures = Figures::new(target);
    let mut command = Command::new(programs.join(target));
    command
        .arg(found)
        .args(seeds.is_dir().then_some(&seeds))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/{target}-", faults.display()))
        // An input that hangs or grows is a fault too.
        .args(["-timeout=60", "-rss_limit_mb=1024", "-print_final_stats=1"]);
    let dictionary = repository::root().join(format!("fuzz/dictionaries/{target}.dict"));
    if dictionary.is_file() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    shell::run_listening(&mut command, |line| figures.see(line)).map_err(|failure| {
        match &figures.fault {
            None => failure,
            Some(fault) => Failure::new(format!("fuzz target \"{target}\" found a fault"))
                .because(format!("the input is \"{fault}\""))
                .hint(format!("cargo x fuzz {target} --input {fault}; when it is mended, copy it to fuzz/corpus/{target}/<what it was>.seed")),
        }
    })?;
    Ok(figures)
}

/// Merges what was found into the committed seeds: only what reaches something that they do not.
fn keep(target: &str, programs: &Path) -> Result<(), Failure> {
    let found = directory().join("found").join(target);
    let seeds = made(seeds(target))?;
    shell::run(
        Command::new(programs.join(target))
            .args(["-set_cover_merge=1", "-max_len=1024"])
            .args([&seeds, &found]),
    )?;
    let list = || format!("cannot list \"{}\"", seeds.display());
    for entry in fs::read_dir(&seeds).context(list)? {
        let path = entry.context(list)?.path();
        if path.extension().is_none() {
            let name: String = path.file_name().map_or_else(String::new, |name| {
                name.to_string_lossy().chars().take(12).collect()
            });
            let named = seeds.join(format!("{name}.seed"));
            fs::rename(&path, &named).context(|| format!("cannot name \"{}\"", path.display()))?;
        }
    }
    Ok(())
}

/// The tests of this name with so many cases.
fn changed_streams(package: &str, test: &str, cases: u64) -> Result<(), Failure> {
    shell::run(
        repository::cargo()
            .env("PGMOOR_FUZZ_CASES", cases.to_string())
            .args(["test", "--release", "--package", package, "--test", test])
            .args(["--", "--nocapture"]),
    )
}

fn made(path: PathBuf) -> Result<PathBuf, Failure> {
    fs::create_dir_all(&path).context(|| format!("cannot make \"{}\"", path.display()))?;
    Ok(path)
}

fn seeds(target: &str) -> PathBuf {
    repository::root().join("fuzz/corpus").join(target)
}

fn targets(dir: &Path) -> Result<Vec<String>, Failure> {
    let list = || format!("cannot list \"{}\"", dir.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).context(list)? {
        let path = entry.context(list)?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(
                path.file_stem()
                    .and_then(|stem| stem.to_str())
                    .map(str::to_owned),
            );
        }
    }
    names.sort();
    Ok(names)
}

fn chosen<'a>(known: &'a [String], wanted: &[String]) -> Result<Vec<&'a String>, Failure> {
    if wanted.is_empty() {
        return Ok(known.iter().collect());
    }
    wanted
        .iter()
        .map(|name| {
            known.iter().find(|target| *target == name).ok_or_else(|| {
                Failure::new(format!("there is no fuzz target \"{name}\""))
                    .hint(format!("the targets are {}", known.join(", ")))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_target_is_answered_with_the_right_ones() {
        let known = ["conninfo".to_owned(), "wire".to_owned()];

        let failure = chosen(&known, &["wir".to_owned()]).expect_err("there is none");

        assert!(failure.to_string().contains("conninfo, wire"), "{failure}");
        assert_eq!(chosen(&known, &[]).expect("all").len(), 2);
    }
}
