//! `nasctl retry`: another attempt for a trial whose process does not come to an end.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use kube::{
    ResourceExt,
    api::{Patch, PatchParams},
};
use nas_api::{contract::GRACE_SECONDS, labels, objects::NasTrial};
use nas_search::Outcome;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;

use crate::{
    cluster::{self, ClusterError, Connection, MANAGER},
    failure::Failure,
    records::{Place, Target},
    run::{JOURNAL_FILE, State, holder},
    trial::{Named, TrialTarget},
};

/// How often it is looked whether a trainer has ended.
const TICK: Duration = Duration::from_millis(100);

#[derive(Args)]
#[command(
    after_help = "Examples:\n  nasctl retry constrained-adaptive-17 --namespace research\n  nasctl retry runs/quickstart 7\n\n\
    For a trial that trains and does not come to its end: its process is told to stop, after a checkpoint if it still can, and the next attempt goes on \
    from there. It counts for nothing. What a rung came to is never taken back: later decisions rest on it.\n\
    On a cluster the operator does this, asked by the annotation nas-operator.dev/retry; on this machine the trainer gets SIGTERM.\n\
    Exit codes: 0 another attempt comes, 64 there is no such trial or nothing of it runs, 69 the cluster does not answer, 75 its trainer does not listen."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    trial: TrialTarget,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (target, named) = arguments.trial.resolve()?;
    let told = match target.place() {
        Place::Folder(folder) => in_folder(&folder, named)?,
        Place::Cluster(experiment) => on_cluster(&experiment, &target, named)?,
    };
    println!("{told}");
    Ok(())
}

fn on_cluster(experiment: &str, target: &Target, named: Named) -> Result<String, Failure> {
    cluster::wait(async {
        let (namespace, context) = target.connection();
        let connection = Connection::new(experiment, namespace, context, Some(cluster::ANSWER)).await?;
        connection.experiment(experiment).await?;
        let trial = named.on_cluster(&connection, experiment).await?;
        let name = trial.name_any();
        if let Some(refusal) = refusal(&trial) {
            return Err(Failure::Usage(refusal));
        }
        let attempt = trial.spec.attempt;
        let parameters = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        // It speaks of this attempt alone: one that begins meanwhile is left alone.
        let patch = json!({"metadata": {"annotations": {labels::RETRY: attempt.to_string()}}});
        let trials = connection.api::<NasTrial>();
        trials.patch(&name, &parameters, &Patch::Merge(patch)).await.map_err(ClusterError::of("annotate the NasTrial"))?;
        let next = format!("nasctl logs {name} --follow shows it");
        Ok(format!(
            "attempt {attempt} of {name} is given up, after a checkpoint if it still can; attempt {} follows: {next}",
            attempt + 1
        ))
    })
}

/// Why there is nothing to try again; `None`: there is.
fn refusal(trial: &NasTrial) -> Option<String> {
    let name = trial.name_any();
    let attempt = trial.spec.attempt;
    if trial.running().is_none() {
        let said = trial.last().map_or_else(
            || "nothing was granted to it".to_owned(),
            |last| {
                let outcome = match last.outcome {
                    Outcome::Value(value) => format!("{value:.4}"),
                    other => other.name().to_owned(),
                };
                format!("rung {} came to {outcome}", last.rung)
            },
        );
        let anew =
            format!("to train its configuration anew, nasctl export --trial {} writes an experiment of it", trial.spec.number);
        return Some(format!(
            "nothing of {name} trains: {said}, which is never taken back, since later decisions rest on it; {anew}"
        ));
    }
    if trial.segments().iter().any(|segment| (segment.rung, segment.attempt) == (trial.spec.target_rung, attempt)) {
        return Some(format!(
            "attempt {attempt} of {name} has ended already, and the next follows by itself: kubectl describe nast {name} says what it waits for"
        ));
    }
    let asked = trial.annotations().get(labels::RETRY).is_some_and(|asked| *asked == attempt.to_string());
    asked.then(|| format!("attempt {attempt} of {name} was to be given up before: if the operator does not, does it run? (kubectl get pods -A -l app.kubernetes.io/name=nas-operator)"))
}

