//! The paths of the protocols, with what each really answers.
//!
//! In: the list that the server serves. Out: one operation for each path. What stands in an answer is asked of the protocol itself, once for
//! each way in which a delivery can end, so that document and answers cannot differ.

use super::essence;
use crate::protocol::{
    AuthError, DecodeError, Head, Health, IngestError, PROTOCOLS, Protocol, Receipt, Reply, Route, Serves,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::{
    Modify,
    openapi::{
        self, Content, ContentBuilder, HttpMethod, PathItem, Ref, RefOr, Required, ResponseBuilder, Schema,
        path::{Operation, OperationBuilder, ParameterBuilder, ParameterIn},
        request_body::RequestBodyBuilder,
        schema::{ObjectBuilder, Type},
        security::SecurityRequirement,
    },
};

/// The paths of the protocols.
pub(super) struct Deliveries;

impl Modify for Deliveries {
    fn modify(&self, document: &mut openapi::OpenApi) {
        for protocol in PROTOCOLS {
            for route in protocol.routes() {
                let method = match route.serves {
                    Serves::Ingest | Serves::Acks => HttpMethod::Post,
                    Serves::Health => HttpMethod::Get,
                };
                let item = PathItem::new(method, operation(*protocol, *route));
                let (path, _) = template(route.path);
                match document.paths.paths.get_mut(&path) {
                    Some(there) => there.merge_operations(item),
                    None => {
                        document.paths.paths.insert(path, item);
                    }
                }
            }
        }
    }
}

/// A path with names for the segments that stand for any, and those names.
fn template(path: &str) -> (String, Vec<String>) {
    let mut names = Vec::new();
    let segments = path.split('/').map(|segment| {
        if segment != "*" {
            return segment.to_owned();
        }
        let name = if names.is_empty() { "segment".to_owned() } else { format!("segment{}", names.len() + 1) };
        names.push(name.clone());
        format!("{{{name}}}")
    });
    (segments.collect::<Vec<_>>().join("/"), names)
}

fn operation(protocol: &dyn Protocol, route: Route) -> Operation {
    let name = protocol.name();
    let health = if route.serves == Serves::Health { "_health" } else { "" };
    let id = format!("{name}{health}{}", route.path.replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
    let mut operation = OperationBuilder::new().tag("deliveries").operation_id(Some(id));
    for name in template(route.path).1 {
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
        let text = ObjectBuilder::new().schema_type(Type::String);
        operation = operation.parameter(parameter.schema(Some(text)).build());
    }
    operation = answers(protocol, route).described(operation);
    if route.serves == Serves::Health {
        return operation.summary(Some(format!("{name}: is it healthy?"))).build();
    }
    let (summary, example) = match route.serves {
        Serves::Acks => ("which acknowledgements are durable?", json!({"acks": [0, 1]})),
        _ if name == "splunk_hec" => ("take events", json!({"event": example()})),
        _ if name == "loki" => {
            let line = example().to_string();
            ("take events", json!({"streams": [{"stream": {}, "values": [["1786959683518000000", line]]}]}))
        }
        _ => ("take events", example()),
    };
    let content = ContentBuilder::new().schema(Some(ObjectBuilder::new())).example(Some(example)).build();
    let body = RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True)).build();
    let mut operation = operation.summary(Some(format!("{name}: {summary}"))).request_body(Some(body));
    for scheme in ["token", "splunk_token", "basic", "query_token"] {
        operation = operation.security(SecurityRequirement::new(scheme, Vec::<String>::new()));
    }
    if name == "fivetran_webhook" {
        operation = operation.security(SecurityRequirement::new("signature", Vec::<String>::new()));
    }
    operation.build()
}

/// What a route answers, by status.
#[derive(Default)]
struct Answers {
    by_status: BTreeMap<u16, Answer>,
}

#[derive(Default)]
struct Answer {
    meanings: Vec<&'static str>,
    /// The first body of each media type.
    bodies: BTreeMap<&'static str, Content>,
}

impl Answers {
    fn add(&mut self, protocol: &dyn Protocol, meaning: &'static str, reply: &Reply) {
        let answer = self.by_status.entry(reply.status).or_default();
        if !answer.meanings.contains(&meaning) {
            answer.meanings.push(meaning);
        }
        if let Some(media_type) = reply.content_type.map(essence) {
            answer.bodies.entry(media_type).or_insert_with(|| content(protocol, media_type, reply));
        }
    }

    fn described(self, mut operation: OperationBuilder) -> OperationBuilder {
        for (status, Answer { meanings, bodies }) in self.by_status {
            let mut response = ResponseBuilder::new().description(meanings.join("; or: "));
            for (media_type, content) in bodies {
                response = response.content(media_type, content);
            }
            operation = operation.response(status.to_string(), response.build());
        }
        operation
    }
}

