//! Opens the doors, serves until told to stop, and closes them in order.
//!
//! In: what to serve and where. Out: the address that was really taken, before the first request; then nothing until the
//! end. A stop takes less than ten seconds: no new connections, running requests finish, live streams end, the store
//! commits what waits and closes.

use super::{
    audit::Auditor,
    dispatch::dispatch,
    state::{Door, ServerContext, State},
    tls::Certificate,
};
use actix_web::{App, HttpRequest, HttpServer, dev::ServerHandle, web};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sd_notify::NotifyState;
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    future::Future,
    io,
    net::{SocketAddr, TcpListener},
    num::NonZeroUsize,
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, interval, timeout},
};

pub use super::tls::TlsFiles;

/// Longest time that running requests get, whatever the settings say.
const GRACE_MAX: Duration = Duration::from_secs(8);

/// A stop is over after this, whatever hangs.
const STOP_MAX: Duration = Duration::from_millis(9_500);

/// How often the certificate's files are looked at.
const CERTIFICATE_LOOK: Duration = Duration::from_secs(30);

/// A peer that takes no data for so long is dropped.
const SEND_STALL_MAX: Duration = Duration::from_secs(30);

/// How long a stop waits for the last checkpoints.
const AUDIT_MAX: Duration = Duration::from_secs(2);

/// Files that are open besides connections, at most.
const OTHER_FILES: usize = 64;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 2048;

/// Threads of one worker on which reads and large bodies may block.
const BLOCKING_THREADS: usize = 4;

/// Where to listen.
#[derive(Debug, Clone)]
pub struct Listen {
    /// Port 0 picks a free one.
    pub address: SocketAddr,
    /// Serve TLS with these files.
    pub tls: Option<TlsFiles>,
    /// A socket file with the rights of an administrator and no token, for the command line. The caller holds the lock of its
    /// directory; what is there from an earlier process is replaced.
    pub control_socket: Option<PathBuf>,
}

/// A server that is not bound yet. A macro, since the type of a service cannot be named.
macro_rules! http_server {
    ($state:expr, $door:expr, $workers:expr, $grace:expr) => {{
        let shared = Arc::clone($state);
        let workers: usize = $workers;
        HttpServer::new(move || {
            let shared = Arc::clone(&shared);
            App::new().default_service(web::to(move |req: HttpRequest, payload: web::Payload| {
                dispatch(Arc::clone(&shared), $door, req, payload)
            }))
        })
        .workers(workers)
        .max_connections($state.settings.connections_max.div_ceil(workers).max(1))
        .worker_max_blocking_threads(BLOCKING_THREADS)
        .keep_alive(Duration::from_secs(75))
        .client_request_timeout(Duration::from_secs(5))
        .client_disconnect_timeout(Duration::from_secs(2))
        .shutdown_timeout($grace.as_secs())
        .disable_signals()
    }};
}
/// Serves until SIGTERM or SIGINT, then closes the store. Needs an actix system around it:
/// `actix_rt::System::new().block_on(run(…))`. `on_bound` gets the address before the first request is taken.
///
/// # Errors
/// Addresses and files that cannot be used, and what `on_bound` says.
pub async fn run(
    context: ServerContext,
    listen: Listen,
    on_bound: impl FnOnce(SocketAddr) -> io::Result<()>,
) -> io::Result<()> {
    raise_open_files(context.settings.connections_max);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!("stopping on {name}");
    };
    run_until(context, listen, on_bound, stop).await
}

/// Raises the soft limit on open files to the hard one, and says when that is not enough for all connections.
fn raise_open_files(connections_max: usize) {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => limit = raised,
            Err(error) => tracing::warn!("cannot raise the limit on open files: {error}"),
        }
    }
    if let Some(files) = limit.current
        && files < (connections_max + OTHER_FILES) as u64
    {
        tracing::warn!(
            "only {files} files may be open, fewer than {connections_max} connections need; raise the limit (ulimit -n, \
             LimitNOFILE) or lower connections_max"
        );
    }
}

