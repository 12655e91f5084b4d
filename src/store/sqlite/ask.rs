//! Questions in SQL, beside the process that holds the store.
//!
//! In: one statement. Out: its rows, one after the other, as they are found. The file is opened for reading alone; what is no question is
//! refused before it runs, and so are other files and settings. What only the rooms that check secrets may see (digests of tokens
//! and of masks, the keys) comes as NULL. A question has a time to answer in, because an open snapshot keeps the write-ahead log from
//! being emptied.

use super::{
    fault,
    open::{self, DATABASE, OpenError, Role},
    relation, schema,
};
use crate::store::StoreError;
use rusqlite::{
    Connection, Error, ErrorCode, InterruptHandle,
    hooks::{AuthAction, AuthContext, Authorization},
    limits::Limit,
    types::ValueRef,
};
use std::{
    borrow::Cow,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Virtual machine steps between two looks at the clock.
const STEPS: i32 = 2000;
/// Characters of a statement that are shown from the place where it cannot be read.
const SHOWN_MAX: usize = 40;

/// Pragmas that tell of tables and change nothing.
const PRAGMAS: [&str; 7] =
    ["table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list"];

/// Columns that come as NULL.
const HIDDEN: [(&str, &str); 5] =
    [("token", "sha256"), ("meta", "value"), ("event", "secret"), ("journal", "chunk"), ("block", "heads")];

/// Why a question has no answer, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// There is no store yet.
    #[error("there is no database in {}; lifeline serve makes one", .0.display())]
    Missing(PathBuf),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It is no question.
    #[error("only questions are answered, and this is none: {0}")]
    Refused(String),
    /// The statement cannot be read.
    #[error("{0}")]
    Statement(String),
    /// The statement failed on some row.
    #[error("{0}")]
    Failed(String),
    /// It took too long.
    #[error("the question took longer than {0} s; ask for less at once or raise the limit")]
    TooSlow(u64),
    /// Somebody stopped it.
    #[error("stopped before the end")]
    Stopped,
    /// The store failed.
    #[error("store: {0}")]
    Store(StoreError),
    /// Whoever takes the rows cannot take more.
    #[error(transparent)]
    Output(#[from] io::Error),
}

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'r> {
    /// Nothing.
    Null,
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Real(f64),
    /// A text; bytes that are no UTF-8 are replaced.
    Text(Cow<'r, str>),
    /// Bytes.
    Blob(&'r [u8]),
}

impl<'r> Cell<'r> {
    fn of(value: ValueRef<'r>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Integer(number),
            ValueRef::Real(number) => Self::Real(number),
            ValueRef::Text(text) => Self::Text(String::from_utf8_lossy(text)),
            ValueRef::Blob(bytes) => Self::Blob(bytes),
        }
    }
}

/// What takes the rows.
pub trait Rows {
    /// The names of the columns, once and before any row.
    ///
    /// # Errors
    /// It cannot take them.
    fn columns(&mut self, names: &[String]) -> io::Result<()>;

    /// A row, with as many cells as there are columns.
    ///
    /// # Errors
    /// It cannot take more.
    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()>;
}

/// Ends a question from another thread.
pub struct Stop {
    handle: InterruptHandle,
    stopped: Arc<AtomicBool>,
}

impl Stop {
    /// Ends it; it has no answer then.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.handle.interrupt();
    }
}

/// A store that is asked beside whoever holds it.
pub struct Asked {
    db: Connection,
    limit: Option<Duration>,
    stopped: Arc<AtomicBool>,
    /// What the statement wanted to do that is no reading.
    refused: Arc<Mutex<Option<String>>>,
}

