//! What the observations mean: one judgement for each thing that the contract asks.

use nas_api::contract::{Exit, Report, Reported};
use serde::Serialize;

use super::seen::{End, Fence, Later, Observed, Seen, Stop, Wrong};

/// What came out of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Verdict {
    /// As the contract wants it.
    Passed,
    /// Not as the contract wants it, or it could not be tried.
    Failed,
    /// The contract leaves it open.
    Told,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// What was looked at, in a word or two.
    pub(crate) name: &'static str,
    /// What came out.
    pub(crate) verdict: Verdict,
    /// Why, for people.
    pub(crate) why: String,
}

/// `Ok`: passed, and what was seen; `Err`: failed, and why.
type Judgement = Result<String, String>;

/// Judges a trainer.
pub(crate) fn judge(observed: &Observed) -> Vec<Check> {
    let later = |judgement: fn(&Observed, &Later) -> Judgement| match &observed.later {
        Some(later) => judgement(observed, later),
        None => Err("not tried: it needs the report of a first segment".to_owned()),
    };
    vec![
        required("start", start(&observed.start)),
        required("checkpoint", checkpoint(observed.checkpoint_files)),
        required("re-run", later(|observed, later| rerun(&observed.start, &later.rerun))),
        required("resume", later(|_, later| resume(&later.rerun, &later.resumed))),
        required("stop", later(|_, later| stop(later.stop.as_ref()))),
        required("go on", later(|_, later| go_on(later.stop.as_ref()))),
        required("fencing", later(|_, later| fence(&later.fence))),
        match &observed.wrong {
            Some(wrong) => required("wrong type", wrong_type(wrong)),
            None => told("wrong type", "not tried: --param NAME=VALUE gives a parameter to try it with".to_owned()),
        },
        match &observed.infeasible {
            Some(seen) => required("infeasible", infeasible(seen)),
            None => told("infeasible", "not tried: --infeasible NAME=VALUE gives a value to try it with".to_owned()),
        },
        told("determinism", observed.later.as_ref().map_or_else(|| "not tried".to_owned(), determinism)),
        told("check", check(&observed.check)),
    ]
}

fn required(name: &'static str, judgement: Judgement) -> Check {
    let (verdict, why) = match judgement {
        Ok(why) => (Verdict::Passed, why),
        Err(why) => (Verdict::Failed, why),
    };
    Check { name, verdict, why }
}

fn told(name: &'static str, why: String) -> Check {
    Check { name, verdict: Verdict::Told, why }
}

/// The values by rung of a report that has nothing but values.
fn values(seen: &Seen) -> Result<(Report, Vec<f64>), String> {
    let report = seen.report()?;
    if let Some(other) = report.results.iter().find(|result| result.outcome != Reported::Value) {
        let words = other.message.as_deref().map_or_else(String::new, |words| format!(" ({words})"));
        return Err(format!("rung {} is {:?}{words}: give parameters with which it trains", other.rung, other.outcome));
    }
    let values = report.results.iter().filter_map(|result| result.value).collect();
    Ok((report, values))
}

fn start(seen: &Seen) -> Judgement {
    let (_, values) = values(seen)?;
    let value = values.first().copied().unwrap_or_default();
    Ok(format!("rung 0 has the value {value} ({} bytes, {:.1} s)", seen.message.len(), seen.seconds))
}

fn checkpoint(files: usize) -> Judgement {
    match files {
        0 => Err("nothing lies in NAS_CHECKPOINT_DIR after the first segment: no other process can go on from there".to_owned()),
        files => Ok(format!("{files} file(s) in NAS_CHECKPOINT_DIR after the first segment")),
    }
}

fn rerun(first: &Seen, again: &Seen) -> Judgement {
    let (before, expected) = values(first)?;
    let (report, found) = values(again)?;
    if found != expected {
        return Err(format!("a segment that had ended was reported with {expected:?} first, then with {found:?}"));
    }
    if report.seq < before.seq {
        return Err(format!("seq goes back, from {} to {}", before.seq, report.seq));
    }
    Ok(format!("a segment that had ended is reported again, with its new attempt ({:.1} s)", again.seconds))
}

