//! What libFuzzer says of a run, as figures.

use std::fmt::Write as _;

/// The figures of one target's run.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Figures {
    target: String,
    pub(super) executions: u64,
    /// Edges that were reached.
    edges: u64,
    /// Inputs that reach something which no other does.
    corpus: u64,
    /// The most memory, in MiB.
    memory: u64,
    /// The input that showed a fault.
    pub(super) fault: Option<String>,
}

impl Figures {
    pub(super) fn new(target: &str) -> Self {
        Self {
            target: target.to_owned(),
            ..Self::default()
        }
    }

    /// Reads a line such as `#42 NEW cov: 10 ft: 12 corp: 7/99b … rss: 28Mb`.
    pub(super) fn see(&mut self, line: &str) {
        if let Some(path) = line.split_once("Test unit written to ") {
            self.fault = Some(path.1.trim().to_owned());
        }
        let stat = |name: &str| line.strip_prefix(name).map(|rest| number(rest.trim()));
        if let Some(count) = stat("stat::number_of_executed_units:") {
            self.executions = count;
        }
        if let Some(memory) = stat("stat::peak_rss_mb:") {
            self.memory = memory;
        }
        if line.starts_with('#') {
            for (name, place) in [(" cov: ", &mut self.edges), (" corp: ", &mut self.corpus)] {
                if let Some((_, rest)) = line.split_once(name) {
                    *place = number(rest);
                }
            }
        }
    }
}

fn number(text: &str) -> u64 {
    let digits = text.find(|c: char| !c.is_ascii_digit());
    text[..digits.unwrap_or(text.len())].parse().unwrap_or(0)
}

/// The table of all runs.
pub(super) fn table(rows: &[Figures]) -> String {
    let mut table = "| target | executions | edges | inputs kept | memory, MiB |\n\
         |---|---|---|---|---|\n"
        .to_owned();
    for row in rows {
        let Figures {
            target,
            executions,
            edges,
            corpus,
            memory,
            ..
        } = row;
        let _ = writeln!(
            table,
            "| `{target}` | {executions} | {edges} | {corpus} | {memory} |"
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_run_become_a_row() {
        let mut figures = Figures::new("sql");

        for line in [
            "#2\tINITED cov: 11 ft: 12 corp: 1/1b exec/s: 0 rss: 27Mb",
            "#8192\tpulse  cov: 142 ft: 390 corp: 77/3210b lim: 80 exec/s: 4096 rss: 31Mb",
            "stat::number_of_executed_units: 9000",
            "stat::peak_rss_mb:              33",
        ] {
            figures.see(line);
        }

        assert!(table(&[figures]).ends_with("| `sql` | 9000 | 142 | 77 | 33 |\n"));
    }

    #[test]
    fn a_fault_is_known_by_its_input() {
        let mut figures = Figures::new("sql");

        figures.see("artifact_prefix='/t/'; Test unit written to /t/crash-da39a3ee");

        assert_eq!(figures.fault.as_deref(), Some("/t/crash-da39a3ee"));
    }
}
