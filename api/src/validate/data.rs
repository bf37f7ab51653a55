//! What an experiment says about its data set.

use crate::{
    Problem, PublishedSet,
    objects::{DataSet, NasExperiment},
    schema::did_you_mean,
};

/// Problems that the data set has wherever the experiment runs.
pub(super) fn check(data: &DataSet, problems: &mut Vec<Problem>) {
    let Some(fetch) = &data.fetch else { return };
    if let Err(error) = data.name.parse::<PublishedSet>() {
        let cure = "name one of them, or remove fetch and bring the data set to its folder yourself";
        let hint = did_you_mean(&data.name, PublishedSet::ALL.into_iter().map(PublishedSet::name));
        problems.push(Problem::new("spec.trial.data.name", format!("{error}: {cure}{hint}")));
    }
    if let Some(url) = fetch.url.as_deref().filter(|url| !is_folder(url)) {
        let message = format!("is {url:?}, but must be the http or https address of the folder that holds the files");
        problems.push(Problem::new("spec.trial.data.fetch.url", message));
    }
}

/// Whether this is an address to which the name of a file can be appended: `^https?://[^/?#\s]+(/[^?#\s]*)?$`, as the CRD has it.
fn is_folder(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        let plain = rest.bytes().all(|byte| !byte.is_ascii_whitespace() && !b"?#".contains(&byte));
        plain && !rest.is_empty() && !rest.starts_with('/')
    })
}

impl NasExperiment {
    /// What the experiment lacks on a cluster, though it can be run without it on one machine.
    pub fn lacks_on_cluster(&self) -> Option<Problem> {
        let data = &self.spec.trial.data;
        (data.fetch.is_some() && data.claim.is_none()).then(|| {
            Problem::new(
                "spec.trial.data.claim",
                "is needed on a cluster, since spec.trial.data.fetch keeps the data set there for all trials: name a \
                 PersistentVolumeClaim that pods on all nodes can write to",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::is_folder;

    #[test]
    fn addresses_of_folders_are_told_from_anything_else() {
        for url in ["http://a", "https://mirror.example.com:8443/sets/cifar/", "http://10.0.0.1/x%20y"] {
            assert!(is_folder(url), "{url}");
        }
        for url in
            ["", "a", "http:/a", "http://", "https:///a", "ftp://a/b", "HTTP://a", "http://a/b?c", "http://a#b", "http://a/b c"]
        {
            assert!(!is_folder(url), "{url}");
        }
    }
}
