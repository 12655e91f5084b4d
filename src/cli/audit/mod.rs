//! `lifeline audit`: look at the audit trail, sign it, and check what was exported from it.

mod table;
