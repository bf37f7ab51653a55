//! What the API server has been asked for, by its own count.

use std::collections::BTreeMap;

use kube::Client;

/// Requests by verb, resource and subresource.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests(pub(crate) BTreeMap<(String, String), u64>);

impl Requests {
    pub(crate) async fn read(client: &Client) -> Self {
        let request = http::Request::get("/metrics").body(Vec::new()).unwrap();
        let text = client.request_text(request).await.unwrap();
        let mut found = BTreeMap::new();
        for line in text.lines().filter_map(|line| line.strip_prefix("apiserver_request_total{")) {
            let Some((labels, count)) = line.rsplit_once("} ") else { continue };
            let label = |name: &str| {
                let value = labels.split(&format!("{name}=\"")).nth(1)?.split('"').next()?;
                Some(value.to_owned())
            };
            let (Some(verb), Some(resource)) = (label("verb"), label("resource")) else { continue };
            let resource = match label("subresource").filter(|part| !part.is_empty()) {
                Some(part) => format!("{resource}/{part}"),
                None => resource,
            };
            *found.entry((verb, resource)).or_default() += count.parse::<f64>().unwrap_or_default() as u64;
        }
        Self(found)
    }

    pub(crate) fn since(&self, before: &Self) -> Self {
        let since = self.0.iter().map(|(key, count)| (key.clone(), count - before.0.get(key).copied().unwrap_or_default()));
        Self(since.filter(|(_, count)| *count > 0).collect())
    }

    pub(crate) fn of(&self, verbs: &[&str], resource: &str) -> u64 {
        self.0.iter().filter(|((verb, of), _)| verbs.contains(&verb.as_str()) && of == resource).map(|(_, count)| count).sum()
    }
}