impl Asked {
    /// Opens the store of a directory for one question that has so much time from now on.
    ///
    /// # Errors
    /// There is no store, or it cannot be read.
    pub fn open(dir: &Path, limit: Option<Duration>) -> Result<Self, AskError> {
        if !dir.join(DATABASE).exists() {
            return Err(AskError::Missing(dir.to_owned()));
        }
        let mut db = open::connect(dir, Role::Guest)?;
        if schema::version(&db)? == 0 {
            return Err(AskError::Missing(dir.to_owned()));
        }
        let stopped = Arc::new(AtomicBool::new(false));
        let refused = Arc::new(Mutex::new(None));
        let prepare = |db: &mut Connection| {
            let names = open::connect(dir, Role::Guest)?;
            open::read_only(&names)?;
            relation::make(db, names, dir)?;
            open::read_only(db)?;
            db.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
            let told = Arc::clone(&refused);
            db.authorizer(Some(move |asked: AuthContext<'_>| {
                let (answer, why) = judge(&asked.action);
                if let Some(why) = why {
                    told.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
                }
                answer
            }))?;
            let (until, stopped) = (limit.map(|limit| Instant::now() + limit), Arc::clone(&stopped));
            let over = move || stopped.load(Ordering::Relaxed) || until.is_some_and(|until| Instant::now() > until);
            db.progress_handler(STEPS, Some(over))?;
            Ok::<_, OpenError>(())
        };
        prepare(&mut db)?;
        Ok(Self { db, limit, stopped, refused })
    }

    /// What ends a question.
    #[must_use]
    pub fn stop(&self) -> Stop {
        Stop { handle: self.db.get_interrupt_handle(), stopped: Arc::clone(&self.stopped) }
    }

    /// Asks.
    ///
    /// # Errors
    /// The statement is no question, cannot be read, fails or takes too long; or the rows cannot be taken.
    pub fn ask(&self, statement: &str, rows: &mut dyn Rows) -> Result<(), AskError> {
        if statement.contains('\0') {
            // SQLite reads no further.
            return Err(AskError::Statement("the statement holds a zero byte".into()));
        }
        let mut question = self.db.prepare(statement).map_err(|error| self.unreadable(error))?;
        if !question.readonly() {
            return Err(AskError::Refused("it writes".into()));
        }
        if question.parameter_count() > 0 {
            return Err(AskError::Statement("a parameter has no value here; write the value itself".into()));
        }
        let columns: Vec<String> = question.column_names().map(str::to_owned).collect();
        if columns.is_empty() {
            return Err(AskError::Statement("there is no statement".into()));
        }
        rows.columns(&columns)?;
        let mut found = question.query([]).map_err(|error| self.failed(error))?;
        while let Some(row) = found.next().map_err(|error| self.failed(error))? {
            let cells = (0..columns.len()).map(|at| row.get_ref(at).map(Cell::of));
            let cells = cells.collect::<Result<Vec<_>, _>>().map_err(|error| self.failed(error))?;
            rows.row(&cells)?;
        }
        Ok(())
    }

    /// Why a statement cannot be prepared.
    fn unreadable(&self, error: Error) -> AskError {
        if let Some(what) = self.refused.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return AskError::Refused(what);
        }
        match error {
            Error::MultipleStatement => AskError::Statement("more than one statement; ask one at a time".into()),
            Error::SqlInputError { msg, sql, offset, .. } => {
                let rest = usize::try_from(offset).ok().and_then(|at| sql.get(at..)).unwrap_or_default();
                let shown: String = rest.chars().take(SHOWN_MAX).collect();
                let dots = if shown.len() < rest.len() { "…" } else { "" };
                AskError::Statement(if shown.is_empty() { msg } else { format!("{msg}, at: {shown}{dots}") })
            }
            Error::SqliteFailure(error, Some(message)) if error.code == ErrorCode::Unknown => {
                AskError::Statement(message)
            }
            error => self.failed(error),
        }
    }

    /// Why it does not go on.
    fn failed(&self, error: Error) -> AskError {
        match (error.sqlite_error_code(), error) {
            (Some(ErrorCode::OperationInterrupted), _) if self.stopped.load(Ordering::Relaxed) => AskError::Stopped,
            (Some(ErrorCode::OperationInterrupted), _) => {
                AskError::TooSlow(self.limit.map_or(0, |limit| limit.as_secs()))
            }
            (Some(ErrorCode::Unknown), Error::SqliteFailure(_, Some(message))) => AskError::Failed(message),
            (_, error) => AskError::Store(fault::explain(&error)),
        }
    }
}

/// Whether a statement may do something, and what it is when not.
fn judge(action: &AuthAction<'_>) -> (Authorization, Option<String>) {
    let refused = match *action {
        AuthAction::Read { table_name, column_name } => {
            let is_hidden = HIDDEN.iter().any(|(table, column)| {
                table_name.eq_ignore_ascii_case(table) && column_name.eq_ignore_ascii_case(column)
            });
            return (if is_hidden { Authorization::Ignore } else { Authorization::Allow }, None);
        }
        AuthAction::Select | AuthAction::Recursive => return (Authorization::Allow, None),
        AuthAction::Function { function_name } if !function_name.eq_ignore_ascii_case("load_extension") => {
            return (Authorization::Allow, None);
        }
        AuthAction::Pragma { pragma_name, .. }
            if PRAGMAS.iter().any(|known| pragma_name.eq_ignore_ascii_case(known)) =>
        {
            return (Authorization::Allow, None);
        }
        AuthAction::Function { function_name } => format!("it calls {function_name}"),
        AuthAction::Pragma { pragma_name, .. } => format!("it uses the pragma {pragma_name}"),
        AuthAction::Attach { .. } => "it attaches a file".to_owned(),
        AuthAction::Detach { .. } => "it detaches a file".to_owned(),
        AuthAction::Insert { table_name } => format!("it writes to {table_name}"),
        AuthAction::Update { table_name, .. } => format!("it changes {table_name}"),
        AuthAction::Delete { table_name } => format!("it deletes from {table_name}"),
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => "it is about a transaction".to_owned(),
        _ => "it changes tables or views".to_owned(),
    };
    (Authorization::Deny, Some(refused))
}
