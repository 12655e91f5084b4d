//! Genuine exports: of a store that grows, of both logs, with all kinds of filters, before and after retention removed something.

use super::{rng::Rng, sign::Signer};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use lifeline::{
    audit::{Actor, ActorKind, Change, Draft, Log, Resource, tree},
    export::audit::{Export, Format, Plan},
    model::{Delivery, NewEvent, Payload, Record, Timestamp},
    pipeline::Understanding,
    redact::Redactor,
    store::{
        self, Batch, SharedStore, SqliteOptions,
        trail::{PruneRequest, RecordFilter},
    },
    validate::Schemas,
};
use serde_json::{Value, json};
use std::{path::Path, sync::Arc};

/// The moment of the first event, microseconds.
pub const EPOCH_US: i64 = 1_751_904_000_000_000;
/// Between two events.
const STEP_US: i64 = 60_000_000;

/// A store with a signer.
pub struct Corpus {
    pub store: SharedStore,
    pub signer: Signer,
    understanding: Understanding,
    examples: Vec<Value>,
    runtime: tokio::runtime::Runtime,
    made: i64,
}

/// A genuine export.
#[derive(Clone)]
pub struct Genuine {
    pub bytes: Vec<u8>,
    pub key: String,
    pub log: Log,
    pub format: Format,
    pub size: u64,
}

/// Texts that break what does not quote them.
const HOSTILE: &[&str] = &[
    "=HYPERLINK(\"http://x\")",
    "a \"quoted\", b",
    "line\r\nbreak",
    "\",\"leaf_hash\":\"",
    "日本語 – ü\u{202e}",
    "\u{1}\u{7f}\t",
    "",
];

impl Corpus {
    /// An empty store in a directory.
    pub fn open(dir: &Path) -> Self {
        let options = SqliteOptions { ballast_bytes: 0, ..SqliteOptions::default() };
        let documented = include_str!("../../fixtures/event/documented_events.ndjson");
        let examples = documented.lines().map(|line| serde_json::from_str(line).expect("an event"));
        Self {
            store: store::open(dir, options).expect("an empty directory is opened"),
            signer: Signer::new(7),
            understanding: Understanding::new(Arc::new(Schemas::builtin()), Arc::new(Redactor::new([7; 32]))),
            examples: examples
                .filter(|event: &Value| event["data"]["userId"].is_string() || event["data"]["actor"].is_string())
                .collect(),
            runtime: tokio::runtime::Builder::new_current_thread().build().expect("a runtime"),
            made: 0,
        }
    }

    /// An event that makes a record: a documented one with another time, another name, sometimes texts made to break things.
    fn event(&mut self, rng: &mut Rng) -> NewEvent {
        let mut event = rng.pick(&self.examples).clone();
        self.made += 1;
        // Not always in order.
        let at = EPOCH_US + (self.made - rng.below(4) as i64) * STEP_US + rng.below(1_000_000) as i64;
        event["created"] = Timestamp::from_micros(at).to_string().into();
        let who = if rng.below(8) == 0 { (*rng.pick(HOSTILE)).to_owned() } else { format!("user_{}", rng.below(5)) };
        let data = &mut event["data"];
        for name in ["userId", "actor"] {
            if data[name].is_string() {
                data[name] = who.clone().into();
            }
        }
        if data["newValues"].is_object() && rng.below(3) == 0 {
            data["newValues"][(*rng.pick(HOSTILE)).to_owned()] = json!({"note": rng.pick(HOSTILE), "n": self.made});
        }
        let record =
            Record { payload: Payload::Json(event.to_string().into()), hints: lifeline::model::Hints::default() };
        self.understanding.understand(&record, None, at).expect("an event")
    }

    /// So many more records, in one commit.
    pub fn grow(&mut self, rng: &mut Rng, n: usize) {
        let events = (0..n).map(|_| self.event(rng)).collect();
        let delivery = Delivery { protocol: "native", token: "default".into() };
        let batch = Batch { delivery, events, quarantine: Vec::new(), ack_channel: None };
        self.runtime.block_on(self.store.append(batch)).expect("stored");
    }

    /// The same pause twice: as a dashboard event and as an audit event.
    pub fn twins(&mut self) {
        self.made += 1;
        let at = EPOCH_US + self.made * STEP_US;
        let created = |more: i64| Timestamp::from_micros(at + more).to_string();
        let id = format!("twin_{}", self.made);
        let pair = [
            json!({"event": "pause_connector", "created": created(0), "connection_id": id, "data": {"actor": "ana@example.com", "id": id}}),
            json!({"event": "edit_connection", "created": created(2_000_000), "connection_id": id, "data": {"userId": "ana",
                "interactionMethod": "WEB_UI", "action": "EDIT", "primaryResourceType": "CONNECTION", "primaryResourceId": id,
                "oldValues": {"is_paused": false}, "newValues": {"is_paused": true}}}),
        ];
        let events = pair.map(|event| {
            let record =
                Record { payload: Payload::Json(event.to_string().into()), hints: lifeline::model::Hints::default() };
            self.understanding.understand(&record, None, at).expect("an event")
        });
        let delivery = Delivery { protocol: "native", token: "default".into() };
        let batch = Batch { delivery, events: events.into(), quarantine: Vec::new(), ack_channel: None };
        self.runtime.block_on(self.store.append(batch)).expect("stored");
    }

