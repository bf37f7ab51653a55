//! The segment that a trial's next process runs, out of its objects.

use std::path::PathBuf;

use nas_search::Rungs;

use crate::{
    contract::{DataShape, Reporting, Segment, StepUnit, Validation},
    objects::{NasExperiment, NasTrial, UnitSpec, ValidationSpec},
};

/// Where a process finds and leaves things: the part of a segment that depends on who starts it.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The trial's own folder.
    pub checkpoint_dir: PathBuf,
    /// The folder above the data set's.
    pub data_dir: PathBuf,
    /// Where the report goes.
    pub termination_log: PathBuf,
    /// CPU threads; `None`: the trainer's choice.
    pub threads: Option<u16>,
    /// How the trainer reports.
    pub reporting: Reporting,
}

impl NasTrial {
    /// The segment from where the trial stands to its target rung. `rungs` are those of the search, or of its confirmation, in which all images are
    /// trained on and the test images measure.
    pub fn segment(&self, experiment: &NasExperiment, rungs: &Rungs, surroundings: Surroundings) -> Segment {
        let spec = &experiment.spec;
        let target_rung = usize::try_from(self.spec.target_rung).unwrap_or_default().min(rungs.top());
        let size = |value: i64| u32::try_from(value).unwrap_or_default();
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Segment {
            experiment: text(&experiment.metadata.name),
            trial_name: text(&self.metadata.name),
            trial_uid: text(&self.metadata.uid),
            attempt: u32::try_from(self.spec.attempt).unwrap_or_default(),
            target_rung,
            target_step: rungs.steps()[target_rung],
            // The top rung is full length.
            max_step: rungs.steps()[rungs.top()],
            step_unit: match spec.resource.unit {
                UnitSpec::Epochs => StepUnit::Epochs,
                UnitSpec::Batches => StepUnit::Batches,
            },
            rung_steps: rungs.steps().to_vec(),
            metric: spec.objective.metric.clone(),
            seed: u64::try_from(self.spec.seed).unwrap_or_default(),
            parameters: self.assignment().clone(),
            checkpoint_dir: surroundings.checkpoint_dir,
            checkpoint_every: experiment.checkpoint_every(),
            evaluate_every: u64::try_from(spec.trial.evaluate_every).unwrap_or_default(),
            data_dir: surroundings.data_dir,
            data_name: spec.trial.data.name.clone(),
            data_shape: spec.trial.data.shape.map(|shape| DataShape {
                channels: size(shape.channels),
                height: size(shape.height),
                width: size(shape.width),
            }),
            data_classes: spec.trial.data.shape.map(|shape| size(shape.classes)),
            validation: match spec.trial.data.validation {
                _ if self.is_confirmation() => Validation::Final,
                ValidationSpec::Heldout => Validation::Heldout,
                ValidationSpec::TestSet => Validation::TestSet,
                ValidationSpec::Final => Validation::Final,
            },
            reporting: surroundings.reporting,
            threads: surroundings.threads,
            accelerators: spec.trial.accelerator.as_ref().and_then(|accelerator| u32::try_from(accelerator.count).ok()),
            termination_log: surroundings.termination_log,
            traceparent: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use nas_search::{NewTrial, View};

    use super::*;
    use crate::read_experiment;

    #[test]
    fn a_trainer_is_told_of_the_accelerators_that_its_experiment_asks_for() {
        let text = include_str!("../../configs/quickstart.yaml");
        let asks = text.replacen("  trial:\n", "  trial:\n    accelerator: {count: 2}\n", 1);
        for (text, expected) in [(text, None), (asks.as_str(), Some(2))] {
            let Ok(source) = read_experiment(text) else { unreachable!() };
            let surroundings = Surroundings {
                checkpoint_dir: "/checkpoints".into(),
                data_dir: "/data".into(),
                termination_log: "/dev/termination-log".into(),
                threads: None,
                reporting: Reporting::TerminationMessage,
            };
            let trial = NasTrial::create("quickstart", &NewTrial::default(), View::default());
            assert_eq!(trial.segment(&source.experiment, &source.plan.rungs, surroundings).accelerators, expected);
        }
    }
}
