//! The sizes of brackets, and whose turn it is.

use crate::{Plan, rungs::real};

/// What brackets that begin at the same rung would do in an ideal search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Course {
    /// The rung at which their trials are compared first.
    pub first_rung: usize,
    /// How many such brackets there are.
    pub brackets: u64,
    /// Trials that train to each rung, from rung 0.
    pub entries: Vec<u64>,
}

impl Plan {
    /// The rung at which trials of a bracket are compared first.
    pub fn first_rung(&self, bracket: usize) -> usize {
        self.scheduler.first_rung(bracket, self.rungs.top())
    }

    /// How many of `maxTrials` each bracket gets.
    pub fn bracket_sizes(&self) -> Vec<u64> {
        if self.scheduler.is_synchronous() {
            let mut left = self.max_trials;
            let take = |bracket| {
                let size = self.hyperband_size(bracket).min(left);
                left -= size;
                (size > 0).then_some(size)
            };
            return (0..usize::MAX).map_while(take).collect();
        }
        let mut sizes = Vec::new();
        for _ in 0..self.max_trials {
            let bracket = self.next_bracket(|bracket| sizes.get(bracket).copied().unwrap_or_default());
            if bracket >= sizes.len() {
                sizes.resize(bracket + 1, 0);
            }
            sizes[bracket] += 1;
        }
        sizes
    }

    /// The bracket of the next trial, where `counted(bracket)` is how many of its trials count: of brackets with shares the one that is
    /// furthest behind, of those with fixed sizes the first that is not full. `maxTrials` plays no part, since it may change.
    pub(crate) fn next_bracket(&self, counted: impl Fn(usize) -> u64) -> usize {
        if self.scheduler.is_synchronous() {
            return (0..usize::MAX).find(|bracket| counted(*bracket) < self.hyperband_size(*bracket)).unwrap_or_default();
        }
        let filled = |bracket: usize, other: usize| {
            // counted / share, multiplied by both shares' numerators and denominators.
            let (rungs, other) = (self.rungs_of(bracket), self.rungs_of(other));
            u128::from(counted(bracket)) * rungs as u128 * u128::from(self.rungs.needed(other))
        };
        let fewer = |best: usize, bracket| if filled(bracket, best) < filled(best, bracket) { bracket } else { best };
        (0..self.brackets()).reduce(fewer).unwrap_or_default()
    }

    /// Steps of training in an ideal search.
    pub fn ideal_steps(&self) -> u64 {
        self.ideal().iter().map(|course| self.rungs.steps_of(&course.entries)).sum()
    }

    /// What the brackets would do if exactly `1 / eta` of each rung went on; what asynchrony adds is a few percent. Brackets that begin at
    /// the same rung are taken together.
    pub fn ideal(&self) -> Vec<Course> {
        let mut courses: Vec<Course> = Vec::new();
        for (bracket, size) in self.bracket_sizes().into_iter().enumerate() {
            let first_rung = self.first_rung(bracket);
            let reach = |left: &mut u64, rung| {
                let on = if rung < first_rung { *left } else { self.quota(usize::try_from(*left).unwrap_or(usize::MAX)) as u64 };
                Some(std::mem::replace(left, on))
            };
            let entries: Vec<u64> = (0..=self.rungs.top()).scan(size, reach).collect();
            match courses.iter_mut().find(|course| course.first_rung == first_rung) {
                Some(course) => {
                    course.brackets += 1;
                    course.entries.iter_mut().zip(entries).for_each(|(sum, more)| *sum += more);
                }
                None => courses.push(Course { first_rung, brackets: 1, entries }),
            }
        }
        courses
    }

    /// How many of `entries` trials of a rung go on, all in all.
    pub(super) fn quota(&self, entries: usize) -> usize {
        let least = if self.scheduler.always_lets_one_go_on() { entries.min(1) } else { 0 };
        self.rungs.quota(entries).max(least)
    }

    /// Number of rungs in which a bracket's trials are compared.
    fn rungs_of(&self, bracket: usize) -> usize {
        self.rungs.top() + 1 - self.first_rung(bracket)
    }

    /// Number of brackets that have shares of the trials. Their shares are those of Determined's adaptive ASHA, in proportion to
    /// `eta^(rungs - 1) / rungs`; each gets a trial before any gets a second.
    pub(super) fn brackets(&self) -> usize {
        self.scheduler.brackets(self.rungs.top() + 1)
    }

    /// Trials of a bracket of Hyperband: `ceil(all rungs / its rungs * eta^(its rungs - 1))`.
    pub(super) fn hyperband_size(&self, bracket: usize) -> u64 {
        let rungs = self.rungs_of(bracket);
        let all = self.rungs.top() as u64 + 1;
        all.saturating_mul(self.rungs.needed(rungs)).div_ceil(rungs as u64)
    }

    /// A bracket that has a share never has more trials than this.
    ///
    /// It got its last one, number c, when it was furthest behind: each other one then had at least (c - 1) times the ratio of their
    /// shares, all together c + (c - 1) * (sum of shares / its share - 1), which is at most `maxTrials`.
    pub(super) fn most_trials(&self, bracket: usize) -> u64 {
        let share = |bracket| real(self.rungs.needed(self.rungs_of(bracket))) / real(self.rungs_of(bracket) as u64);
        let sum: f64 = (0..self.brackets()).map(share).sum();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most maxTrials, and not negative")]
        let others = (real(self.max_trials.saturating_sub(1)) * (share(bracket) / sum)).ceil() as u64;
        self.max_trials.min(1 + others)
    }
}
