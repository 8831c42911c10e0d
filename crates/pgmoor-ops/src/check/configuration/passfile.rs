//! Whether others can read the files that passwords are in.

use crate::check::verdict::{fail, pass, skip};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::facts::configuration::SecretFile;

pub(super) const CHECK: Check = Check {
    id: "PGM-CFG-011",
    layer: Layer::Configuration,
    title: "files with passwords can be read by their owner only",
    why: "libpq passes over a passfile that others can read, without a word: the login then fails for want of a password.",
    needs: "a passfile or a password file",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let files = on.configuration().secret_files.iter();
    let files: Vec<&SecretFile> = files.filter(|file| file.what != "private key").collect();
    if files.is_empty() {
        return skip("no such file is named");
    }
    let bad: Vec<&&SecretFile> = files.iter().filter(|file| file.is_too_open()).collect();
    let shown = |file: &SecretFile| match file.mode {
        Some((mode, _)) => format!("{} {} has mode {mode:04o}", file.what, file.path.display()),
        None => format!("{} {} is not there", file.what, file.path.display()),
    };
    if bad.is_empty() {
        let all: Vec<String> = files.iter().map(|file| shown(file)).collect();
        return Ok(pass(all.join("; ")));
    }
    let seen: Vec<String> = bad.iter().map(|file| shown(file)).collect();
    let hint = bad.iter().map(|file| format!("chmod 0600 {}", file.path.display()));
    Ok(fail(seen.join("; ")).hint(hint.collect::<Vec<_>>().join("\n")))
}
