//! The Kubernetes objects: `NasExperiment` and `NasTrial`.

#![expect(clippy::doc_markdown, reason = "`kubectl explain` shows these texts as they are")]
#![expect(unreachable_pub, reason = "the derive writes `pub` items of its own into these modules")]

mod experiment;
mod experiment_status;
mod scalar;
mod trial;

pub use experiment::{
    Accelerator, Asha, AshaType, Bracket, BudgetSpec, CategoricalDomain, Claim, ConstraintSpec, DartsSpace, DataSet,
    DirectionSpec, DomainSpec, DoubleDomain, Empty, ImageShape, IntDomain, NasExperiment, NasExperimentSpec, Objective,
    ParameterSpec, ResourceSpec, SamplerSpec, ScaleSpec, SchedulerSpec, SpaceSpec, TrialTemplate, UnitSpec, ValidationSpec,
    WhenSpec,
};
pub use experiment_status::{BestTrial, BudgetStatus, EndStatus, NasExperimentStatus, RungStatus, TrialCounts};
pub use scalar::ScalarValue;
pub use trial::{
    Grant, NasTrial, NasTrialSpec, NasTrialStatus, OutcomeName, RecordedRung, ReportedResult, ReportedStatus, RunSegment,
    ViewStatus,
};
