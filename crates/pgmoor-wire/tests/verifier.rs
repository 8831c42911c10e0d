//! Verifiers that PostgreSQL 15 itself made, for passwords that put SASLprep to the test.

use pgmoor_wire::scram::Verifier;

/// What the password shows, the password, and `rolpassword` after `CREATE ROLE .. PASSWORD`.
#[rustfmt::skip]
const MADE_BY_POSTGRESQL: &[(&str, &str, &str)] = &[
    ("ascii", "pencil", "SCRAM-SHA-256$4096:yDSwzPYCqLCQ01QgFJS77w==$XPDtS9Mlmz7grMBN+3hPIerYhqV7us5+TTJuXShFsRk=:OiNVaRQ5KBSia4SkyRVWx6EEI4m8Yc2aWTGBkPAJDq8="),
    ("spaces", " two  spaces ", "SCRAM-SHA-256$4096:/op5SyaEMwnRuiC821SDwA==$uJzt4aT8dks0QSYg/jNw9mvG7GVBB2O/NANbKBahQ54=:pggdPgRV2lb2EPgwBXnyywPzqzSFaHttBbwA6f8QuWY="),
    ("control", "a\u{1}b\u{7f}", "SCRAM-SHA-256$4096:p3gCZPHJOjHp3AEmzXPMWA==$+8KZ0rCC0rYAjZcObN4eL8fcoUvJ5RhI7exEj2zpC0s=:Xhc53CFaPvJeGtr95y4NqFcfhlBgUYZx/5twLkbs8ww="),
    ("quote", "it's; --", "SCRAM-SHA-256$4096:5GmRqc+FwV8kPYlVFnpcNQ==$TGKusZDSo6EgbPVFEr+LL5Oi/AA1tt+rmw9DUB5sF04=:OjGYNJMJmEof7MSQOSpR3Kq/uubqRwvltW2Vos1VxAM="),
    ("umlaut", "p\u{e4}ssword", "SCRAM-SHA-256$4096:YotXZMmg7UrGlSQ2XG9jKA==$B1sWVpQb2Z105BhANwUtgyvLoyX+bFx6ha+J1Dsd8hc=:ik7ElGNs3k78svTrS3QYN46JCNXMn/+D4O1wQLo+UVU="),
    ("decomposed", "pa\u{308}ssword", "SCRAM-SHA-256$4096:x7fkyEodI+LBQvHpWWSQAQ==$WKl1qKn/7ImgsOSFuJfbwdFcbYx7HueIhPZv9xBDGd4=:2WoA6xGz5gNWR2zfwKgtdPLRTaVKaujPcsb7aVUpZoQ="),
    ("nbsp", "a\u{a0}b", "SCRAM-SHA-256$4096:jmdac+23GGrCT6GGHf1AKw==$WOoDs9yaTRJImoidyjd/BtI73e+hNCOmiRwql/a1e38=:x9wSQGp3lbVQJYfl5HgQ3PPOiLsKJpVgxAc0xppWl1I="),
    ("softhyphen", "a\u{ad}b", "SCRAM-SHA-256$4096:97rlRmQuKWB8wfcNvTn2PA==$FUQEwwhTEBSMbHBs4DqOXxD/9Yjb31JKwizMe4b98W8=:n69mIlz1f7wl8Z0vEzqfizlYqBksS7det7lb04dnXMs="),
    ("only softhyphen", "\u{ad}", "SCRAM-SHA-256$4096:8eXV7TcENHgaKBzmpR5kbQ==$RNF+pEnIX2EygL9Oybk6Fxq8SBapaUPHWztMNSJ1Iwc=:gmF+yN2icpLW2Ilz34sy72n/wTxjWQUcyHJOkp03wlM="),
    ("ligature", "\u{fb01}sh", "SCRAM-SHA-256$4096:+jdYAMII0rlUkCduO3u8Kw==$z7FgsvDQ+auNP1oaBN+5clb///yjuf03qfOAYUANu4o=:Jg8rMruU3PX6E34CjecceApnb+3tVGIRQAcT4OZdszI="),
    ("roman", "\u{2168}", "SCRAM-SHA-256$4096:F+nNYk5tXFT//p43/teshA==$rwArdc1yG0FHrBRQQ3y+2j5pkjvD5mGvlOAQ6D21xe0=:CyVh6KokWk2ILJIvXlagQbG8E/a6jT1cojj58toz8vo="),
    ("fullwidth", "\u{ff21}\u{ff22}", "SCRAM-SHA-256$4096:PSVF3yvdpDHu9ozrov0otw==$fCe0JwcytRnf/6w62bfNrzm6+DRIVV7/T8viVGZv1Qc=:ODVoDjSbuXPZBjhRSaFv8KU1f0pDv/vCJertqP/eVwk="),
    ("rtl", "\u{5d0}\u{5d1}", "SCRAM-SHA-256$4096:w8x5mXLBOPVwvoHuATqzrA==$ZWbgNVJUo+AZk9CxbDyu03Y0ZUjg7NUszNb/VfmfO4s=:e4MvO8KMm9sx84MX34dyqzqfi5wtO5wOHxOUpBtc1Fw="),
    ("mixed bidi", "\u{5d0}a", "SCRAM-SHA-256$4096:xipf9qJpR4ivkLBeMLbOYw==$ZFKr4L80rAQ6MQGJnwHrSg9sZjrh23yIh38u2VsOupE=:ekCfBgiIHsvvhInpNelMrs5SI0oRqPZe6sbH68zFwWY="),
    ("zwj", "a\u{200d}b", "SCRAM-SHA-256$4096:MSPDRBxvlmqjI9XisTjk4g==$ZoZC79PpenWvyApxprPah7bOc4qeXnJHiw0pQsKGc6A=:4XVoL4/twWOfe80zAdveqZBeu05l9Xp34q+Isxu0u/o="),
    ("prohibited private", "\u{e000}x", "SCRAM-SHA-256$4096:ji8WF4S+eUZE9E+dm8pPGA==$ARUunjKt5KFkHyt7gTDtkYgXumE0AGP2TF0rmFfSpEs=:MasfhGBcokDwJWX2e0NUb/FcMDa0E2F+nZVzL7IzEjw="),
    ("unassigned", "\u{221}x", "SCRAM-SHA-256$4096:WnHO1KvPGlsBCUD11C3f3Q==$cNWvjRfp8aPtX4sOYeKHWrqRIXoYLl4Phuyv99MN76E=:hD5LnsdJ8abdIKYi72ipIbwe2vPnE5nxQ3s3NS1jxk4="),
    ("emoji", "\u{1f418}pg", "SCRAM-SHA-256$4096:aelBd//yM8BULo2SSG5kHg==$Un30Q+GgVuUaHaJn+NRIBlR+hwYOZuyLsjX+8eDSEEk=:9ghi19QwrhFPoxFtHLqBnOTB0VDZcP3oUnW7vYNbkW8="),
    ("ideographic space", "a\u{3000}b", "SCRAM-SHA-256$4096:AG6Pglunvab+Ic59QuH4CQ==$lrkZ0zR8LX6i6Iezgsp/Wg4c8jArGWbcrq31ax3zpw0=:ap78flId+dE6ba77h2M0Dz2U393cy97dim++VJZzs5E="),
    ("hangul", "\u{1112}\u{1161}\u{11ab}", "SCRAM-SHA-256$4096:9cm30OP5RmoNiYWqZqr2uQ==$fA14uNVyfXVlwrr1EVws1F09VJxnLapbfv37PgEcIIo=:pSNbv/N/cjCbD70a1iAYnenbGpWFSia202EVxUb5RZs="),
    ("combining only", "\u{308}", "SCRAM-SHA-256$4096:UBzP6QiHWIb2/iBx7MUZWA==$eXuGZGCuUXZtIeFQjiRZwNkevLcZb65ZME88h2BfcBc=:4gK0xWWN2BWafqD3SaNsamyeU9L+ZMO5ABIIXVHJKsg="),
    ("ogham", "a\u{1680}b", "SCRAM-SHA-256$4096:KnKjy3+uSrl9sVYSUK4Qrw==$u5ssJpcDzhoF+qaj7RyM76gtPfKZen2I2KFtL+Wfq08=:Prvri3qRdMqVmos9NOev/a5rVeFm6ZkWE+hxI7EPd8c="),
    ("tag", "a\u{e0001}b", "SCRAM-SHA-256$4096:olxWsAmUmauHT8OSuc4zXA==$c2fudpm7qdxciGOImgic0NffHX22RvD+0igblMF7Yv4=:SkljwMehmXAszUxnZG2/lZmSpvOrfXs84ixJBfzgfB0="),
    ("rtl digit end", "\u{627}1", "SCRAM-SHA-256$4096:Pvh4pW5a44H6MZGhWei4/w==$VChfLFOmrIidGRY4wn/3zgi4FXHdtqq/XGPC3C35Tas=:mZ6q1GKhMtIz3qzsys2jSJiBqzq7gL4hzwpXLa7KBdM="),
    ("rtl both", "\u{627}1\u{628}", "SCRAM-SHA-256$4096:UeBHsLde4BL9KMvhVCp9RQ==$FMuIgoikSrC3h3ijlZ8rSUB8xL4cpykQTzj7kpP0zPk=:geqJa0Owj69NdVyVfZKrnCgo8O9/ePm5M6AK7QfDTEM="),
];

