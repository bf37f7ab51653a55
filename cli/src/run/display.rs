//! What a run shows of itself: the table at the end of the terminal, and lines that stay.

use std::{
    io::{IsTerminal, Write, stdout},
    time::{Duration, Instant},
};

use super::ledger::Ledger;
use crate::{
    screen::Screen,
    table::{self, unit},
};

/// The table, and since when this process trains.
pub(super) struct Display {
    screen: Screen,
    began: Instant,
    /// Steps that were trained before it.
    steps_before: u64,
}

impl Display {
    pub(super) fn new(ledger: &Ledger) -> Self {
        let steps_before = ledger.index.steps_trained(&ledger.source.plan.rungs);
        Self { screen: Screen::default(), began: Instant::now(), steps_before }
    }

    /// Draws the table in place of the last one, on a terminal.
    pub(super) fn draw(&mut self, ledger: &Ledger) {
        if !stdout().is_terminal() {
            return;
        }
        let (index, plan) = (&ledger.index, &ledger.source.plan);
        let text = match ledger.confirmed() {
            list if list.is_empty() => {
                table::rungs(index, plan, unit(&ledger.source))
                    + &table::progress(index, plan, ledger.journal.elapsed(), self.left(ledger))
            }
            list => table::confirmation(&ledger.source.experiment, &list),
        };
        print!("{}", self.screen.redraw(&text));
        let _ = stdout().flush();
    }

    /// Takes the table away.
    pub(super) fn erase(&mut self) {
        print!("{}", self.screen.erase());
        let _ = stdout().flush();
    }

    /// A line that stays, above the table.
    pub(super) fn say(&mut self, line: &str) {
        println!("{}{line}", self.screen.erase());
        let _ = stdout().flush();
    }

    /// Time to go, at the speed so far: steps that an ideal search would still train.
    fn left(&self, ledger: &Ledger) -> Option<Duration> {
        let plan = &ledger.source.plan;
        let done = ledger.index.steps_trained(&plan.rungs);
        let here = done.checked_sub(self.steps_before).filter(|steps| *steps > 0)?;
        #[expect(clippy::cast_precision_loss, reason = "an estimate for people")]
        let ratio = plan.ideal_steps().saturating_sub(done) as f64 / here as f64;
        Duration::try_from_secs_f64(self.began.elapsed().as_secs_f64() * ratio).ok()
    }
}
