//! The whole service under load: starts the real binary and drives it over HTTP on the same machine.
//!
//! In: options. Out: a Markdown table of events per second, latency, processor time, memory and disk for each protocol, batch size and
//! number of senders; how fast duplicates are recognised and how long the newest events of a connection take to read; a line that says
//! what machine it was. Every acknowledgement waits for an fsync, so figures belong beside that disk's fsync latency.
//!
//! `cargo bench --bench load -- --help` lists the options.

mod bodies;
mod driver;
mod lives;
mod machine;
mod options;
mod reading;
mod report;
mod server;

use bodies::{NDJSON, Plan};
use options::Options;
use rand::{SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use report::{Cell, Table};
use server::Server;

/// Connections at a time where the options do not say.
const SENDERS: usize = 16;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let Some(options) = Options::parse(std::env::args().skip(1))? else {
        println!("{}", options::HELP);
        return Ok(());
    };
    println!("{}\n", machine::describe(&options.dir)?);
    if options.fold {
        return lives::cost(&options);
    }
    if options.preload > 0 {
        return preloaded(&options);
    }
    let mut table = Table::new();
    for (batch, forms) in options.rounds() {
        // Each time all of them in turns, so that a noisy machine disturbs them alike.
        let mut cells: Vec<Vec<Cell>> = Vec::new();
        for _ in 0..options.repeat {
            let mut place = 0;
            for &form in &forms {
                for &senders in &options.senders {
                    let events = bodies::account(&options).take(options.events_for(batch));
                    let plan = Plan::render(form, batch, options.lanes(senders), events);
                    let server = Server::start(&options.dir)?;
                    let cell = measure(&server, &plan, senders)
                        .map_err(|error| format!("{} with {batch} events a request: {error}", form.name))?
                        .settled(server)?;
                    if place == cells.len() {
                        cells.push(Vec::new());
                    }
                    cells[place].push(cell);
                    place += 1;
                }
            }
        }
        table.rows(cells);
    }
    extras(&options)
}

/// One load of a plan. The server must hold exactly the plan's events more afterwards.
fn measure(server: &Server, plan: &Plan, senders: usize) -> Result<Cell, Failure> {
    let before = server.stored()?;
    let (cpu, own_cpu) = (server.cpu_us()?, machine::own_cpu_us()?);
    let run = driver::run(server.addr, plan, senders)?;
    let cpu_us = server.cpu_us()? - cpu;
    let own_cpu_us = machine::own_cpu_us()? - own_cpu;
    let stored = server.stored()? - before;
    if stored != plan.events as u64 {
        return Err(format!("{} events were acknowledged and {stored} are stored", plan.events).into());
    }
    Ok(Cell {
        form: plan.form,
        batch: plan.batch,
        senders,
        events: plan.events,
        run,
        of_native: None,
        cpu_us,
        own_cpu_us,
        peak_rss_kib: server.memory_kib("VmHWM")?,
        loaded_bytes: server.disk_bytes()?,
        settled_bytes: 0,
    })
}

/// What the table does not show: duplicates, and reading.
fn extras(options: &Options) -> Result<(), Failure> {
    let server = Server::start(&options.dir)?;
    // Enough for each of the connections that are asked about later to have been heard of.
    let count = options.events_for(1000).max(options.connections * 100);
    let plan = Plan::render(&NDJSON, 1000, options.lanes(SENDERS), bodies::account(options).take(count));
    driver::run(server.addr, &plan, SENDERS)?;
    println!();
    resend(&server, &plan)?;
    reading::newest(&server, options)?;
    reading::largest(&server, options, count)?;
    lives::reading(&server, options)?;
    server.stop()?;
    shuffled(options, count)
}

