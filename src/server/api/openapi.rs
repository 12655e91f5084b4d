//! The OpenAPI document. Stub.
/// x
pub fn document() -> String {
    "{}".into()
}
