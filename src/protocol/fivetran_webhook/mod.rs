//! Fivetran's own webhooks: `POST /v1/webhooks/fivetran`.
//!
//! In: one event per request; lists and NDJSON are taken too. Out: records, and a native answer with status 200 for
//! whatever is authentic. Refused: requests that are neither signed nor carry a token, and empty bodies. A body that cannot be read is
//! kept in quarantine and still answered 200: Fivetran would send it again for a day and then switch the
//! webhook off, which helps nobody. The signature is checked over the wire bytes by the room that knows the secret.

use super::{
    AuthError, Credential, DecodeError, Decoded, Head, Health, IngestError, Limits, Protocol, Receipt, Reply, Route,
    common_credential, native,
};
use crate::model::RecordError;

/// See the module.
#[derive(Debug)]
pub struct FivetranWebhook;

/// Where webhooks are delivered.
pub const PATH: &str = "/v1/webhooks/fivetran";

/// Header with the HMAC-SHA256 of the body, in hexadecimal of either case.
/// Observed: `synthetic-fivetran-webhook-upper`, `synthetic-fivetran-webhook-lower`.
const SIGNATURE_HEADER: &str = "x-fivetran-signature-256";

impl Protocol for FivetranWebhook {
    fn name(&self) -> &'static str {
        "fivetran_webhook"
    }

    fn routes(&self) -> &'static [Route] {
        const { &[Route::ingest(PATH), Route::health(PATH)] }
    }

    fn credential<'h>(&self, head: &Head<'h>) -> Result<Credential<'h>, AuthError> {
        let signature = head.header(SIGNATURE_HEADER).map(str::trim).filter(|text| !text.is_empty());
        match (common_credential(head), signature) {
            (Ok(token), _) => Ok(Credential::Webhook { signature, token: Some(Box::new(token)) }),
            (Err(_), Some(_)) => Ok(Credential::Webhook { signature, token: None }),
            // Whether a signature or a token is missing depends on whether a secret is set, which only that room knows.
            (Err(AuthError::Missing), None) => Ok(Credential::Webhook { signature: None, token: None }),
            (Err(error), None) => Err(error),
        }
    }

    fn decode<'b>(&self, _head: &Head<'_>, body: &'b [u8], limits: &Limits) -> Result<Decoded<'b>, DecodeError> {
        if native::is_blank(body) {
            return Err(DecodeError::empty(0, "the body is empty"));
        }
        let items = native::cut(body, limits)?;
        Ok(items.readable().unwrap_or_else(|nothing| {
            let whole = RecordError { index: 0, reason: nothing.detail, bytes: 0..body.len() };
            Decoded { items: vec![Err(whole)], ..Decoded::default() }
        }))
    }

    fn reply(&self, _head: &Head<'_>, result: &Result<Receipt, IngestError>) -> Reply {
        native::reply(result)
    }

    fn health_reply(&self, _head: &Head<'_>, health: Health) -> Reply {
        native::health_reply(health)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(headers: &[(&str, &str)], query: &str) -> Result<(Option<String>, Vec<String>), AuthError> {
        let headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let credential = FivetranWebhook.credential(&Head::new("POST", PATH, query, &headers))?;
        let tokens = credential.candidates().map(str::to_owned).collect();
        match credential {
            Credential::Webhook { signature, .. } => Ok((signature.map(str::to_owned), tokens)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn signature_and_token_are_shown_side_by_side() {
        let signed = ("X-Fivetran-Signature-256", "AD50");
        let basic = ("Authorization", "Basic eDphYmM=");
        assert_eq!(shown(&[signed], ""), Ok((Some("AD50".into()), vec![])));
        assert_eq!(shown(&[signed], "token=abc"), Ok((Some("AD50".into()), vec!["abc".into()])));
        assert_eq!(shown(&[signed, basic], ""), Ok((Some("AD50".into()), vec!["abc".into(), "x".into()])));
        assert_eq!(shown(&[], "token=abc"), Ok((None, vec!["abc".into()])));
        assert_eq!(shown(&[], ""), Ok((None, vec![])));
        assert_eq!(shown(&[("X-Fivetran-Signature-256", "")], ""), Ok((None, vec![])));
        assert_eq!(shown(&[("Authorization", "what")], ""), Err(AuthError::Malformed));
    }

    #[test]
    fn an_unreadable_body_is_quarantined_and_not_refused() {
        let headers = Vec::new();
        let head = Head::new("POST", PATH, "", &headers);
        let decode = |body: &'static str| FivetranWebhook.decode(&head, body.as_bytes(), &Limits::default());
        for body in ["hello", "5", "[1, 2]", "{\"event\":", "hello\nworld"] {
            let items = decode(body).unwrap().items;
            assert!(matches!(&items[..], [Err(_)]), "{body}");
        }
        assert!(matches!(&decode("{\"event\":\"sync_end\"}").unwrap().items[..], [Ok(_)]));
        let empty = decode(" ").unwrap_err();
        assert!(!empty.quarantine);
    }
}
