//! The credentials that every delivery path takes.
//!
//! In: the head of a request. Out: a token, or the two halves of HTTP Basic. Refused: nothing shown at all, and headers
//! that hold no readable credential. Kept in one place so that no protocol is stricter or laxer than its neighbours.

use super::{AuthError, Credential, Head};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::borrow::Cow;

/// Senders leave the padding away as often as not.
const BASIC: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads `Authorization: Bearer`, `Splunk` or `Basic` (schemes in any case), else `?token=`.
///
/// # Errors
/// [`AuthError::Missing`] when neither is there or both are empty, [`AuthError::Malformed`] for a header that cannot be read.
pub fn common_credential<'h>(head: &Head<'h>) -> Result<Credential<'h>, AuthError> {
    let from_header = match head.header("authorization").map(str::trim) {
        None | Some("") => Err(AuthError::Missing),
        Some(value) => from_header(value),
    };
    from_header.or_else(|error| match head.query_value("token") {
        Some(token) if !token.is_empty() => Ok(Credential::Token(token)),
        _ => Err(error),
    })
}

fn from_header(value: &str) -> Result<Credential<'_>, AuthError> {
    let (scheme, rest) = value.split_once([' ', '\t']).ok_or(AuthError::Malformed)?;
    let rest = rest.trim();
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    if is("basic") {
        let bytes = BASIC.decode(rest).map_err(|_| AuthError::Malformed)?;
        let text = String::from_utf8(bytes).map_err(|_| AuthError::Malformed)?;
        let (user, password) = text.split_once(':').ok_or(AuthError::Malformed)?;
        if user.is_empty() && password.is_empty() {
            return Err(AuthError::Missing);
        }
        Ok(Credential::Basic { user: user.to_owned(), password: password.to_owned() })
    } else if (is("bearer") || is("splunk")) && !rest.is_empty() {
        Ok(Credential::Token(Cow::Borrowed(rest)))
    } else {
        Err(AuthError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: Option<&str>, query: &str, expected: Result<&[&str], AuthError>) {
        let headers: Vec<(String, String)> =
            header.map(|value| ("Authorization".to_owned(), value.to_owned())).into_iter().collect();
        let head = Head::new("POST", "/v1/events", query, &headers);
        let shown = common_credential(&head);
        let candidates = shown.as_ref().map(|credential| credential.candidates().collect());
        let expected = expected.as_ref().map(|texts| texts.to_vec());
        assert_eq!(candidates, expected, "{header:?} {query}");
    }

    #[test]
    fn every_form_is_read() {
        check(Some("Bearer abc"), "", Ok(&["abc"]));
        check(Some("bearer   abc "), "", Ok(&["abc"]));
        check(Some("Splunk abc"), "token=other", Ok(&["abc"]));
        check(Some("SPLUNK abc"), "", Ok(&["abc"]));
        check(Some("Basic eDphYmM="), "", Ok(&["abc", "x"]));
        check(Some("Basic eDphYmM"), "", Ok(&["abc", "x"]));
        check(Some("basic YWJjOg=="), "", Ok(&["abc"]));
        check(Some("Basic OmFiYw=="), "", Ok(&["abc"]));
        check(None, "a=b&token=a%2Bb", Ok(&["a+b"]));
        check(Some(""), "token=abc", Ok(&["abc"]));
        check(Some("Negotiate xyz"), "token=abc", Ok(&["abc"]));
    }

    #[test]
    fn other_heads_are_refused() {
        check(None, "", Err(AuthError::Missing));
        check(None, "token=", Err(AuthError::Missing));
        check(Some(" "), "", Err(AuthError::Missing));
        check(Some("Basic Og=="), "", Err(AuthError::Missing));
        check(Some("abc"), "", Err(AuthError::Malformed));
        check(Some("Splunk"), "", Err(AuthError::Malformed));
        check(Some("Digest abc"), "", Err(AuthError::Malformed));
        check(Some("Basic %%%"), "", Err(AuthError::Malformed));
        check(Some("Basic YWJj"), "", Err(AuthError::Malformed));
    }
}
