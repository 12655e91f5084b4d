//! What machine this is: figures mean nothing without it.

use crate::Failure;
use std::{fs, io::Write, path::Path, time::Instant};

/// Clock ticks a second in `/proc/PID/stat`, on every Linux that matters.
const TICKS_PER_SECOND: u64 = 100;

/// One line: cores, processor, kernel, memory, fsync.
pub fn describe(dir: &Path) -> Result<String, Failure> {
    let cores = std::thread::available_parallelism()?;
    let info = |path: &str, name: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        line.split_once(':').map_or(String::new(), |(_, value)| value.trim().to_owned())
    };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let memory_kib: u64 = info("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut fsync = fsync_us(dir)?;
    fsync.sort_unstable();
    let at = |quantile: f64| f64::from(fsync[((fsync.len() - 1) as f64 * quantile) as usize]) / 1000.0;
    Ok(format!(
        "Machine: {cores} cores ({}), kernel {}, {} GiB; fsync of 4 KiB p50 {:.2} ms, p99 {:.2} ms; load before {}",
        info("/proc/cpuinfo", "model name"),
        kernel.trim(),
        memory_kib >> 20,
        at(0.5),
        at(0.99),
        load.split(' ').next().unwrap_or_default(),
    ))
}

/// Appends 4 KiB and waits for the disk, 300 times.
fn fsync_us(dir: &Path) -> Result<Vec<u32>, Failure> {
    let mut file = tempfile::tempfile_in(dir)?;
    let block = [7; 4096];
    let mut took = Vec::new();
    for _ in 0..300 {
        let began = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        took.push(began.elapsed().as_micros() as u32);
    }
    Ok(took)
}

/// Processor time of this process.
pub fn own_cpu_us() -> Result<u64, Failure> {
    cpu_us("/proc/self/stat")
}

/// User and system time of a process, from its `stat` file.
pub fn cpu_us(path: &str) -> Result<u64, Failure> {
    let stat = fs::read_to_string(path)?;
    // The name in parentheses may hold spaces; what follows it does not.
    let fields: Vec<&str> = stat.rsplit_once(')').ok_or("a stat file without a name")?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok()).ok_or("a short stat file");
    Ok((ticks(11)? + ticks(12)?) * 1_000_000 / TICKS_PER_SECOND)
}