fn resume(before: &Seen, resumed: &[Seen]) -> Judgement {
    let (mut earlier, mut known) = values(before)?;
    for seen in resumed {
        let rung = seen.target_rung;
        let (report, found) = values(seen).map_err(|why| format!("to rung {rung}: {why}"))?;
        if found[..known.len()] != known {
            return Err(format!("to rung {rung}: lower rungs had the values {known:?}, now they have {found:?}"));
        }
        if report.seq <= earlier.seq {
            return Err(format!("to rung {rung}: seq does not grow ({}, then {})", earlier.seq, report.seq));
        }
        (earlier, known) = (report, found);
    }
    let seconds: f64 = resumed.iter().map(|seen| seen.seconds).sum();
    Ok(format!("the values by rung are {known:?}, the lower ones unchanged ({seconds:.1} s)"))
}

fn tried(stop: Option<&Stop>) -> Result<&Stop, String> {
    stop.ok_or_else(|| "not tried: the trial had ended before the signal came; give --rungs a longer last rung".to_owned())
}

fn stop(stop: Option<&Stop>) -> Judgement {
    let Stop { stopped, .. } = tried(stop)?;
    match stopped.end {
        End::Exit(Exit::Stopped) => Ok(format!("exit code 143, {:.1} s after SIGTERM", stopped.seconds)),
        _ if stopped.has_written_a_report() => Err(format!(
            "after SIGTERM it trained on to its end ({:.1} s): look for the signal between steps, or give --rungs a longer last rung",
            stopped.seconds
        )),
        End::Signal(15) => {
            Err("SIGTERM killed it, since it has no handler: as process 1 of a container, it would not hear it at all".to_owned())
        }
        End::Overdue => Err("after SIGTERM it went on for longer than a cluster waits, and was killed".to_owned()),
        end => Err(format!("after SIGTERM: {end}, not exit code 143{}", stopped.quoted_words())),
    }
}

fn go_on(stop: Option<&Stop>) -> Judgement {
    let Stop { resumed, .. } = tried(stop)?;
    let (_, values) = values(resumed).map_err(|why| format!("the attempt after the stop: {why}"))?;
    Ok(format!("the attempt after the stop reports {values:?} ({:.1} s)", resumed.seconds))
}

fn fence(Fence { newer, older, altered, next }: &Fence) -> Judgement {
    let (_, expected) = values(newer).map_err(|why| format!("not tried: attempt 2 of a trial, without an attempt 1: {why}"))?;
    if let Some(file) = altered.first() {
        return Err(format!(
            "attempt 1 began after attempt 2 and changed its {file}: end with 70 where there is a higher attempt, or keep each attempt's files apart"
        ));
    }
    let (_, found) = values(next).map_err(|why| format!("attempt 3, after an older attempt had come late: {why}"))?;
    if found[..expected.len()] != expected {
        return Err(format!(
            "attempt 2 had reported {expected:?}; after an older attempt had come late, attempt 3 reports {found:?}"
        ));
    }
    Ok(match older.end {
        End::Exit(Exit::Fenced) => "an older attempt that begins late ends with 70".to_owned(),
        end => format!("an older attempt that begins late does no harm, though it goes on ({end})"),
    })
}

fn wrong_type(Wrong { name, value, seen }: &Wrong) -> Judgement {
    let asked = format!("{name} = {}", serde_json::to_string(value).unwrap_or_default());
    match seen.end {
        End::Exit(exit @ (Exit::Usage | Exit::Configuration)) if seen.mentions(name) => {
            Ok(format!("{asked} is refused: exit code {}{}", exit.code(), seen.quoted_words()))
        }
        End::Exit(exit @ (Exit::Usage | Exit::Configuration)) => Err(format!(
            "{asked} is refused with exit code {}, but no word names the parameter{}",
            exit.code(),
            seen.quoted_words()
        )),
        end => Err(format!("{asked} must be refused with exit code 78 (or 64): {end}{}", seen.quoted_words())),
    }
}

fn infeasible(seen: &Seen) -> Judgement {
    let report = seen.report()?;
    match report.results.last() {
        Some(last) if last.outcome == Reported::Infeasible => Ok(format!(
            "reported as Infeasible{}",
            match &last.message {
                Some(words) => format!(": {words}"),
                None => ", without a message".to_owned(),
            }
        )),
        last => Err(format!("the outcome is {:?}, not Infeasible", last.map(|last| last.outcome))),
    }
}

fn determinism(later: &Later) -> String {
    let in_steps = later.resumed.last().and_then(|seen| values(seen).ok());
    let stopped = later.stop.as_ref().and_then(|stop| values(&stop.resumed).ok());
    match (in_steps, stopped) {
        (Some((_, a)), Some((_, b))) if a == b => {
            "a trial that was stopped has the same values as one that went rung by rung".to_owned()
        }
        (Some((_, a)), Some((_, b))) => format!("one trial, rung by rung: {a:?}; the same, stopped in the middle: {b:?}"),
        _ => "not tried".to_owned(),
    }
}

