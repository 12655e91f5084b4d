//! `GET /v1/audit/export`: the log as a file, streamed.
//!
//! In: filters and a form. Out: the file over a fixed checkpoint, made as fast as the client reads it and no faster; a transfer that broke
//! off goes on with `Range` and `If-Range`, byte for byte, although the log grew meanwhile. Refused: more exports at a time than the
//! settings allow. A client that goes away ends the work with its next piece. `GET /v1/audit/export/manifest`: the signed manifest of
//! such a file, for forms that cannot hold it.

use super::super::{Problem, private};
use crate::{
    audit::Deed,
    auth::Reader,
    export::audit::{Export, Format, Plan, SIDECAR, filter_text},
    query::audit::ExportParams,
    server::{
        audit::{MadeExport, Signed, who},
        state::{Door, PATIENCE, State},
    },
    store::{StoreError, trail::Pruned},
};
use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    body::{self, SizedStream},
    http::{Method, StatusCode, header},
    web,
};
use bytes::Bytes;
use futures_util::stream;
use sha2::{Digest, Sha256};
use std::sync::{Arc, PoisonError};
use tokio::sync::OwnedSemaphorePermit;

/// Whole exports that are remembered.
const MADE_MAX: usize = 64;

/// How much is handed out at a time.
const PIECE_BYTES: usize = 64 << 10;

/// The audit log as a file.
///
/// In the order of the records' numbers, over everything that was acknowledged before the request. `ndjson` proves itself offline
/// (`lifeline audit verify FILE`), `zip` holds that and the CSV, keys and a verifier. An interrupted transfer is resumed with
/// `Range: bytes=N-` and `If-Range: ETAG`. Every export leaves a record in the access log.
#[utoipa::path(get, operation_id = "export_audit", path = "/v1/audit/export", tag = "audit", security(("token" = [])), params(
    ("format" = Option<String>, Query, description = "Form of the file, `csv` when absent"),
    ("If-None-Match" = Option<String>, Header, description = "The tag of an earlier export"),
    ("Range" = Option<String>, Header, description = "`bytes=N-`, with `If-Range`"),
    ("If-Range" = Option<String>, Header, description = "The tag of the export to go on with"),
), responses(
    (status = 200, description = "The file", body = String, content_type = "application/octet-stream"),
    (status = 206, description = "The rest of the file", body = String, content_type = "application/octet-stream"),
    (status = 304, description = "Nothing changed since the export of that tag"),
    (status = 416, description = "The file is not so long"),
))]
pub(in crate::server) async fn export(
    state: &Arc<State>,
    door: Door,
    req: &HttpRequest,
    by: Option<Reader>,
) -> Result<HttpResponse, Problem> {
    let ask = Ask::of(req)?;
    let of = |name: header::HeaderName| req.headers().get(name).and_then(|value| value.to_str().ok());
    let (mut plan, mut tag) = ask.now(state).await?;
    if of(header::IF_NONE_MATCH).is_some_and(|tags| tags.split(',').any(|given| plain(given) == Some(&tag))) {
        return Ok(headers(StatusCode::NOT_MODIFIED, &plan, &tag).finish());
    }
    let mut skip = 0;
    if let (Some(from), Some(earlier)) = (of(header::RANGE).and_then(first_byte), of(header::IF_RANGE).and_then(plain))
        && let Some(again) = ask.again(state, earlier).await?
    {
        (plan, tag) = again;
        skip = from;
    }
    if req.method() == Method::HEAD {
        let mut answer = headers(StatusCode::OK, &plan, &tag);
        // How long the file is, is known once it was made whole; until then the answer says nothing of it.
        return Ok(match known(state, &tag) {
            Some(made) => answer.body(SizedStream::new(made.length, stream::empty::<Result<Bytes, Broken>>())),
            None => answer.body(body::None::new()),
        });
    }
    let permit = permit(state)?;
    state.audit.did(ask.deed(&plan, skip), who(by.as_ref(), door)).await?;
    if skip == 0 && ask.params.log == crate::audit::Log::Access {
        // The record of this very export is part of what is exported.
        (plan, tag) = ask.now(state).await?;
    }
    let mut making = Making::new(&plan, &tag, state, by, permit)?;
    making.skip = skip;
    if skip == 0 {
        return Ok(headers(StatusCode::OK, &plan, &tag).streaming(making.pieces()));
    }
    let length = match known(state, &tag) {
        Some(made) => made.length,
        None => making.whole().await?.length,
    };
    if skip >= length {
        let mut answer = headers(StatusCode::RANGE_NOT_SATISFIABLE, &plan, &tag);
        return Ok(answer.insert_header((header::CONTENT_RANGE, format!("bytes */{length}"))).finish());
    }
    making.export = Some(Export::new(plan.clone())?);
    let mut answer = headers(StatusCode::PARTIAL_CONTENT, &plan, &tag);
    answer.insert_header((header::CONTENT_RANGE, format!("bytes {skip}-{}/{length}", length - 1)));
    Ok(answer.body(SizedStream::new(length - skip, making.pieces())))
}

