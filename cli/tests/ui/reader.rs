//! What a reader does: filters, marks, compares, opens; by mouse, by keys, and with a program that reads the page aloud.

use std::{fs, path::Path};

use nas_api::objects::NasTrial;
use nas_testkit::made_ready;
use serde_json::Value;

use crate::{
    browser::Browser,
    journal::{self, HOSTILE},
    opened,
    server::Server,
};

fn last(trial: &NasTrial) -> Option<f64> {
    trial.status.as_ref()?.rungs.iter().filter_map(|at| at.value).next_back()
}

/// Trials of the list, over all its pages.
fn listed(browser: &mut Browser) -> usize {
    let found = browser.text("document.querySelector('#found').textContent");
    found.rsplit(' ').next().unwrap().replace(',', "").parse().unwrap_or_else(|_| panic!("{found}"))
}

#[test]
fn trials_are_filtered_compared_and_opened_by_keys_alone() {
    let folder = tempfile::tempdir().unwrap();
    let trials = journal::write(folder.path(), 300);
    let server = Server::start(&[folder.path().to_str().unwrap()], "/nonexistent");
    let mut browser = opened(&server);
    assert_eq!(listed(&mut browser), 300);

    browser.key("/");
    browser.write("acc<b>uracy >= 0.6, learning_rate < 0.1");
    let rate = |trial: &&NasTrial| trial.assignment()["learning_rate"].as_f64().unwrap() < 0.1;
    let expected = trials.iter().filter(rate).filter(|trial| last(trial).is_some_and(|value| value >= 0.6)).count();
    assert!(expected > 3 && expected < 200, "{expected}");
    browser.until(&format!("document.querySelector('#found').textContent.endsWith(' of {expected}')"));
    // What is wrong with what was typed is said.
    browser.write(", nonsense < 1");
    browser.until("document.querySelector('#found').textContent.includes('nothing here is called “nonsense”')");
    browser.key("Escape");
    browser.until("document.querySelector('#found').textContent.endsWith(' of 300')");

    browser.key("t");
    browser.key("c");
    browser.key("ArrowDown");
    browser.key("c");
    browser
        .until("document.querySelectorAll('#compare').length && !document.querySelector('#compare').closest('section').hidden");
    let first = browser.table("#trials-list");
    let numbers: Vec<usize> = first.iter().take(2).map(|row| row[1].parse().unwrap()).collect();
    browser.until("Ui.curves.length === 2");
    let rates: Vec<Vec<String>> =
        browser.table("#compare ~ .panel").into_iter().filter(|row| row[0] == "learning_rate").collect();
    for (number, shown) in numbers.iter().zip(&rates[0][1..]) {
        let rate = trials[*number].assignment()["learning_rate"].as_f64().unwrap();
        assert!((shown.parse::<f64>().unwrap() / rate - 1.0).abs() < 0.05, "{shown}, not {rate}");
    }
    browser.key("Enter");
    browser.until(&format!("document.querySelector('#detail')?.dataset.trial === '{}'", numbers[1]));
    assert_eq!(browser.text("document.activeElement.textContent"), format!("Trial {}", numbers[1]));
    browser.key("Escape");
    browser.until("!document.querySelector('#detail').open");
    // The focus is where it was.
    assert_eq!(browser.text("document.activeElement.dataset.open"), numbers[1].to_string());
    // Down over the end of the page.
    for _ in 0..25 {
        browser.key("ArrowDown");
    }
    browser.until("document.querySelector('#found').textContent.startsWith('26 to 50 ')");
    browser.click("[data-sort='learning_rate']");
    let lowest = trials.iter().map(|trial| trial.assignment()["learning_rate"].as_f64().unwrap()).fold(f64::MAX, f64::min);
    browser.until(&format!("Number(document.querySelector('#trials-list tbody tr').cells[8].textContent) <= {lowest} + 1e-5"));
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
}

