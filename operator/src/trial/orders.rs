//! What a search allows each of its trials.

use std::cmp::Reverse;

/// What an experiment allows its trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Orders {
    /// Train.
    Run,
    /// Go on with what runs, start nothing: the search is stalled.
    Hold,
    /// Stop after a checkpoint, and wait.
    Pause,
    /// The experiment has ended: stop for good.
    End,
}

/// What its trials share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    /// Trials that may train at the same time.
    pub(crate) slots: usize,
    /// What those are told that are beyond the slots.
    pub(crate) excess: Orders,
    pub(crate) is_stalled: bool,
    pub(crate) has_ended: bool,
}

impl Allowance {
    /// What each trial may do. Of one that is to reach a rung that rung is given, and its number: slots go to the longest trained first, then to the
    /// oldest, so that what was lowered pauses the newest.
    pub(crate) fn orders(self, trials: &[Option<(i64, i64)>]) -> Vec<Orders> {
        if self.has_ended {
            return vec![Orders::End; trials.len()];
        }
        let mut pending: Vec<usize> = (0..trials.len()).filter(|at| trials[*at].is_some()).collect();
        pending.sort_by_key(|at| trials[*at].map(|(rung, number)| (Reverse(rung), number)));
        let mut orders = vec![if self.is_stalled { Orders::Hold } else { Orders::Run }; trials.len()];
        for at in pending.into_iter().skip(self.slots) {
            orders[at] = self.excess;
        }
        orders
    }
}

#[cfg(test)]
mod tests {
    use super::{Orders::*, *};

    #[test]
    fn slots_go_to_the_longest_trained_and_then_to_the_oldest() {
        let trials = [Some((0, 0)), Some((1, 1)), None, Some((0, 3)), Some((1, 4))];
        let all = Allowance { slots: 4, excess: Pause, is_stalled: false, has_ended: false };
        for (allowance, orders) in [
            (all, [Run, Run, Run, Run, Run]),
            (Allowance { slots: 3, ..all }, [Run, Run, Run, Pause, Run]),
            (Allowance { slots: 2, ..all }, [Pause, Run, Run, Pause, Run]),
            (Allowance { slots: 1, ..all }, [Pause, Run, Run, Pause, Pause]),
            (Allowance { slots: 1, excess: Hold, ..all }, [Hold, Run, Run, Hold, Hold]),
            (Allowance { slots: 0, ..all }, [Pause, Pause, Run, Pause, Pause]),
            // A search that waits for a person lets go on what runs, but for what is beyond the slots.
            (Allowance { slots: 1, is_stalled: true, ..all }, [Pause, Hold, Hold, Pause, Pause]),
            (Allowance { slots: 1, is_stalled: true, has_ended: true, ..all }, [End; 5]),
        ] {
            assert_eq!(allowance.orders(&trials), orders, "{allowance:?}");
        }
    }
}