/// The signed manifest of an export.
///
/// For `csv`, `json`, `parquet` and `ocsf`, which cannot hold it: filter, period, counts, SHA-256 of the whole file and the root of the tree,
/// signed, with the checkpoint and the public key. Kept beside the file as `FILE.manifest.json` it is what `lifeline audit verify FILE`
/// compares the file with. `If-Match: ETAG` asks for the manifest of the export with that tag, though the log has grown since.
#[utoipa::path(get, operation_id = "export_audit_manifest", path = "/v1/audit/export/manifest", tag = "audit", security(("token" = [])), params(
    ("format" = Option<String>, Query, description = "Form of the file, `csv` when absent; with the filters of the export"),
    ("If-Match" = Option<String>, Header, description = "The tag of the export"),
), responses(
    (status = 200, description = "Manifest, checkpoint and public key", body = String, content_type = "application/json"),
    (status = 412, description = "No export of this question has that tag"),
))]
pub(in crate::server) async fn manifest(
    state: &Arc<State>,
    req: &HttpRequest,
    by: Option<Reader>,
) -> Result<HttpResponse, Problem> {
    let ask = Ask::of(req)?;
    let wanted = req.headers().get(header::IF_MATCH).map(|value| value.to_str().ok().and_then(plain));
    let (plan, tag) = match wanted {
        None => ask.now(state).await?,
        Some(tag) => match ask.again(state, tag.unwrap_or_default()).await? {
            Some(again) => again,
            None => {
                return Err(Problem::new(
                    412,
                    "no-such-export",
                    "No such export",
                    "this question has no export of that tag; download it anew",
                ));
            }
        },
    };
    let made = match known(state, &tag) {
        Some(made) => made,
        None => Making::new(&plan, &tag, state, by, permit(state)?)?.whole().await?,
    };
    let mut answer = HttpResponse::Ok();
    private(&mut answer);
    Ok(answer
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}{SIDECAR}\"", plan.file_name())))
        .insert_header((header::ETAG, format!("\"{tag}\"")))
        .body(made.sidecar))
}

fn permit(state: &State) -> Result<OwnedSemaphorePermit, Problem> {
    let busy = || Problem::busy("as many exports as are allowed are running", PATIENCE);
    Arc::clone(&state.audit.exports).try_acquire_owned().map_err(|_| busy())
}

/// What is asked for.
struct Ask {
    params: ExportParams,
    format: Format,
}

impl Ask {
    fn of(req: &HttpRequest) -> Result<Self, Problem> {
        let params = ExportParams::parse(req.query_string(), &Format::ALL.map(Format::as_str))?;
        let format = Format::ALL.into_iter().find(|format| format.as_str() == params.format).unwrap_or(Format::Csv);
        Ok(Self { params, format })
    }

