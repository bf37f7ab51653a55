//! What other programs reach, as `simulation/data/peers.json` has it.

use serde::Deserialize;

/// All of it.
#[derive(Deserialize)]
pub(crate) struct Peers {
    /// How it was measured.
    pub(crate) about: Vec<String>,
    nb301: Vec<Peer>,
    nb101: Vec<Peer>,
}

/// One program and method on one table.
#[derive(Deserialize)]
pub(crate) struct Peer {
    /// Program, version and method.
    pub(crate) name: String,
    /// How it was run.
    pub(crate) group: String,
    /// The policy of ours that does the same thing.
    pub(crate) equals: Option<String>,
    /// Searches.
    pub(crate) seeds: u32,
    /// Incumbents, by time.
    pub(crate) at: Vec<PeerPoint>,
    /// Trials that a search started until `horizon`.
    pub(crate) trials: u32,
    /// Trials that it trained in full until then.
    pub(crate) full: u32,
    /// In mean full trainings.
    pub(crate) horizon: f64,
}

/// The incumbents of all seeds at one time.
#[derive(Deserialize)]
pub(crate) struct PeerPoint {
    /// In mean full trainings.
    pub(crate) time: f64,
    /// The mean of what was observed.
    pub(crate) observed: f64,
    /// The mean of what they are worth.
    pub(crate) truth: f64,
    /// Its standard error.
    pub(crate) error: f64,
}

impl Peers {
    /// Reads the file that comes along.
    pub(crate) fn read() -> Result<Self, serde_json::Error> {
        serde_json::from_str(include_str!("../../../data/peers.json"))
    }

    /// Those of a benchmark.
    pub(crate) fn on(&self, benchmark: &str) -> &[Peer] {
        match benchmark {
            "nb301" => &self.nb301,
            "nb101" => &self.nb101,
            _ => &[],
        }
    }
}

impl Peer {
    /// What it had reached at a time; `None`: it is not recorded.
    pub(crate) fn at(&self, time: f64) -> Option<&PeerPoint> {
        self.at.iter().find(|point| (point.time - time).abs() < 1e-9)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn the_file_is_read_whole() {
        let peers = Peers::read().unwrap();
        assert_eq!((peers.on("nb301").len(), peers.on("nb101").len(), peers.about.len()), (16, 12, 5));
        let ray = &peers.on("nb301")[1];
        assert!(ray.name.starts_with("Ray 2.60") && ray.at(4.0).is_some_and(|point| (point.truth - 95.627).abs() < 1e-9));
        assert!(ray.at(3.0).is_none() && ray.equals.is_none());
        let equals: Vec<_> = peers.on("nb101").iter().filter_map(|peer| peer.equals.as_deref()).collect();
        assert_eq!(equals, ["random search", "ASHA promotion, eta 3"]);
    }
}
