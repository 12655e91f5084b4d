//! The server under test: the real binary, its data directory and its log.
//!
//! In: settings as environment variables. Out: a running server that took a free port and is ready. Dropping it kills
//! the process and fails the test when the log holds a panic.

use crate::http::{Conn, Response, request};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use std::{
    fs::{self, File, OpenOptions},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

pub const INGEST: &str = "ingest-token-of-the-tests-7f3a";
pub const READ: &str = "read-token-of-the-tests-91bc";
pub const ADMIN: &str = "admin-token-of-the-tests-d04e";
/// The secret with which the captured webhooks are signed.
pub const SECRET: &str = "webhook-secret";
/// The token in the captured HEC requests.
pub const HEC_TOKEN: &str = "11111111-2222-3333-4444-555555555555";

/// How long a start may take, on a machine that is busy with other tests.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// The binary under test.
pub fn binary() -> PathBuf {
    std::env::var_os("LIFELINE_TEST_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_lifeline").into(), PathBuf::from)
}

/// The binary with none of our variables but those given, run in a directory of the test's.
pub fn command(dir: &Path, env: &[(String, String)]) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LIFELINE_") {
            command.env_remove(name);
        }
    }
    command.current_dir(dir).envs(env.iter().cloned()).env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// What a server is started with.
pub struct Setup {
    env: Vec<(String, String)>,
    data_dir: Option<PathBuf>,
}

impl Default for Setup {
    fn default() -> Self {
        let setup = Self { env: Vec::new(), data_dir: None };
        setup
            .env("LIFELINE_LISTEN", "127.0.0.1:0")
            .env("LIFELINE_INGEST_TOKEN", INGEST)
            .env("LIFELINE_READ_TOKEN", READ)
            .env("LIFELINE_ADMIN_TOKEN", ADMIN)
            .env("LIFELINE_WEBHOOK_SECRET", SECRET)
            .env("LIFELINE_BALLAST_BYTES", "1MiB")
    }
}

impl Setup {
    /// Sets a variable, in place of any earlier value.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Leaves a variable out.
    pub fn without(mut self, name: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self
    }

    /// A data directory elsewhere than in the test's own.
    pub fn data_dir(mut self, dir: &Path) -> Self {
        self.data_dir = Some(dir.to_owned());
        self
    }

    /// Starts the server and waits until it is ready.
    #[track_caller]
    pub fn spawn(self) -> App {
        let mut app = self.prepare();
        app.start();
        app
    }

    /// Everything but the process.
    pub fn prepare(self) -> App {
        let home = tempfile::tempdir().expect("a temporary directory");
        let data = self.data_dir.unwrap_or_else(|| home.path().join("data"));
        let mut env = self.env;
        env.push(("LIFELINE_DATA_DIR".to_owned(), data.to_str().expect("a path in UTF-8").to_owned()));
        App { home, data, env, child: None, addr: SocketAddr::from(([127, 0, 0, 1], 0)) }
    }
}

/// A server and where it keeps things.
pub struct App {
    home: tempfile::TempDir,
    /// Its data directory.
    pub data: PathBuf,
    env: Vec<(String, String)>,
    child: Option<Child>,
    /// Where it listens.
    pub addr: SocketAddr,
}

impl App {
    /// A server with all tokens and the webhook secret set.
    #[track_caller]
    pub fn spawn() -> Self {
        Setup::default().spawn()
    }

    /// A directory for files of the test.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Changes a variable for the next start.
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// Starts the server, which must not run, and waits until it is ready.
    #[track_caller]
    pub fn start(&mut self) {
        self.start_until(|addr| {
            let ready = request("GET", "/readyz", &[("Connection", "close")], b"");
            Conn::open(addr).and_then(|mut conn| conn.send(&ready)).is_ok_and(|answer| answer.status == 200)
        });
    }

    /// Starts the server and waits until it takes connections, whatever it speaks on them.
    #[track_caller]
    pub fn start_unready(&mut self) {
        self.start_until(|addr| Conn::open(addr).is_ok());
    }

    #[track_caller]
    fn start_until(&mut self, is_up: impl Fn(SocketAddr) -> bool) {
        assert!(self.child.is_none(), "the server runs already");
        let announced = self.data.join("listen.addr");
        let _ = fs::remove_file(&announced);
        let child = command(self.home.path(), &self.env)
            .arg("serve")
            .stdout(self.log_file("stdout.log"))
            .stderr(self.log_file("stderr.log"))
            .spawn()
            .expect("the binary starts");
        self.child = Some(child);
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            if let Some(addr) = fs::read_to_string(&announced).ok().and_then(|text| text.trim().parse().ok()) {
                self.addr = addr;
                if is_up(addr) {
                    return;
                }
            }
            let status = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            assert!(status.is_none(), "the server ended with {status:?}\n{}", self.log());
            assert!(Instant::now() < deadline, "the server is not ready in time\n{}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn log_file(&self, name: &str) -> File {
        OpenOptions::new().create(true).append(true).open(self.home.path().join(name)).expect("a log file")
    }

    /// Everything that was printed since the first start.
    pub fn log(&self) -> String {
        ["stdout.log", "stderr.log"]
            .iter()
            .filter_map(|name| fs::read(self.home.path().join(name)).ok())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .collect()
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            child.wait().expect("a killed process ends");
        }
    }

