//! Between `NasTrial` and what the search knows of a trial: decisions and outcomes are written into the object, and its record is read from
//! it. What was recorded once is never changed here.

use nas_search::{Additional, Assignment, Decision, NewTrial, Outcome, Recorded, Trial, TrialHistory, View};

use super::{Grant, NasTrial, NasTrialSpec, NasTrialStatus, OutcomeName, RecordedRung, RunSegment, SegmentOutcome, ViewStatus};
use crate::{RungEnd, one_line};

impl NasTrialStatus {
    /// `segments` keeps this many.
    const SEGMENTS: usize = 64;

    /// Records outcomes, which count after everything up to the `decisionSeq` `after`.
    pub fn record(&mut self, ends: &[RungEnd], after: u64) {
        let seqs = after + 1..;
        self.rungs.extend(ends.iter().zip(seqs).map(|(end, seq)| RecordedRung::new(end, seq)));
    }

    /// Notes a process that ended; the oldest go where there are too many, and what they cost is the oldest's that stays.
    pub fn note(&mut self, mut segment: RunSegment) {
        segment.message = one_line(&segment.message, RunSegment::MESSAGE);
        self.segments.push(segment);
        let surplus = self.segments.len().saturating_sub(Self::SEGMENTS);
        let forgotten: f64 = self.segments.drain(..surplus).map(|segment| segment.accelerator_seconds).sum();
        // What was spent stays spent.
        if let Some(oldest) = self.segments.first_mut() {
            oldest.accelerator_seconds += forgotten;
        }
    }
}

/// As a whole number of an object; beyond its range, the largest.
pub(super) fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl From<View> for ViewStatus {
    fn from(view: View) -> Self {
        Self {
            decision_seq: whole(view.seq),
            count: whole(view.count),
            digest: format!("{:016x}", view.digest),
            steps_left: view.left.map(whole),
            max_trials: view.max_trials.map(whole),
        }
    }
}

impl ViewStatus {
    /// The view as the search has it; a digest that is no hexadecimal number becomes one that matches nothing.
    pub fn to_view(&self) -> View {
        let count = |number: i64| u64::try_from(number).unwrap_or_default();
        let digest = u64::from_str_radix(&self.digest, 16).unwrap_or(u64::MAX);
        View {
            seq: count(self.decision_seq),
            count: count(self.count),
            digest,
            left: self.steps_left.map(count),
            max_trials: self.max_trials.map(count),
        }
    }
}

impl RecordedRung {
    /// The record of a rung's end.
    pub fn new(end: &RungEnd, seq: u64) -> Self {
        let (outcome, value) = match end.outcome {
            Outcome::Value(value) => (OutcomeName::Value, Some(value)),
            Outcome::Diverged => (OutcomeName::Diverged, None),
            Outcome::Infeasible => (OutcomeName::Infeasible, None),
            Outcome::OutOfMemory => (OutcomeName::OutOfMemory, None),
            Outcome::Failed => (OutcomeName::Failed, None),
            Outcome::Misconfigured => (OutcomeName::Misconfigured, None),
            Outcome::Cancelled => (OutcomeName::Cancelled, None),
        };
        let rung = i64::try_from(end.rung).unwrap_or(i64::MAX);
        Self { rung, outcome, value, additional: end.additional.clone(), decision_seq: whole(seq) }
    }

    fn to_recorded(&self) -> Recorded {
        let outcome = match (self.outcome, self.value) {
            (OutcomeName::Value, Some(value)) => Outcome::Value(value),
            // The schema refuses a Value without a value; read it as the worst rather than lose the trial.
            (OutcomeName::Value, None) | (OutcomeName::Diverged, _) => Outcome::Diverged,
            (OutcomeName::Infeasible, _) => Outcome::Infeasible,
            (OutcomeName::OutOfMemory, _) => Outcome::OutOfMemory,
            (OutcomeName::Failed, _) => Outcome::Failed,
            (OutcomeName::Misconfigured, _) => Outcome::Misconfigured,
            (OutcomeName::Cancelled, _) => Outcome::Cancelled,
        };
        let mut additional = Additional::default();
        additional.0.iter_mut().zip(&self.additional).for_each(|(value, known)| *value = *known);
        let recorded = Recorded::new(
            usize::try_from(self.rung).unwrap_or_default(),
            outcome,
            u64::try_from(self.decision_seq).unwrap_or_default(),
        );
        Recorded { additional, ..recorded }
    }
}

impl NasTrial {
    /// The object of a trial that was just decided on: granted its first rung, nothing trained.
    pub fn create(experiment: &str, new: &NewTrial, view: View) -> Self {
        let NewTrial { number, seed, bracket, rung, sample } = new;
        let reason = format!("new: {} draws rejected by constraints, {} repeats", sample.rejected, sample.repeats);
        let rung = i64::try_from(*rung).unwrap_or(i64::MAX);
        let spec = NasTrialSpec {
            experiment: experiment.to_owned(),
            number: whole(*number),
            confirms: None,
            assignment: sample.assignment.clone(),
            seed: whole(*seed),
            bracket: i64::try_from(*bracket).unwrap_or(i64::MAX),
            attempt: 0,
            target_rung: rung,
            grants: vec![Grant { rung, view: view.into(), reason }],
            stopped: Vec::new(),
            retired: Vec::new(),
        };
        Self::new(&Self::name_of(experiment, *number), spec)
    }

