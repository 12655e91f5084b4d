//! What one transaction of the writer does.
//!
//! In: jobs that waited together. Out: what each came to, when the transaction is committed. Events of all batches are placed in the order of
//! their keys; the journal's row, records, lives and the order of arrival are of the same transaction.

use super::{
    acks,
    fault::WriteError,
    insert::{Ids, Placing},
    intern::Interner,
    job::{Done, Job},
    lives::{Folder, News},
    quarantine,
    sealed::{Whereabouts, loosen},
    tail, tokens, trail,
    writer::{Counters, now_us},
};
use crate::store::{Appended, Outcome, StoreError};
use rusqlite::Connection;

/// What a transaction works with.
pub struct Tx<'t> {
    /// The open transaction.
    pub db: &'t Connection,
    /// Numbers of what repeats.
    pub intern: &'t mut Interner,
    /// Counts.
    pub counters: &'t mut Counters,
    /// Lives.
    pub folder: &'t mut Folder,
    /// Where events are.
    pub whereabouts: &'t mut Whereabouts,
}

/// Everything of one transaction.
pub fn work(tx: &mut Tx<'_>, jobs: &[Job]) -> Result<Vec<Done>, WriteError> {
    let Tx { db, counters, folder, whereabouts, .. } = tx;
    let now = now_us();
    let mut done = Vec::with_capacity(jobs.len());
    for job in jobs {
        done.push(match job {
            Job::Append { batch, replay, .. } => {
                if let Some((id, now)) = replay
                    && !quarantine::mark(db, *id, *now, counters)?
                {
                    let reason = format!("quarantined item {id} does not wait for a replay");
                    return Err(WriteError::Store(StoreError::Engine(reason)));
                }
                let quarantine_ids = batch
                    .quarantine
                    .iter()
                    .map(|item| quarantine::put(db, batch, item, counters))
                    .collect::<Result<_, _>>()?;
                let ack_id = match &batch.ack_channel {
                    Some(channel) => Some(acks::next(db, &batch.delivery.token, channel, now, counters)?),
                    None => None,
                };
                Done::Appended(Appended { outcomes: Vec::new(), quarantine_ids, ack_id })
            }
            Job::Acks { token, channel, ids, .. } => Done::Acks(acks::ask(db, token, channel, ids, now)?),
            Job::AddToken { token, .. } => Done::Added(tokens::add(db, token)?),
            Job::RevokeToken { name, now, .. } => Done::Revoked(tokens::revoke(db, name, *now)?),
            Job::SetMeta { key, value, .. } => {
                tokens::set_meta(db, key, value)?;
                Done::Nothing
            }
            Job::Rebuild { .. } => {
                folder.rebuild(db)?;
                Done::Nothing
            }
            Job::Trail { work, .. } => Done::Trail(trail::work(db, counters, folder, whereabouts, work)?),
            // Taken out before, or done below.
            Job::Close { .. } | Job::Settle { .. } | Job::Seal { .. } | Job::Loosen { .. } => Done::Nothing,
            #[cfg(test)]
            Job::Fail { panic, .. } => {
                assert!(!panic, "asked to");
                return Err(WriteError::Store(StoreError::Engine("asked to fail".into())));
            }
        });
    }
    append_events(tx, jobs, &mut done)?;
    move_events(tx, jobs, &mut done)?;
    Ok(done)
}

/// Puts blocks in the place of the journal and of rows, or rows in the place of blocks. Behind everything else: memory shows what it held
/// until the commit, without what rows told better that are gone by then.
fn move_events(tx: &mut Tx<'_>, jobs: &[Job], done: &mut [Done]) -> Result<(), WriteError> {
    let Tx { db, whereabouts, .. } = tx;
    for (job, done) in jobs.iter().zip(done) {
        match job {
            Job::Seal { seal, generation, .. } => {
                // After the database was opened anew nothing is known of what was in memory before.
                let is_known = generation.as_ref().is_none_or(|it| whereabouts.is_oldest(it));
                *done = Done::Sealed(is_known && seal.apply(db, whereabouts)?);
            }
            Job::Loosen { blocks, .. } => *done = Done::Sealed(loosen::apply(db, whereabouts, blocks)?),
            _ => {}
        }
    }
    Ok(())
}

/// The events of all batches, in the order of their keys, which the B-tree likes; outcomes go back to their places.
fn append_events(tx: &mut Tx<'_>, jobs: &[Job], done: &mut [Done]) -> Result<(), WriteError> {
    let Tx { db, intern, counters, folder, whereabouts } = tx;
    let mut batches = Vec::new();
    let mut order = Vec::new();
    for (at, job) in jobs.iter().enumerate() {
        if let Job::Append { batch, .. } = job {
            let ids = Ids::of(db, intern, batch)?;
            order.extend(batch.rows.iter().enumerate().map(|(row, it)| (it.key, batches.len() as u32, row as u32)));
            batches.push((at, batch, ids, vec![None; batch.rows.len()]));
        }
    }
    // Stable by position, so that of two equal events the one that came first is stored.
    order.sort_unstable();
    let mut news = Vec::with_capacity(if folder.is_on() { order.len() } else { 0 });
    for (_, batch_at, row_at) in order {
        let (_, batch, ids, outcomes) = &mut batches[batch_at as usize];
        let row = &batch.rows[row_at as usize];
        let placed = Placing { db, intern, whereabouts, batch, ids }.put(row)?;
        if folder.is_on() {
            news.extend(News::of(&placed, row));
        }
        outcomes[row_at as usize] = Some(placed.outcome);
    }
    let mut stored = Vec::new();
    for (_, batch, ids, outcomes) in &batches {
        stored.extend(batch.rows.iter().zip(outcomes).filter_map(|(row, outcome)| match outcome {
            Some(Outcome::Stored(key)) => Some((*key, ids.of_row(row))),
            _ => None,
        }));
    }
    if !stored.is_empty() {
        counters.events += stored.len() as u64;
        counters.arrived += stored.len() as u64;
        counters.commit += 1;
        whereabouts.write(db, counters.commit)?;
        tail::add(db, counters, &stored)?;
    }
    for (at, batch, ids, outcomes) in batches {
        // In the order of arrival, whatever shares the commit.
        trail::events(db, whereabouts.names(), &mut counters.trail, batch, &ids, &outcomes)?;
        if let Done::Appended(appended) = &mut done[at] {
            // Every row was visited above.
            appended.outcomes = outcomes.into_iter().flatten().collect();
        }
    }
    folder.fold(db, news, counters.commit)
}
