//! How many accelerators a trial holds, and which of the time that is noted `spec.budget.gpuHours` counts.

use crate::objects::NasExperiment;

impl NasExperiment {
    /// Accelerators that each trial holds: `trial.accelerator.count`; one where `trial.pod.resourceClaims` bring them, since nothing says how many
    /// those are; 0: it trains on CPUs alone.
    pub fn accelerators_of_a_trial(&self) -> u32 {
        let trial = &self.spec.trial;
        let is_claimed = || trial.pod.as_ref().is_some_and(|pod| !pod.resource_claims.is_empty());
        let count = trial.accelerator.as_ref().map(|accelerator| u32::try_from(accelerator.count).unwrap_or_default());
        count.unwrap_or_else(|| is_claimed().into())
    }

    /// For how many accelerators the time of each slot is noted in `segments[].acceleratorSeconds`: a slot without any counts as one.
    pub fn accelerators_of_a_slot(&self) -> u32 {
        self.accelerators_of_a_trial().max(1)
    }

    /// Seconds that `budget.gpuHours` counts, summed over accelerators: `noted` on segments, and those of slots that are held for `running` seconds
    /// in all by segments that nothing is noted of. 0 where trials have no accelerators: the time of their slots is noted, and no budget counts it.
    pub fn charged_seconds(&self, noted: f64, running: f64) -> f64 {
        match self.accelerators_of_a_trial() {
            0 => 0.0,
            each => noted + running * f64::from(each),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::read_experiment;

    #[test]
    fn a_claim_without_an_accelerator_counts_as_one_and_a_slot_without_either_is_charged_to_no_budget() {
        let text = include_str!("../../configs/quickstart.yaml");
        let claim = "pod: {resourceClaims: [{name: gpu, resourceClaimTemplateName: a-part}]}";
        let claims = "pod: {resourceClaims: [{name: a, resourceClaimName: a}, {name: b, resourceClaimName: b}]}";
        let four = "accelerator: {count: 4}";
        for (trial, of_a_trial, of_a_slot, charged) in [
            ("", 0, 1, 0.0),
            ("pod: {}", 0, 1, 0.0),
            ("pod: {resourceClaims: []}", 0, 1, 0.0),
            ("accelerator: {}", 1, 1, 13.0),
            (four, 4, 4, 22.0),
            (claim, 1, 1, 13.0),
            (claims, 1, 1, 13.0),
            (&format!("{four}\n    {claim}"), 4, 4, 22.0),
        ] {
            let budget = "  budget: {gpuHours: 1}\n  trial:\n    ";
            let text = text.replacen("  trial:\n", &format!("{budget}{trial}\n"), 1);
            let source = read_experiment(&text).unwrap_or_else(|problems| unreachable!("{trial}: {problems:?}"));
            let experiment = source.experiment;
            let found = (experiment.accelerators_of_a_trial(), experiment.accelerators_of_a_slot());
            assert_eq!(found, (of_a_trial, of_a_slot), "{trial}");
            assert_eq!(source.plan.budget.accelerators, of_a_trial, "{trial}");
            assert_eq!(experiment.charged_seconds(10.0, 3.0), charged, "{trial}");
        }
    }
}