#[test]
fn verifier_of_postgresql_fits_its_password_and_no_other() {
    for (shows, password, stored) in MADE_BY_POSTGRESQL {
        let verifier = Verifier::parse(stored).expect(shows);

        assert!(verifier.matches(password), "{shows}");
        assert!(!verifier.matches(&format!("{password}x")), "{shows}");
    }
}

#[test]
fn verifier_is_written_as_postgresql_writes_it() {
    for (shows, password, stored) in MADE_BY_POSTGRESQL {
        let read = Verifier::parse(stored).expect(shows);
        let made = Verifier::derive(password, &read.salt, read.iterations);

        assert_eq!(read.format().expose(), stored, "{shows}");
        assert_eq!(made.format().expose(), stored, "{shows}");
    }
}

#[test]
fn verifier_of_a_new_password_is_read_back() {
    let made = Verifier::from_password("pencil", 1000).expect("random bytes");
    let other = Verifier::from_password("pencil", 1000).expect("random bytes");

    let read: Verifier = made.format().expose().parse().expect("just written");

    assert_eq!(read.format().expose(), made.format().expose());
    assert_ne!(made.salt, other.salt);
    assert_eq!(made.salt.len(), 16);
    assert!(read.matches("pencil"));
}

#[test]
fn verifier_that_is_none_is_refused_without_showing_it() {
    let good = MADE_BY_POSTGRESQL[0].2;
    let bad = [
        String::new(),
        "md5d1cb9ec0ff4d9fe08ed5d0f8ac6d5b9d".into(),
        good.replace("SHA-256", "SHA-512"),
        good.replace("4096", "0"),
        good.replace("4096", "-1"),
        good.replace("4096", "+1"),
        good.replace("4096", "99999999999"),
        good.replace("4096:", "4096"),
        good.replace(':', "::"),
        format!("{good}="),
        format!("{good} "),
        good[..good.len() - 4].to_owned(),
        "SCRAM-SHA-256$4096:$$:".into(),
    ];

    for stored in bad {
        let error = Verifier::parse(&stored).expect_err(&stored);

        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("yDSwzPY"), "{shown}");
    }
}

#[test]
fn verifier_is_not_shown() {
    let verifier = Verifier::derive("pencil", b"salt", 7);

    assert_eq!(format!("{verifier:?}"), "Verifier(***)");
}
