//! What is written for applications, and what is refused because they cannot do it themselves.

use std::fs;
use std::path::Path;

use pgmoor_ops::system::{
    Address, Application, Login, Origins, Reference, Rendered, SECRETS, Severity, Target, Through,
    import, render, write,
};
use pgmoor_ops::yaml;

use super::site::input;

fn rendered(yaml_text: &str, target: Target, through: &Through) -> Rendered {
    let mut problems = Vec::new();
    let node = yaml::parse(yaml_text, Path::new("pgmoor.yaml"), &mut problems).unwrap();
    assert!(problems.is_empty());
    render(&node, target, through, SECRETS)
}

fn direct(identity: Option<&str>) -> Through {
    Through::Direct {
        identity: identity.map(str::to_owned),
    }
}

fn gateway(address: Option<&str>) -> Through {
    Through::Gateway {
        address: address.map(str::to_owned),
        password: Reference::secret("pgmoor-app", "password"),
    }
}

fn said(rendered: &Rendered) -> String {
    let lines: Vec<String> = rendered
        .findings
        .iter()
        .map(|one| {
            let hint = one.problem.hint.clone().unwrap_or_default();
            format!(
                "{}: {}; {hint}",
                one.severity.as_str(),
                one.problem.headline()
            )
        })
        .collect();
    lines.join("\n")
}

fn text(rendered: &Rendered) -> String {
    let tree = rendered.tree.as_ref();
    tree.unwrap_or_else(|| panic!("{}", said(rendered))).print()
}

const LANGSMITH: &str = "databases: { langsmith: { endpoint: pg, system: langsmith } }\n";
const URL: &str = "postgres://ls@db.example:5432/ls?sslmode=verify-full";

fn langsmith(rest: &str) -> String {
    format!("{LANGSMITH}endpoints:\n  pg:\n    url: \"{URL}\"\n{rest}")
}

#[test]
fn langsmith_by_its_own_means_has_every_annotation_the_group_and_the_secrets() {
    let yaml = format!(
        "{LANGSMITH}endpoints:\n  pg:\n    url: \"{URL}&sslrootcert=/run/secrets/ca/ca.pem&sslcert=/run/secrets/client/tls.crt&sslkey=/run/secrets/client/tls.key\"\n    credential: {{ provider: aws }}\n"
    );

    let rendered = rendered(
        &yaml,
        Target::Langsmith,
        &direct(Some("arn:aws:iam::1:role/ls")),
    );

    insta::assert_snapshot!("langsmith_direct", text(&rendered));
    assert_eq!(said(&rendered), "");
}

#[test]
fn every_application_through_the_gateway_has_its_address_and_no_identity() {
    let prisme = "databases:\n  permissions: { endpoint: pg, system: prisme }\n  users: { endpoint: pg, system: prisme }\n  collections: { endpoint: pg, system: prisme }\n";
    let backstage = "databases:\n  backstage_plugin_catalog: { endpoint: pg, system: backstage }\n  backstage_plugin_auth: { endpoint: pg, system: backstage }\n";
    let endpoint = "endpoints:\n  pg: { url: \"postgres://u@db.example/d?sslmode=verify-full\", credential: { provider: google } }\n";
    let cases = [
        (
            "langsmith",
            Target::Langsmith,
            LANGSMITH.to_owned() + endpoint,
        ),
        (
            "coder",
            Target::Coder,
            format!("databases: {{ coder: {{ endpoint: pg, system: coder }} }}\n{endpoint}"),
        ),
        ("prisme", Target::Prisme, format!("{prisme}{endpoint}")),
        (
            "backstage",
            Target::Backstage,
            format!("{backstage}{endpoint}"),
        ),
        (
            "env",
            Target::Env,
            format!("databases: {{ app: {{ endpoint: pg }} }}\n{endpoint}"),
        ),
    ];
    for (name, target, yaml) in cases {
        let rendered = rendered(&yaml, target, &gateway(Some("pgmoor.app.svc:5432")));

        let whole = format!("{}--- findings\n{}\n", text(&rendered), said(&rendered));
        insta::assert_snapshot!(format!("{name}_gateway"), whole);
    }
}

