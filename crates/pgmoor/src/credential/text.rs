//! From the bytes of a file or an output to a password.

use pgmoor_wire::Secret;

/// Takes one newline (LF or CRLF) off the end and refuses what no password is.
///
/// # Errors
/// Says what is wrong, as the end of a sentence.
pub(super) fn password(bytes: &[u8]) -> Result<Secret<String>, &'static str> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    if bytes.is_empty() {
        return Err("is empty");
    }
    if bytes.starts_with(b"\xef\xbb\xbf")
        || bytes.starts_with(b"\xff\xfe")
        || bytes.starts_with(b"\xfe\xff")
    {
        return Err("starts with a byte order mark");
    }
    if bytes.contains(&0) {
        return Err("holds a NUL byte");
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Secret::new(text.to_owned())),
        Err(_) => Err("is not UTF-8"),
    }
}

/// Whether a secret is, by its form, a token of a cloud rather than a password: a JWT, an access token of
/// Google's, a presigned request of AWS. Its bearer is taken for us, and not by this database alone.
pub(crate) fn is_token(secret: &str) -> bool {
    let is_base64url =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'=');
    let mut parts = secret.split('.');
    // Each JSON object begins so in base64.
    let is_jwt = secret.starts_with("eyJ")
        && parts.clone().count() == 3
        && parts.all(|part| part.bytes().all(is_base64url));
    is_jwt || secret.starts_with("ya29.") || secret.contains("X-Amz-Signature=")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_newline_is_trimmed_and_nothing_else() {
        for (given, read) in [
            (&b"pw"[..], "pw"),
            (b"pw\n", "pw"),
            (b"pw\r\n", "pw"),
            (b"pw\n\n", "pw\n"),
            (b" p w ", " p w "),
        ] {
            assert_eq!(password(given).expect("password").expose(), read);
        }
    }

    #[test]
    fn tokens_are_told_from_passwords_by_their_form() {
        for (secret, is) in [
            ("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2ln", true),
            ("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.", true),
            ("ya29.c.b0AXv0zTN", true),
            ("db:5432/?Action=connect&X-Amz-Signature=0f", true),
            ("eyJhbGciOiJub25lIn0", false),
            ("eyJ.with blank.x", false),
            ("eyJ.a.b.c", false),
            ("a.b.c", false),
            ("ya29", false),
            ("", false),
        ] {
            assert_eq!(is_token(secret), is, "{secret}");
        }
    }

    #[test]
    fn what_no_password_is_gets_refused() {
        assert_eq!(password(b"").expect_err("empty"), "is empty");
        assert_eq!(password(b"\n").expect_err("empty"), "is empty");
        assert_eq!(
            password(b"\xef\xbb\xbfpw").expect_err("bom"),
            "starts with a byte order mark"
        );
        assert_eq!(password(b"p\0w").expect_err("nul"), "holds a NUL byte");
        assert_eq!(password(b"p\xffw").expect_err("latin"), "is not UTF-8");
    }
}
