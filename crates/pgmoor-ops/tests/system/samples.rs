//! Each sample file, and all that comes of it.

use std::fs;
use std::path::{Path, PathBuf};

use pgmoor_ops::system::{Origins, SECRETS, import, write};

use super::site::{input, said};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/system/samples")
}

#[test]
fn every_sample_gives_what_its_golden_file_has() {
    let mut names: Vec<String> = fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yaml") && name.contains('_'))
        .collect();
    names.sort();
    let include =
        |path: &Path| fs::read_to_string(directory().join(path)).map_err(|error| error.to_string());
    for name in &names {
        let text = fs::read_to_string(directory().join(name)).unwrap();

        let imported = import(&[input(name, &text)], None, &[], &include);

        let yaml = imported.meaning.as_ref().map(|meaning| {
            let origins = Origins {
                from: name,
                findings: &imported.findings,
                secrets: SECRETS,
            };
            write(meaning, &origins)
        });
        let yaml = yaml.unwrap_or_else(|| "none\n".to_owned());
        let whole = format!("{yaml}\n--- findings\n{}\n", said(&imported));
        insta::assert_snapshot!(name.trim_end_matches(".yaml"), whole);
    }
    assert_eq!(names.len(), 16, "{names:?}");
}
