//! The OpenAPI 3.1 document, made from the code: our own routes from their handlers, the paths of the protocols from the
//! list that the server serves.
//!
//! Out: the JSON of the document. Filters, errors and credentials, which many routes share, are added in one place.

mod deliveries;

use super::{audit, diagnose, docs, events, lives, operations, quarantine, rebuild, stream, tokens};
use crate::{
    audit::Log,
    export::audit::Format,
    lifecycle,
    model::{Family, Level, Source, Status},
    protocol::problem,
    query::{
        audit::ReportFormat,
        lives::{By, RUN_STATUSES, SORTS, sort_word},
        render::{EventView, QuarantineView, TokenView},
    },
    server::error::ProblemDocument,
};
use deliveries::Deliveries;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        self, ContentBuilder, HeaderBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema,
        path::{ParameterBuilder, ParameterIn},
        schema::{ObjectBuilder, Type},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Lifeline",
        description = "A self-hosted log destination for Fivetran: deliveries by several protocols, queries, a live stream.\n\n\
                       Unknown parameters and bad values are 400. Errors are RFC 9457 problem documents, except where a protocol has \
                       a shape of its own.",
    ),
    paths(
        operations::root,
        operations::healthz,
        operations::readyz,
        operations::metrics,
        docs::openapi,
        docs::page,
        events::list,
        events::one,
        stream::open,
        lives::connections,
        lives::connection,
        lives::timeline,
        lives::syncs,
        lives::sync,
        lives::schema_changes,
        lives::daily,
        lives::incidents,
        lives::transformations,
        lives::stats,
        diagnose::ask,
        diagnose::unknown,
        audit::records::list,
        audit::records::one,
        audit::records::inclusion,
        audit::records::consistency,
        audit::export::export,
        audit::export::manifest,
        audit::checkpoints::newest,
        audit::checkpoints::list,
        audit::checkpoints::key,
        audit::reports::access_rights,
        audit::reports::summary,
        quarantine::list,
        quarantine::one,
        quarantine::replay,
        tokens::list,
        tokens::create,
        tokens::revoke,
        rebuild::start,
        rebuild::progress,
    ),
    components(schemas(EventView, QuarantineView, TokenView, ProblemDocument)),
    modifiers(&Filters, &AuditFilters, &Words, &Behind, &Exports, &Errors, &Deliveries, &Credentials),
    tags(
        (name = "events", description = "What was kept"),
        (name = "lives", description = "What it means: connections, their timelines and incidents"),
        (name = "audit", description = "Who did what, when, to what, and the proof of it"),
        (name = "quarantine", description = "What could not be read"),
        (name = "tokens", description = "Who may do what"),
        (name = "operations", description = "How it is doing"),
        (name = "deliveries", description = "The protocols of senders"),
    ),
)]
struct Document;

/// The document as JSON text.
#[must_use]
pub fn document() -> String {
    Document::openapi().to_pretty_json().expect("the document has text keys only")
}

/// The filters that the list of events and the live stream share.
struct Filters;

impl Modify for Filters {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let text = |description: &str| (ObjectBuilder::new().schema_type(Type::String).build(), description.to_owned());
        let words = |all: Vec<&str>, description: &str| {
            let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(all)).build();
            (schema, description.to_owned())
        };
        let time = |description: &str| {
            let format = openapi::SchemaFormat::KnownFormat(openapi::KnownFormat::DateTime);
            let schema = ObjectBuilder::new().schema_type(Type::String).format(Some(format)).build();
            (schema, description.to_owned())
        };
        let levels = [Level::Fine, Level::Info, Level::Warning, Level::Severe];
        let filters = [
            ("connection_id", text("Exact connection id")),
            ("event", text("Exact event name")),
            ("family", words(Family::ALL.map(Family::as_str).to_vec(), "Part of Fivetran's documentation")),
            ("source", words(Source::ALL.map(Source::as_str).to_vec(), "The system that wrote it")),
            ("level", words(levels.map(Level::as_str).to_vec(), "Exact level")),
            ("sync_id", text("Exact sync id")),
            ("validation", words(Status::ALL.map(Status::as_str).to_vec(), "What its schema says")),
            ("destination", text("Exact destination")),
            ("q", text("Text that occurs in the original, the name or the connection; case does not matter")),
            ("from", time("Not before this moment")),
            ("to", time("Before this moment")),
        ];
        for path in ["/v1/events", "/v1/events/stream"] {
            let Some(operation) = document.paths.paths.get_mut(path).and_then(|item| item.get.as_mut()) else {
                continue;
            };
            let parameters = operation.parameters.get_or_insert_default();
            for (name, (schema, description)) in &filters {
                let parameter = ParameterBuilder::new()
                    .name(*name)
                    .parameter_in(ParameterIn::Query)
                    .required(Required::False)
                    .description(Some(description.clone()))
                    .schema(Some(schema.clone()));
                parameters.push(parameter.build().into());
            }
        }
    }
}