/// A body: what it is, and as it would be.
fn content(protocol: &dyn Protocol, media_type: &str, reply: &Reply) -> Content {
    let schema: RefOr<Schema> = match (protocol.name(), reply.status) {
        ("native" | "fivetran_webhook", 200) if media_type == "application/json" && has_items(reply) => {
            Ref::from_schema_name("Receipt").into()
        }
        _ if media_type.ends_with("json") => ObjectBuilder::new().schema_type(Type::Object).into(),
        _ => ObjectBuilder::new().schema_type(Type::String).into(),
    };
    let example = match serde_json::from_slice::<Value>(&reply.body) {
        Ok(body) => Some(body),
        Err(_) => std::str::from_utf8(&reply.body).ok().map(Value::from),
    };
    ContentBuilder::new().schema(Some(schema)).example(example).build()
}

fn has_items(reply: &Reply) -> bool {
    serde_json::from_slice::<Value>(&reply.body).is_ok_and(|body| body["items"].is_array())
}

/// Asks a protocol for every answer that it has.
fn answers(protocol: &dyn Protocol, route: Route) -> Answers {
    let mut answers = Answers::default();
    // Some answer in the form of the question.
    for form in ["application/json", "application/x-protobuf"] {
        let mut headers = vec![("content-type".to_owned(), form.to_owned())];
        headers.extend(route.only_with.map(|(name, value)| (name.to_owned(), format!("{value}PutLogEvents"))));
        let head = Head::new(if route.serves == Serves::Health { "GET" } else { "POST" }, route.path, "", &headers);
        match route.serves {
            Serves::Health => {
                for (health, meaning) in [
                    (Health::Ready, "Events are taken"),
                    (Health::Busy, "Events are not taken now"),
                    (Health::Unavailable, "Events are not taken now"),
                    (Health::ShuttingDown, "Events are not taken now"),
                ] {
                    answers.add(protocol, meaning, &protocol.health_reply(&head, health));
                }
                continue;
            }
            Serves::Acks => answers.add(protocol, "Which are", &protocol.ack_reply(&[(0, true), (1, false)])),
            Serves::Ingest => {
                let good = Receipt { accepted: 1, ..Receipt::default() };
                answers.add(protocol, "Everything that could be read is on disk", &protocol.reply(&head, &Ok(good)));
                let partly = Receipt { accepted: 1, quarantined: 1, ..Receipt::default() };
                let meaning = "Some of it could not be read and is in quarantine; the rest is on disk";
                answers.add(protocol, meaning, &protocol.reply(&head, &Ok(partly)));
            }
        }
        for (meaning, error) in errors(route.serves) {
            answers.add(protocol, meaning, &protocol.reply(&head, &Err(error)));
        }
    }
    answers
}

/// Every way in which a delivery fails.
fn errors(serves: Serves) -> Vec<(&'static str, IngestError)> {
    let unreadable = match serves {
        Serves::Acks => ("The question cannot be read", DecodeError::empty(0, "expected a list of ids")),
        _ => (
            "Nothing, or not everything, could be read; it is in quarantine",
            DecodeError::new(0, "expected an object, found a number"),
        ),
    };
    let disk_full = IngestError::StoreUnavailable { reason: "disk full".to_owned(), retry_after_s: 30 };
    let busy = "Busy, or the store cannot write; nothing was taken";
    vec![
        (unreadable.0, IngestError::Malformed(unreadable.1)),
        ("The compressed body is damaged", IngestError::BadEncoding("it ends too early".to_owned())),
        ("A token or a signature is needed", IngestError::Auth(AuthError::Missing)),
        ("The token is not known", IngestError::Auth(AuthError::Unknown)),
        ("The token may not deliver", IngestError::Auth(AuthError::Forbidden)),
        ("The body came too slowly", IngestError::Timeout),
        ("The body is too large", IngestError::TooLarge { limit_bytes: 16 << 20 }),
        ("The content encoding is not supported", IngestError::UnknownEncoding),
        ("Too many wrong tokens from this address", IngestError::Auth(AuthError::Throttled { retry_after_s: 60 })),
        ("A fault of ours; nothing was taken", IngestError::Internal),
        (busy, IngestError::Busy { retry_after_s: 5 }),
        (busy, disk_full),
        (busy, IngestError::ShuttingDown),
    ]
}

/// A connector event. Source: the record in protocols.md section 0.
fn example() -> Value {
    json!({
        "event": "sync_end",
        "data": {"status": "SUCCESSFUL"},
        "created": "2026-08-17T09:41:23.518Z",
        "connector_type": "salesforce",
        "connection_id": "iodize_impressive",
        "connection_name": "salesforce_prod",
        "sync_id": "2a1b3c4d-0000-4000-8000-000000000001",
    })
}
