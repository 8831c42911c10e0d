//! Addresses in every form: what is printed is read as the same, and no password is shown.
//!
//! Also a module of `crates/pgmoor/tests/fuzz.rs`, so it uses nothing but `pgmoor`.

use pgmoor::endpoint::Endpoint;

/// A password that no text has by itself.
const PASSWORD: &str = "qzx7qzx8";

/// Around a password: each a way to write an address with one.
const FORMS: &[(&str, &str)] = &[
    ("postgres://u:", "@h/d"),
    ("postgresql://u:", "@h:5432,h2/d?sslmode=require"),
    ("u:", "@h:5432/d"),
    ("postgresql+psycopg2://u:", "@h/d"),
    ("host=h password=", " dbname=d"),
    ("host=h password='", "' dbname=d"),
    ("Host=h;Password=", ";Database=d"),
    ("jdbc:postgresql://h/d?user=u&password=", ""),
    ("postgres://h/d?password=", "&sslmode=prefer"),
    ("postgres://u@h/d?sslpassword=", ""),
];

/// Any text; and behind a password that is written right, whatever the form has next.
pub fn conninfo(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    read(text);
    let Some((&form, _)) = data.split_first() else {
        return;
    };
    let (before, behind) = FORMS[usize::from(form) % FORMS.len()];
    let rest = text.get(1..).unwrap_or_default();
    if rest.contains("qz") {
        return;
    }
    hides(&format!("{before}{PASSWORD}{behind}{rest}"));
    // Somewhere else is something wrong.
    hides(&format!("{before}{PASSWORD}{rest}{behind}"));
}

fn read(text: &str) {
    let endpoint = match Endpoint::parse(text) {
        Ok(endpoint) => endpoint,
        Err(error) => {
            let _ = (error.to_string(), error.hint(), format!("{error:?}"));
            return;
        }
    };
    let _ = (endpoint.startup(), endpoint.database());
    let uri = endpoint.to_uri_with_password();
    let again = Endpoint::parse(uri.expose())
        .unwrap_or_else(|error| panic!("{text:?} is printed as {}: {error}", uri.expose()));
    assert_eq!(again.to_uri_with_password().expose(), uri.expose());
    assert_eq!(again.hosts, endpoint.hosts, "{text:?}");
    assert_eq!(
        again.user.as_deref().unwrap_or_default(),
        endpoint.user.as_deref().unwrap_or_default()
    );
    assert_eq!(again.dbname, endpoint.dbname);
    assert_eq!(again.to_redacted_uri(), endpoint.to_redacted_uri());
    let passwords =
        [&again, &endpoint].map(|one| one.password.as_ref().map(|it| it.expose().clone()));
    assert_eq!(passwords[0], passwords[1]);
}

/// Whatever is said of this address, its password is not.
fn hides(address: &str) {
    let said = match Endpoint::parse(address) {
        Ok(endpoint) => {
            let notices = endpoint.notices().iter().map(ToString::to_string);
            let notices: String = notices.collect();
            format!("{endpoint:?} {endpoint} {notices}")
        }
        Err(error) => format!("{error} {:?} {error:?}", error.hint()),
    };
    assert!(!said.contains("qzx7"), "{address}\n{said}");
}
