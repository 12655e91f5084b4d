//! Reads and compiles the schema files.

use super::{Schema, Schemas};
use crate::model::Family;
use ahash::AHashMap;
use include_dir::{Dir, include_dir};
use jsonschema::{PatternOptions, Registry, Validator};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

static BUILT_IN: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/schemas");

/// Largest schema file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Most files that a user's directory may hold.
const FILES_MAX: usize = 5_000;

/// Why the schemas cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The directory or a file cannot be read.
    #[error("cannot read schema {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is no JSON.
    #[error("schema {path} is not JSON: {reason}")]
    Json {
        /// The file.
        path: String,
        /// The parser's words.
        reason: String,
    },
    /// A file is no usable schema.
    #[error("schema {path} cannot be used: {reason}")]
    Unusable {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// Too many or too large files.
    #[error("schema directory {path} holds more than {FILES_MAX} files or a file over {FILE_BYTES_MAX} bytes")]
    TooLarge {
        /// The directory.
        path: PathBuf,
    },
}

impl Schemas {
    /// The schemas of Fivetran's documentation.
    ///
    /// # Panics
    /// Never in a released build: the files are part of it, and a test compiles them.
    #[must_use]
    pub fn builtin() -> Self {
        Self::load(None).expect("built-in schemas compile")
    }

    /// The built-in schemas with those of a directory added; a file of the same path takes the built-in one's place.
    ///
    /// # Errors
    /// A file that cannot be read, is no JSON, is no schema, or refers to one that is not there.
    pub fn load(own: Option<&Path>) -> Result<Self, SchemaError> {
        let mut files = BTreeMap::new();
        built_in(&BUILT_IN, &mut files)?;
        let mut own_envelope = false;
        if let Some(root) = own {
            let mut found = BTreeMap::new();
            walk(root, root, &mut found)?;
            own_envelope = found.keys().any(|path| path.starts_with("envelope/"));
            files.extend(found);
        }
        compile(&files, own_envelope)
    }
}

type Files = BTreeMap<String, Value>;

fn built_in(dir: &Dir<'_>, files: &mut Files) -> Result<(), SchemaError> {
    for file in dir.files() {
        let path = file.path().to_string_lossy().into_owned();
        if path.ends_with(".json") {
            files.insert(path.clone(), parse(&path, file.contents())?);
        }
    }
    dir.dirs().try_for_each(|dir| built_in(dir, files))
}

fn walk(root: &Path, dir: &Path, files: &mut Files) -> Result<(), SchemaError> {
    let read = |path: &Path| {
        let path = path.to_owned();
        move |source| SchemaError::Read { path, source }
    };
    for entry in fs::read_dir(dir).map_err(read(dir))? {
        let path = entry.map_err(read(dir))?.path();
        let kind = fs::metadata(&path).map_err(read(&path))?;
        if kind.is_dir() {
            walk(root, &path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            if kind.len() > FILE_BYTES_MAX || files.len() >= FILES_MAX {
                return Err(SchemaError::TooLarge { path: root.to_owned() });
            }
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            let bytes = fs::read(&path).map_err(read(&path))?;
            files.insert(name.clone(), parse(&name, &bytes)?);
        }
    }
    Ok(())
}

fn parse(path: &str, bytes: &[u8]) -> Result<Value, SchemaError> {
    serde_json::from_slice(bytes)
        .map_err(|error| SchemaError::Json { path: path.to_owned(), reason: error.to_string() })
}

fn compile(files: &Files, own_envelope: bool) -> Result<Schemas, SchemaError> {
    let unusable = |path: &str, reason: String| SchemaError::Unusable { path: path.to_owned(), reason };
    let shared = files.iter().filter(|(path, _)| path.starts_with("common/")).map(|(path, schema)| {
        let id = schema.get("$id").and_then(Value::as_str).map_or_else(|| address(path), str::to_owned);
        (id, schema.clone())
    });
    let registry = Registry::new()
        .extend(shared)
        .and_then(jsonschema::RegistryBuilder::prepare)
        .map_err(|error| unusable("common/", error.to_string()))?;
    let build = |path: &str, schema: &Value| -> Result<Validator, SchemaError> {
        jsonschema::options()
            .with_registry(&registry)
            .with_base_uri(address(path))
            .with_pattern_options(PatternOptions::regex())
            .offline()
            .build(schema)
            .map_err(|error| unusable(path, error.to_string()))
    };
    let mut envelope = Schema { name: "envelope".to_owned(), family: Family::Other, versions: Vec::new() };
    let mut events: AHashMap<String, Schema> = AHashMap::new();
    let mut use_cases: AHashMap<String, AHashMap<String, Schema>> = AHashMap::new();
    let mut ordered: Vec<(&String, &Value)> = files.iter().collect();
    ordered.sort_by_key(|(path, _)| version(path));
    for (path, schema) in ordered {
        let parts: Vec<&str> = path.split('/').collect();
        match parts.as_slice() {
            ["envelope", _] => envelope.versions.push(build(path, schema)?),
            ["event", name, _] => {
                let name = name.to_lowercase();
                let entry = events.entry(name.clone()).or_insert_with(|| Schema {
                    name,
                    family: Family::Other,
                    versions: Vec::new(),
                });
                entry.family = family(path, schema)?;
                entry.versions.push(build(path, schema)?);
            }
            ["use_case", event, case, _] => {
                let cases = use_cases.entry(event.to_lowercase()).or_default();
                let entry = cases.entry((*case).to_owned()).or_insert_with(|| Schema {
                    name: format!("{event}/{case}"),
                    family: Family::AuditTrail,
                    versions: Vec::new(),
                });
                entry.versions.push(build(path, schema)?);
            }
            ["common" | "diagnosis", ..] => {}
            _ => {
                let reason = "expected envelope/vN.json, event/NAME/vN.json, use_case/EVENT/CASE/vN.json or common/…";
                return Err(unusable(path, reason.to_owned()));
            }
        }
    }
    Ok(Schemas { envelope, events, use_cases, own_envelope })
}

/// The number in `…/v12.json`; other file names come first.
fn version(path: &str) -> u32 {
    path.rsplit('/')
        .next()
        .and_then(|file| file.strip_prefix('v')?.strip_suffix(".json")?.parse().ok())
        .unwrap_or_default()
}

/// The address that relative references start from.
fn address(path: &str) -> String {
    format!("https://lifeline.invalid/schemas/{path}")
}

fn family(path: &str, schema: &Value) -> Result<Family, SchemaError> {
    let Some(family) = schema.pointer("/x-lifeline/family") else { return Ok(Family::Other) };
    serde_json::from_value(family.clone()).map_err(|_| SchemaError::Unusable {
        path: path.to_owned(),
        reason: "x-lifeline.family is none of connector, dashboard, rest_api, audit_trail, transformation, other"
            .to_owned(),
    })
}
