//! What the API server has been asked for, and how long it took, by its own count.

use std::collections::BTreeMap;

use kube::Client;

#[derive(Clone, Debug, Default)]
pub(crate) struct Requests {
    /// By verb, and resource with its subresource.
    pub(crate) counts: BTreeMap<(String, String), u64>,
    /// How many writes of outcomes took at most so many milliseconds.
    outcomes: BTreeMap<u64, u64>,
}

impl Requests {
    pub(crate) async fn read(client: &Client) -> Self {
        let request = http::Request::get("/metrics").body(Vec::new()).unwrap();
        let text = client.request_text(request).await.unwrap();
        let mut found = Self::default();
        for line in text.lines() {
            let Some((metric, rest)) = line.split_once('{') else { continue };
            let Some((labels, count)) = rest.rsplit_once("} ") else { continue };
            let label = |name: &str| {
                let value = labels.split(&format!("{name}=\"")).nth(1)?.split('"').next()?;
                Some(value.to_owned())
            };
            let (Some(verb), Some(resource)) = (label("verb"), label("resource")) else { continue };
            let resource = match label("subresource").filter(|part| !part.is_empty()) {
                Some(part) => format!("{resource}/{part}"),
                None => resource,
            };
            let count = count.parse::<f64>().unwrap_or_default() as u64;
            match metric {
                "apiserver_request_total" => *found.counts.entry((verb, resource)).or_default() += count,
                "apiserver_request_duration_seconds_bucket" if verb == "PATCH" && resource == "nastrials/status" => {
                    let seconds: f64 = label("le").unwrap().parse().unwrap();
                    *found.outcomes.entry((1000.0 * seconds) as u64).or_default() += count;
                }
                _ => {}
            }
        }
        found
    }

    pub(crate) fn since(&self, before: &Self) -> Self {
        let counts =
            self.counts.iter().map(|(key, count)| (key.clone(), count - before.counts.get(key).copied().unwrap_or_default()));
        let outcomes =
            self.outcomes.iter().map(|(key, count)| (*key, count - before.outcomes.get(key).copied().unwrap_or_default()));
        Self { counts: counts.filter(|(_, count)| *count > 0).collect(), outcomes: outcomes.collect() }
    }

    /// Milliseconds within which the API server was done with this share of the writes of outcomes, by the bounds of its histogram.
    pub(crate) fn outcomes_within(&self, share: f64) -> u64 {
        let all = self.outcomes.values().max().copied().unwrap_or_default();
        let enough = |(_, count): &(&u64, &u64)| **count as f64 >= share * all as f64;
        self.outcomes.iter().find(enough).map_or(0, |(bound, _)| *bound)
    }

    pub(crate) fn of(&self, verbs: &[&str], resource: &str) -> u64 {
        self.counts
            .iter()
            .filter(|((verb, of), _)| verbs.contains(&verb.as_str()) && of == resource)
            .map(|(_, count)| count)
            .sum()
    }
}
