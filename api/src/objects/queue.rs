//! A queue in which the segments of trials wait for their turn.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A queue of Kueue: it starts a Job when its quota has room, and takes the room back for what is more urgent.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    /// Name of the LocalQueue, in the experiment's namespace.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// WorkloadPriorityClasses for the segments that train to each rung, from the lowest; rungs above the last have that one. What has trained
    /// longer is worth more: give it the higher class, so that it is not displaced by a beginner. Default: that of Kueue.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 253)))]
    pub priority_classes: Vec<String>,
    /// At most so many trials wait in the queue for their first turn: who is queued early was chosen early, on fewer results. Slots beyond stay
    /// empty until the queue moves on.
    #[serde(default = "default_max_pending_trials")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_pending_trials: i64,
}

impl Queue {
    /// The WorkloadPriorityClass of a segment that trains to this rung.
    pub fn priority_class(&self, rung: usize) -> Option<&str> {
        self.priority_classes.get(rung).or(self.priority_classes.last()).map(String::as_str)
    }
}

fn default_max_pending_trials() -> i64 {
    2
}
