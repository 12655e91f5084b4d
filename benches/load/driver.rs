//! Sends a plan over keep-alive connections, one blocking thread each, and reads just enough of every answer.

use crate::{Failure, bodies::Plan, report};
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// What one load came to.
pub struct Run {
    pub took: Duration,
    /// Of every request, sorted, in microseconds.
    pub latencies_us: Vec<u32>,
}

impl Run {
    pub fn rate(&self, events: usize) -> f64 {
        events as f64 / self.took.as_secs_f64()
    }

    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        report::quantile_ms(&self.latencies_us, quantile)
    }
}

/// Sends every request of the plan once. Where a lane has several senders, each takes the next request in order; a plan must not have
/// more lanes than senders.
pub fn run(addr: SocketAddr, plan: &Plan, senders: usize) -> Result<Run, Failure> {
    let lanes: Vec<Lane> = plan.lanes().map(|lane| Lane { next: lane.start.into(), end: lane.end }).collect();
    assert!(lanes.len() <= senders, "{} lanes for {senders} senders", lanes.len());
    let start = Barrier::new(senders + 1);
    let (took, results) = thread::scope(|scope| {
        let threads: Vec<_> = (0..senders)
            .map(|sender| {
                let (lane, start) = (&lanes[sender % lanes.len()], &start);
                scope.spawn(move || {
                    let opened = TcpStream::connect(addr).and_then(|stream| stream.set_nodelay(true).map(|()| stream));
                    start.wait();
                    send(opened?, plan, lane)
                })
            })
            .collect();
        start.wait();
        let began = Instant::now();
        let results: Vec<io::Result<Vec<u32>>> =
            threads.into_iter().map(|thread| thread.join().expect("a sender does not panic")).collect();
        (began.elapsed(), results)
    });
    let mut latencies_us = Vec::with_capacity(plan.len());
    for result in results {
        latencies_us.extend(result?);
    }
    latencies_us.sort_unstable();
    Ok(Run { took, latencies_us })
}

/// The requests of a lane that are not sent yet.
struct Lane {
    next: AtomicUsize,
    end: usize,
}

impl Lane {
    fn next(&self) -> Option<usize> {
        Some(self.next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < self.end)
    }
}

fn send(mut stream: TcpStream, plan: &Plan, lane: &Lane) -> io::Result<Vec<u32>> {
    let mut latencies = Vec::with_capacity(plan.len() / 4);
    let mut buffer = vec![0; 64 << 10];
    while let Some(request) = lane.next().and_then(|number| plan.request(number)) {
        let sent = Instant::now();
        stream.write_all(request)?;
        read_answer(&mut stream, &mut buffer)?;
        latencies.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    Ok(latencies)
}

/// Reads one answer, which must be a success.
fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    let (head, length) = loop {
        let read = stream.read(&mut buffer[filled..])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += read;
        if let Some(end) = buffer[..filled].windows(4).position(|window| window == b"\r\n\r\n") {
            break (end + 4, content_length(&buffer[..end]));
        }
    };
    if buffer.get(9) != Some(&b'2') {
        return Err(io::Error::other(String::from_utf8_lossy(&buffer[..filled]).into_owned()));
    }
    let mut left = (head + length).saturating_sub(filled);
    while left > 0 {
        let most = left.min(buffer.len());
        let read = stream.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        left -= read;
    }
    Ok(())
}

/// 0 where there is none, as in a 204.
fn content_length(head: &[u8]) -> usize {
    let name = b"content-length:";
    let at = head.windows(name.len()).position(|window| window.eq_ignore_ascii_case(name));
    let value = at.and_then(|at| std::str::from_utf8(&head[at + name.len()..]).ok());
    value.and_then(|text| text.lines().next()?.trim().parse().ok()).unwrap_or(0)
}