    /// The name of an experiment's trial.
    pub fn name_of(experiment: &str, number: u64) -> String {
        format!("{experiment}-{number}")
    }

    /// Writes in what was decided about the trial, of which [`Decision::trial`] is the number, after its creation.
    pub fn take(&mut self, decision: &Decision) {
        match decision {
            Decision::Promote { rung, view, reason, .. } => self.promote(*rung, *view, reason.to_string()),
            Decision::Stop { view, .. } => self.stop(*view),
            Decision::Retire { view, .. } => self.retire(*view),
            Decision::Create { .. } | Decision::Finish { .. } => {}
        }
    }

    /// Grants the trial a higher rung.
    pub fn promote(&mut self, rung: usize, view: View, reason: String) {
        let rung = i64::try_from(rung).unwrap_or(i64::MAX);
        self.spec.target_rung = rung;
        self.spec.grants.push(Grant { rung, view: view.into(), reason });
    }

    /// Stops the trial at its rung, for good.
    fn stop(&mut self, view: View) {
        self.spec.stopped = vec![view.into()];
    }

    /// Retires the trial.
    pub fn retire(&mut self, view: View) {
        self.spec.retired = vec![view.into()];
    }

    /// Whether the trial never goes on: its checkpoints may go.
    pub fn is_over(&self) -> bool {
        !self.spec.stopped.is_empty() || !self.spec.retired.is_empty()
    }

    /// Whether `other` is this trial as it stands, whatever its trainer has reported since.
    pub fn differs_in_report_alone(&self, other: &Self) -> bool {
        let without = |trial: &Self| {
            let mut trial = trial.clone();
            (trial.metadata.resource_version, trial.metadata.managed_fields) = (None, None);
            trial.status.get_or_insert_default().reported = None;
            trial
        };
        without(self) == without(other)
    }

    /// The configuration, as the search knows it.
    pub fn assignment(&self) -> &Assignment {
        &self.spec.assignment
    }

    /// The trial's number in the order of creation.
    pub fn number(&self) -> u64 {
        u64::try_from(self.spec.number).unwrap_or_default()
    }

    /// The processes that have trained it, oldest first, as far as they are kept.
    pub fn segments(&self) -> &[RunSegment] {
        self.status.as_ref().map_or(&[], |status| &status.segments)
    }

    /// What they have used of accelerators, or of slots where it has none, in seconds.
    pub fn accelerator_seconds(&self) -> f64 {
        self.segments().iter().map(|segment| segment.accelerator_seconds).sum()
    }

    /// Ends of this target rung's processes that counted against the trial.
    pub fn counted_ends(&self) -> usize {
        let segments = self.segments().iter();
        segments.filter(|segment| segment.rung == self.spec.target_rung && segment.outcome == SegmentOutcome::Crashed).count()
    }

    /// The trial with all that was decided about it, for a replay.
    pub fn to_history(&self) -> TrialHistory {
        let grant = |grant: &Grant| (usize::try_from(grant.rung).unwrap_or_default(), grant.view.to_view());
        TrialHistory {
            trial: self.to_record(),
            seed: u64::try_from(self.spec.seed).unwrap_or_default(),
            grants: self.spec.grants.iter().map(grant).collect(),
            stopped: self.spec.stopped.first().map(ViewStatus::to_view),
            retired: self.spec.retired.first().map(ViewStatus::to_view),
        }
    }

    fn recorded(&self) -> &[RecordedRung] {
        self.status.as_ref().map_or(&[], |status| &status.rungs)
    }

    /// The end that was recorded last.
    pub fn last(&self) -> Option<Recorded> {
        self.recorded().last().map(RecordedRung::to_recorded)
    }

    /// As [`Trial::running`] of its record, without making one.
    pub fn running(&self) -> Option<usize> {
        Trial::running_after(self.last(), self.recorded().len(), usize::try_from(self.spec.target_rung).unwrap_or_default())
    }

    /// The trial as the search sees it.
    pub fn to_record(&self) -> Trial {
        Trial {
            number: self.number(),
            assignment: self.spec.assignment.clone(),
            bracket: usize::try_from(self.spec.bracket).unwrap_or_default(),
            first_rung: self.spec.grants.first().map_or(0, |grant| usize::try_from(grant.rung).unwrap_or_default()),
            target_rung: usize::try_from(self.spec.target_rung).unwrap_or_default(),
            stopped: !self.spec.stopped.is_empty(),
            retired: !self.spec.retired.is_empty(),
            recorded: self.recorded().iter().map(RecordedRung::to_recorded).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_spent_stays_spent_however_many_segments_there_were() {
        let mut status = NasTrialStatus::default();
        for attempt in 0..200 {
            status.note(RunSegment {
                rung: 0,
                attempt,
                job_uid: String::new(),
                outcome: SegmentOutcome::Suspended,
                message: String::new(),
                accelerator_seconds: 1.5,
                ended_at: None,
                estimated: false,
            });
        }
        let spent: f64 = status.segments.iter().map(|segment| segment.accelerator_seconds).sum();
        assert_eq!((status.segments.len(), spent.to_bits()), (64, 300_f64.to_bits()));
    }
}
