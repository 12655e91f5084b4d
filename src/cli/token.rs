//! `lifeline token`: create, list and revoke tokens. A running server learns of it at once.

use super::{
    CliError, DataFlags, Outcome,
    access::Access,
    configuration::pretty,
    control::segment,
    error, millis, now_us, print, runtime,
    tokens_made::{KINDS, record},
    wiring,
};
use crate::config::{DEFAULT_NAME, NamedToken, value::tokens};
use clap::Subcommand;
use hyper::Method;
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print it once.
    #[command(after_help = "Example: lifeline token create --name warehouse --kind ingest")]
    Create {
        /// Its name; for ingest tokens the destination of what it delivers.
        #[arg(long, default_value = DEFAULT_NAME)]
        name: String,
        /// What it may do.
        #[arg(long, value_parser = KINDS)]
        kind: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Box<DataFlags>,
    },
    /// All tokens, without the tokens themselves.
    #[command(after_help = "Example: lifeline token list --json")]
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Box<DataFlags>,
    },
    /// Revoke every stored token of a name.
    #[command(after_help = "Example: lifeline token revoke warehouse")]
    Revoke {
        /// The name.
        name: String,
        #[command(flatten)]
        flags: Box<DataFlags>,
    },
}

pub(super) fn run(command: &TokenCommand) -> Outcome {
    let flags = match command {
        TokenCommand::Create { flags, .. } | TokenCommand::List { flags, .. } | TokenCommand::Revoke { flags, .. } => {
            flags
        }
    };
    let (config, _) = flags.0.load()?;
    runtime()?.block_on(async {
        let access = Access::open(&config).await?;
        let outcome = match command {
            TokenCommand::Create { name, kind, json, .. } => create(&access, name, kind, *json).await,
            TokenCommand::List { json, .. } => list(&access, *json).await,
            TokenCommand::Revoke { name, .. } => revoke(&access, name).await,
        };
        access.close().await?;
        outcome
    })
}

async fn create(access: &Access, name: &str, kind: &str, as_json: bool) -> Outcome {
    // The same names as in the configuration: they stand before an equals sign there.
    let fits = matches!(tokens(&format!("{name}=x")).as_deref(), Ok([NamedToken { name: read, .. }]) if read == name);
    if !fits || name.contains('=') {
        return Err(CliError::Usage("a name has no spaces, commas or equals signs, and 1 to 128 bytes".into()));
    }
    let token = match access {
        Access::Server(control) => {
            let made = control.json(Method::POST, "/v1/tokens", &json!({"name": name, "kind": kind})).await?;
            made["token"]
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| CliError::Control("no token in its answer".into()))?
        }
        Access::Store(opened) => {
            let token = wiring::new_token(kind);
            if !opened.store.add_token(record(name, kind, &token)).await? {
                let taken =
                    format!("there is a {kind} token named {name} already; revoke it first or take another name");
                return Err(CliError::Other(taken));
            }
            let details = vec![("kind", kind.into())];
            wiring::note(opened, "create_token", "CREATE", ("TOKEN", name.to_owned()), details).await?;
            token
        }
    };
    print(&if as_json {
        pretty(&json!({"name": name, "kind": kind, "token": token}))
    } else {
        format!("{token}\n\nThis {kind} token is shown once; only its hash is kept.")
    })
}

async fn list(access: &Access, as_json: bool) -> Outcome {
    let data = match access {
        Access::Server(control) => {
            let mut answer = control.json(Method::GET, "/v1/tokens", &Value::Null).await?;
            answer["data"].take()
        }
        Access::Store(opened) => {
            let stored = opened.store.tokens()?;
            let rows = stored.into_iter().map(|token| {
                json!({"name": token.name, "kind": token.kind, "origin": "stored", "created": millis(token.created_us),
                       "revoked": token.revoked_us.map(millis)})
            });
            Value::Array(rows.collect())
        }
    };
    if as_json {
        return print(&pretty(&json!({"data": data})));
    }
    let rows = data.as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return print("There are no stored tokens. Make one with: lifeline token create --kind ingest");
    }
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or("-").to_owned();
    let width = rows.iter().map(|row| text(row, "name").chars().count()).max().unwrap_or(0).max(4);
    let mut out = format!("{:width$}  KIND    ORIGIN      CREATED                      REVOKED\n", "NAME");
    for row in rows {
        let (name, kind, origin) = (text(row, "name"), text(row, "kind"), text(row, "origin"));
        let (created, revoked) = (text(row, "created"), text(row, "revoked"));
        out.push_str(&format!("{name:width$}  {kind:6}  {origin:10}  {created:27}  {revoked}\n"));
    }
    print(&out)
}

async fn revoke(access: &Access, name: &str) -> Outcome {
    let revoked = match access {
        Access::Server(control) => {
            let answer = control.json(Method::DELETE, &format!("/v1/tokens/{}", segment(name)), &Value::Null).await;
            match answer {
                Ok(answer) => answer["revoked"].as_u64().unwrap_or(1),
                Err(CliError::Refused { status: 404, .. }) => 0,
                Err(error) => return Err(error),
            }
        }
        Access::Store(opened) => {
            let revoked = opened.store.revoke_token(name, now_us()).await? as u64;
            if revoked > 0 {
                let details = vec![("revoked", revoked.into())];
                wiring::note(opened, "revoke_token", "REVOKE", ("TOKEN", name.to_owned()), details).await?;
            }
            revoked
        }
    };
    if revoked == 0 {
        eprintln!("no stored token named {name} is good; configured ones are changed where they are configured");
        return Ok(error::FOUND);
    }
    print(&format!("revoked {revoked} of name {name}"))
}