/// The filters that the list of audit records and their export share.
struct AuditFilters;

impl Modify for AuditFilters {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let time = openapi::SchemaFormat::KnownFormat(openapi::KnownFormat::DateTime);
        let filters = [
            ("log", "`trail` (what was done in the systems, the default) or `access` (what was done to Lifeline)"),
            ("actor", "Exact actor"),
            ("action", "Exact action; case does not matter"),
            ("event", "Exact event name"),
            ("use_case", "Exact use case"),
            ("method", "Exact method; case does not matter"),
            ("resource_type", "Exact type of the primary or secondary resource; case does not matter"),
            ("resource_id", "Exact id of the primary or secondary resource"),
            ("event_id", "The record of this event"),
            ("q", "Text that occurs in the record; case does not matter"),
            ("from", "Not before this moment or day"),
            ("to", "Before this moment or day"),
        ];
        for path in ["/v1/audit", "/v1/audit/export"] {
            let Some(operation) = document.paths.paths.get_mut(path).and_then(|item| item.get.as_mut()) else {
                continue;
            };
            let parameters = operation.parameters.get_or_insert_default();
            for (name, description) in filters {
                let format = matches!(name, "from" | "to").then(|| time.clone());
                let words = (name == "log").then(|| Log::ALL.map(Log::as_str));
                let schema = ObjectBuilder::new().schema_type(Type::String).format(format).enum_values(words);
                let parameter = ParameterBuilder::new()
                    .name(name)
                    .parameter_in(ParameterIn::Query)
                    .required(Required::False)
                    .description(Some(description))
                    .schema(Some(schema.build()));
                parameters.push(parameter.build().into());
            }
        }
    }
}

/// The words that parameters about lives may be.
struct Words;

impl Modify for Words {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let words: [(&str, &str, Vec<&str>); 12] = [
            ("/v1/diagnose", "source", Source::ALL.map(Source::as_str).to_vec()),
            ("/v1/connections", "status", lifecycle::Status::ALL.map(lifecycle::Status::as_str).to_vec()),
            ("/v1/connections", "health", lifecycle::Health::ALL.map(lifecycle::Health::as_str).to_vec()),
            ("/v1/connections", "source", Source::ALL.map(Source::as_str).to_vec()),
            ("/v1/connections", "sort", SORTS.map(sort_word).to_vec()),
            ("/v1/connections", "order", vec!["asc", "desc"]),
            ("/v1/transformations", "status", RUN_STATUSES.to_vec()),
            ("/v1/stats", "by", By::ALL.map(By::as_str).to_vec()),
            ("/v1/events", "order", vec!["asc", "desc"]),
            ("/v1/audit", "order", vec!["asc", "desc"]),
            ("/v1/audit/export", "format", Format::ALL.map(Format::as_str).to_vec()),
            ("/v1/audit/summary", "format", ReportFormat::ALL.map(ReportFormat::as_str).to_vec()),
        ];
        let of_one = ["", "/timeline", "/syncs", "/syncs/{sync_id}", "/schema-changes", "/daily"];
        let of_one = of_one.map(|rest| format!("/v1/connections/{{id}}{rest}"));
        let of_one = of_one.iter().map(|path| (path.as_str(), "source", Source::ALL.map(Source::as_str).to_vec()));
        for (path, name, all) in words.into_iter().chain(of_one) {
            let operation = document.paths.paths.get_mut(path).and_then(|item| item.get.as_mut());
            let parameters = operation.and_then(|operation| operation.parameters.as_mut());
            for parameter in parameters.into_iter().flatten() {
                if let RefOr::T(parameter) = parameter
                    && parameter.name == name
                {
                    let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(all.clone())).build();
                    parameter.schema = Some(schema.into());
                }
            }
        }
    }
}