/// The same until `stop` is over.
///
/// # Errors
/// As [`run`].
pub async fn run_until(
    context: ServerContext,
    listen: Listen,
    on_bound: impl FnOnce(SocketAddr) -> io::Result<()>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let certificate = listen.tls.clone().map(Certificate::load).transpose()?;
    let audit =
        Auditor::open(context.pipeline.store(), context.settings.audit.clone()).await.map_err(io::Error::other)?;
    let state = Arc::new(State::new(context, certificate.is_some(), Arc::new(audit))?);
    let grace = state.settings.shutdown_grace.min(GRACE_MAX);

    let listener = bind_public(listen.address)?;
    let address = listener.local_addr()?;
    let public = http_server!(&state, Door::Public, workers(&state), grace);
    let public = match &certificate {
        Some(certificate) => public.listen_rustls_0_23(listener, certificate.config()?)?,
        None => public.listen(listener)?,
    };
    let control = match &listen.control_socket {
        Some(path) => Some(http_server!(&state, Door::Control, 1, grace).listen_uds(bind_control(path)?)?),
        None => None,
    };
    on_bound(address)?;

    let public = public.run();
    let handle = public.handle();
    let public = actix_rt::spawn(public);
    let mut handles = vec![handle];
    let control = control.map(|control| {
        let control = control.run();
        handles.push(control.handle());
        actix_rt::spawn(control)
    });
    let upkeep = actix_rt::spawn(upkeep(certificate));
    let audit = actix_rt::spawn(Arc::clone(&state.audit).run());
    notify(&[NotifyState::Ready]);

    tokio::pin!(stop);
    let mut public = public;
    let failed = tokio::select! {
        () = &mut stop => None,
        ended = &mut public => Some(ended),
    };
    notify(&[NotifyState::Stopping]);
    let began = Instant::now();
    drain(&state, &handles, began).await;
    upkeep.abort();
    audit.abort();
    if let Some(control) = control {
        control.abort();
    }
    if let Some(path) = &listen.control_socket {
        // A socket file that is left behind is replaced by the next start.
        let _ = std::fs::remove_file(path);
    }
    tracing::info!(duration_ms = began.elapsed().as_millis() as u64, "stopped");
    match failed {
        Some(Ok(Err(error))) => Err(error),
        Some(_) => Err(io::Error::other("the listener ended by itself")),
        None => Ok(()),
    }
}

fn workers(state: &State) -> usize {
    match state.settings.workers {
        0 => std::thread::available_parallelism().map_or(2, NonZeroUsize::get),
        some => some,
    }
}

/// Opens the listening socket. Connections inherit that a peer which takes no data for [`SEND_STALL_MAX`] is dropped.
fn bind_public(address: SocketAddr) -> io::Result<TcpListener> {
    let open = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_tcp_user_timeout(Some(SEND_STALL_MAX))?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(TcpListener::from(socket))
    };
    open().map_err(|error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))
}

/// Opens the control socket: made under another name and closed to everybody else before it can be found.
fn bind_control(path: &Path) -> io::Result<UnixListener> {
    let open = || {
        let new = path.with_extension("new");
        for stale in [&new, path] {
            match std::fs::remove_file(stale) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let listener = UnixListener::bind(&new)?;
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&new, path)?;
        Ok(listener)
    };
    open().map_err(|error| io::Error::new(error.kind(), format!("cannot open {}: {error}", path.display())))
}

/// Stops taking connections, lets running requests finish, closes the store.
async fn drain(state: &State, handles: &[ServerHandle], began: Instant) {
    state.draining.send_replace(true);
    let stopped = futures_util::future::join_all(handles.iter().map(|handle| handle.stop(true)));
    if timeout(GRACE_MAX + Duration::from_millis(500), stopped).await.is_err() {
        tracing::warn!("some requests did not finish in time");
    }
    let last = STOP_MAX.saturating_sub(began.elapsed()).min(AUDIT_MAX);
    if timeout(last, state.audit.finish()).await.is_err() {
        tracing::warn!("the last checkpoint was not signed in time");
    }
    let left = STOP_MAX.saturating_sub(began.elapsed());
    match timeout(left, state.store().close()).await {
        Ok(Ok(())) => tracing::info!("the store is closed"),
        Ok(Err(error)) => tracing::error!("the store did not close well: {error}"),
        Err(_) => tracing::error!("the store did not close in time; what was acknowledged is on disk"),
    }
}

/// Says that we live, and looks after the certificate.
async fn upkeep(certificate: Option<Arc<Certificate>>) {
    let watchdog = sd_notify::watchdog_enabled().map(|every| every / 2).filter(|every| !every.is_zero());
    let mut beat = interval(watchdog.unwrap_or(Duration::from_secs(3600)));
    let mut look = interval(CERTIFICATE_LOOK);
    let mut hangup = signal(SignalKind::hangup()).ok();
    loop {
        let asked = async {
            match &mut hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        let in_any_case = tokio::select! {
            _ = beat.tick() => {
                if watchdog.is_some() {
                    notify(&[NotifyState::Watchdog]);
                }
                continue;
            }
            _ = look.tick() => false,
            _ = asked => true,
        };
        if let Some(certificate) = &certificate {
            certificate.reload(in_any_case);
        }
    }
}

/// Tells systemd, where there is one.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!("systemd was not told: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::ServerSettings;

    #[test]
    fn ten_thousand_idle_connections_fit_by_default() {
        assert!(ServerSettings::default().connections_max > 11_000);
        let setting = crate::config::setting::find("connections_max").and_then(|setting| setting.default);
        assert_eq!(setting, Some(ServerSettings::default().connections_max.to_string().as_str()));
        raise_open_files(1);
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
