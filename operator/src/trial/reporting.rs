//! What a pod gets whose trainer writes `status.reported` of its trial: a token that ends with the pod, in the place where every client of
//! Kubernetes looks for one.

use k8s_openapi::api::core::v1::{
    ConfigMapProjection, DownwardAPIProjection, DownwardAPIVolumeFile, KeyToPath, ObjectFieldSelector, ProjectedVolumeSource,
    ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};
use nas_api::objects::{ReportingSpec, TrialTemplate};

const NAME: &str = "api-access";
const PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The shortest that Kubernetes knows; the kubelet renews the token after four fifths of it.
const TOKEN_SECONDS: i64 = 600;
/// Kubernetes keeps the certificate of its API server under this name in each namespace.
const AUTHORITY: &str = "kube-root-ca.crt";

/// Whether trainers report to the API server.
pub(super) fn is_asked_for(template: &TrialTemplate) -> bool {
    template.reporting == ReportingSpec::CRStatus
}

/// Token, authority and namespace. The token is for the API server alone, and void when its pod is gone.
pub(super) fn volume() -> Volume {
    let token =
        ServiceAccountTokenProjection { audience: None, expiration_seconds: Some(TOKEN_SECONDS), path: "token".to_owned() };
    let authority = KeyToPath { key: "ca.crt".to_owned(), path: "ca.crt".to_owned(), mode: None };
    let namespace = DownwardAPIVolumeFile {
        path: "namespace".to_owned(),
        field_ref: Some(ObjectFieldSelector { field_path: "metadata.namespace".to_owned(), api_version: None }),
        ..DownwardAPIVolumeFile::default()
    };
    let sources = vec![
        VolumeProjection { service_account_token: Some(token), ..VolumeProjection::default() },
        VolumeProjection {
            config_map: Some(ConfigMapProjection { name: AUTHORITY.to_owned(), items: Some(vec![authority]), optional: None }),
            ..VolumeProjection::default()
        },
        VolumeProjection {
            downward_api: Some(DownwardAPIProjection { items: Some(vec![namespace]) }),
            ..VolumeProjection::default()
        },
    ];
    let projected = ProjectedVolumeSource { sources: Some(sources), default_mode: None };
    Volume { name: NAME.to_owned(), projected: Some(projected), ..Volume::default() }
}

/// Where the trainer finds them.
pub(super) fn mount() -> VolumeMount {
    VolumeMount { name: NAME.to_owned(), mount_path: PATH.to_owned(), read_only: Some(true), ..VolumeMount::default() }
}