/// The header that says what an answer about lives does not show yet.
struct Behind;

impl Modify for Behind {
    fn modify(&self, document: &mut openapi::OpenApi) {
        for operation in document.paths.paths.values_mut().filter_map(|item| item.get.as_mut()) {
            if !operation.tags.iter().flatten().any(|tag| tag == "lives") {
                continue;
            }
            if let Some(RefOr::T(good)) = operation.responses.responses.get_mut("200") {
                let header = HeaderBuilder::new()
                    .schema(Some(ObjectBuilder::new().schema_type(Type::Integer)))
                    .description(Some(
                        "Connections whose late events are not in the answer yet; absent when there are none",
                    ))
                    .build();
                good.headers.insert("Lifeline-Behind".to_owned(), header.into());
            }
        }
    }
}

/// The media types of exported audit logs.
struct Exports;

impl Modify for Exports {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let export = document.paths.paths.get_mut("/v1/audit/export").and_then(|item| item.get.as_mut());
        for response in export.into_iter().flat_map(|operation| operation.responses.responses.values_mut()) {
            if let RefOr::T(file) = response
                && !file.content.is_empty()
            {
                let text = ContentBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String))).build();
                let forms = Format::ALL.map(|form| (essence(form.media_type()).to_owned(), text.clone().into()));
                file.content = forms.into_iter().collect();
            }
        }
    }
}

/// A media type without its parameters.
fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

fn problem_response(description: &str) -> Response {
    let schema = RefOr::<Schema>::Ref(Ref::from_schema_name("Problem"));
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(description).content(problem::CONTENT_TYPE, content).build()
}

/// The errors that any route with a token can answer with; gives every other error its problem document.
struct Errors;

impl Modify for Errors {
    fn modify(&self, document: &mut openapi::OpenApi) {
        for item in document.paths.paths.values_mut() {
            let operations = [&mut item.get, &mut item.post, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                let responses = &mut operation.responses.responses;
                for (status, response) in responses.iter_mut() {
                    if let RefOr::T(found) = response
                        && status.starts_with('4')
                    {
                        *found = problem_response(&found.description);
                    }
                }
                let mut add = |status: &str, description: &str| {
                    responses.entry(status.to_owned()).or_insert_with(|| problem_response(description).into());
                };
                add("400", "A parameter or the body cannot be used");
                add("500", "A fault of ours");
                if operation.security.is_some() {
                    add("401", "A token is needed");
                    add("403", "The token may not do this");
                    add("408", "The body came too slowly");
                    add("429", "Too many wrong tokens from this address");
                    add("503", "Busy, or the store does not answer; try again");
                }
            }
        }
    }
}

/// What a client may show.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let http = |scheme, description: &str| {
            SecurityScheme::Http(HttpBuilder::new().scheme(scheme).description(Some(description)).build())
        };
        let header = |name: &str, description: &str| {
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(name, description)))
        };
        let query = ApiKeyValue::with_description("token", "For deliveries and the live stream only");
        components.add_security_scheme("token", http(HttpAuthScheme::Bearer, "An ingest, read or admin token"));
        components.add_security_scheme("basic", http(HttpAuthScheme::Basic, "The token as user or password"));
        components.add_security_scheme("splunk_token", header("Authorization", "`Splunk TOKEN`"));
        components.add_security_scheme("query_token", SecurityScheme::ApiKey(ApiKey::Query(query)));
        let signature = "HMAC-SHA256 of the body with the webhook secret, in hexadecimal";
        components.add_security_scheme("signature", header("X-Fivetran-Signature-256", signature));
    }
}
