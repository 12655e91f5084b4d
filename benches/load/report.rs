//! The table.

use crate::{Failure, bodies::Form, driver::Run, server::Server};

/// One measurement.
pub struct Cell {
    pub form: Form,
    pub batch: usize,
    pub senders: usize,
    pub events: usize,
    pub run: Run,
    pub cpu_us: u64,
    pub own_cpu_us: u64,
    pub peak_rss_kib: u64,
    /// Right after the last acknowledgement.
    pub loaded_bytes: u64,
    /// After a clean stop.
    pub settled_bytes: u64,
}

impl Cell {
    /// Stops the server and notes what it left on disk.
    pub fn settled(mut self, server: Server) -> Result<Self, Failure> {
        self.settled_bytes = server.stop()?;
        Ok(self)
    }

    /// The one with the median rate.
    pub fn median(mut cells: Vec<Self>) -> Self {
        cells.sort_by_key(|a| a.run.took);
        cells.swap_remove(cells.len() / 2)
    }
}

/// Rows are printed as they come.
pub struct Table;

impl Table {
    pub fn new() -> Self {
        println!(
            "| protocol | batch | senders | events/s | p50 ms | p99 ms | server CPU us/event | driver CPU us/event | peak RSS MB | B/event loaded | B/event settled |"
        );
        println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        Self
    }

    pub fn row(&mut self, cell: Cell) {
        let each = |total: u64| total as f64 / cell.events as f64;
        println!(
            "| {} | {} | {} | {:.0} | {:.2} | {:.2} | {:.1} | {:.1} | {:.0} | {:.0} | {:.0} |",
            cell.form.name(),
            cell.batch,
            cell.senders,
            cell.run.rate(cell.events),
            cell.run.quantile_ms(0.5),
            cell.run.quantile_ms(0.99),
            each(cell.cpu_us),
            each(cell.own_cpu_us),
            cell.peak_rss_kib as f64 / 1024.0,
            each(cell.loaded_bytes),
            each(cell.settled_bytes),
        );
    }
}

/// A quantile of sorted microseconds, in milliseconds.
pub fn quantile_ms(sorted_us: &[u32], quantile: f64) -> f64 {
    let at = (sorted_us.len().saturating_sub(1) as f64 * quantile).round() as usize;
    sorted_us.get(at).map_or(0.0, |us| f64::from(*us) / 1000.0)
}
