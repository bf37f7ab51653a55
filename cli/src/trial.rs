//! A trial as it is named on the command line.

use std::path::Path;

use clap::Args;
use nas_api::objects::NasTrial;

use crate::{
    cluster::{ClusterError, Connection},
    failure::Failure,
    records::Target,
    run::State,
};

/// Which trial of which search.
#[derive(Args, Clone)]
pub(crate) struct TrialTarget {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The trial's number, or `confirm-N` for a training of the confirmation [default: what follows the search in SEARCH, as in NAME-7].
    trial: Option<String>,
}

/// A trial within its search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// It is one of the trainings that confirm the best.
    pub(crate) confirms: bool,
    pub(crate) number: i64,
}

impl Named {
    /// Reads `7`, `confirm-0`, and both behind the name of their experiment.
    fn read(word: &str) -> Option<Self> {
        let (rest, number) = word.rsplit_once('-').unwrap_or(("", word));
        let number = number.parse().ok().filter(|number| *number >= 0)?;
        Some(Self { confirms: rest == "confirm" || rest.ends_with("-confirm"), number })
    }

    /// Its name in an experiment.
    pub(crate) fn within(self, experiment: &str) -> String {
        let kind = if self.confirms { "confirm-" } else { "" };
        format!("{experiment}-{kind}{}", self.number)
    }

    /// The trial of an experiment on a cluster.
    pub(crate) async fn on_cluster(self, connection: &Connection, experiment: &str) -> Result<NasTrial, Failure> {
        let name = self.within(experiment);
        let found = connection.api::<NasTrial>().get_opt(&name).await.map_err(ClusterError::of("get the NasTrial"))?;
        found.ok_or_else(|| {
            Failure::Usage(format!("there is no NasTrial {name}: nasctl describe {experiment} --trials lists them"))
        })
    }

    /// The trial of a run; `None`: there is none.
    pub(crate) fn of_run(self, state: &State) -> Option<&NasTrial> {
        let all = if self.confirms { &state.trainings } else { &state.trials };
        all.get(&self.number)
    }

    /// The trial of the run in a folder.
    pub(crate) fn in_folder<'a>(self, state: &'a State, folder: &Path) -> Result<&'a NasTrial, Failure> {
        self.of_run(state).ok_or_else(|| {
            let said = "nasctl describe --trials lists all";
            Failure::Usage(format!("there is no {} in {}: {said}", self.words(), folder.display()))
        })
    }

    /// What it is called where people read it.
    pub(crate) fn words(self) -> String {
        format!("{} {}", if self.confirms { "training" } else { "trial" }, self.number)
    }
}

impl TrialTarget {
    /// The search, and the trial in it.
    pub(crate) fn resolve(&self) -> Result<(Target, Named), Failure> {
        let unclear = || {
            Failure::Usage(
                "which trial? Append its number: SEARCH 7, or NAME-7; a training of the confirmation is confirm-0".to_owned(),
            )
        };
        if let Some(trial) = &self.trial {
            return Ok((self.target.clone(), Named::read(trial).ok_or_else(unclear)?));
        }
        let (target, number) = self.target.of_trial().ok_or_else(unclear)?;
        let number = i64::try_from(number).map_err(|_| unclear())?;
        Ok(match target.without_confirm() {
            Some(target) => (target, Named { confirms: true, number }),
            None => (target, Named { confirms: false, number }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_is_named_by_its_number_or_whole() {
        let read = |word| Named::read(word).map(|named| named.within("small"));
        assert_eq!(read("7").as_deref(), Some("small-7"));
        assert_eq!(read("small-7").as_deref(), Some("small-7"));
        for word in ["confirm-0", "small-confirm-0"] {
            assert_eq!(read(word).as_deref(), Some("small-confirm-0"), "{word}");
        }
        for word in ["", "small", "small-", "7a", "confirm"] {
            assert_eq!(read(word), None, "{word}");
        }
    }
}
