//! The data set of an experiment.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::PublishedSet;

/// A data set.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(
    validation = Rule::new("!has(self.fetch) || has(self.claim)")
        .message("trial.data.fetch needs trial.data.claim: name a PersistentVolumeClaim that pods on all nodes can write to, where the data set is kept"),
    validation = Rule::new(format!("!has(self.fetch) || self.name in {:?}", PublishedSet::ALL.map(PublishedSet::name)).replace('"', "'"))
        .message(format!("trial.data.fetch knows {}: name one of them, or remove fetch", PublishedSet::names()).as_str()),
)]
pub struct DataSet {
    /// Name of the set, and of its folder: cifar10, cifar100, mnist, fashion-mnist, or your own.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// PersistentVolumeClaim that holds data sets, each in a folder of its name; mounted read-only. `nasctl run` looks in `--data-dir`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub claim: Option<String>,
    /// Bring the data set to its folder before the first trial, unless it is there. For cifar10, cifar100, mnist and fashion-mnist. On a cluster each
    /// pod sees to it before it trains, one at a time, so the claim must be writable; `nasctl run` does it in `--data-dir`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetch: Option<FetchSpec>,
    /// Size of the images and number of classes; needed where the name is not known and a constraint speaks of `arch.params` or `arch.flops`,
    /// and for folders of images of different sizes, which are brought to this one. Everything else must be of this size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<ImageShape>,
    /// Which images are trained on and which decide.
    #[serde(default)]
    pub validation: ValidationSpec,
}

/// From where a data set is fetched. What arrives is checked against the digests of the published files.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchSpec {
    /// Address (http or https) of a folder that holds the files under their published names, such as a mirror that the cluster reaches. Default: the
    /// publisher's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(r"self.matches('^https?://[^/?#\\s]+(/[^?#\\s]*)?$')")
        .message("must be the http or https address of the folder that holds the files"))]
    #[schemars(length(min = 1, max = 1024))]
    pub url: Option<String>,
}

/// Size of images.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageShape {
    /// Colours: 1 for grey, 3 for RGB.
    #[schemars(range(min = 1, max = 4))]
    pub channels: i64,
    /// Rows of pixels.
    #[schemars(range(min = 8, max = 256))]
    pub height: i64,
    /// Columns of pixels.
    #[schemars(range(min = 8, max = 256))]
    pub width: i64,
    /// Number of classes.
    #[schemars(range(min = 2, max = 100_000))]
    pub classes: i64,
}

/// Which images are trained on and which decide.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ValidationSpec {
    /// Train on 90 % of the training images; the other 10 % decide. The test images stay unseen.
    #[default]
    Heldout,
    /// Train on all training images; the test images decide. Reported numbers are then optimistic.
    TestSet,
    /// Train on all training images and measure on the test images: for the final number of one configuration.
    Final,
}