    /// The plan over everything that there is now, and its tag.
    async fn now(&self, state: &State) -> Result<(Plan, String), Problem> {
        let signed = state.audit.notary.first(self.params.log, None).await?;
        let signed = signed.ok_or_else(Problem::internal)?;
        self.plan(state, signed).await
    }

    /// The plan of an earlier export, when its tag is of this question.
    async fn again(&self, state: &State, earlier: &str) -> Result<Option<(Plan, String)>, Problem> {
        let Some(size) = earlier.split_once('-').and_then(|(size, _)| size.parse().ok()) else { return Ok(None) };
        let Some(signed) = state.audit.notary.first(self.params.log, Some(size)).await? else { return Ok(None) };
        let (plan, tag) = self.plan(state, signed).await?;
        Ok((tag == earlier).then_some((plan, tag)))
    }

    async fn plan(&self, state: &State, signed: Signed) -> Result<(Plan, String), Problem> {
        let (log, notary) = (self.params.log, &state.audit.notary);
        let pruned = state.read(move |store| store.trail().pruned(log)).await?;
        let plan = Plan {
            log,
            filter: self.params.filter.clone(),
            format: self.format,
            size: signed.size,
            root: signed.root,
            made_at: signed.made_at,
            origin: signed.origin,
            checkpoint: signed.note,
            public_key: notary.public(log).to_string(),
            key_id: notary.key_id(log).to_string(),
            sign: notary.signer(log),
        };
        let tag = tag(&plan, &pruned);
        Ok((plan, tag))
    }

    /// What the access log says about it.
    fn deed(&self, plan: &Plan, from_byte: u64) -> Deed {
        let mut details = vec![
            ("format", plan.format.as_str().into()),
            ("filter", filter_text(&plan.filter).into()),
            ("tree_size", plan.size.into()),
        ];
        if from_byte > 0 {
            details.push(("from_byte", from_byte.into()));
        }
        Deed { event: "export_audit", action: "EXPORT", on: ("AUDIT_LOG", plan.log.as_str().into()), details }
    }
}

/// What tells one export from another: the same tag means the same bytes.
fn tag(plan: &Plan, pruned: &[Pruned]) -> String {
    let mut hash = Sha256::new();
    for part in [
        plan.checkpoint.as_str(),
        plan.format.as_str(),
        &filter_text(&plan.filter),
        &plan.public_key,
        env!("CARGO_PKG_VERSION"),
    ] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    for range in pruned.iter().filter(|range| range.first <= plan.size) {
        hash.update(range.first.to_be_bytes());
        hash.update(range.last.to_be_bytes());
        hash.update(range.at.to_be_bytes());
    }
    format!("{}-{}", plan.size, hex::encode(&hash.finalize()[..12]))
}

/// A tag without its quotes; a weak one is none, since only the same bytes will do.
fn plain(tag: &str) -> Option<&str> {
    tag.trim().strip_prefix('"')?.strip_suffix('"')
}

/// The first byte of `bytes=N-`.
fn first_byte(range: &str) -> Option<u64> {
    let from = range.trim().strip_prefix("bytes=")?.strip_suffix('-')?;
    from.bytes().all(|byte| byte.is_ascii_digit()).then(|| from.parse().ok()).flatten().filter(|from| *from > 0)
}

fn headers(status: StatusCode, plan: &Plan, tag: &str) -> HttpResponseBuilder {
    let mut answer = HttpResponseBuilder::new(status);
    private(&mut answer);
    answer
        .insert_header((header::CONTENT_TYPE, plan.format.media_type()))
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", plan.file_name())))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::ETAG, format!("\"{tag}\"")))
        .insert_header(("lifeline-tree-size", plan.size))
        .insert_header(("lifeline-root-hash", hex::encode(plan.root)))
        .insert_header(("lifeline-key-id", plan.key_id.as_str()))
        .insert_header(("x-accel-buffering", "no"));
    answer
}

fn known(state: &State, tag: &str) -> Option<MadeExport> {
    let made = state.audit.made.lock().unwrap_or_else(PoisonError::into_inner);
    made.iter().find(|known| known.tag == tag).cloned()
}

