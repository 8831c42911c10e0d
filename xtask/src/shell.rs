//! Runs other programs, says which, and turns a bad end into a failure.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::failure::{Context, Failure};

/// Runs `command` with our own terminal.
pub fn run(command: &mut Command) -> Result<(), Failure> {
    announce(command);
    let status = command
        .status()
        .context(|| format!("cannot start {}", name(command)))?;
    expect_success(command, status)
}

/// Becomes `command`, so that Ctrl-C reaches it alone and its end is ours. Returns only when it
/// cannot be started.
pub fn replace(command: &mut Command) -> Failure {
    announce(command);
    let error = command.exec();
    Failure::new(format!("cannot start {}", name(command))).because(error.to_string())
}

/// Runs `command` and returns what it wrote to its standard output.
pub fn capture(command: &mut Command) -> Result<String, Failure> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context(|| format!("cannot start {}", name(command)))?;
    expect_success(command, output.status)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs `command`, shows its standard output, and hands each line of it to `see`.
pub fn run_watched(command: &mut Command, mut see: impl FnMut(&str)) -> Result<(), Failure> {
    announce(command);
    let mut child = start(command.stdout(Stdio::piped()))?;
    let stdout = child.stdout.take().expect("piped one line above");
    watch(command, child, stdout, |line| {
        anstream::println!("{line}");
        see(line);
    })
}

/// Does what [`run_watched`] does with standard error, where some programs say everything.
pub fn run_listening(command: &mut Command, mut see: impl FnMut(&str)) -> Result<(), Failure> {
    announce(command);
    let mut child = start(command.stderr(Stdio::piped()))?;
    let stderr = child.stderr.take().expect("piped one line above");
    watch(command, child, stderr, |line| {
        anstream::eprintln!("{line}");
        see(line);
    })
}

fn start(command: &mut Command) -> Result<Child, Failure> {
    let name = name(command);
    command.spawn().context(|| format!("cannot start {name}"))
}

fn watch(
    command: &Command,
    mut child: Child,
    output: impl Read,
    mut see: impl FnMut(&str),
) -> Result<(), Failure> {
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context(|| format!("cannot read from {}", name(command)))?;
        see(&String::from_utf8_lossy(&line));
    }
    let status = child
        .wait()
        .context(|| format!("cannot wait for {}", name(command)))?;
    expect_success(command, status)
}

/// The command as one could type it, for people.
pub fn display(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(key, value)| {
        Some(format!(
            "{}={}",
            key.display(),
            quoted(&value?.to_string_lossy())
        ))
    });
    let words = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| quoted(&word.to_string_lossy()));
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

fn announce(command: &Command) {
    anstream::eprintln!("$ {}", display(command));
}

fn name(command: &Command) -> String {
    format!("\"{}\"", command.get_program().display())
}

fn expect_success(command: &Command, status: ExitStatus) -> Result<(), Failure> {
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("\"{}\" failed", display(command))).because(status.to_string()))
    }
}

fn quoted(word: &str) -> String {
    if word.is_empty() || word.contains([' ', '"', '$', '\\', '*', '\'']) {
        format!("'{}'", word.replace('\'', r"'\''"))
    } else {
        word.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_types_it() {
        let mut command = Command::new("cargo");
        command
            .args(["doc", "--no-deps"])
            .env("RUSTDOCFLAGS", "-D warnings");

        assert_eq!(
            display(&command),
            "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps"
        );
    }

    #[test]
    fn a_bad_end_is_a_failure_that_names_the_command() {
        let failure =
            capture(Command::new("sh").args(["-c", "exit 3"])).expect_err("it ends with 3");

        assert!(
            failure.to_string().contains("\"sh -c 'exit 3'\" failed"),
            "{failure}"
        );
        assert!(failure.to_string().contains("exit status: 3"), "{failure}");
    }
}
