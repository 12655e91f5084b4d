//! Which records are wanted, on the command line: the filters of `GET /v1/audit`.

use crate::{
    audit::Log,
    cli::{control::segment, moment},
    model::Timestamp,
};
use clap::{Args, ValueEnum};

/// One of the two logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, ValueEnum)]
pub enum LogName {
    /// What was done in the systems whose logs are taken.
    #[default]
    Trail,
    /// What was done to Lifeline itself.
    Access,
}

impl LogName {
    /// The log itself.
    #[must_use]
    pub const fn log(self) -> Log {
        match self {
            Self::Trail => Log::Trail,
            Self::Access => Log::Access,
        }
    }

    /// The word in queries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.log().as_str()
    }
}

/// Every filter narrows.
#[derive(Debug, Args)]
pub struct Filters {
    /// What was done in Fivetran, or to Lifeline itself.
    #[arg(long, value_enum, default_value_t)]
    pub log: LogName,
    /// Exactly this user id, e-mail address or token.
    #[arg(long)]
    actor: Option<String>,
    /// CREATE, EDIT, DELETE, SYNC, TEST, ACCESS ...
    #[arg(long)]
    action: Option<String>,
    /// Exact event name.
    #[arg(long)]
    event: Option<String>,
    /// As the documentation calls it: pause_or_resume, modify_sync_frequency, add_user ...
    #[arg(long)]
    use_case: Option<String>,
    /// WEB_UI, API, SYSTEM; HTTP or CLI in the log access.
    #[arg(long)]
    method: Option<String>,
    /// CONNECTION, DESTINATION, TEAM, USER, ACCOUNT ...
    #[arg(long, value_name = "TYPE")]
    resource_type: Option<String>,
    /// Exact id of what it was done to, or of what else it concerns.
    #[arg(long, value_name = "ID")]
    resource_id: Option<String>,
    /// Text anywhere in the record, in any case.
    #[arg(short, value_name = "TEXT")]
    q: Option<String>,
    /// Not before this: a time, or a span that ends now such as 6h or 7d.
    #[arg(long, value_name = "TIME", value_parser = moment::exact)]
    from: Option<Timestamp>,
    /// Before this.
    #[arg(long, value_name = "TIME", value_parser = moment::exact)]
    to: Option<Timestamp>,
}

impl Filters {
    /// The same as a query string.
    #[must_use]
    pub fn query(&self) -> String {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        let pairs = [
            ("log", Some(self.log.as_str().to_owned())),
            ("actor", self.actor.clone()),
            ("action", self.action.clone()),
            ("event", self.event.clone()),
            ("use_case", self.use_case.clone()),
            ("method", self.method.clone()),
            ("resource_type", self.resource_type.clone()),
            ("resource_id", self.resource_id.clone()),
            ("q", self.q.clone()),
            ("from", time(self.from)),
            ("to", time(self.to)),
        ];
        let given = pairs.iter().filter_map(|(name, value)| Some(format!("{name}={}", segment(value.as_deref()?))));
        given.collect::<Vec<_>>().join("&")
    }
}
