//! `nasctl report`, read back by a browser.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "a test of small numbers fails by panicking"
)]

mod browser;
mod export;
mod journal;
#[path = "../rig/mod.rs"]
mod rig;

use std::{fs, path::Path};

use browser::{between, open, rows, text};
use nas_api::objects::NasTrial;
use rig::{ended, nasctl};
use serde_json::Value;

fn report(folder: &Path, output: &str) -> String {
    let (code, report, said) = ended(nasctl().arg("report").arg(folder).arg("--output").arg(output));
    assert_eq!(code, 0, "{said}");
    report
}

/// Values at a rung, with the trials' numbers.
fn values(trials: &[NasTrial], rung: i64) -> Vec<(f64, u64)> {
    let of = |trial: &NasTrial| {
        let recorded = trial.status.as_ref()?.rungs.iter().find(|recorded| recorded.rung == rung)?;
        Some((recorded.value?, trial.number()))
    };
    trials.iter().filter_map(of).collect()
}

#[test]
fn what_the_page_shows_is_what_was_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let trials = journal::write(folder.path(), 300);
    let page = folder.path().join("report.html");
    report(folder.path(), page.to_str().unwrap());
    let document = open(&page);
    assert!(document.contains("data-ready=\"true\""));

    let top = (0..5).rev().map(|rung| values(&trials, rung)).find(|values| !values.is_empty()).unwrap();
    let (best, trial) = top.iter().copied().reduce(|one, other| if other.0 > one.0 { other } else { one }).unwrap();
    let card = between(&document, "data-card=\"best acc&lt;b&gt;uracy\"", "</dd>");
    assert_eq!(text(between(card, ">", "<small")), format!("{best:.4}"));
    assert!(text(card).contains(&format!("trial {trial}, after 256 epochs")), "{card}");
    assert_eq!(text(between(&document, "data-card=\"trials\">", "<small")), "300");
    let steps: i64 = (0..5).map(|rung| values(&trials, rung).len() as i64 * [1, 3, 12, 48, 192][rung as usize]).sum();
    let shown = text(between(&document, "data-card=\"training\">", "<small")).replace(',', "");
    assert_eq!(shown, steps.to_string());

    let listed = rows(between(&document, "id=\"trials-list\"", "id=\"failures\""));
    assert_eq!(listed.len(), 25);
    let mut order: Vec<(usize, f64, u64)> = Vec::new();
    for rung in 0..5 {
        for (value, number) in values(&trials, rung) {
            order.retain(|(_, _, other)| *other != number);
            order.push((rung as usize, value, number));
        }
    }
    order.sort_by(|one, other| other.0.cmp(&one.0).then(other.1.total_cmp(&one.1)).then(one.2.cmp(&other.2)));
    for (row, (rung, value, number)) in listed.iter().zip(&order) {
        let expected = [number.to_string(), [1, 4, 16, 64, 256][*rung].to_string(), format!("{value:.4}")];
        assert_eq!([&row[0], &row[2], &row[3]], expected.each_ref(), "{row:?}");
    }

    let figure = |id: &str| rows(between(&document, &format!("<figure id=\"{id}\""), "</figure>"));
    let funnel = figure("funnel");
    assert_eq!(funnel.len(), 5);
    for (rung, row) in funnel.iter().enumerate() {
        let mut values = values(&trials, rung as i64);
        values.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
        // Trials that failed stand in their rung, too.
        assert!(row[3].parse::<usize>().unwrap() >= values.len(), "{row:?}");
        assert_eq!([&row[5], &row[6]], [&format!("{:.4}", values[0].0), &values[0].1.to_string()], "{row:?}");
    }
    // The best so far only grows, rung by rung, and ends with the best.
    let anytime = figure("anytime");
    for rung in 0..5 {
        let of_rung: Vec<f64> =
            anytime.iter().filter(|row| row[0] == rung.to_string()).map(|row| row[2].parse().unwrap()).collect();
        assert!(of_rung.is_sorted(), "{of_rung:?}");
        let best = values(&trials, rung).iter().map(|(value, _)| *value).fold(0.0, f64::max);
        assert!((of_rung.last().unwrap() - best).abs() < 1e-4, "{of_rung:?}, not {best}");
    }
    // The curve of the best trial goes through what its rungs recorded.
    let curve: Vec<Vec<String>> = figure("curves").into_iter().filter(|row| row[0] == trial.to_string()).collect();
    let recorded = &trials[trial as usize].status.as_ref().unwrap().rungs;
    assert_eq!(curve.len(), recorded.len());
    for (row, recorded) in curve.iter().zip(recorded) {
        assert!((row[2].parse::<f64>().unwrap() - recorded.value.unwrap()).abs() < 1e-4, "{row:?}");
    }
    // What the formula pays for is found, with intervals that leave out zero.
    let effects = figure("effect-operations-of-the-normal-cell");
    let effect = |op: &str| -> Vec<f64> {
        let row = effects.iter().find(|row| row[0] == op).unwrap();
        row[1..4].iter().map(|number| number.parse().unwrap()).collect()
    };
    let [pays, costs] = ["sep_conv_3x3", "skip_connect"].map(effect);
    assert!(pays[1] < pays[0] && pays[0] < pays[2] && costs[1] < costs[0] && costs[0] < costs[2], "{pays:?} {costs:?}");
    assert!(pays[0] > 0.0 && costs[0] < 0.0, "{pays:?} {costs:?}");

    let log = rows(between(&document, "id=\"log\"", "</section>"));
    assert_eq!((log[0][1].as_str(), log[0][2].as_str(), log.len()), ("created", "0", 50));
    // Every chart was drawn, and none of nothing.
    let figures: Vec<&str> = document.split("<figure").skip(1).map(|figure| figure.split_once('>').unwrap().0).collect();
    assert_eq!(figures.len(), 11, "{figures:?}");
    for figure in figures {
        let points: usize = between(figure, "data-points=\"", "\"").parse().unwrap();
        assert!(points > 0, "{figure}");
    }
    assert!(document.matches("<canvas").count() >= 11);
    assert_eq!(document.matches("class=\"nas-cells\"").count(), 2);
}