fn coder(credential: &str) -> String {
    format!(
        "databases: {{ coder: {{ endpoint: pg, system: coder }} }}\nendpoints: {{ pg: {{ url: \"{URL}\", credential: {credential} }} }}\n"
    )
}

fn prisme(endpoint: &str) -> String {
    format!(
        "databases:\n  permissions: {{ endpoint: pg, system: prisme }}\n  users: {{ endpoint: pg, system: prisme }}\n  collections: {{ endpoint: pg, system: prisme }}\nendpoints: {{ pg: {endpoint} }}\n"
    )
}

fn backstage(endpoint: &str) -> String {
    format!(
        "databases: {{ backstage_plugin_a: {{ endpoint: pg, system: backstage }} }}\nendpoints: {{ pg: {endpoint} }}\n"
    )
}

/// What some application cannot do itself: whose values, of which configuration, and what.
fn impossible() -> Vec<(Target, String, &'static str)> {
    vec![
        (
            Target::Coder,
            coder("{ provider: google }"),
            "Coder cannot do itself what \"coder\" needs: IAM of Google Cloud",
        ),
        (
            Target::Coder,
            coder("{ provider: azure }"),
            "Coder cannot do itself what \"coder\" needs: Entra ID of Azure",
        ),
        (
            Target::Coder,
            coder("{ vault: { role: app } }"),
            "Coder cannot do itself what \"coder\" needs: the provider \"vault\"",
        ),
        (
            Target::Langsmith,
            langsmith("    credential: { command: [a] }\n"),
            "LangSmith cannot do itself what \"langsmith\" needs: the provider \"command\"",
        ),
        (
            Target::Langsmith,
            langsmith(
                "    credential: { azure: { tenant_id: t, client_id: c, client_secret: \"${S}\" } }\n",
            ),
            "Entra ID by an application's secret",
        ),
        (
            Target::Langsmith,
            format!("{LANGSMITH}endpoints: {{ pg: {{ cloud_sql: {{ instance: \"p:r:i\" }} }} }}\n"),
            "the connector of Cloud SQL",
        ),
        (
            Target::Langsmith,
            format!("{LANGSMITH}endpoints: {{ pg: {{ url: \"${{URL}}\" }} }}\n"),
            "the address is in a variable or file",
        ),
        (
            Target::Langsmith,
            format!(
                "{LANGSMITH}endpoints: {{ pg: {{ url: \"{URL}&sslrootcert=/etc/ca.crt\" }} }}\n"
            ),
            "the authority is in the file /etc/ca.crt",
        ),
        (
            Target::Prisme,
            prisme(&format!(
                "{{ url: \"{URL}\", credential: {{ provider: aws }} }}"
            )),
            "Prisme.ai cannot do itself what \"permissions\" needs: IAM of AWS",
        ),
        (
            Target::Prisme,
            prisme("{ bundled: {} }"),
            "a PostgreSQL that comes with it",
        ),
        (
            Target::Prisme,
            prisme(&format!("{{ url: \"{URL}&sslcert=/c&sslkey=/k\" }}")),
            "a certificate of the client",
        ),
        (
            Target::Backstage,
            backstage(&format!(
                "{{ url: \"{URL}\", credential: {{ provider: google }} }}"
            )),
            "IAM of Google Cloud but by the connector",
        ),
        (
            Target::Backstage,
            backstage("{ url: \"postgres://u@h/d?sslmode=verify-ca&sslrootcert=/ca\" }"),
            "sslmode=verify-ca",
        ),
        (
            Target::Env,
            format!(
                "databases: {{ app: {{ endpoint: pg }} }}\nendpoints: {{ pg: {{ url: \"{URL}\", credential: {{ provider: aws }} }} }}\n"
            ),
            "a token of aws",
        ),
    ]
}

