//! A simulated search as the records that a real one would have left.

use std::collections::BTreeMap;

use nas_api::{
    RungEnd, SourceFile,
    objects::{EndStatus, NasTrial, RunSegment},
};
use nas_search::{Decision, Outcome};
use nas_simulation::Run;

use crate::records::Records;

/// The records; `words` say what was simulated. Segments that the end cut off are not among them.
pub(super) fn records(source: SourceFile, run: &Run, accelerators: u32, words: String) -> Records {
    let name = source.experiment.metadata.name.clone().unwrap_or_default();
    let mut trials: BTreeMap<u64, NasTrial> = BTreeMap::new();
    for decision in &run.decisions {
        if let Decision::Create { new, view } = decision {
            trials.insert(new.number, NasTrial::create(&name, new, *view));
        } else if let Some(trial) = decision.trial().and_then(|number| trials.get_mut(&number)) {
            trial.take(decision);
        }
    }
    for (number, trial) in &mut trials {
        let status = trial.status.get_or_insert_default();
        let recorded = run.index.trial(*number).into_iter().flat_map(|trial| &trial.recorded);
        for at in recorded {
            let additional = match at.outcome {
                Outcome::Value(_) => at.additional.0[..source.plan.additional.len()].to_vec(),
                _ => Vec::new(),
            };
            status.record(&[RungEnd { additional, ..RungEnd::new(at.rung, at.outcome) }], at.seq - 1);
        }
    }
    for held in &run.segments {
        let Some(trial) = trials.get_mut(&held.trial) else { continue };
        let status = trial.status.get_or_insert_default();
        let outcome = status.rungs.last().map(|rung| rung.outcome.into()).unwrap_or_default();
        status.note(RunSegment {
            rung: i64::try_from(held.rung).unwrap_or(i64::MAX),
            outcome,
            accelerator_seconds: held.seconds * f64::from(accelerators),
            estimated: true,
            ..RunSegment::default()
        });
    }
    // Outcomes are numbered as they came.
    let times = run.log.iter().zip(1..).map(|(event, seq)| (seq, event.seconds)).collect();
    Records {
        end: Some(EndStatus::new(run.end, run.index.view())),
        created: run.index.created(),
        trials: trials.into_values().collect(),
        confirm: Vec::new(),
        trainings: Vec::new(),
        began: None,
        folder: None,
        simulated: Some(words),
        times,
        source,
    }
}