#[test]
fn what_is_marked_in_a_chart_is_what_the_list_shows() {
    let folder = tempfile::tempdir().unwrap();
    let trials = journal::write(folder.path(), 300);
    let server = Server::start(&[folder.path().to_str().unwrap()], "/nonexistent");
    let mut browser = opened(&server);
    browser.value("document.querySelector('#scatter select').value = 'learning_rate'; document.querySelector('#scatter select').dispatchEvent(new Event('change')); document.querySelector('#scatter').scrollIntoView()");
    browser.until("document.querySelector('#scatter').dataset.points > 0");
    // The whole left half of the chart; where its middle lies is asked of the chart.
    let [_, _, left, top, width, height] = browser.place("#scatter .plot");
    let middle = browser.value("Report.figures.find((figure) => figure.plot.closest('#scatter')).chart.convertFromPixel({ xAxisIndex: 0 }, Math.round(document.querySelector('#scatter .plot').clientWidth / 2))").as_f64().unwrap();
    browser.drag((left + 66.0, top + 18.0), (left + (width / 2.0).round(), top + height - 66.0));
    browser.until("Ui.brushed()");
    let rate = |trial: &NasTrial| trial.assignment()["learning_rate"].as_f64().unwrap();
    let first = |trial: &NasTrial| trial.status.as_ref().unwrap().rungs.first().is_some_and(|at| at.value.is_some());
    let expected = trials.iter().filter(|trial| first(trial) && rate(trial) <= middle).count() as i64;
    let shown = listed(&mut browser) as i64;
    // A point that lies on the edge is on neither side.
    assert!((shown - expected).abs() <= 1 && expected > 10 && expected < 290, "{shown}, not {expected}");
    browser.until(&format!("document.querySelector('#chips').textContent.includes('{shown} marked in charts')"));

    // Along an axis of the parallel coordinates: both marks hold.
    browser.value("document.querySelector('#parallel').scrollIntoView()");
    browser.until("document.querySelector('#parallel').dataset.points > 0");
    let axis = browser.value("(() => { const chart = Report.figures.find((figure) => figure.plot.closest('#parallel')).chart; const axes = chart.getOption().parallelAxis; const at = axes.findIndex((axis) => axis.id === 'learning_rate'); const layout = chart.getModel().getComponent('parallel').coordinateSystem.getAxisLayout(`dim${at}`); const box = document.querySelector('#parallel .plot').getBoundingClientRect(); return [box.x + layout.position[0], box.y + layout.position[1]]; })()");
    let [x, y]: [f64; 2] = serde_json::from_value(axis).unwrap();
    browser.drag((x, y - 4.0), (x, y - 60.0));
    browser.until("Ui.brushes.size === 2");
    let both = listed(&mut browser) as i64;
    assert!(both > 0 && both < shown, "{both} of {shown}");
    browser.key("Escape");
    browser.until("!Ui.brushed() && document.querySelector('#found').textContent.endsWith(' of 300')");
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
}

#[test]
fn what_a_hostile_trainer_wrote_is_shown_as_text() {
    let folder = tempfile::tempdir().unwrap();
    let trials = journal::write(folder.path(), 300);
    let failed = trials.iter().find(|trial| trial.status.as_ref().unwrap().segments.iter().any(|end| !end.message.is_empty()));
    let (number, name) = failed.map(|trial| (trial.number(), trial.metadata.name.clone().unwrap())).unwrap();
    let own = folder.path().join("trials").join(&name);
    fs::create_dir_all(&own).unwrap();
    let said = format!(
        "{HOSTILE}\n<svg onload=\"document.title='broken'\"><iframe src='javascript:parent.document.title=1'></iframe>\n"
    );
    fs::write(own.join("trainer.log"), &said).unwrap();
    let server = Server::start(&[folder.path().to_str().unwrap()], "/nonexistent");
    let mut browser = opened(&server);
    browser.value(&format!("Ui.open({number})"));
    browser.until(&format!("document.querySelector('#detail').dataset.trial === '{number}'"));
    let segments = browser.table("#trial-segments");
    assert!(segments.iter().any(|row| row[5] == HOSTILE), "{segments:?}");
    browser.click("#read-log");
    browser.until("!document.querySelector('#trial-log pre').hidden");
    assert_eq!(browser.text("document.querySelector('#trial-log pre').textContent"), said);
    browser.value(&format!("Ui.choose({number}, true)"));
    browser.until("document.querySelector('#compare')");
    // Tables, charts' words, and all that was drawn meanwhile.
    browser.value("document.querySelectorAll('details').forEach((details) => { details.open = true; })");
    browser.until("document.querySelector('#failures-list').textContent.includes('</script>')");
    assert_eq!(browser.text("document.title"), "made · nasctl ui");
    let markup =
        "document.querySelectorAll('#page img, #page iframe, #page script, #detail img, #detail iframe, #detail script').length";
    assert_eq!(browser.value(markup), 0);
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
    // And if it became markup, it would not run: neither a script nor an attribute of an element.
    browser.value("document.body.insertAdjacentHTML('beforeend', `<img src=x onerror=\"document.title='broken'\">`)");
    browser.until("document.querySelector('img').complete");
    assert_eq!(browser.text("document.title"), "made · nasctl ui");
    assert!(browser.complaints.iter().any(|said| said.contains("Content Security Policy")), "{:?}", browser.complaints);
}

