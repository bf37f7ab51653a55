//! When a pod of a segment went on.

use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};

use super::run_of;

/// By the clocks of the cluster; `None`: not yet, or nobody saw it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Moments {
    /// It had a node.
    pub(crate) scheduled: Option<Timestamp>,
    /// Its trainer ran.
    pub(crate) started: Option<Timestamp>,
    /// Its trainer had ended.
    pub(crate) ended: Option<Timestamp>,
}

impl Moments {
    pub(crate) fn of(pod: &Pod) -> Self {
        let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let mut scheduled = conditions.filter(|condition| condition.type_ == "PodScheduled" && condition.status == "True");
        let scheduled = scheduled.next().and_then(|condition| condition.last_transition_time.as_ref()).map(|time| time.0);
        let (started, ended) = run_of(pod);
        Self { scheduled, started, ended }
    }
}
