//! Stub of the skeleton; its owner replaces this file.

use super::{
    AuthError, Credential, DecodeError, Decoded, Head, Health, IngestError, Limits, Protocol, Receipt, Reply, Route,
};

/// Stub.
#[derive(Debug)]
pub struct SplunkHec;

impl Protocol for SplunkHec {
    fn name(&self) -> &'static str {
        "splunk_hec"
    }
    fn routes(&self) -> &'static [Route] {
        &[]
    }
    fn credential<'h>(&self, _head: &Head<'h>) -> Result<Credential<'h>, AuthError> {
        Err(AuthError::Missing)
    }
    fn decode<'b>(&self, _head: &Head<'_>, _body: &'b [u8], _limits: &Limits) -> Result<Decoded<'b>, DecodeError> {
        Err(DecodeError::new(0, "stub"))
    }
    fn reply(&self, _head: &Head<'_>, _result: &Result<Receipt, IngestError>) -> Reply {
        Reply::empty(500)
    }
    fn health_reply(&self, _head: &Head<'_>, _health: Health) -> Reply {
        Reply::empty(500)
    }
}
