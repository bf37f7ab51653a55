//! What a trainer with `CRStatus` may write: `status.reported` of the trial whose pod it runs in, and nothing else.
//!
//! Its service account may patch the status of every trial in its namespace, since a role can neither name what does not exist yet nor
//! speak of fields. The rest is this policy, which is made from the definition of the trial: a new field of its status is guarded at once.

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MatchResources, NamedRuleWithOperations, ValidatingAdmissionPolicy, ValidatingAdmissionPolicySpec,
    Validation, Variable,
};
use kube::CustomResourceExt;

use crate::objects::NasTrial;

/// Service account of pods whose trainer writes `status.reported`, and the field manager that it writes as.
pub const TRAINER: &str = "nas-trainer";

/// The one field of a trial's status that its trainer writes.
const REPORTED: &str = "reported";

/// The policy for trainers; it takes effect where a binding names it.
///
/// An API server knows which pod a token is bound to (Kubernetes 1.32), and a pod of a Job is named `<Job>-<5 characters>`, so that name says
/// which trial, rung and attempt the writer is. A policy sees what is stored, and a write to the status stores nothing else: metadata and
/// spec are as they were.
pub fn trainer_policy() -> ValidatingAdmissionPolicy {
    let mut policy = ValidatingAdmissionPolicy::default();
    policy.metadata.name = Some(TRAINER.to_owned());
    policy.spec = Some(ValidatingAdmissionPolicySpec {
        failure_policy: Some("Fail".to_owned()),
        match_constraints: Some(MatchResources {
            resource_rules: Some(vec![NamedRuleWithOperations {
                api_groups: Some(words(&["nas-operator.dev"])),
                api_versions: Some(words(&["*"])),
                operations: Some(words(&["CREATE", "UPDATE", "DELETE"])),
                resources: Some(words(&["nastrials", "nastrials/*"])),
                ..NamedRuleWithOperations::default()
            }]),
            ..MatchResources::default()
        }),
        match_conditions: Some(vec![MatchCondition {
            name: "is-a-trainer".to_owned(),
            expression: format!("request.userInfo.username.matches('^system:serviceaccount:[^:]+:{TRAINER}$')"),
        }]),
        variables: Some(variables()),
        validations: Some(validations()),
        ..ValidatingAdmissionPolicySpec::default()
    });
    policy
}

fn variables() -> Vec<Variable> {
    [
        ("pod", "request.userInfo.?extra[?'authentication.kubernetes.io/pod-name'].orValue([''])[0]"),
        // Not a regular expression with the trial's name in it: that name's characters would be part of the expression.
        ("segment", "variables.pod.startsWith(request.name + '-') ? variables.pod.substring(request.name.size() + 1) : ''"),
        (
            "attempt",
            "variables.segment.matches('^r(0|[1-9][0-9]?)-a(0|[1-9][0-9]{0,5})-[a-z0-9]{5}$') ? \
             int(variables.segment.split('-')[1].substring(1)) : -1",
        ),
    ]
    .map(|(name, expression)| Variable { name: name.to_owned(), expression: expression.to_owned() })
    .to_vec()
}

fn validations() -> Vec<Validation> {
    let mut all = vec![
        refusal("request.?subResource.orValue('') == 'status'", "a trainer writes the status of a trial alone"),
        refusal(
            &format!("request.userInfo.username == 'system:serviceaccount:' + request.namespace + ':{TRAINER}'"),
            "a trainer writes in its own namespace alone",
        ),
        refusal("variables.attempt >= 0", "a token is needed that is bound to a pod of this trial"),
        // Entries of managed fields are kept for every name that ever applied something.
        refusal(
            &format!("request.options.?fieldManager.orValue('') == '{TRAINER}'"),
            &format!("a trainer reports as field manager {TRAINER}"),
        ),
        refusal("variables.attempt == object.spec.attempt", "this attempt of the trial is void: another has begun"),
        refusal(
            "object.?status.?reported.?attempt.orValue(-1) == variables.attempt",
            "status.reported.attempt must be the attempt of the trainer's pod",
        ),
        refusal(
            "object.?status.?reported.?results.orValue([]).all(result, \
             !has(result.metrics) || result.metrics.all(name, name.size() <= 64))",
            "a metric's name has at most 64 characters",
        ),
    ];
    all.extend(guarded().map(|(field, absent)| {
        let value = |of: &str| format!("{of}.?status.?{field}{absent}");
        refusal(&format!("{} == {}", value("object"), value("oldObject")), &format!("a trainer does not write status.{field}"))
    }));
    all
}

/// Fields of the status that a trainer leaves as they are, and what makes one that is absent equal to one that is empty, which is how
/// defaults fill it.
fn guarded() -> impl Iterator<Item = (String, &'static str)> {
    let definition = NasTrial::crd().spec.versions.into_iter().next();
    let schema = definition.and_then(|version| version.schema?.open_api_v3_schema);
    let status = schema.and_then(|schema| schema.properties?.remove("status"));
    let fields = status.and_then(|status| status.properties).unwrap_or_default();
    fields.into_iter().filter(|(name, _)| name != REPORTED).map(|(name, schema)| match schema.type_.as_deref() {
        Some("array") => (name, ".orValue([])"),
        Some("object") => (name, ".orValue({})"),
        _ => (name, ""),
    })
}

fn refusal(unless: &str, message: &str) -> Validation {
    Validation {
        expression: unless.to_owned(),
        message: Some(message.to_owned()),
        reason: Some("Forbidden".to_owned()),
        ..Validation::default()
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_the_status_but_the_report_is_guarded() {
        let guarded: Vec<String> = guarded().map(|(field, _)| field).collect();
        assert_eq!(guarded, ["conditions", "rungs", "segments"]);
    }
}
