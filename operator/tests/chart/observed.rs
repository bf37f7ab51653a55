//! A real Prometheus scrapes an operator and a trainer; every panel of the dashboard and every alert finds what it asks for. By
//! `make verify-observability`, which brings the programs.

use std::{
    collections::BTreeSet,
    env,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use nas_testkit::{eventually, made_ready};
use serde_json::{Value, json};

use crate::{
    helm::{chart, documents},
    played::{Played, documented, free, json_of, rows, scrape},
};

/// A Prometheus that ends with the test.
struct Prometheus {
    child: Child,
    address: SocketAddr,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    fn start(tools: &Path, folder: &Path, jobs: &Value) -> Self {
        let address = free();
        let rules = folder.join("rules.yaml");
        std::fs::copy(chart().join("files/monitoring/alerts.yaml"), &rules).unwrap();
        let config = json!({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules],
            "scrape_configs": jobs,
        });
        let file = folder.join("prometheus.yml");
        std::fs::write(&file, config.to_string()).unwrap();
        let log = std::fs::File::create(folder.join("prometheus.log")).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(tools.join("prometheus")).current_dir(folder);
        command.arg("--config.file").arg(file).arg("--storage.tsdb.path").arg(folder.join("data"));
        command.args(["--web.listen-address", &address.to_string(), "--log.level", "warn"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Self { child, address }
    }

    fn get(&self, path: &str, query: Option<&str>) -> Result<Value, String> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--get", "--max-time", "10"]).arg(format!("http://{}{path}", self.address));
        if let Some(query) = query {
            curl.arg("--data-urlencode").arg(format!("query={query}"));
        }
        let output = curl.output().unwrap();
        if !output.status.success() {
            return Err(format!("{path}: {}", output.status));
        }
        // It says in words that it is not ready yet.
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let answer: Value = serde_json::from_str(&said).map_err(|_| said)?;
        if answer["status"] == "success" { Ok(answer["data"].clone()) } else { Err(format!("{query:?}: {answer}")) }
    }

    /// How many series a query returns whose value is a number.
    fn numbers(&self, query: &str) -> Result<usize, String> {
        let data = self.get("/api/v1/query", Some(query))?;
        let values = data["result"].as_array().into_iter().flatten();
        Ok(values.filter(|series| series["value"][1].as_str().is_some_and(|value| value != "NaN")).count())
    }
}

/// What a panel asks, with the dashboard's variables filled in.
fn filled(expression: &str) -> String {
    let filled = expression.replace("$__rate_interval", "2m").replace("$namespace", ".*").replace("$experiment", ".*");
    assert!(!filled.contains('$'), "a variable is left in {filled}");
    filled
}

/// Every selector in what Prometheus read out of an expression, without the labels that only a fault sets.
fn selectors(tree: &Value, all: &mut BTreeSet<String>) {
    match tree {
        Value::Object(map) => {
            if map.get("type") == Some(&json!("vectorSelector")) || map.get("type") == Some(&json!("matrixSelector")) {
                let kept = ["job", "phase"];
                let matchers = map["matchers"].as_array().into_iter().flatten();
                let words: Vec<String> = matchers
                    .filter(|matcher| matcher["name"].as_str().is_some_and(|name| kept.contains(&name)))
                    .map(|matcher| {
                        format!("{}{}{}", matcher["name"].as_str().unwrap(), matcher["type"].as_str().unwrap(), matcher["value"])
                    })
                    .collect();
                all.insert(format!("{}{{{}}}", map["name"].as_str().unwrap(), words.join(",")));
            }
            map.values().for_each(|value| selectors(value, all));
        }
        Value::Array(list) => list.iter().for_each(|value| selectors(value, all)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make verify-observability"]
async fn every_panel_and_every_alert_finds_what_it_asks_for() {
    let tools = made_ready("go-tools.sh", &["observability"]);
    let trainer: SocketAddr = env::var("NAS_TRAINER_METRICS").unwrap().parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let played = Played::begin("observed").await;

    // The labels are those that the chart's monitors give: of the target, and out of the pod's labels.
    let namespace = &played.rig.namespace.name;
    let prometheus = Prometheus::start(
        &tools,
        folder.path(),
        &json!([
            {"job_name": "nas-operator", "honor_labels": true, "static_configs": [
                {"targets": [played.address], "labels": {"namespace": "nas-system", "pod": "nas-operator-0"}}]},
            {"job_name": "nas-trial", "static_configs": [
                {"targets": [trainer], "labels": {"namespace": namespace, "experiment": "small", "trial": "small-0", "rung": "0", "pod": "small-0-r0-a0-x"}}]},
        ]),
    );
    eventually("both are scraped", || async {
        let up = prometheus.numbers("up == 1")?;
        if up == 2 { Ok(()) } else { Err(format!("{up} of 2 are up")) }
    })
    .await;

    let dashboard = json_of(&std::fs::read_to_string(chart().join("files/monitoring/dashboard.json")).unwrap());
    let mut asked: Vec<(String, String)> = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        let targets = panel["targets"].as_array().into_iter().flatten();
        asked.extend(targets.map(|target| (format!("panel {title}"), filled(target["expr"].as_str().unwrap()))));
    }
    assert!(asked.len() > 30, "{asked:?}");
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if let Some(query) = variable["definition"].as_str() {
            let selector = query.strip_prefix("label_values(").unwrap().rsplit_once(", ").unwrap().0;
            asked.push((format!("variable {}", variable["name"]), filled(selector)));
        }
    }
    let rules = documents(&std::fs::read_to_string(chart().join("files/monitoring/alerts.yaml")).unwrap()).remove(0);
    let mut alerts = 0;
    for rule in rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap()) {
        let tree = prometheus.get("/api/v1/parse_query", rule["expr"].as_str()).unwrap();
        let mut found = BTreeSet::new();
        selectors(&tree, &mut found);
        assert!(!found.is_empty(), "{rule}");
        asked.extend(found.into_iter().map(|selector| (format!("alert {}", rule["alert"]), selector)));
        alerts += 1;
    }

    // The search goes on meanwhile: rates need something that changes.
    let going = async {
        played.crash().await;
        loop {
            played.report().await;
        }
    };
    let asking = async {
        for (what, query) in &asked {
            eventually(what, || async {
                match prometheus.numbers(query) {
                    Ok(0) => Err(format!("no data: {query}")),
                    Ok(_) => Ok(()),
                    Err(error) => Err(error),
                }
            })
            .await;
        }
    };
    tokio::select! {
        () = going => {}
        () = asking => {}
    }

    let found = prometheus.get("/api/v1/rules", None).unwrap();
    let found: Vec<&Value> =
        found["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert_eq!(found.len(), alerts);
    assert!(found.iter().all(|rule| rule["health"] == "ok"), "{found:#?}");
    println!("{} queries of panels and variables and {alerts} alerts found their data", asked.len());

    // What the trainer serves is what the page of metrics tells.
    assert_eq!(rows(&scrape(trainer)), documented(|row| row.starts_with("nas_trainer_")));
    for text in [played.scrape(), scrape(trainer)] {
        let mut promtool = Command::new(tools.join("promtool"));
        let mut child = promtool
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
        let ended = child.wait_with_output().unwrap();
        let complaints = String::from_utf8_lossy(&ended.stderr);
        // Hours are what spec.budget.gpuHours is in.
        let others: Vec<&str> = complaints.lines().filter(|line| !line.is_empty() && !line.contains("_gpu_hours_")).collect();
        assert_eq!(others, [] as [&str; 0]);
    }
    played.operator.stop().await;
}
