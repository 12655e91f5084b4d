//! A simulated connection's fixed facts, and how its members are spelt.

use super::catalog::ConnectorType;
use std::fmt;

/// Fivetran renamed connectors to connections; which names are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spelling {
    /// Both, as documented today.
    #[default]
    Current,
    /// `connector_id` and `connector_name` only, as before March 2025.
    Old,
    /// `connection_id` and `connection_name` only, as announced.
    New,
}

/// What stays the same during a connection's life.
pub struct Connection {
    /// `lantern_osprey`.
    pub id: String,
    /// Its name, which is its schema or the prefix of its schemas.
    pub name: String,
    /// The connector type.
    pub kind: &'static ConnectorType,
    /// The destination (group) that it writes to.
    pub destination: String,
    /// Schemas that it writes.
    pub schemas: Vec<String>,
    /// Tables that it writes in each schema.
    pub tables: Vec<&'static str>,
    /// The envelope's members about it, each with a comma in front.
    pub(super) members: String,
    /// Its id as members of `data`, without a comma at either end.
    pub(super) id_in_data: String,
    /// Its name as members of `data`.
    pub(super) name_in_data: String,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({} {:?} {})", self.id, self.name, self.kind.name)
    }
}

impl PartialEq for Connection {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.name == other.name
    }
}

impl Connection {
    /// A connection with its members written out once, since they stand in every one of its events.
    pub(super) fn new(
        id: String,
        name: String,
        kind: &'static ConnectorType,
        destination: String,
        tables: Vec<&'static str>,
        spelling: Spelling,
    ) -> Self {
        let schemas = if kind.schemas.is_empty() {
            vec![name.clone()]
        } else {
            kind.schemas.iter().map(|schema| format!("{name}_{schema}")).collect()
        };
        let old = format!(r#","connector_id":"{id}","connector_name":"{name}""#);
        let new = format!(r#","connection_id":"{id}","connection_name":"{name}""#);
        let (members, id_in_data, name_in_data) = match spelling {
            Spelling::Current => (
                old + &new,
                format!(r#""connectionId":"{id}","connectorId":"{id}""#),
                format!(r#""connectionName":"{name}","connectorName":"{name}""#),
            ),
            Spelling::Old => (old, format!(r#""connectorId":"{id}""#), format!(r#""connectorName":"{name}""#)),
            Spelling::New => (new, format!(r#""connectionId":"{id}""#), format!(r#""connectionName":"{name}""#)),
        };
        let members = format!(r#","connector_type":"{}"{members}"#, kind.name);
        Self { id, name, kind, destination, schemas, tables, members, id_in_data, name_in_data }
    }
}
