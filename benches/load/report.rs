//! The table.

use crate::{Failure, bodies::Form, driver::Run, server::Server};

/// One measurement.
pub struct Cell {
    pub form: &'static Form,
    pub batch: usize,
    pub senders: usize,
    pub events: usize,
    pub run: Run,
    /// Events a second as a part of what the native form reached beside it; `None` where that was not measured.
    pub of_native: Option<f64>,
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

    fn rate(&self) -> f64 {
        self.run.rate(self.events)
    }

    /// The one with the median rate, with the median ratio.
    fn median(mut cells: Vec<Self>) -> Self {
        let mut ratios: Vec<f64> = cells.iter().filter_map(|cell| cell.of_native).collect();
        ratios.sort_by(f64::total_cmp);
        cells.sort_by_key(|cell| cell.run.took);
        Self { of_native: ratios.get(ratios.len() / 2).copied(), ..cells.swap_remove(cells.len() / 2) }
    }
}

/// Rows are printed as they come, in Markdown.
pub struct Table;

impl Table {
    pub fn new() -> Self {
        println!(
            "| protocol | batch | senders | events/s | of NDJSON | p50 ms | p99 ms | server CPU us/event | driver CPU us/event | peak RSS MB | B/event loaded | B/event settled |"
        );
        println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        Self
    }

    /// Cells of one batch size, each with its repeats, which were measured in turns.
    pub fn rows(&mut self, mut cells: Vec<Vec<Cell>>) {
        let native: Vec<(usize, Vec<f64>)> = cells
            .iter()
            .filter(|repeats| repeats[0].form.is_native())
            .map(|repeats| (repeats[0].senders, repeats.iter().map(Cell::rate).collect()))
            .collect();
        for repeats in &mut cells {
            let beside = native.iter().find(|(senders, _)| *senders == repeats[0].senders);
            for (at, cell) in repeats.iter_mut().enumerate() {
                cell.of_native = beside.map(|(_, rates)| cell.rate() / rates[at]);
            }
        }
        cells.into_iter().for_each(|repeats| self.row(Cell::median(repeats)));
    }

    fn row(&mut self, cell: Cell) {
        let each = |total: u64| total as f64 / cell.events as f64;
        println!(
            "| {} | {} | {} | {:.0} | {} | {:.2} | {:.2} | {:.1} | {:.1} | {:.0} | {:.0} | {:.0} |",
            cell.form.name,
            cell.batch,
            cell.senders,
            cell.rate(),
            cell.of_native.map_or("-".to_owned(), |ratio| format!("{ratio:.2}")),
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
