//! Runs the fuzz targets of `fuzz/` one after the other, each for a stated time.

use std::fs;
use std::path::Path;
use std::process::Command;

use xtask::failure::{Context, Failure};
use xtask::{host, repository, shell};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Targets to run; all when none is named
    targets: Vec<String>,
    /// How long each target runs
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// The toolchain that fuzzes; coverage needs a nightly one
    #[arg(long, default_value = "nightly")]
    toolchain: String,
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    if !host::has("cargo-fuzz") {
        return Err(Failure::new("cannot fuzz")
            .because("\"cargo-fuzz\" is not on the search path")
            .hint("cargo install cargo-fuzz --locked; rustup toolchain install nightly"));
    }
    let known = targets(&repository::root().join("fuzz/fuzz_targets"))?;
    for target in chosen(&known, &options.targets)? {
        fuzz(target, options)?;
    }
    Ok(())
}

fn fuzz(target: &str, options: &Options) -> Result<(), Failure> {
    // What the fuzzer finds on its way goes to the first directory; the committed seeds stay as
    // they are.
    let found = repository::target_dir().join("fuzz").join(target);
    fs::create_dir_all(&found).context(|| format!("cannot make \"{}\"", found.display()))?;
    let seeds = repository::root().join("fuzz/corpus").join(target);
    // Not the cargo that runs us: only rustup's knows what +nightly is.
    shell::run(
        Command::new("cargo")
            .current_dir(repository::root())
            .env_remove("RUSTUP_TOOLCHAIN")
            .env_remove("CARGO")
            .arg(format!("+{}", options.toolchain))
            .args(["fuzz", "run", target])
            .arg(found)
            .args(seeds.is_dir().then_some(seeds))
            .arg("--")
            .arg(format!("-max_total_time={}", options.seconds)),
    )
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
