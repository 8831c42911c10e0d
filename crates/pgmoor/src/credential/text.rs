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