fn check(seen: &Seen) -> String {
    if seen.end != End::Exit(Exit::Reported) {
        return format!("with the argument `check`: {}{}; `nasctl run` would go no further", seen.end, seen.quoted_words());
    }
    if seen.message.is_empty() {
        format!("the argument `check` is answered without training{}", seen.quoted_words())
    } else {
        "the argument `check` is not known: `nasctl run` trains the first trial's first rung twice".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use nas_search::Scalar;

    use super::*;

    /// A process of `attempt` that reports these values.
    fn reported(attempt: u32, values: &[f64]) -> Seen {
        let results =
            values.iter().enumerate().map(|(rung, value)| format!(r#"{{"rung":{rung},"outcome":"Value","value":{value}}}"#));
        let results = results.collect::<Vec<_>>().join(",");
        let (seq, step) = (values.len(), values.len() * 10);
        let message = format!(r#"{{"attempt":{attempt},"seq":{seq},"step":{step},"results":[{results}]}}"#);
        Seen { target_rung: values.len() - 1, target_step: step as u64, ..ended(attempt, 0, &message) }
    }

    /// A process of `attempt` that was to reach rung 0 and ended so.
    fn ended(attempt: u32, code: i32, message: &str) -> Seen {
        Seen {
            attempt,
            target_rung: 0,
            target_step: 10,
            end: End::Exit(Exit::from_code(code)),
            message: message.into(),
            log: String::new(),
            seconds: 1.0,
        }
    }

    fn good() -> Observed {
        Observed {
            start: reported(1, &[0.5]),
            checkpoint_files: 2,
            later: Some(Later {
                rerun: reported(2, &[0.5]),
                resumed: vec![reported(3, &[0.5, 0.6]), reported(4, &[0.5, 0.6, 0.7])],
                stop: Some(Stop { stopped: ended(1, 143, "stopped"), resumed: reported(2, &[0.5, 0.6, 0.7]) }),
                fence: Fence {
                    newer: reported(2, &[0.5]),
                    older: ended(1, 70, "void"),
                    altered: Vec::new(),
                    next: reported(3, &[0.5, 0.6]),
                },
            }),
            wrong: Some(Wrong { name: "rate".into(), value: Scalar::from("x"), seen: ended(1, 78, "rate must be a number") }),
            infeasible: Some(ended(1, 0, r#"{"attempt":1,"seq":1,"step":0,"results":[{"rung":0,"outcome":"Infeasible"}]}"#)),
            check: ended(0, 0, ""),
        }
    }

    /// Names and reasons of the checks that fail.
    fn failures(observed: &Observed) -> Vec<(&'static str, String)> {
        let failed = judge(observed).into_iter().filter(|check| check.verdict == Verdict::Failed);
        failed.map(|check| (check.name, check.why)).collect()
    }

    #[test]
    fn what_keeps_to_the_contract_passes() {
        assert_eq!(failures(&good()), []);
        let passed = judge(&good()).iter().filter(|check| check.verdict == Verdict::Passed).count();
        assert_eq!(passed, 9);
    }

    #[test]
    fn what_the_contract_leaves_open_passes() {
        let mut open = good();
        (open.wrong, open.infeasible, open.check) = (None, None, reported(0, &[0.5]));
        let later = open.later.as_mut().unwrap();
        later.fence.older = reported(1, &[0.5, 0.6]);
        // Not the values of the trial that went rung by rung.
        later.stop.as_mut().unwrap().resumed = reported(2, &[0.5, 0.6, 0.8]);
        assert_eq!(failures(&open), []);
        let told: Vec<_> = judge(&open).into_iter().filter(|check| check.verdict == Verdict::Told).collect();
        assert_eq!(told.iter().map(|check| check.name).collect::<Vec<_>>(), ["wrong type", "infeasible", "determinism", "check"]);
        assert!(told[2].why.contains("0.7") && told[2].why.contains("0.8"), "{}", told[2].why);
    }

    #[test]
    fn each_breach_fails_the_check_that_looks_for_it() {
        fn later(observed: &mut Observed) -> &mut Later {
            observed.later.as_mut().unwrap()
        }
        fn stop(observed: &mut Observed) -> &mut Stop {
            later(observed).stop.as_mut().unwrap()
        }
        type Breach = fn(&mut Observed);
        let breaches: [(&str, &str, Breach); 19] = [
            ("checkpoint", "nothing lies", |o| o.checkpoint_files = 0),
            ("re-run", "attempt 1, not of 2", |o| later(o).rerun.message = reported(1, &[0.5]).message),
            ("re-run", "[0.5] first, then with [0.4]", |o| {
                later(o).rerun = reported(2, &[0.4]);
                later(o).resumed.clear();
            }),
            ("re-run", "exit code 1, and said \"oh\"", |o| {
                later(o).rerun = ended(2, 1, "oh");
                later(o).resumed.clear();
            }),
            ("resume", "to rung 2", |o| later(o).resumed[1] = reported(4, &[0.5, 0.61, 0.7])),
            ("resume", "rung 1: it is missing", |o| later(o).resumed[0].message = reported(3, &[0.5]).message),
            ("resume", "step is 10, not NAS_TARGET_STEP (20)", |o| {
                let seen = &mut later(o).resumed[0];
                seen.message = String::from_utf8(seen.message.clone()).unwrap().replace("\"step\":20", "\"step\":10").into();
            }),
            ("resume", "seq does not grow", |o| {
                let seen = &mut later(o).resumed[1];
                seen.message = String::from_utf8(seen.message.clone()).unwrap().replace("\"seq\":3", "\"seq\":2").into();
            }),
            ("stop", "no handler", |o| stop(o).stopped.end = End::Signal(15)),
            ("stop", "trained on", |o| stop(o).stopped = reported(1, &[0.5, 0.6, 0.7])),
            ("stop", "longer than a cluster waits", |o| stop(o).stopped.end = End::Overdue),
            ("stop", "exit code 1, not exit code 143", |o| stop(o).stopped = ended(1, 1, "KeyboardInterrupt")),
            ("go on", "exit code 65", |o| stop(o).resumed = ended(2, 65, "the checkpoint is cut")),
            ("fencing", "changed its state", |o| later(o).fence.altered.push("state".into())),
            ("fencing", "attempt 3 reports [0.4, 0.6]", |o| later(o).fence.next = reported(3, &[0.4, 0.6])),
            ("wrong type", "exit code 0", |o| o.wrong.as_mut().unwrap().seen = reported(1, &[0.5])),
            ("wrong type", "exit code 65", |o| o.wrong.as_mut().unwrap().seen = ended(1, 65, "rate")),
            ("wrong type", "no word names", |o| o.wrong.as_mut().unwrap().seen = ended(1, 78, "bad configuration")),
            ("infeasible", "not Infeasible", |o| o.infeasible = Some(reported(1, &[0.5]))),
        ];
        for (name, why, breach) in breaches {
            let mut observed = good();
            breach(&mut observed);
            let failed = failures(&observed);
            assert!(failed.iter().any(|(failed, said)| *failed == name && said.contains(why)), "{name}: {why}: {failed:?}");
        }
    }

    #[test]
    fn without_a_first_report_what_needs_one_fails_too() {
        let long = format!("{}{}", String::from_utf8(reported(1, &[0.5]).message).unwrap(), " ".repeat(4096));
        let starts = [
            (ended(1, 0, ""), "no report"),
            (ended(1, 0, "done"), "not a report"),
            (ended(1, 0, &long), "4096"),
            (ended(1, 3, "no such data set"), "exit code 3"),
            (Seen { end: End::Overdue, ..ended(1, 0, "") }, "took too long"),
        ];
        for (start, why) in starts {
            let failed = failures(&Observed { start, later: None, ..good() });
            assert!(failed[0].1.contains(why), "{why}: {failed:?}");
            let names: Vec<_> = failed.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, ["start", "re-run", "resume", "stop", "go on", "fencing"]);
        }
    }

    #[test]
    fn what_could_not_be_tried_has_not_passed() {
        let mut quick = good();
        quick.later.as_mut().unwrap().stop = None;
        let failed = failures(&quick);
        assert_eq!(failed.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["stop", "go on"]);
        assert!(failed[0].1.contains("--rungs"));
        // Nor has a trainer whose parameters let it diverge.
        let diverged =
            ended(1, 0, r#"{"attempt":1,"seq":1,"step":3,"results":[{"rung":0,"outcome":"Diverged","message":"NaN"}]}"#);
        let failed = failures(&Observed { start: diverged, ..good() });
        assert!(failed[0].1.contains("Diverged (NaN): give parameters"), "{failed:?}");
    }
}