    /// One more record of our own doings.
    pub fn act(&mut self, rng: &mut Rng) {
        self.made += 1;
        let at = Timestamp::from_micros(EPOCH_US + self.made * STEP_US);
        let actor = Actor { id: Some(format!("reader_{}", rng.below(3))), kind: ActorKind::Token };
        let about = Resource { kind: "TOKEN".to_owned(), id: Some((*rng.pick(HOSTILE)).to_owned()) };
        let change = Change { field: "format".to_owned(), old: Value::Null, new: (*rng.pick(HOSTILE)).into() };
        let draft = Draft::own("export_audit", actor, "HTTP", "EXPORT", Some(about), vec![change], at);
        self.runtime.block_on(self.store.trail().record(draft)).expect("stored");
    }

    /// Retention removes what is older than some moment between the first event and now.
    pub fn prune(&mut self, rng: &mut Rng) {
        let before = EPOCH_US + rng.below(self.made.max(1) as usize) as i64 * STEP_US;
        let request = PruneRequest {
            trail_before: Some(before),
            access_before: (rng.below(2) == 0).then_some(before),
            reason: format!("retention \"{}\" days – ü", rng.below(400)),
        };
        self.runtime.block_on(self.store.trail().prune(request)).expect("pruned");
    }

    /// Retention removes what was done in the trail before a moment.
    pub fn prune_to(&self, before: i64) {
        let request =
            PruneRequest { trail_before: Some(before), access_before: None, reason: "retention 400 days".to_owned() };
        self.runtime.block_on(self.store.trail().prune(request)).expect("pruned");
    }

    /// A copy of the store in an empty directory.
    pub fn copy(&self, to: &Path) {
        self.store.backup(&to.join("lifeline.db"), &mut |_, _| {}).expect("copied");
    }

    pub fn size(&self, log: Log) -> u64 {
        self.store.trail().size(log).expect("a size")
    }

    /// Name of a log in checkpoints.
    pub fn origin(&self, log: Log) -> String {
        let id = self.store.trail().store_id().expect("an id");
        format!("lifeline/{}/{}", hex::encode(&id[..6]), log.as_str())
    }

    /// The root of so many records, folded from the nodes that the store gives.
    pub fn root(&self, log: Log, size: u64) -> tree::Hash {
        let nodes = self.store.trail().nodes(log, &tree::subtrees(0, size)).expect("nodes");
        let mut nodes = nodes.into_iter().rev();
        let last = nodes.next();
        last.map_or_else(tree::empty_root, |last| nodes.fold(last, |right, left| tree::node_hash(&left, &right)))
    }

    /// A signed checkpoint, two records after the one before it.
    pub fn checkpoint(&self, log: Log, size: u64) -> String {
        self.checkpoint_after(log, size, size.checked_sub(2).filter(|before| *before > 1))
    }

    /// A signed checkpoint that names the one before it, by its size.
    pub fn checkpoint_after(&self, log: Log, size: u64, previous: Option<u64>) -> String {
        let origin = self.origin(log);
        let root = STANDARD.encode(self.root(log, size));
        let line = |before: u64| format!("previous {before} {}\n", STANDARD.encode(self.root(log, before)));
        let previous = previous.map(line).unwrap_or_default();
        self.signer.note(&origin, &format!("{origin}\n{size}\n{root}\ntime {}\n{previous}", Self::made_at(size)))
    }

    fn made_at(size: u64) -> String {
        Timestamp::from_micros(EPOCH_US + size as i64).to_string()
    }

    /// A filter: mostly none, or one that some records fit.
    pub fn filter(&self, rng: &mut Rng, log: Log) -> RecordFilter {
        let mut filter = RecordFilter::default();
        let time = |rng: &mut Rng| Some(EPOCH_US + rng.below(self.made.max(1) as usize + 2) as i64 * STEP_US);
        match rng.below(10) {
            0 => filter.from = time(rng),
            1 => filter.to = time(rng),
            2 => (filter.from, filter.to) = (time(rng), time(rng)),
            3 => filter.actor = Some(if log == Log::Trail { "user_1".into() } else { "reader_1".into() }),
            4 => filter.action = Some("EDIT".to_owned()),
            5 => filter.q = Some("日本語".to_owned()),
            6 => filter.resource_type = Some("CONNECTION".to_owned()),
            _ => {}
        }
        filter
    }

    /// The export, made as the server makes it.
    pub fn export(&self, log: Log, format: Format, filter: RecordFilter) -> Genuine {
        let (size, origin) = (self.size(log), self.origin(log));
        let key = self.signer.vkey(&origin);
        let (name, signer) = (origin.clone(), Signer::new(7));
        let plan = Plan {
            log,
            filter,
            format,
            size,
            root: self.root(log, size),
            made_at: Self::made_at(size),
            checkpoint: self.checkpoint(log, size),
            public_key: key.clone(),
            key_id: self.signer.key_id(&origin),
            origin,
            sign: Arc::new(move |text| signer.note(&name, text)),
        };
        let mut export = Export::new(plan).expect("an export");
        let mut bytes = Vec::new();
        while let Some(piece) = export.next(self.store.trail()).expect("a piece") {
            bytes.extend_from_slice(&piece);
        }
        Genuine { bytes, key, log, format, size }
    }

    /// Any genuine export of the store as it stands.
    pub fn any(&self, rng: &mut Rng) -> Genuine {
        let log = if rng.below(4) == 0 { Log::Access } else { Log::Trail };
        let format = if rng.below(3) == 0 { Format::Zip } else { Format::Ndjson };
        let filter = self.filter(rng, log);
        self.export(log, format, filter)
    }

    /// Closes the store, with everything on disk.
    pub fn close(self) {
        self.runtime.block_on(self.store.close()).expect("closed");
    }
}