/// The same events in order and in no order at all, three times in turns. Most of the latter come late.
fn shuffled(options: &Options, count: usize) -> Result<(), Failure> {
    let mut events: Vec<_> = bodies::account(options).take(count).collect();
    let ordered = Plan::render(&NDJSON, 1000, options.lanes(SENDERS), events.iter().cloned());
    events.shuffle(&mut StdRng::seed_from_u64(options.seed));
    let anyhow = Plan::render(&NDJSON, 1000, 1, events.into_iter());
    for _ in 0..3 {
        let mut figures = Vec::new();
        for plan in [&ordered, &anyhow] {
            let server = Server::start(&options.dir)?;
            let cell = measure(&server, plan, SENDERS)?;
            figures.push((cell.run.rate(count), cell.cpu_us as f64 / count as f64));
        }
        let [(rate, cpu), (late_rate, late_cpu)] = figures[..] else { continue };
        println!(
            "Shuffled: {late_rate:.0}/s, {late_cpu:.1} CPU us/event; in order {rate:.0}/s, {cpu:.1}; ratio of rates {:.2}",
            late_rate / rate
        );
    }
    Ok(())
}

fn resend(server: &Server, plan: &Plan) -> Result<(), Failure> {
    let before = server.stored()?;
    let cpu = server.cpu_us()?;
    let run = driver::run(server.addr, plan, SENDERS)?;
    let cpu_us = (server.cpu_us()? - cpu) as f64 / plan.events as f64;
    let new = server.stored()? - before;
    println!(
        "Resend of {} known events: {:.0}/s, {cpu_us:.1} CPU us/event, {new} stored anew",
        plan.events,
        run.rate(plan.events)
    );
    Ok(())
}

/// Fills a store million by million, then measures on top of it.
fn preloaded(options: &Options) -> Result<(), Failure> {
    const STEP: usize = 1_000_000;
    let server = Server::start(&options.dir)?;
    let mut account = bodies::account(options);
    println!(
        "| events stored | events/s | p50 ms | p99 ms | CPU us/event | peak RSS MB | B/event | newest 100 p50 ms |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut total = 0;
    let mut sample = None;
    while total < options.preload {
        let count = STEP.min(options.preload - total);
        let plan = Plan::render(&NDJSON, 1000, options.lanes(SENDERS), account.by_ref().take(count));
        let cell = measure(&server, &plan, SENDERS)?;
        total += count;
        let read = reading::newest_p50_ms(&server, options)?;
        println!(
            "| {total} | {:.0} | {:.2} | {:.1} | {:.1} | {:.0} | {:.0} | {read:.2} |",
            cell.run.rate(count),
            cell.run.quantile_ms(0.5),
            cell.run.quantile_ms(0.99),
            cell.cpu_us as f64 / count as f64,
            cell.peak_rss_kib as f64 / 1024.0,
            cell.loaded_bytes as f64 / total as f64,
        );
        if total > options.preload / 2 && sample.is_none() {
            sample = Some(plan);
        }
    }
    println!();
    let mut table = Table::new();
    for (batch, forms) in options.rounds() {
        let mut cells = Vec::new();
        for form in forms {
            for &senders in &options.senders {
                let events = account.by_ref().take(options.events_for(batch) / 2);
                let plan = Plan::render(form, batch, options.lanes(senders), events);
                let mut cell = measure(&server, &plan, senders)?;
                total += plan.events;
                cell.loaded_bytes = cell.loaded_bytes * plan.events as u64 / total as u64;
                cell.settled_bytes = cell.loaded_bytes;
                cells.push(vec![cell]);
            }
        }
        table.rows(cells);
    }
    println!();
    if let Some(plan) = sample {
        resend(&server, &plan)?;
    }
    reading::newest(&server, options)?;
    reading::largest(&server, options, total)?;
    lives::reading(&server, options)?;
    let (server, took) = server.again()?;
    println!("Ready again after kill -9: {:.2} s", took.as_secs_f64());
    let settled = server.stop()?;
    println!("Settled: {:.0} bytes/event", settled as f64 / total as f64);
    Ok(())
}