#[test]
fn axe_finds_nothing_that_anybody_is_left_out_by() {
    let folder = tempfile::tempdir().unwrap();
    journal::write(folder.path(), 100);
    let server = Server::start(&[folder.path().to_str().unwrap()], "/nonexistent");
    let mut browser = opened(&server);
    let axe = fs::read_to_string(made_ready("axe.sh", &[]).join("axe.min.js")).unwrap();
    browser.value(&format!("{axe}; typeof axe"));
    let mut checked = 0;
    for is_dark in [false, true] {
        browser.dark(is_dark);
        for act in ["Ui.close()", "Ui.choose(1, true)", "Ui.open(1)"] {
            browser.value(&format!("{{ {act}; }}"));
            browser.until(&format!("{} || document.querySelector('#detail').dataset.trial === '1'", act != "Ui.open(1)"));
            let found = browser.value("axe.run(document, { resultTypes: ['violations'] }).then((found) => ({ passes: found.passes.length, violations: found.violations.map((at) => `${at.id}: ${at.help}: ${at.nodes.map((node) => node.html).join(' | ')}`) }))");
            assert_eq!(found["violations"], Value::Array(Vec::new()), "dark: {is_dark}, after {act}");
            checked += found["passes"].as_u64().unwrap();
        }
    }
    assert!(checked > 6 * 20, "{checked}");
}

/// Says how long it takes: docs/ui.md says how to ask.
#[test]
fn ten_thousand_trials_are_no_hindrance() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ui-10000");
    let trials = journal::write(&folder, 10_000);
    let server = Server::start(&[folder.to_str().unwrap()], "/nonexistent");
    let mut browser = opened(&server);
    assert_eq!(listed(&mut browser), 10_000);
    browser.until("performance.getEntriesByName('shown').length");
    let time = |name: &str| format!("Math.round(performance.getEntriesByName('{name}')[0].startTime)");
    let [paint, shown] = ["first-contentful-paint", "shown"].map(|name| browser.value(&time(name)));
    println!("10,000 trials: first paint after {paint} ms, cells, numbers and list of trials after {shown} ms");
    browser.key("/");
    browser.write("state = diverged");
    browser.until("document.querySelector('#found').textContent !== '1 to 25 of 10,000'");
    let diverged = trials.iter().filter(|trial| {
        let last = trial.status.as_ref().and_then(|status| status.rungs.last());
        last.is_some_and(|last| format!("{:?}", last.outcome) == "Diverged")
    });
    assert_eq!(listed(&mut browser), diverged.count());
    browser.value("Ui.open(7777)");
    browser.until("document.querySelector('#detail').dataset.trial === '7777'");
    browser.value("window.scrollTo(0, document.body.scrollHeight)");
    // The page, its style, two scripts, the data, a trial; and now and then whether something has changed.
    let asked = browser.value("performance.getEntriesByType('resource').map((entry) => new URL(entry.name).pathname).filter((path) => path !== '/state').length");
    assert_eq!(asked, 5);
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
}
