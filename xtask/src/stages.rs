//! Parts of a long task, each run even when an earlier one failed, with closing lines that say what
//! ran and how it ended.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use xtask::failure::Failure;

/// Runs named parts one after the other and remembers how each ended.
#[derive(Default)]
pub(crate) struct Stages {
    ended: Vec<Ended>,
}

struct Ended {
    name: &'static str,
    took: Duration,
    result: Result<String, Failure>,
}

impl Stages {
    /// Runs one part; what it returns is said of it at the end.
    pub(crate) fn run(
        &mut self,
        name: &'static str,
        part: impl FnOnce() -> Result<String, Failure>,
    ) {
        anstream::eprintln!("\n=== {name}");
        let start = Instant::now();
        let result = part();
        if let Err(failure) = &result {
            anstream::eprintln!("{failure}");
        }
        self.ended.push(Ended {
            name,
            took: start.elapsed(),
            result,
        });
    }

    /// Prints the closing lines; a failure when any part failed.
    pub(crate) fn close(self, task: &str) -> Result<(), Failure> {
        anstream::println!("\n=== summary\n{}", self.summary());
        let failed: Vec<&str> = self.failed().map(|stage| stage.name).collect();
        if failed.is_empty() {
            anstream::println!("cargo x {task}: passed");
            return Ok(());
        }
        anstream::println!("cargo x {task}: FAILED");
        Err(Failure::new(format!("cargo x {task} failed")).because(failed.join(", ")))
    }

    fn failed(&self) -> impl Iterator<Item = &Ended> {
        self.ended.iter().filter(|stage| stage.result.is_err())
    }

    fn summary(&self) -> String {
        let mut lines = String::new();
        for stage in &self.ended {
            let (word, detail) = match &stage.result {
                Ok(detail) => ("ok    ", detail.clone()),
                Err(failure) => ("FAILED", failure.to_string().replace('\n', "; ")),
            };
            let line = format!(
                "{:<16}{word} {:>5} s  {detail}",
                stage.name,
                stage.took.as_secs()
            );
            let _ = writeln!(lines, "{}", line.trim_end());
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_runs_although_an_earlier_one_failed() {
        let mut stages = Stages::default();

        stages.run("first", || Err(Failure::new("it broke").because("of that")));
        stages.run("second", || Ok("7 passed".into()));

        assert_eq!(
            stages.summary(),
            "first           FAILED     0 s  error: it broke; cause: of that\n\
             second          ok         0 s  7 passed\n"
        );
        assert!(stages.close("test").is_err());
    }
}
