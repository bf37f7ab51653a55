//! The Kubernetes objects: `NasExperiment` and `NasTrial`.

#![expect(clippy::doc_markdown, reason = "`kubectl explain` shows these texts as they are")]
#![expect(unreachable_pub, reason = "the derive writes `pub` items of its own into these modules")]

mod change;
mod confirm;
mod data;
mod duration;
mod experiment;
mod experiment_status;
mod pod;
mod queue;
mod reported;
mod scalar;
mod scheduler;
mod segment;
mod space;
mod template;
mod trial;
mod trial_record;

pub use change::{MUTABLE, only_these_may_change};
pub use confirm::{ConfirmSpec, ConfirmStatus};
pub use data::{DataSet, FetchSpec, ImageShape, ValidationSpec};
pub use experiment::{
    AdditionalObjectiveSpec, BudgetSpec, ConstraintSpec, DirectionSpec, Empty, NasExperiment, NasExperimentSpec, Objective,
    ResourceSpec, Retained, Retention, SamplerSpec, UnitSpec, WarmStart,
};
pub use experiment_status::{
    BestEstimate, BestTrial, BudgetStatus, EndStatus, FrontTrialStatus, NasExperimentStatus, RungStatus, TrialCounts,
};
pub use pod::PodOverlay;
pub use queue::Queue;
pub use reported::{ReportedPoint, ReportedResult, ReportedStatus, ReportingSpec};
pub use scalar::ScalarValue;
pub use scheduler::{Asha, AshaType, Bracket, Ladder, SchedulerSpec};
pub use segment::{RunSegment, SegmentOutcome};
pub use space::{
    CategoricalDomain, DartsSpace, DomainSpec, DoubleDomain, IntDomain, ParameterSpec, ScaleSpec, SpaceSpec, WhenSpec,
};
pub use template::{Accelerator, Claim, TrialTemplate};
pub use trial::{Grant, NasTrial, NasTrialSpec, NasTrialStatus, OutcomeName, RecordedRung, ViewStatus};
