//! Questions about the audit trail: from a query string to an answer's bytes.
//!
//! In: the text of a query, an audit log of the store. Out: pages of records exactly as they were hashed, proofs, rights and
//! summaries. Refused: bad parameters by name. Knows nothing of HTTP and nothing of keys: checkpoints come from whoever signs them.

mod list;
mod proofs;
mod report;
mod request;

pub use list::{Found, record, records};
pub use proofs::{ConsistencyView, InclusionView, ProofProblem, consistency, inclusion};
pub use report::{Evidence, ReportFormat, RightsRecords, RightsRequest, SummaryRequest, summary_csv, summary_html};
pub use request::{
    ConsistencyRequest, ExportParams, HeadsRequest, InclusionRequest, LogRequest, RecordRequest, RecordsRequest, heads,
    log_word,
};
