//! Jobs whose trial is gone. The cluster's garbage collector deletes them, unless the definition of trials has gone with it: then it can no
//! longer ask for the owner, and a Job would hold its accelerators until somebody looks.

use kube::ResourceExt;

use crate::{Error, apply::Writer, context::Context, store::ExperimentKey};

/// Deletes the Jobs of an experiment that is gone whose trials are gone as well. Trials that outlive it keep theirs: somebody has asked for
/// that, by deleting it without what it owns. Returns whether there are any: nobody tells of their trials once the definition is gone.
pub(crate) async fn delete_orphans(context: &Context, key: &ExperimentKey) -> Result<bool, Error> {
    let mut left = false;
    let writer = Writer { context, key };
    for job in context.world.jobs.of(key) {
        let owner = job.owner_references().iter().find(|owner| owner.controller == Some(true) && owner.kind == "NasTrial");
        let Some(owner) = owner.filter(|_| job.metadata.deletion_timestamp.is_none()) else { continue };
        let trial = writer.read_trial(&owner.name).await?;
        if trial.is_none_or(|trial| trial.uid().as_ref() != Some(&owner.uid)) {
            tracing::info!(job = job.name_any(), "Job deleted: its trial is gone");
            writer.delete_job(&job.name_any(), &job.uid().unwrap_or_default()).await?;
        } else {
            left = true;
        }
    }
    Ok(left)
}
