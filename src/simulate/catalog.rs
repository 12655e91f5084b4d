//! What made-up accounts are made of: words for names, connector types with their tables, reasons for failures.

use super::rng::Rng;

/// How a connector gets at its data, which decides the events of its extract phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// SQL against a database.
    Database,
    /// Calls of a web API.
    Api,
    /// Files.
    Files,
}

/// A kind of connector.
#[derive(Debug)]
pub struct ConnectorType {
    /// Fivetran's name of it.
    pub name: &'static str,
    /// How it reads.
    pub access: Access,
    /// Schemas that it writes, appended to the connection's name; none means the name alone.
    pub schemas: &'static [&'static str],
    /// Tables that it may have.
    pub tables: &'static [&'static str],
}

const fn connector(
    name: &'static str,
    access: Access,
    schemas: &'static [&'static str],
    tables: &'static [&'static str],
) -> ConnectorType {
    ConnectorType { name, access, schemas, tables }
}

/// Connector types, the frequent ones more than once.
#[rustfmt::skip]
pub static TYPES: &[ConnectorType] = &[
    connector("postgres", Access::Database, &["public", "billing"],
        &["orders", "order_lines", "customers", "invoices", "payments", "refunds", "shipments", "products", "prices", "addresses", "sessions", "audit_log"]),
    connector("postgres_rds", Access::Database, &["public"],
        &["accounts", "users", "plans", "subscriptions", "usage_daily", "features", "organizations", "memberships"]),
    connector("mysql", Access::Database, &["shop", "crm"],
        &["cart", "cart_item", "account", "contact", "ticket", "ticket_tag", "session", "voucher"]),
    connector("sql_server", Access::Database, &["dbo"],
        &["district", "history", "new_order", "stock", "warehouse", "item", "orders", "order_line"]),
    connector("google_cloud_postgresql", Access::Database, &["public"], &["events", "devices", "readings", "alerts", "sites"]),
    connector("salesforce", Access::Api, &[],
        &["account", "opportunity", "opportunity_history", "lead", "contact", "task", "campaign", "campaign_member", "event", "user", "user_role", "product_2"]),
    connector("hubspot", Access::Api, &[],
        &["company", "contact", "deal", "deal_stage", "engagement", "ticket", "ticket_property_history", "owner", "form"]),
    connector("google_ads", Access::Api, &[],
        &["ad_group_history", "campaign_history", "keyword_stats", "click_performance", "budget", "account_history"]),
    connector("facebook_ads", Access::Api, &[],
        &["account_history", "ad_history", "ad_set_attribution", "basic_ad", "basic_ad_actions", "company_audit"]),
    connector("stripe", Access::Api, &[],
        &["balance_transaction", "charge", "customer", "invoice", "invoice_line_item", "payment_intent", "refund", "subscription_history"]),
    connector("zendesk", Access::Api, &[], &["ticket", "ticket_field_history", "user", "organization", "brand", "satisfaction_rating"]),
    connector("s3", Access::Files, &[], &["clicks"]),
    connector("google_sheets", Access::Files, &[], &["targets"]),
    connector("webhooks", Access::Files, &[], &["inbound"]),
];

/// Words of which ids and names are made, as Fivetran does.
pub static WORDS: &[&str] = &[
    "abridge",
    "acorn",
    "aftermath",
    "alpine",
    "amended",
    "arbor",
    "asleep",
    "bantam",
    "beacon",
    "bellow",
    "birch",
    "blithe",
    "brackish",
    "brine",
    "calico",
    "canyon",
    "chalk",
    "cinder",
    "clover",
    "cobalt",
    "coral",
    "crescent",
    "dapple",
    "decimal",
    "dormant",
    "drifting",
    "dusky",
    "eclipse",
    "elected",
    "fathom",
    "fennel",
    "ferry",
    "flint",
    "gable",
    "garland",
    "glacial",
    "granite",
    "gravel",
    "hazel",
    "heather",
    "hollow",
    "humming",
    "indigo",
    "inlet",
    "ivory",
    "jasper",
    "juniper",
    "kindle",
    "lantern",
    "laurel",
    "ledger",
    "linden",
    "lunar",
    "maple",
    "marble",
    "meadow",
    "mellow",
    "mirror",
    "narrow",
    "nettle",
    "nimbus",
    "oblong",
    "opaque",
    "orchard",
    "osprey",
    "paddle",
    "pebble",
    "pewter",
    "pillar",
    "plaid",
    "prairie",
    "quarry",
    "quilted",
    "ramble",
    "relay",
    "ripple",
    "russet",
    "saddle",
    "scarlet",
    "signal",
    "silken",
    "sliver",
    "sorrel",
    "spruce",
    "summit",
    "tallow",
    "tandem",
    "thistle",
    "timber",
    "tonic",
    "trellis",
    "umber",
    "upland",
    "valley",
    "velvet",
    "vintage",
    "walnut",
    "whistle",
    "willow",
    "zenith",
];

/// Why a sync fails with something for the customer to do: task type and words.
pub static TASKS: &[(&str, &str)] = &[
    ("reconnect", "The credentials have expired or were revoked. Reconnect to resume syncing."),
    ("reconnect", "java.lang.RuntimeException: FATAL: password authentication failed for user \"fivetran\""),
    (
        "reconnect_warehouse",
        "net.snowflake.client.jdbc.SnowflakeSQLException: Incorrect username or password was specified.",
    ),
    ("update_service_account", "The service account lacks the permission bigquery.tables.create on the data set."),
    ("resync_table_warning", "The replication slot was dropped by the source; the affected tables need a re-sync."),
];

/// Why a sync fails without a task.
pub static FAILURES: &[&str] = &[
    "java.net.SocketTimeoutException: connect timed out",
    "Unexpected end of stream while reading page 4",
    "java.sql.SQLException: ERROR: permission denied for relation invoices",
];

/// Why a sync is put off.
pub static QUOTA: &str = "The API quota of the source is used up; the sync resumes when it is renewed.";

/// Why a sync is put off on purpose.
pub static PRIORITY: &str = "We have rescheduled the connection to force flush data from the forward sync into your destination. \
     This is intended behavior and means that the connection is working as expected.";

/// Two words, `lantern_osprey`.
pub fn two_words(rng: &mut Rng) -> String {
    let (first, second) = (rng.pick(WORDS), rng.pick(WORDS));
    format!("{first}_{second}")
}
