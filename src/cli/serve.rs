//! `lifeline serve`: checks the configuration, opens the store, makes tokens on the first start, runs the server.

use super::{
    CliError, Given, Outcome,
    banner::{Reach, first_start, listening, missing},
    error, millis, now_us,
    tokens_made::{Standing, prepare},
    wiring,
};
use crate::config::{Config, Layout};
use std::{
    cell::Cell,
    io::{self, Write as _},
    net::SocketAddr,
    path::Path,
    rc::Rc,
    sync::Arc,
};

/// The file in the data directory that says where we listen.
pub const ADDRESS_FILE: &str = "listen.addr";

/// Rows that are worth a word: some always stay, because they are large.
const ROWS_TOLD: u64 = 10_000;

pub(super) fn run(given: &Given) -> Outcome {
    let (config, resolved) = given.load()?;
    wiring::start_log(&config)?;
    for warning in &resolved.warnings {
        tracing::warn!("{warning}");
    }
    let config = Arc::new(config);
    wiring::block_on(serve(config))??;
    Ok(error::DONE)
}

async fn serve(config: Arc<Config>) -> Result<(), CliError> {
    let opened = wiring::open(&config).await?;
    tell_of_rows(&config, &opened);
    let standing = Rc::new(prepare(&config, opened.store.as_ref()).await?);
    let shown = Rc::new(Cell::new(false));
    let ready = {
        let (config, standing, shown) = (Arc::clone(&config), Rc::clone(&standing), Rc::clone(&shown));
        move |listens: SocketAddr| {
            write_address(&config.storage.data_dir, listens)?;
            tracing::info!(address = %listens, tls = config.network.tls.is_some(), "listening on {listens}");
            show(&config, &standing, listens, true);
            shown.set(true);
            Ok(())
        }
    };
    let outcome = wiring::serve(Arc::clone(&config), opened, standing.webhook_secret.clone(), ready).await;
    if !shown.get() && standing.made.is_some() {
        // The tokens exist from now on; they must be seen although the server could not start.
        show(&config, &standing, config.network.listen, false);
    }
    // Nobody listens there any more. A file that is left behind only makes a health check fail, as it should.
    let _ = std::fs::remove_file(config.storage.data_dir.join(ADDRESS_FILE));
    outcome
}

/// Rows of an older version stay as they are until somebody says otherwise.
fn tell_of_rows(config: &Config, opened: &wiring::Opened) {
    let stats = opened.store.stats();
    let rows = stats.events.saturating_sub(stats.block_events + stats.journal_events);
    if config.storage.layout == Layout::Blocks && rows >= ROWS_TOLD {
        tracing::info!(
            rows,
            "{rows} of {} events are rows, which take about nine times the space of blocks; `lifeline migrate` converts them while the server is stopped",
            stats.events
        );
    }
}

/// Says where we listen, and on the first start everything else.
fn show(config: &Config, standing: &Standing, listens: SocketAddr, started: bool) {
    let reach = Reach::new(&config.network, listens);
    let mut page = if started {
        listening(&reach, listens, &config.storage.data_dir)
    } else {
        format!("Lifeline could not start on {listens}, but these tokens exist from now on.")
    };
    page.push('\n');
    if let (Some(made), Some(secret)) = (&standing.made, &standing.webhook_secret) {
        let channel = uuid::Uuid::new_v4().to_string();
        page.push_str(&first_start(&reach, made, secret.expose(), &channel, &millis(now_us())));
    }
    page.push_str(&missing(&standing.missing));
    let mut out = io::stdout().lock();
    // A closed standard output must not keep the server from running.
    let _ = out.write_all(page.as_bytes()).and_then(|()| out.flush());
}

/// Writes the address so that a reader sees the whole of it or nothing.
fn write_address(data_dir: &Path, listens: SocketAddr) -> Result<(), CliError> {
    let path = data_dir.join(ADDRESS_FILE);
    let write = || -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(data_dir)?;
        writeln!(file, "{listens}")?;
        file.persist(&path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(CliError::file("write", &path))
}