fn in_folder(folder: &Path, named: Named) -> Result<String, Failure> {
    let journal = folder.join(JOURNAL_FILE);
    let (state, _) = State::read(&journal)?;
    let trial = named.in_folder(&state, folder)?;
    if let Some(refusal) = refusal(trial) {
        return Err(Failure::Usage(refusal));
    }
    let name = trial.metadata.name.clone().unwrap_or_default();
    let absent = || {
        let said = "no process trains it: `nasctl run` with the same file and folder starts its next attempt";
        Failure::Usage(format!("{}: {said}", named.words()))
    };
    let runner = holder(&journal).ok_or_else(absent)?;
    let trainer = trainer_of(runner, &name).ok_or_else(absent)?;
    kill(trainer, Signal::SIGTERM).map_err(|error| Failure::io(format!("/proc/{trainer}"))(error.into()))?;
    let deadline = Instant::now() + Duration::from_secs(GRACE_SECONDS.into());
    while trainer_of(runner, &name) == Some(trainer) {
        if Instant::now() > deadline {
            let message = format!(
                "the trainer of {} (process {trainer}) did not end within {GRACE_SECONDS} s of SIGTERM: kill -KILL {trainer} ends it, and counts as one of five attempts",
                named.words()
            );
            return Err(Failure::Trainer { message, code: 75 });
        }
        thread::sleep(TICK);
    }
    let attempt = trial.spec.attempt;
    Ok(format!(
        "attempt {attempt} of {} has stopped, and attempt {} follows: nasctl logs {} {} --follow shows it",
        named.words(),
        attempt + 1,
        folder.display(),
        named.number
    ))
}

/// The process that trains a trial for this runner.
fn trainer_of(runner: Pid, trial: &str) -> Option<Pid> {
    let wanted = format!("NAS_TRIAL_NAME={trial}");
    let processes = fs::read_dir("/proc").ok()?.flatten().filter_map(|process| process.file_name().to_str()?.parse().ok());
    processes.map(Pid::from_raw).find(|pid| {
        let of = |what: &str| fs::read(Path::new("/proc").join(pid.to_string()).join(what)).unwrap_or_default();
        parent(&String::from_utf8_lossy(&of("stat"))) == Some(runner)
            && of("environ").split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    })
}

/// The parent in a line of `/proc/PID/stat`: behind the name, which may hold anything, and the state.
fn parent(stat: &str) -> Option<Pid> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok().map(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use nas_api::{
        RungEnd,
        objects::{RunSegment, SegmentOutcome},
    };
    use nas_search::{NewTrial, View};

    use super::*;

    #[test]
    fn only_what_trains_is_tried_again() {
        let mut trial = NasTrial::create("small", &NewTrial { number: 7, ..NewTrial::default() }, View::default());
        trial.spec.attempt = 2;
        assert_eq!(refusal(&trial), None);
        trial.metadata.annotations = Some([(labels::RETRY.to_owned(), "1".to_owned())].into());
        assert_eq!(refusal(&trial), None, "that was of an earlier attempt");
        trial.metadata.annotations = Some([(labels::RETRY.to_owned(), "2".to_owned())].into());
        assert!(refusal(&trial).unwrap().contains("was to be given up before"));
        let crashed = RunSegment { attempt: 2, outcome: SegmentOutcome::Crashed, ..RunSegment::default() };
        trial.status.get_or_insert_default().note(crashed);
        assert!(refusal(&trial).unwrap().contains("has ended already"));
        trial.status.get_or_insert_default().record(&[RungEnd::new(0, Outcome::Value(0.5))], 0);
        let said = refusal(&trial).unwrap();
        assert!(said.contains("rung 0 came to 0.5000, which is never taken back") && said.contains("export --trial 7"), "{said}");
    }

    #[test]
    fn a_parent_stands_behind_whatever_a_program_is_called() {
        assert_eq!(parent("12 (a) b (c) S 7 12 12 0 -1"), Some(Pid::from_raw(7)));
        assert_eq!(parent("12 (a"), None);
    }
}
