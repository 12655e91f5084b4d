//! What lives cost, and how fast they are read.
//!
//! In: a server and an account. Out: lines with the processor time of the fold, against the same server without it, in one run;
//! and with the latency of a timeline page, of the list of connections, and of a question about a past moment.

use crate::{
    Failure,
    bodies::{self, Plan},
    measure,
    options::Options,
    report,
    server::Server,
};

/// Processor time for each event with lives and without, in turns, so that a noisy machine disturbs both alike.
pub fn cost(options: &Options) -> Result<(), Failure> {
    println!(
        "| protocol | batch | senders | events | CPU us/event without | with lives | more | events/s without | with lives |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for &batch in &options.batches {
        for &form in &options.forms {
            for &senders in &options.senders {
                let events = bodies::account(options).take(options.events_for(batch));
                let plan = Plan::render(form, batch, options.lanes(senders), events);
                let mut found = [Vec::new(), Vec::new()];
                for _ in 0..options.repeat {
                    for (at, fold) in ["off", "on"].into_iter().enumerate() {
                        let server = Server::start_with(&options.dir, &[("LIFELINE_FOLD", fold)])?;
                        let cell = measure(&server, &plan, senders)?;
                        found[at].push((cell.cpu_us as f64 / plan.events as f64, cell.run.rate(plan.events)));
                    }
                }
                let [without, with] = found.map(median);
                println!(
                    "| {} | {batch} | {senders} | {} | {:.1} | {:.1} | {:.0} % | {:.0} | {:.0} |",
                    form.name,
                    plan.events,
                    without.0,
                    with.0,
                    (with.0 / without.0 - 1.0) * 100.0,
                    without.1,
                    with.1,
                );
            }
        }
    }
    Ok(())
}

fn median(mut runs: Vec<(f64, f64)>) -> (f64, f64) {
    runs.sort_by(|one, other| one.0.total_cmp(&other.0));
    runs.get(runs.len() / 2).copied().unwrap_or_default()
}

/// One client, one question after another.
pub fn reading(server: &Server, options: &Options) -> Result<(), Failure> {
    let connections = bodies::connections(options);
    let few: Vec<&String> = connections.iter().step_by((connections.len() / 300).max(1)).collect();
    // The first questions find what came late while it was being loaded.
    server.get("/v1/connections?limit=1")?;
    let ask = |what: &str, paths: &[String]| -> Result<(), Failure> {
        let (mut took, mut bytes) = (Vec::new(), 0);
        for path in paths {
            let (answer, us) = server.timed(path)?;
            bytes += answer.len();
            took.push(us);
        }
        took.sort_unstable();
        println!(
            "{what}: p50 {:.2} ms, p99 {:.2} ms ({} questions, {} KB each)",
            report::quantile_ms(&took, 0.5),
            report::quantile_ms(&took, 0.99),
            took.len(),
            bytes / took.len().max(1) / 1000,
        );
        Ok(())
    };
    let of_each = |tail: &str| few.iter().map(|id| format!("/v1/connections/{id}{tail}")).collect::<Vec<_>>();
    ask("Timeline page of 100 stages", &of_each("/timeline?limit=100"))?;
    ask("One connection now", &of_each(""))?;
    let day = |at: usize| format!("2026-01-{:02}T{:02}:30:00Z", 2 + at % 27, at % 24);
    let past = |tail: &str| -> Vec<String> {
        few.iter().enumerate().map(|(at, id)| format!("/v1/connections/{id}{tail}as_of={}", day(at))).collect()
    };
    // A connection that was made later did not exist then.
    let existed = |paths: Vec<String>| paths.into_iter().filter(|path| server.get(path).is_ok()).collect::<Vec<_>>();
    ask("One connection as of a past moment", &existed(past("?")))?;
    ask("Timeline page as of a past moment", &existed(past("/timeline?limit=100&")))?;
    let lists = |sort: &str| vec![format!("/v1/connections?limit=100&sort={sort}"); 100];
    ask("First 100 connections by id", &lists("id"))?;
    ask("First 100 connections by status", &lists("status"))?;
    ask("First 100 broken connections", &vec!["/v1/connections?status=broken".to_owned(); 100])?;
    ask("First 1,000 connections", &vec!["/v1/connections?limit=1000".to_owned(); 50])?;
    ask("Open incidents", &vec!["/v1/incidents?open=true".to_owned(); 100])?;
    ask(
        "Statistics of the account",
        &vec!["/v1/stats?from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z".to_owned(); 20],
    )
}