/// A file that is being made for a client.
struct Making {
    /// `None` while a thread works on it, and when something failed.
    export: Option<Export>,
    state: Arc<State>,
    by: Option<Reader>,
    tag: String,
    /// Bytes that the client has already.
    skip: u64,
    /// Bytes that are made but not handed out.
    ready: Bytes,
    _permit: OwnedSemaphorePermit,
}

/// Why a transfer ends before its file. The connection is closed, so that the client sees that something is missing.
#[derive(Debug, thiserror::Error)]
#[error("the export ended early: {0}")]
struct Broken(String);

impl Making {
    fn new(
        plan: &Plan,
        tag: &str,
        state: &Arc<State>,
        by: Option<Reader>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            export: Some(Export::new(plan.clone())?),
            state: Arc::clone(state),
            by,
            tag: tag.to_owned(),
            skip: 0,
            ready: Bytes::new(),
            _permit: permit,
        })
    }

    /// The next piece of the file; `None` at its end.
    async fn made(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let lost = || StoreError::Engine("an export failed".into());
        let mut export = self.export.take().ok_or_else(lost)?;
        let store = Arc::clone(self.state.store());
        let work = web::block(move || {
            let piece = export.next(store.trail());
            (export, piece)
        });
        let (export, piece) = work.await.map_err(|_| lost())?;
        self.export = Some(export);
        piece
    }

    /// Makes the whole file for what is known at its end.
    async fn whole(&mut self) -> Result<MadeExport, StoreError> {
        while self.made().await?.is_some() {}
        Ok(self.remember())
    }

    /// Remembers what is known at the end of the file.
    fn remember(&self) -> MadeExport {
        let length = self.export.as_ref().map_or(0, Export::bytes);
        let sidecar = self.export.as_ref().and_then(Export::sidecar).unwrap_or_default();
        let whole = MadeExport { tag: self.tag.clone(), length, sidecar };
        let mut made = self.state.audit.made.lock().unwrap_or_else(PoisonError::into_inner);
        if !made.iter().any(|known| known.tag == whole.tag) {
            if made.len() == MADE_MAX {
                made.remove(0);
            }
            made.push(whole.clone());
        }
        whole
    }

    /// The next bytes for the client.
    async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        while self.ready.is_empty() {
            if self.state.is_draining() {
                return Err(Broken("the server is stopping".into()));
            }
            if self.by.as_ref().is_some_and(|by| !self.state.gate.still_admits(by)) {
                return Err(Broken("the token was revoked".into()));
            }
            let piece = self.made().await.map_err(|error| {
                tracing::warn!("an export of the audit log ended early: {error}");
                Broken("the store could not be read".into())
            })?;
            let Some(piece) = piece else {
                self.remember();
                return Ok(None);
            };
            self.ready = piece.into();
            let known = usize::try_from(self.skip).unwrap_or(usize::MAX).min(self.ready.len());
            self.skip -= known as u64;
            let _ = self.ready.split_to(known);
        }
        Ok(Some(self.ready.split_to(self.ready.len().min(PIECE_BYTES))))
    }

    fn pieces(self) -> stream::BoxStream<'static, Result<Bytes, Broken>> {
        let pieces = stream::unfold(Some(self), |making| async move {
            let mut making = making?;
            match making.next().await {
                Ok(Some(bytes)) => Some((Ok(bytes), Some(making))),
                Ok(None) => None,
                Err(broken) => Some((Err(broken), None)),
            }
        });
        Box::pin(pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_open_ranges_and_strong_tags_resume() {
        for (range, from) in [
            ("bytes=5-", Some(5)),
            ("bytes=0-", None),
            ("bytes=5-7", None),
            ("bytes=-5", None),
            ("bytes=5-,9-", None),
            ("items=5-", None),
        ] {
            assert_eq!(first_byte(range), from, "{range}");
        }
        assert_eq!(plain(" \"7-ab\""), Some("7-ab"));
        assert_eq!(plain("W/\"7-ab\""), None);
    }
}