#[test]
fn nothing_that_a_person_or_a_trainer_wrote_becomes_markup() {
    let folder = tempfile::tempdir().unwrap();
    journal::write(folder.path(), 64);
    let page = folder.path().join("report.html");
    report(folder.path(), page.to_str().unwrap());
    let source = fs::read_to_string(&page).unwrap();
    assert_eq!(source.matches("<script").count(), 3);
    assert!(!source.contains("<img"));
    // Even if it did: a script that is not ours does not run.
    let slipped = folder.path().join("slipped.html");
    fs::write(&slipped, source.replace("<noscript>", "<script>document.title='broken'</script><noscript>")).unwrap();
    let document = open(&slipped);
    assert!(document.contains("data-ready=\"true\"") && document.contains("<title>made · nas-operator</title>"));
    let document = open(&page);
    assert_eq!(between(&document, "<title>", "</title>"), "made · nas-operator");
    let drawn = between(&document, "<div id=\"page\">", "<script type=\"application/json\"");
    assert!(!drawn.contains("<img") && !drawn.contains("<script"), "hostile words became markup");
    for part in ["id=\"failures-list\"", "id=\"experiment\"", "data-fact=\"augmentation\"", "data-fact=\"note\""] {
        let (_, rest) = drawn.split_once(part).unwrap_or_else(|| panic!("{part} is missing"));
        let rest = rest.split("</section>").next().unwrap();
        assert!(part.contains("augmentation") || rest.contains("&lt;/script&gt;&lt;script&gt;"), "{part}");
    }
}

#[test]
fn the_same_records_give_the_same_bytes_and_the_file_searches_the_same() {
    let folder = tempfile::tempdir().unwrap();
    journal::write(folder.path(), 64);
    let [one, other] = ["one.html", "other.html"].map(|name| {
        let path = folder.path().join(name);
        report(folder.path(), path.to_str().unwrap());
        fs::read(path).unwrap()
    });
    assert!(one == other);
    let data: Value = serde_json::from_str(&report(folder.path(), "json")).unwrap();
    let again = folder.path().join("again.yaml");
    fs::write(&again, data["experiment"].as_str().unwrap()).unwrap();
    let first = |file: &Path| {
        let (code, preview, said) = ended(nasctl().arg("preview").arg(file).args(["--trials", "9", "--output", "json"]));
        assert_eq!(code, 0, "{said}");
        preview
    };
    let original = folder.path().join("original.yaml");
    fs::write(&original, journal::experiment(64)).unwrap();
    assert!(first(&again) == first(&original));
}

#[test]
fn ten_thousand_trials_are_no_hindrance() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report-10000");
    let trials = journal::write(&folder, 10_000);
    let page = folder.join("report.html");
    report(&folder, page.to_str().unwrap());
    assert!(fs::metadata(&page).unwrap().len() < 12_000_000);
    let document = open(&page);
    assert_eq!(text(between(&document, "data-card=\"trials\">", "<small")), "10,000");
    let results: usize = (0..5).map(|rung| values(&trials, rung).len()).sum();
    let said = text(between(&document, "data-card=\"trials\"", "</dd>")).replace(',', "");
    assert!(said.contains(&format!("{results} results")), "{said}");
    assert!(document.matches("<canvas").count() >= 11);
}
