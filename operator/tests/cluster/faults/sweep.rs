//! The operator dies at each of its writes, once before and once after it.
//!
//! A few of them, chosen by a seed, in every run of the tests; all of them where `NAS_SWEEP` is `all` (`make verify-crashes`, which writes
//! docs/results/crashes.md).

use std::{collections::BTreeMap, fmt::Write as _};

use futures::{StreamExt, stream};

use super::{
    play::{Course, play},
    wire::{When, Wire, Write},
};
use crate::rig::Rig;

/// Searches that are played at the same time.
const AT_ONCE: usize = 4;

/// A place to die.
type Point = (Write, When);

/// Which writes a sweep is about.
#[derive(Clone, Copy)]
pub(crate) enum Of {
    /// What a search rests on: trials, Jobs, the experiment's status.
    Search,
    /// What helps operators and people: leases and events.
    Rest,
}

impl Of {
    fn has(self, write: &Write) -> bool {
        matches!(self, Self::Rest) == matches!(write.kind.as_str(), "leases" | "events")
    }

    fn word(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Rest => "rest",
        }
    }
}

/// A sweep's outcome: deaths by verb and kind.
pub(crate) struct Swept {
    of: Of,
    deaths: BTreeMap<(&'static str, String), [usize; 2]>,
    /// Writes that a life of the operator did not come to: how often it renews its lease and counts in a status is up to the clock.
    missed: usize,
}

/// Dies at each place; the search must come to the same end by the same course every time.
pub(crate) async fn sweep(of: Of) -> Swept {
    let wire = Wire::default();
    let undisturbed = play(&Rig::new("calm").await, &wire).await;
    assert!(undisturbed.is_varied(), "{undisturbed:#?}");
    let writes: Vec<Write> = wire.writes().into_iter().filter(|write| of.has(write)).collect();
    let points = chosen(writes);
    let mut swept = Swept { of, deaths: BTreeMap::new(), missed: 0 };
    let mut plays = stream::iter(points).map(|point| dies_at(point, &undisturbed)).buffer_unordered(AT_ONCE);
    let mut differences = Vec::new();
    while let Some(((write, when), died, difference)) = plays.next().await {
        differences.extend(difference);
        let deaths = swept.deaths.entry((write.verb, write.kind.clone())).or_default();
        if died {
            deaths[usize::from(when == When::After)] += 1;
        } else {
            let by_the_clock = matches!(write.kind.as_str(), "leases" | "nasexperiments/status" | "nastrials/status" | "events");
            assert!(by_the_clock, "no write {write} came");
            swept.missed += 1;
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    assert!(swept.deaths() > 2 * swept.missed, "{} deaths, {} places missed", swept.deaths(), swept.missed);
    swept
}

async fn dies_at(point: Point, undisturbed: &Course) -> (Point, bool, Option<String>) {
    let rig = Rig::new("dies").await;
    let wire = Wire::that_breaks(point.0.clone(), point.1);
    let course = play(&rig, &wire).await;
    let died = wire.has_died();
    rig.remove().await;
    let difference = difference(&course, undisturbed, &point);
    (point, died, difference)
}

/// Where the courses part, for people.
fn difference(course: &Course, undisturbed: &Course, (write, when): &Point) -> Option<String> {
    let [course, undisturbed] = [course, undisturbed].map(|course| format!("{course:#?}"));
    let differs = course.lines().zip(undisturbed.lines()).position(|(one, other)| one != other);
    let around = |text: &str, at: usize| text.lines().skip(at.saturating_sub(12)).take(24).collect::<Vec<_>>().join("\n");
    let at = differs.or_else(|| (course.len() != undisturbed.len()).then_some(0))?;
    Some(format!("died {when:?} {write}:\n{}\n--- undisturbed:\n{}", around(&course, at), around(&undisturbed, at)))
}

/// All places, or one for each verb and kind.
fn chosen(writes: Vec<Write>) -> Vec<Point> {
    let seed = std::env::var("NAS_SWEEP").unwrap_or_default();
    if seed == "all" {
        return writes.into_iter().flat_map(|write| [(write.clone(), When::Before), (write, When::After)]).collect();
    }
    let seed: usize = seed.parse().unwrap_or(0);
    let mut kinds: BTreeMap<(&'static str, String), Vec<Write>> = BTreeMap::new();
    // The first of each name: it comes in every course.
    for write in writes.into_iter().filter(|write| write.nth == 0) {
        kinds.entry((write.verb, write.kind.clone())).or_default().push(write);
    }
    let when = [When::Before, When::After];
    let one_of = |(at, writes): (usize, &Vec<Write>)| (writes[(seed + 7 * at) % writes.len()].clone(), when[(seed + at) % 2]);
    kinds.values().enumerate().map(one_of).collect()
}

impl Swept {
    /// Writes the page of a whole sweep, where `NAS_PAGES` names a folder for it.
    pub(crate) fn publish(&self) {
        let Ok(folder) = std::env::var("NAS_PAGES") else { return };
        let mut text = String::from("| write | died before it | died after it |\n|---|---:|---:|\n");
        for ((verb, kind), [before, after]) in &self.deaths {
            writeln!(text, "| {verb} {kind} | {before} | {after} |").unwrap();
        }
        writeln!(text, "\n{} places were not come to again: the clock decides how often they are written.", self.missed).unwrap();
        std::fs::write(format!("{folder}/crashes-{}.md", self.of.word()), text).unwrap();
    }

    fn deaths(&self) -> usize {
        self.deaths.values().flatten().sum()
    }
}
