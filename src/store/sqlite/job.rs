//! What the writer is asked to do, and who hears what became of it.
//!
//! In: a piece of work with the place where its answer goes. Out: its size, and the answer, once; whoever gave up waiting has
//! dropped the other end.

use super::{
    encode::Encoded,
    sealed::{blocks::Meta, memory::Generation, seal::Seal},
    trail,
};
use crate::{
    model::Micros,
    store::{Appended, StoreError, TokenRecord},
};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Where an answer goes.
pub type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// Something to write.
pub enum Job {
    /// A batch; with the number of a quarantined item when it comes from a replay.
    Append { batch: Box<Encoded>, replay: Option<(i64, Micros)>, reply: Reply<Appended> },
    /// Which acknowledgement numbers are durable.
    Acks { token: String, channel: String, ids: Vec<u64>, reply: Reply<Vec<bool>> },
    /// A new token.
    AddToken { token: TokenRecord, reply: Reply<bool> },
    /// A token's end.
    RevokeToken { name: String, now: Micros, reply: Reply<usize> },
    /// A small value.
    SetMeta { key: String, value: Vec<u8>, reply: Reply<()> },
    /// Nothing but the end.
    Close { reply: Reply<()> },
    /// Folding what came late, of one connection or of all, for a bounded time; answers how many still wait.
    Settle { connection_id: Option<String>, reply: Reply<u64> },
    /// Throwing every row of lives away, to be made anew.
    Rebuild { reply: Reply<()> },
    /// Blocks that come in the place of a generation of the journal, or of rows; answers whether they did.
    Seal { seal: Box<Seal>, generation: Option<Arc<Generation>>, reply: Reply<bool> },
    /// Rows that come in the place of blocks; answers whether they did.
    Loosen { blocks: Vec<Meta>, reply: Reply<bool> },
    /// A piece of work on audit logs.
    Trail { work: Box<trail::Work>, reply: Reply<trail::Answer> },
    /// A job that fails in the middle of its transaction.
    #[cfg(test)]
    Fail { panic: bool, reply: Reply<()> },
}

impl Job {
    /// Events and quarantined items.
    pub fn events(&self) -> usize {
        match self {
            Self::Append { batch, .. } => batch.rows.len() + batch.quarantine.len(),
            _ => 1,
        }
    }

    /// Bytes of events and quarantine.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Append { batch, .. } => batch.weight(),
            Self::Trail { work, .. } => work.weight(),
            Self::Seal { seal, .. } => seal.weight(),
            _ => 0,
        }
    }

    /// Tells that nothing became of it.
    pub fn answer_error(self, error: StoreError) {
        // Whoever gave up waiting has dropped the other end.
        match self {
            Self::Append { reply, .. } => drop(reply.send(Err(error))),
            Self::Acks { reply, .. } => drop(reply.send(Err(error))),
            Self::AddToken { reply, .. } | Self::Seal { reply, .. } | Self::Loosen { reply, .. } => {
                drop(reply.send(Err(error)));
            }
            Self::RevokeToken { reply, .. } => drop(reply.send(Err(error))),
            Self::SetMeta { reply, .. } | Self::Close { reply } | Self::Rebuild { reply } => {
                drop(reply.send(Err(error)));
            }
            Self::Settle { reply, .. } => drop(reply.send(Err(error))),
            Self::Trail { reply, .. } => drop(reply.send(Err(error))),
            #[cfg(test)]
            Self::Fail { reply, .. } => drop(reply.send(Err(error))),
        }
    }

    /// Tells what it came to.
    pub fn answer(self, done: Done) {
        match (self, done) {
            (Self::Append { reply, .. }, Done::Appended(it)) => drop(reply.send(Ok(it))),
            (Self::Acks { reply, .. }, Done::Acks(it)) => drop(reply.send(Ok(it))),
            (Self::AddToken { reply, .. }, Done::Added(it)) => drop(reply.send(Ok(it))),
            (Self::Seal { reply, .. } | Self::Loosen { reply, .. }, Done::Sealed(it)) => drop(reply.send(Ok(it))),
            (Self::Trail { reply, .. }, Done::Trail(it)) => drop(reply.send(Ok(it))),
            (Self::RevokeToken { reply, .. }, Done::Revoked(it)) => drop(reply.send(Ok(it))),
            (Self::SetMeta { reply, .. } | Self::Close { reply } | Self::Rebuild { reply }, Done::Nothing) => {
                drop(reply.send(Ok(())));
            }
            (job, _) => job.answer_error(StoreError::Engine("an answer went to the wrong job".into())),
        }
    }
}

/// What a job came to.
pub enum Done {
    /// A batch.
    Appended(Appended),
    /// Which numbers are durable.
    Acks(Vec<bool>),
    /// Whether a token was added.
    Added(bool),
    /// How many tokens ended.
    Revoked(usize),
    /// Whether events moved.
    Sealed(bool),
    /// Of audit logs.
    Trail(trail::Answer),
    /// Nothing to tell.
    Nothing,
}
