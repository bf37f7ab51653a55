//! The question whether an account may do something. Pure: who asks sends it.

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};

/// What may be asked for.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// `None`: in all namespaces.
    pub namespace: Option<&'a str>,
    /// The API group; empty for the core's.
    pub group: &'a str,
    /// The resource, with its subresource behind a slash.
    pub resource: &'a str,
    /// `None`: whichever.
    pub name: Option<&'a str>,
    /// Such as `create`.
    pub verb: &'a str,
}

impl Access<'_> {
    /// The object that asks the API server about the account that creates it.
    pub fn review(&self) -> SelfSubjectAccessReview {
        let some = |word: &str| Some(word.to_owned());
        let (resource, subresource) =
            self.resource.split_once('/').map_or((self.resource, None), |(kind, part)| (kind, Some(part)));
        let attributes = ResourceAttributes {
            namespace: self.namespace.and_then(some),
            group: some(self.group),
            resource: some(resource),
            subresource: subresource.and_then(some),
            name: self.name.and_then(some),
            verb: some(self.verb),
            ..ResourceAttributes::default()
        };
        let spec =
            SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..SelfSubjectAccessReviewSpec::default() };
        SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() }
    }
}
