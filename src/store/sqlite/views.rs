//! Views over lives for dashboards: the five models of Fivetran's dbt package.
//!
//! In: a database of the newest layout. Out: the views of `views.sql`, made anew when that file has changed since. They hold no data,
//! so that they are no step of the layout: an older program leaves them alone, a newer one replaces them.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use sha2::{Digest, Sha256};

const SOURCE: &str = include_str!("views.sql");
/// Where the digest of the views that the file holds is kept.
const META: &str = "views_sha256";
/// The views' own names, without and with what the dbt package puts in front.
pub(super) const NAMES: [&str; 5] =
    ["connection_status", "audit_table", "schema_changelog", "connection_daily_events", "audit_user_activity"];
const PREFIX: &str = "fivetran_platform__";

/// Makes the views what this program knows them as.
pub fn ensure(db: &mut Connection) -> rusqlite::Result<()> {
    let sql = expand(SOURCE);
    let digest = Sha256::digest(sql.as_bytes()).to_vec();
    let read = "SELECT value FROM meta WHERE key = ?1";
    let known: Option<Vec<u8>> = db.query_row(read, [META], |row| row.get(0)).optional()?;
    if known.as_deref() == Some(&digest) {
        return Ok(());
    }
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for prefix in ["", PREFIX] {
        for name in NAMES {
            tx.execute_batch(&format!("DROP VIEW IF EXISTS {prefix}{name}"))?;
        }
    }
    tx.execute_batch(&sql)?;
    tx.execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", params![META, digest])?;
    tx.commit()
}

/// Writes out what `views.sql` abbreviates, since SQLite has no functions that are defined in SQL.
fn expand(source: &str) -> String {
    let mut out = String::with_capacity(source.len() * 2);
    let mut rest = source;
    while let Some((before, inside, after)) = next(rest) {
        out.push_str(before);
        out.push_str(&inside);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// What stands before the next abbreviation, what it means, and what follows.
fn next(text: &str) -> Option<(&str, String, &str)> {
    let from = ["{us: ", "{id: "].iter().filter_map(|mark| Some((text.find(mark)?, *mark)));
    // The comment at the top explains them.
    let (at, mark) = from.min()?;
    let (inside, after) = text[at + mark.len()..].split_once('}')?;
    let meaning = match mark {
        "{us: " => micros(inside),
        _ => {
            let (created, hash) = inside.split_once(", ").unwrap_or((inside, "0"));
            id(created, hash)
        }
    };
    Some((&text[..at], meaning, after))
}

/// `YYYY-MM-DD HH:MM:SS.ffffff`; whole seconds are rounded down, also before 1970.
fn micros(us: &str) -> String {
    let part = format!("(({us}) % 1000000 + 1000000) % 1000000");
    format!("(strftime('%Y-%m-%d %H:%M:%S', (({us}) - {part}) / 1000000, 'unixepoch') || printf('.%06d', {part}))")
}

/// 32 hexadecimal digits, as the API names events: the sign bit of both halves is turned, which SQLite has no operator for.
fn id(created: &str, hash: &str) -> String {
    let turned = |n: &str| format!("({n} | -9223372036854775808) - ({n} & -9223372036854775808)");
    format!("printf('%016x%016x', {}, {})", turned(created), turned(hash))
}
