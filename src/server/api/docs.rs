//! `/openapi.json` and `/docs`: the interface, for tools and for people. Everything is in the program; nothing is
//! loaded from elsewhere, and the page's policy forbids it to.

use super::{Problem, json_bytes, openapi};
use actix_web::{HttpRequest, HttpResponse, http::header};
use std::sync::{Arc, OnceLock};
use utoipa_swagger_ui::Config;

/// The interface draws its icons from data addresses and sets inline styles; scripts come from us only.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// This document.
#[utoipa::path(get, operation_id = "get_openapi", path = "/openapi.json", tag = "operations", responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
pub(super) fn openapi(_req: &HttpRequest) -> Result<HttpResponse, Problem> {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    Ok(json_bytes(200, DOCUMENT.get_or_init(openapi::document).clone().into_bytes()))
}

/// This document as a page.
#[utoipa::path(get, operation_id = "docs_page", path = "/docs/", tag = "operations", responses((status = 200, description = "A page", body = String, content_type = "text/html")))]
pub(super) fn page(file: &str, req: &HttpRequest) -> Result<HttpResponse, Problem> {
    static CONFIG: OnceLock<Arc<Config<'static>>> = OnceLock::new();
    if file.is_empty() && !req.path().ends_with('/') {
        // The page's own links are relative.
        return Ok(HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "/docs/")).finish());
    }
    let config = CONFIG.get_or_init(|| Arc::new(Config::from("/openapi.json").validator_url("none")));
    let found = utoipa_swagger_ui::serve(file, Arc::clone(config)).map_err(|error| {
        tracing::error!("the documentation cannot be shown: {error}");
        Problem::internal()
    })?;
    let found = found.ok_or_else(|| Problem::not_found("the documentation has no such page; see /docs/"))?;
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((header::CONTENT_TYPE, found.content_type))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY));
    if found.gzpipped {
        answer.insert_header((header::CONTENT_ENCODING, "gzip"));
    }
    Ok(answer.body(found.bytes.into_owned()))
}
