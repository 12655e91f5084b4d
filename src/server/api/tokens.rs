//! `GET /v1/tokens`, `POST /v1/tokens`, `DELETE /v1/tokens/{name}`.
//!
//! A token's text is in the answer to the request that makes it, once; afterwards only its hash is known. A change is
//! seen by the very next request.

use super::{Problem, json, no_parameters};
use crate::{
    audit::Deed,
    auth::{self, Access, Kind, Reader},
    query::render::{Page, TokenView, millis},
    server::{
        audit::who as by_whom,
        body,
        state::{Door, State, now_us},
    },
    store::TokenRecord,
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// Longest body of a request for a token, in bytes.
const BODY_BYTES_MAX: usize = 4 << 10;

/// A token to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::server) struct NewToken {
    /// 1 to 128 bytes without white space, commas or equals signs. For an ingest token the destination of what it delivers.
    #[schema(example = "warehouse", pattern = "^[^\\s,=]{1,128}$")]
    name: String,
    /// ingest, read or admin.
    #[schema(example = "ingest", pattern = "^(ingest|read|admin)$")]
    kind: String,
}

/// A token that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::server) struct MadeToken {
    /// Its name.
    name: String,
    /// What it allows.
    kind: String,
    /// The token. It is not shown again.
    token: String,
    /// When it was made.
    created: String,
}

/// All tokens, without their texts. Needs an admin token.
#[utoipa::path(get, operation_id = "list_tokens", path = "/v1/tokens", tag = "tokens", security(("token" = [])),
    responses((status = 200, description = "All of them on one page", body = Page<TokenView>)))]
pub(super) async fn list(state: &State, door: Door, req: &HttpRequest) -> Result<HttpResponse, Problem> {
    state.authorize(door, req, None, Access::Admin)?;
    no_parameters(req)?;
    let stored = state.read(|store| store.tokens()).await?;
    let configured = state.gate.configured_tokens().map(|(name, kind)| TokenView {
        name: name.to_owned(),
        kind: kind.to_string(),
        origin: "configured",
        created: None,
        revoked: None,
    });
    let stored = stored.into_iter().map(|token| TokenView {
        name: token.name,
        kind: token.kind,
        origin: "stored",
        created: Some(millis(token.created_us)),
        revoked: token.revoked_us.map(millis),
    });
    json(200, &Page { data: configured.chain(stored).collect::<Vec<_>>(), next_cursor: None })
}

/// Makes a token and shows it, once. Needs an admin token.
#[utoipa::path(post, operation_id = "create_token", path = "/v1/tokens", tag = "tokens", security(("token" = [])), request_body = NewToken, responses(
    (status = 201, description = "The token", body = MadeToken),
    (status = 409, description = "The name is taken"),
    (status = 413, description = "The body is too large"),
))]
pub(super) async fn create(
    state: &State,
    door: Door,
    req: &HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let by = state.authorize(door, req, None, Access::Admin)?;
    no_parameters(req)?;
    body::check_length(req, BODY_BYTES_MAX)?;
    let wire = body::read(state, payload, BODY_BYTES_MAX).await?;
    let NewToken { name, kind } = serde_json::from_slice(&wire.bytes)
        .map_err(|error| Problem::bad_body(format!("expected {{\"name\":…,\"kind\":…}}: {error}")))?;
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == ',' || c == '=';
    if !(1..=NAME_BYTES_MAX).contains(&name.len()) || name.contains(odd) {
        return Err(Problem::bad_body("name is 1 to 128 bytes without white space, commas or equals signs"));
    }
    let kind: Kind = kind.parse().map_err(|error: auth::ParseKindError| Problem::bad_body(error.to_string()))?;
    let token = auth::generate(kind);
    let created_us = now_us();
    let record = TokenRecord {
        name: name.clone(),
        kind: kind.to_string(),
        sha256: auth::digest(&token),
        created_us,
        revoked_us: None,
    };
    if !state.store().add_token(record).await? {
        return Err(Problem::conflict("a token of this name and kind exists; revoke it first, or take another name"));
    }
    reload(state).await?;
    let details = vec![("kind", kind.to_string().into())];
    let deed = Deed { event: "create_token", action: "CREATE", on: ("TOKEN", name.clone()), details };
    state.audit.note(deed, by_whom(by.as_ref(), door)).await;
    tracing::info!(token.name = name, %kind, by = who(by.as_ref()), "made {kind} token {name}");
    json(201, &MadeToken { name, kind: kind.to_string(), token, created: millis(created_us) })
}

/// Revokes the tokens of a name, at once. Needs an admin token.
#[utoipa::path(delete, operation_id = "revoke_token", path = "/v1/tokens/{name}", tag = "tokens", security(("token" = [])),
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "How many were revoked", body = Object),
        (status = 404, description = "No good token has this name"),
        (status = 409, description = "The token is set in the configuration"),
    ))]
pub(super) async fn revoke(state: &State, door: Door, req: &HttpRequest, name: &str) -> Result<HttpResponse, Problem> {
    let by = state.authorize(door, req, None, Access::Admin)?;
    no_parameters(req)?;
    let revoked = state.store().revoke_token(name, now_us()).await?;
    if revoked == 0 {
        if state.gate.configured_tokens().any(|(configured, _)| configured == name) {
            return Err(Problem::conflict("this token is set in the configuration; take it out there and restart"));
        }
        return Err(Problem::not_found("no token that is still good has this name"));
    }
    reload(state).await?;
    let details = vec![("revoked", revoked.into())];
    let deed = Deed { event: "revoke_token", action: "REVOKE", on: ("TOKEN", name.to_owned()), details };
    state.audit.note(deed, by_whom(by.as_ref(), door)).await;
    tracing::info!(token.name = name, revoked, by = who(by.as_ref()), "revoked token {name}");
    json(200, &serde_json::json!({"name": name, "revoked": revoked}))
}

/// Shows the gate what the store has now.
async fn reload(state: &State) -> Result<(), Problem> {
    let tokens = state.read(|store| store.tokens()).await?;
    state.gate.replace_stored(&tokens);
    Ok(())
}

fn who(by: Option<&Reader>) -> &str {
    by.map_or("control socket", |reader| &reader.name)
}