#[test]
fn what_an_application_cannot_do_itself_is_refused_by_name_and_the_gateway_named() {
    for (target, yaml, what) in impossible() {
        let rendered = rendered(&yaml, target, &direct(None));

        let said = said(&rendered);
        let line = said
            .lines()
            .find(|line| line.starts_with("refused: pgmoor.yaml:") && line.contains(what));
        let line = line.unwrap_or_else(|| panic!("no {what:?} in {said}"));
        assert!(line.contains("--through gateway"), "{line}");
        assert!(rendered.tree.is_none());
    }
}

#[test]
fn another_application_than_the_databases_is_refused() {
    let rendered = rendered(&langsmith(""), Target::Coder, &direct(None));

    assert!(
        said(&rendered).contains("use: pgmoor render langsmith"),
        "{}",
        said(&rendered)
    );
}

#[test]
fn password_is_never_a_part_of_what_is_written() {
    let yaml = format!(
        "{LANGSMITH}endpoints:\n  pg:\n    url: \"postgres://ls:geheim99@db.example/ls?sslmode=verify-full\"\n"
    );

    let rendered = rendered(&yaml, Target::Langsmith, &direct(None));

    let all = text(&rendered) + &said(&rendered) + &format!("{rendered:?}");
    assert!(!all.contains("geheim99"), "{all}");
    assert!(
        all.contains("existingSecretName: langsmith-postgres"),
        "{all}"
    );
    assert!(
        said(&rendered).contains("postgres://ls:PASSWORD@db.example/ls?sslmode=verify-full"),
        "{}",
        said(&rendered)
    );
}

/// What an application can say of a meaning: a password in a place of its own becomes one in a Secret that is
/// to be made.
fn comparable(mut meaning: pgmoor_ops::system::Meaning) -> pgmoor_ops::system::Meaning {
    if meaning.system != Some("backstage") {
        for database in &mut meaning.databases {
            if matches!(database.login, Login::Password(_)) {
                database.address = Address::Bundled;
                database.login = Login::Address;
            }
            if let Address::Whole(told) = &database.address
                && matches!(&told.value, Reference::Secret { name, .. } if name.ends_with("-postgres"))
            {
                database.address = Address::Bundled;
            }
        }
    }
    meaning
}

#[test]
fn every_sample_comes_back_with_its_meaning() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/system/samples");
    let include =
        |path: &Path| fs::read_to_string(directory.join(path)).map_err(|error| error.to_string());
    let mut count = 0;
    for entry in fs::read_dir(&directory).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.ends_with(".yaml") || !name.contains('_') {
            continue;
        }
        let file = fs::read_to_string(directory.join(&name)).unwrap();
        let imported = import(&[input(&name, &file)], None, &[], &include);
        let (Some(meaning), Some(application)) = (imported.meaning, imported.application) else {
            continue;
        };
        let target = match application {
            Application::Langsmith => Target::Langsmith,
            Application::Coder => Target::Coder,
            Application::Backstage => Target::Backstage,
            Application::Prisme => Target::Prisme,
            Application::Env | Application::Url => continue,
        };
        let origins = Origins {
            from: &name,
            findings: &[],
            secrets: SECRETS,
        };
        let identity = meaning.identity.as_ref().map(|told| told.value.as_str());

        let rendered = rendered(&write(&meaning, &origins), target, &direct(identity));
        let values = text(&rendered);
        let id = |name: &str| name.replace("backstage_plugin_", "").replace("bs_", "");
        let plugins: Vec<String> = meaning
            .databases
            .iter()
            .map(|one| id(&one.name.value))
            .collect();
        let again = input("again.yaml", &values);
        let again = import(&[again], Some(application), &plugins, &include);

        let mut again = again.meaning.unwrap_or_else(|| panic!("{name}\n{values}"));
        let mut meaning = meaning;
        // Plugins that the file named are in another order now.
        for one in [&mut meaning, &mut again] {
            one.databases
                .sort_by(|a, b| a.name.value.cmp(&b.name.value));
        }
        assert_eq!(comparable(again), comparable(meaning), "{name}\n{values}");
        let worse = rendered
            .findings
            .iter()
            .find(|finding| finding.severity == Severity::Refused);
        assert_eq!(worse, None, "{name}");
        count += 1;
    }
    assert_eq!(count, 15);
}
