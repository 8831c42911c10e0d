//! Writes `docs/reference` from the code, or says which of its pages are stale.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use xtask::failure::{Context, Failure};
use xtask::{repository, shell};

type Pages = BTreeMap<PathBuf, Vec<u8>>;

/// Generates every page; with `check`, compares instead of writing.
pub(crate) fn run(check: bool) -> Result<(), Failure> {
    let made = tempfile::tempdir().context(|| "cannot make a temporary directory".into())?;
    shell::run(repository::cargo().args(["build", "--quiet", "--package", "pgmoor-cli"]))?;
    let binary = repository::target_dir().join("debug/pgmoor");
    shell::capture(Command::new(binary).arg("docs").arg(made.path()))?;

    let reference = repository::root().join("docs/reference");
    let new = pages(made.path())?;
    let changes = compare(&pages(&reference)?, &new);
    if check {
        return report(&changes);
    }
    for change in &changes {
        apply(change, &reference, &new)?;
        anstream::eprintln!("{}", change.describe());
    }
    Ok(())
}

#[derive(Debug, PartialEq)]
enum Change {
    Missing(PathBuf),
    Stale(PathBuf),
    Orphan(PathBuf),
}

impl Change {
    fn describe(&self) -> String {
        let (path, what) = match self {
            Change::Missing(path) => (path, "is new"),
            Change::Stale(path) => (path, "has changed"),
            Change::Orphan(path) => (path, "is no longer generated"),
        };
        format!("docs/reference/{} {what}", path.display())
    }
}

fn compare(old: &Pages, new: &Pages) -> Vec<Change> {
    let written = new
        .iter()
        .filter_map(|(path, content)| match old.get(path) {
            None => Some(Change::Missing(path.clone())),
            Some(before) if before != content => Some(Change::Stale(path.clone())),
            Some(_) => None,
        });
    let orphans = old
        .keys()
        .filter(|path| !new.contains_key(*path))
        .map(|path| Change::Orphan(path.clone()));
    written.chain(orphans).collect()
}

fn report(changes: &[Change]) -> Result<(), Failure> {
    if changes.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = changes.iter().map(Change::describe).collect();
    Err(Failure::new("the generated reference pages are stale")
        .because(list.join("; "))
        .hint("run cargo x docs and commit what it writes"))
}

fn apply(change: &Change, reference: &Path, new: &Pages) -> Result<(), Failure> {
    match change {
        Change::Missing(path) | Change::Stale(path) => {
            let to = reference.join(path);
            let dir = to.parent().expect("it is below the reference directory");
            fs::create_dir_all(dir)
                .and_then(|()| fs::write(&to, &new[path]))
                .context(|| format!("cannot write \"{}\"", to.display()))
        }
        Change::Orphan(path) => {
            let gone = reference.join(path);
            fs::remove_file(&gone).context(|| format!("cannot remove \"{}\"", gone.display()))
        }
    }
}

fn pages(root: &Path) -> Result<Pages, Failure> {
    let mut found = Pages::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        if !dir.is_dir() {
            continue;
        }
        let list = || format!("cannot list \"{}\"", dir.display());
        for entry in fs::read_dir(&dir).context(list)? {
            let path = entry.context(list)?.path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let content =
                    fs::read(&path).context(|| format!("cannot read \"{}\"", path.display()))?;
                let name = path.strip_prefix(root).expect("it was found below root");
                found.insert(name.to_owned(), content);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages_of(pages: &[(&str, &str)]) -> Pages {
        pages
            .iter()
            .map(|(path, content)| (PathBuf::from(path), content.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn new_changed_and_orphaned_pages_are_told_apart() {
        let old = pages_of(&[("cli.md", "a"), ("metrics.md", "b"), ("gone.md", "c")]);
        let new = pages_of(&[("cli.md", "a"), ("metrics.md", "B"), ("exit-codes.md", "d")]);

        assert_eq!(
            compare(&old, &new),
            [
                Change::Missing("exit-codes.md".into()),
                Change::Stale("metrics.md".into()),
                Change::Orphan("gone.md".into()),
            ]
        );
    }

    #[test]
    fn a_stale_page_is_named_with_what_to_do() {
        let failure = report(&[Change::Stale("cli.md".into())]).expect_err("it is stale");

        assert_eq!(
            failure.to_string(),
            "error: the generated reference pages are stale\n\
             cause: docs/reference/cli.md has changed\n\
             hint: run cargo x docs and commit what it writes"
        );
    }
}
