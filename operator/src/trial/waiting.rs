//! What keeps a trial from training: in a word, for machines and for looking it up, and in a sentence.

/// The word. Where several trials wait, the experiment tells the first: what a person has to do something about stands before what passes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum WaitReason {
    /// What happens to Jobs or pods is not heard of.
    NotHeard,
    /// A trial names an experiment that is not its owner.
    TrialDisowned,
    /// The server refuses a trial.
    TrialNotCreated,
    /// The server refuses the Job.
    JobRefused,
    /// Somebody else's Job has the name that the segment's needs.
    NameTaken,
    /// A Job of ours has it, and trains something else.
    OtherSegment,
    /// A quota lets no pod of the Job start.
    QuotaExceeded,
    /// Something else lets none start.
    PodsNotCreated,
    /// A node cannot get an image.
    ImageNotPulled,
    /// A node cannot make a container.
    ContainerNotCreated,
    /// The data set could not be fetched, and is tried again.
    DataNotFetched,
    /// A trainer has ended, and its Job tries again.
    TrainerEnded,
    /// A pod fits no node.
    Unschedulable,
    /// The Job's queue has no room.
    Queued,
    /// The data set is being fetched.
    FetchingData,
    /// The last segment's Job is being deleted.
    JobLeaving,
    /// The last segment's pod has not ended.
    PodsLeaving,
}

impl WaitReason {
    /// As the reason of a condition.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NotHeard => "NotHeard",
            Self::TrialDisowned => "TrialDisowned",
            Self::TrialNotCreated => "TrialNotCreated",
            Self::JobRefused => "JobRefused",
            Self::NameTaken => "NameTaken",
            Self::OtherSegment => "OtherSegment",
            Self::QuotaExceeded => "QuotaExceeded",
            Self::PodsNotCreated => "PodsNotCreated",
            Self::ImageNotPulled => "ImageNotPulled",
            Self::ContainerNotCreated => "ContainerNotCreated",
            Self::DataNotFetched => "DataNotFetched",
            Self::TrainerEnded => "TrainerEnded",
            Self::Unschedulable => "Unschedulable",
            Self::Queued => "Queued",
            Self::FetchingData => "FetchingData",
            Self::JobLeaving => "JobLeaving",
            Self::PodsLeaving => "PodsLeaving",
        }
    }
}

/// Why a trial waits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Waiting {
    pub(crate) reason: WaitReason,
    /// A sentence.
    pub(crate) message: String,
}

impl Waiting {
    pub(crate) fn new(reason: WaitReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    /// Whether a Job that is not the segment's has its name, and nobody deletes it.
    pub(crate) fn is_for_name(&self) -> bool {
        matches!(self.reason, WaitReason::NameTaken | WaitReason::OtherSegment)
    }

    /// The server refuses the Job.
    pub(crate) fn job_refused(job: &str, said: &str) -> Self {
        Self::new(WaitReason::JobRefused, format!("the API server refuses the Job {job}: {said}"))
    }

    /// The server refuses a trial.
    pub(crate) fn trial_refused(trial: &str, said: &str) -> Self {
        Self::new(WaitReason::TrialNotCreated, format!("the API server refuses the NasTrial {trial}: {said}"))
    }

    /// A trial names an experiment that is not its owner.
    pub(crate) fn trial_disowned(trial: &str) -> Self {
        let message = format!(
            "the NasTrial {trial} names this experiment and is not owned by it (metadata.ownerReferences), so it does not count: delete it, or \
             give it its owner back"
        );
        Self::new(WaitReason::TrialDisowned, message)
    }

    /// What happens to a kind of objects is not heard of.
    pub(crate) fn not_heard(kind: &str, said: &str) -> Self {
        let message = format!("nas-operator no longer hears of {kind}s ({said}): what ends meanwhile is recorded once it does");
        Self::new(WaitReason::NotHeard, message)
    }

    /// Somebody else's Job has the name that the segment's needs.
    pub(crate) fn name_taken(job: &str) -> Self {
        Self::new(WaitReason::NameTaken, format!("a Job {job} of somebody else is in the way: delete it"))
    }
}