    /// Asks the server to stop, as a supervisor does.
    pub fn signal_stop(&self) {
        let sent = Command::new("sh").arg("-c").arg(format!("kill -TERM {}", self.pid())).status();
        assert!(sent.is_ok_and(|status| status.success()), "the signal was not sent");
    }

    /// Waits for the end of a server that was told to stop.
    #[track_caller]
    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        let deadline = Instant::now() + patience;
        let mut child = self.child.take().expect("the server runs");
        loop {
            if let Some(status) = child.try_wait().expect("the process can be asked") {
                return status;
            }
            if Instant::now() > deadline {
                let _ = child.kill();
                panic!("the server did not stop within {patience:?}\n{}", self.log());
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Stops the server with a signal; it must end well.
    #[track_caller]
    pub fn stop(&mut self) {
        self.signal_stop();
        let status = self.wait(Duration::from_secs(10));
        assert!(status.success(), "{status}\n{}", self.log());
    }

    /// The binary with this server's settings, in the test's directory.
    pub fn command(&self) -> Command {
        command(self.home.path(), &self.env)
    }

    /// Runs a command of the binary with this server's settings, in the test's directory.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command().args(args).output().expect("the binary runs")
    }

    /// Sends one request over a connection of its own.
    #[track_caller]
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        self.send_bytes(&request(method, path, headers, body))
    }

    /// The same with any bytes.
    #[track_caller]
    pub fn send_bytes(&self, bytes: &[u8]) -> Response {
        let mut conn = Conn::open(self.addr).expect("the server accepts connections");
        conn.send(bytes).unwrap_or_else(|error| panic!("no answer: {error}\n{}", self.log()))
    }

    /// A request with a bearer token.
    #[track_caller]
    pub fn with_token(&self, token: &str, method: &str, path: &str, body: &[u8]) -> Response {
        self.send(method, path, &[("Authorization", &format!("Bearer {token}"))], body)
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        self.with_token(READ, "GET", path, b"")
    }

    /// The JSON of a query that succeeds.
    #[track_caller]
    pub fn get_json(&self, path: &str) -> Value {
        self.get(path).expect(200).json()
    }

    #[track_caller]
    pub fn post_native(&self, body: impl AsRef<[u8]>) -> Response {
        self.with_token(INGEST, "POST", "/v1/events", body.as_ref())
    }

    #[track_caller]
    pub fn post_hec(&self, body: impl AsRef<[u8]>) -> Response {
        let token = format!("Splunk {INGEST}");
        self.send("POST", "/services/collector/event", &[("Authorization", &token)], body.as_ref())
    }

    /// Signed with [`SECRET`].
    #[track_caller]
    pub fn post_webhook(&self, body: impl AsRef<[u8]>) -> Response {
        let signature = sign(SECRET, body.as_ref());
        let headers = [("X-Fivetran-Signature-256", signature.as_str()), ("Content-Type", "application/json")];
        self.send("POST", "/v1/webhooks/fivetran", &headers, body.as_ref())
    }

    #[track_caller]
    pub fn post_loki(&self, body: impl AsRef<[u8]>, media_type: &str) -> Response {
        let token = format!("Bearer {INGEST}");
        let headers = [("Authorization", token.as_str()), ("Content-Type", media_type)];
        self.send("POST", "/loki/api/v1/push", &headers, body.as_ref())
    }

    /// Every event that a query (without `?`) finds, page by page.
    #[track_caller]
    pub fn all_events(&self, query: &str) -> Vec<Value> {
        self.all_of("/v1/events", &format!("limit=1000&{query}"))
    }

    /// Every item of a list.
    #[track_caller]
    pub fn all_of(&self, path: &str, query: &str) -> Vec<Value> {
        let query = query.trim_end_matches('&');
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get_json(&format!("{path}?{query}{cursor}"));
            found.extend(page["data"].as_array().expect("a list has data").iter().cloned());
            match &page["next_cursor"] {
                Value::String(next) => cursor = format!("&cursor={next}"),
                Value::Null => return found,
                other => panic!("next_cursor is {other}"),
            }
        }
    }

    /// One number of `/metrics`, all label values added up.
    #[track_caller]
    pub fn metric(&self, name: &str, label: &str) -> f64 {
        let text = self.get("/metrics").expect(200).text();
        let lines = text.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(label)
        });
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// A line of `/proc/PID/status`, in KiB.
    pub fn memory_kib(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("a known line");
        line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
    }

    /// Fails unless the server is ready and takes events.
    #[track_caller]
    pub fn assert_well(&self) {
        self.get("/readyz").expect(200);
        self.post_native(r#"{"event":"info","created":"2026-08-17T09:41:23.518Z","data":{"message":"still well"}}"#)
            .expect(200);
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.kill();
        let log = self.log();
        let panicked = log.contains("panicked at");
        if thread::panicking() {
            let start = log.char_indices().rev().nth(4_000).map_or(0, |(at, _)| at);
            eprintln!("the end of the server's log:\n{}", &log[start..]);
        } else {
            assert!(!panicked, "the server panicked:\n{log}");
        }
    }
}

/// What a command printed.
pub fn out(done: &Output) -> String {
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// What it complained of.
pub fn err(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

/// HMAC-SHA256 in lower-case hexadecimal.
pub fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.as_bytes()).expect("any key length");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}
