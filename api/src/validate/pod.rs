//! What an experiment adds to its pods must leave alone what the operator finds them by; a queue and its classes must have names.

use std::collections::HashSet;

use super::is_object_name;
use crate::{
    Problem,
    objects::{PodOverlay, TrialTemplate},
};

pub(super) fn check(trial: &TrialTemplate, problems: &mut Vec<Problem>) {
    if let Some(queue) = &trial.queue {
        let named = [("spec.trial.queue.name".to_owned(), &queue.name)];
        let classes = queue.priority_classes.iter().enumerate();
        let classes = classes.map(|(at, class)| (format!("spec.trial.queue.priorityClasses[{at}]"), class));
        for (path, name) in named.into_iter().chain(classes).filter(|(_, name)| !is_object_name(name)) {
            let message = format!("is {name:?}, but must be the name of an object: lower-case letters, digits, - and .");
            problems.push(Problem::new(path, message));
        }
    }
    let Some(overlay) = &trial.pod else { return };
    for name in overlay.labels.keys() {
        if let Some(taken) = PodOverlay::TAKEN.iter().find(|taken| name.starts_with(**taken)) {
            let message = format!("labels that begin with {taken} are set by others: choose another name");
            problems.push(Problem::new(format!("spec.trial.pod.labels.{name}"), message));
        }
    }
    if let Err(problem) = overlay.affinity() {
        problems.push(Problem::new("spec.trial.pod.affinity", format!("is not what a PodSpec has: {problem}")));
    }
    let mut names = HashSet::new();
    for (at, claim) in overlay.resource_claims.iter().enumerate() {
        let path = format!("spec.trial.pod.resourceClaims[{at}]");
        if !names.insert(&claim.name) {
            problems.push(Problem::new(format!("{path}.name"), format!("{:?} is there twice", claim.name)));
        }
        if claim.resource_claim_name.is_some() == claim.resource_claim_template_name.is_some() {
            let message = "give resourceClaimName, a claim that all trials share, or resourceClaimTemplateName, from which each gets its own";
            problems.push(Problem::new(path, message));
        }
    }
}
