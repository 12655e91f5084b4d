//! Moving a life in memory on, and the rows that this gives out.
//!
//! In: a life and facts of it. Out: the life with those facts, and rows that wait to be written. Three states are kept: the base, the head,
//! and one between them that becomes the next base, so that nothing is folded twice while events come in order. A fact that comes
//! a little late is put into its place, and what follows it is folded again from the state before.

use super::{
    cache::{Life, Pending},
    load,
    rows::{self, Ident},
    shelf,
};
use crate::{
    lifecycle::{Fact, Output, State},
    model::Micros,
    store::sqlite::fault::WriteError,
};
use rusqlite::Connection;
use std::collections::BTreeSet;

/// Facts between two states in memory, at least, and those of one commit at least: what comes late is mostly what another commit
/// has overtaken. Twice as many are kept, so that late ones find their place.
const SPAN: usize = 16;
/// Facts that are stepped over before a state is kept, at most, however many one commit has.
const RUN_MAX: usize = 256;
/// Large states are copied more rarely: bytes of JSON for each fact between two of them.
const SPAN_BYTES_PER_FACT: usize = 256;
/// Spans of facts in memory, at most, where late ones come all the time.
const SPANS_MAX: usize = 4;
/// Facts between two checkpoints, at least.
const CHECKPOINT_FACTS: usize = 384;
/// Large states are kept more rarely: bytes of JSON for each fact between two checkpoints.
const CHECKPOINT_BYTES_PER_FACT: usize = 64;

/// Steps a state over facts and shows each output with the moment at which it was given out.
pub fn walk(state: &mut State, facts: &[Fact], mut each: impl FnMut(Micros, Output)) {
    let mut out = Vec::new();
    for group in facts.chunk_by(|one, other| one.key.created_us == other.key.created_us) {
        state.fold(group, &mut out);
        for output in out.drain(..) {
            each(group[0].key.created_us, output);
        }
    }
}

/// Steps a state over facts; what it gives out waits to be written.
pub fn give(state: &mut State, facts: &[Fact], given: &mut Vec<(Micros, Ident)>, pending: &mut Pending) {
    walk(state, facts, |at, output| {
        given.push((at, Ident::of(&output)));
        pending.add(at, output);
    });
}

/// Facts later than all before.
pub fn follow(db: &Connection, conn: i64, life: &mut Life, facts: &mut Vec<Fact>) -> Result<(), WriteError> {
    let span = SPAN.max(life.state_bytes / SPAN_BYTES_PER_FACT);
    let mut done = life.recent.len();
    life.recent.append(facts);
    while done < life.recent.len() {
        let end = end_of_moment(&life.recent, life.recent.len().min(done + RUN_MAX) - 1);
        give(&mut life.head, &life.recent[done..end], &mut life.given, &mut life.pending);
        if life.pending.is_full() {
            life.pending.write(db, conn)?;
        }
        done = end;
        if done - life.middle.as_ref().map_or(0, |(at, _)| *at) < span {
            continue;
        }
        if let Some((at, state)) = life.middle.take() {
            life.base = state;
            life.recent.drain(..at);
            done -= at;
            moved(db, conn, life, at)?;
        }
        life.middle = Some((done, life.head.clone()));
    }
    Ok(())
}

/// Where the facts of the microsecond end to which the one at `place` belongs.
fn end_of_moment(facts: &[Fact], place: usize) -> usize {
    let at = facts[place].key.created_us;
    facts[place..].iter().position(|fact| fact.key.created_us != at).map_or(facts.len(), |more| place + more)
}

/// After the base has moved on over so many facts.
fn moved(db: &Connection, conn: i64, life: &mut Life, facts: usize) -> Result<(), WriteError> {
    life.unsaved += facts;
    if let Some(base) = life.base.last_us() {
        life.given.retain(|(at, _)| *at > base);
    }
    if is_due(life.unsaved, life.state_bytes) {
        // Whoever takes the checkpoint up believes the tables that far.
        shelf::store(db, conn, &life.base, &mut life.pending)?;
        life.state_bytes = load::save(db, conn, &life.base, life.unsaved)?;
        life.unsaved = 0;
    }
    Ok(())
}

/// Facts of which some belong among those in memory, all of them after the base.
pub fn place(db: &Connection, conn: i64, life: &mut Life, facts: &mut Vec<Fact>) -> Result<(), WriteError> {
    // The middle stands when everything new is later.
    let first = facts.first().map(|fact| fact.key.created_us);
    if life.middle.as_ref().is_some_and(|(_, state)| state.last_us() >= first) {
        life.middle = None;
    }
    for fact in facts.drain(..) {
        match life.recent.binary_search_by_key(&fact.key, |it| it.key) {
            Ok(at) => life.recent[at] = fact,
            Err(at) => life.recent.insert(at, fact),
        }
    }
    let (from, start) = match &life.middle {
        Some((at, state)) => (*at, state),
        None => (0, &life.base),
    };
    life.head = start.clone();
    let kept = start.last_us();
    let mut before = BTreeSet::new();
    life.given.retain(|(at, ident)| {
        let stays = kept.is_some_and(|kept| *at <= kept);
        if !stays {
            before.insert(*ident);
        }
        stays
    });
    let mut given = Vec::new();
    give(&mut life.head, &life.recent[from..], &mut given, &mut life.pending);
    for (_, ident) in &given {
        before.remove(ident);
    }
    before.iter().for_each(|ident| life.pending.remove(*ident));
    take_back(db, conn, start, before, &mut life.given)?;
    life.given.append(&mut given);
    if life.pending.is_full() {
        life.pending.write(db, conn)?;
    }
    trim(db, conn, life)
}

/// Takes rows back that were given out since `start` and are not any more: to what they were then, or away. At once, since
/// nothing tells of it after a crash: rows that are given out are made anew then, rows that are not are not looked for.
fn take_back(
    db: &Connection,
    conn: i64,
    start: &State,
    mut rows: BTreeSet<Ident>,
    given: &mut Vec<(Micros, Ident)>,
) -> Result<(), WriteError> {
    if rows.is_empty() {
        return Ok(());
    }
    for live in start.live() {
        if live.given && rows.remove(&Ident::of(&live.row)) {
            let at = start.last_us().unwrap_or(i64::MIN);
            rows::put(db, conn, at, &live.row)?;
            // Whoever goes back further takes this form of it back, too.
            given.push((at, Ident::of(&live.row)));
        }
    }
    for ident in rows {
        rows::remove(db, conn, ident)?;
    }
    Ok(())
}

/// Moves the base on where late facts have kept it from moving.
fn trim(db: &Connection, conn: i64, life: &mut Life) -> Result<(), WriteError> {
    let span = SPAN.max(life.state_bytes / SPAN_BYTES_PER_FACT);
    if life.recent.len() <= span * SPANS_MAX {
        return Ok(());
    }
    let mut end = life.recent.len() - span;
    while end > 0 && life.recent[end].key.created_us == life.recent[end - 1].key.created_us {
        end -= 1;
    }
    life.middle = None;
    let old: Vec<Fact> = life.recent.drain(..end).collect();
    // Their rows were given out.
    walk(&mut life.base, &old, |_, _| {});
    moved(db, conn, life, old.len())
}

/// Whether a checkpoint is worth it.
pub fn is_due(unsaved: usize, state_bytes: usize) -> bool {
    unsaved >= CHECKPOINT_FACTS.max(state_bytes / CHECKPOINT_BYTES_PER_FACT)
}
