//! The server under load and what the system says about it.

use crate::{Failure, machine};
use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Delivers.
pub const TOKEN: &str = "load-ingest-token-5c1f";
/// Signs webhooks.
pub const WEBHOOK_SECRET: &str = "load-webhook-secret-90d2";
/// Reads.
const READ_TOKEN: &str = "load-read-token-77aa";

pub struct Server {
    child: Child,
    dir: tempfile::TempDir,
    pub addr: SocketAddr,
}

impl Server {
    /// Starts the binary with an empty data directory and its defaults.
    pub fn start(dir: &Path) -> Result<Self, Failure> {
        Self::start_with(dir, &[])
    }

    /// The same with some settings.
    pub fn start_with(dir: &Path, settings: &[(&str, &str)]) -> Result<Self, Failure> {
        Self::launch(tempfile::tempdir_in(dir)?, settings)
    }

    /// Kills it and starts it again in its directory. Gives how long it took until it was ready.
    pub fn again(mut self) -> Result<(Self, Duration), Failure> {
        self.child.kill()?;
        self.child.wait()?;
        let dir = std::mem::replace(&mut self.dir, tempfile::tempdir()?);
        std::fs::remove_file(dir.path().join("data/listen.addr"))?;
        let killed = Instant::now();
        Ok((Self::launch(dir, &[])?, killed.elapsed()))
    }

    fn launch(dir: tempfile::TempDir, settings: &[(&str, &str)]) -> Result<Self, Failure> {
        let data = dir.path().join("data");
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeline"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LIFELINE_")) {
            // Settings under test may be passed through on purpose.
            println!("with {} from the environment", name.to_string_lossy());
        }
        let child = command
            .arg("serve")
            .current_dir(dir.path())
            .env("LIFELINE_LISTEN", "127.0.0.1:0")
            .env("LIFELINE_DATA_DIR", &data)
            .env("LIFELINE_INGEST_TOKEN", TOKEN)
            .env("LIFELINE_READ_TOKEN", READ_TOKEN)
            .env("LIFELINE_WEBHOOK_SECRET", WEBHOOK_SECRET)
            .env("LIFELINE_LOG", "warn")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let mut server = Self { child, dir, addr: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(addr) =
                fs::read_to_string(data.join("listen.addr")).ok().and_then(|text| text.trim().parse().ok())
            {
                server.addr = addr;
                if server.get("/readyz").is_ok() {
                    return Ok(server);
                }
            }
            if Instant::now() > deadline || server.child.try_wait()?.is_some() {
                return Err("the server does not start".into());
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The body of a query that succeeds.
    pub fn get(&self, path: &str) -> Result<String, Failure> {
        let mut stream = TcpStream::connect(self.addr)?;
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: lifeline\r\nAuthorization: Bearer {READ_TOKEN}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let text = String::from_utf8_lossy(&answer).into_owned();
        if !text.starts_with("HTTP/1.1 200") {
            return Err(format!("{path}: {text}").into());
        }
        Ok(text)
    }

    /// The same with how long it took, in microseconds.
    pub fn timed(&self, path: &str) -> Result<(String, u32), Failure> {
        let asked = Instant::now();
        let answer = self.get(path)?;
        Ok((answer, asked.elapsed().as_micros() as u32))
    }

    /// Events stored, as the server counts them.
    pub fn stored(&self) -> Result<u64, Failure> {
        let metrics = self.get("/metrics")?;
        let line = metrics.lines().find_map(|line| line.strip_prefix("lifeline_store_events "));
        Ok(line.ok_or("no lifeline_store_events in /metrics")?.trim().parse::<f64>()? as u64)
    }

    /// Processor time in user and system mode, all threads.
    pub fn cpu_us(&self) -> Result<u64, Failure> {
        machine::cpu_us(&format!("/proc/{}/stat", self.child.id()))
    }

    /// A line of `/proc/PID/status` in KiB.
    pub fn memory_kib(&self, name: &str) -> Result<u64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        Ok(line.ok_or("no such line in status")?.trim().trim_end_matches(" kB").parse()?)
    }

    /// Bytes of the database and its write-ahead log.
    pub fn disk_bytes(&self) -> Result<u64, Failure> {
        disk_bytes(&self.dir.path().join("data"))
    }

    /// Stops it; gives the bytes that remain on disk.
    pub fn stop(mut self) -> Result<u64, Failure> {
        Command::new("sh").arg("-c").arg(format!("kill -TERM {}", self.child.id())).status()?;
        let status = self.child.wait()?;
        if !status.success() {
            return Err(format!("the server ended with {status}").into());
        }
        self.disk_bytes()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn disk_bytes(data: &PathBuf) -> Result<u64, Failure> {
    let mut bytes = 0;
    for entry in fs::read_dir(data)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("lifeline.db") {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}
