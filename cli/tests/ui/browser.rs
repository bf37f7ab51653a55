//! Headless Chromium, driven through its debugging pipe: a page is opened, keys and clicks are given to it, and what it shows is read.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Longest wait; only a test that fails waits for so long.
const LIMIT: Duration = Duration::from_secs(90);

/// A browser with one page.
pub(crate) struct Browser {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    calls: u64,
    session: Option<String>,
    /// What the page said about itself: errors that nobody caught, what its policy refused.
    pub(crate) complaints: Vec<String>,
    _profile: TempDir,
}

impl Browser {
    /// Starts one with an empty page of this size.
    pub(crate) fn start(width: u32, height: u32) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let program = std::env::var("NAS_CHROMIUM").unwrap_or_else(|_| "chromium".to_owned());
        // The pipe is what Chromium finds as 3 and 4.
        let mut process = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>/dev/null", &program])
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--remote-debugging-pipe", &format!("--window-size={width},{height}")])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut browser = Self { process, input, output, calls: 0, session: None, complaints: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", &json!({"targetId": target, "flatten": true}));
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        browser.call("Emulation.setDeviceMetricsOverride", &size);
        browser
    }

    /// Calls a method of Chromium's protocol.
    pub(crate) fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.calls += 1;
        let mut message = json!({"id": self.calls, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let input = self.input.as_mut().unwrap();
        input.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let mut bytes = Vec::new();
            self.output.read_until(0, &mut bytes).unwrap();
            bytes.pop();
            assert!(!bytes.is_empty(), "Chromium has ended (Debian's package chromium, or NAS_CHROMIUM)");
            let answer: Value = serde_json::from_slice(&bytes).unwrap();
            if answer["id"] == self.calls {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            match answer["method"].as_str() {
                Some("Runtime.exceptionThrown") => self.complaints.push(answer["params"]["exceptionDetails"].to_string()),
                Some("Log.entryAdded") => self.complaints.push(answer["params"]["entry"]["text"].to_string()),
                _ => {}
            }
        }
    }

    pub(crate) fn open(&mut self, address: &str) {
        self.call("Page.navigate", &json!({"url": address}));
    }

    /// The value of an expression in the page.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let parameters = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", &parameters);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    pub(crate) fn text(&mut self, expression: &str) -> String {
        let value = self.value(expression);
        value.as_str().unwrap_or_else(|| panic!("{expression} is {value}")).to_owned()
    }

    /// The texts of all elements that fit.
    pub(crate) fn texts(&mut self, selector: &str) -> Vec<String> {
        let all = self.value(&format!("[...document.querySelectorAll({selector:?})].map((element) => element.textContent)"));
        serde_json::from_value(all).unwrap()
    }

    /// The cells of a table, by rows.
    pub(crate) fn table(&mut self, selector: &str) -> Vec<Vec<String>> {
        let rows = format!("[...document.querySelectorAll({:?})]", format!("{selector} tbody tr"));
        let all = self.value(&format!("{rows}.map((row) => [...row.cells].map((cell) => cell.textContent))"));
        serde_json::from_value(all).unwrap()
    }

    /// Waits until an expression is true.
    pub(crate) fn until(&mut self, expression: &str) {
        let deadline = Instant::now() + LIMIT;
        // What is not there yet has no value.
        let expression = format!("(() => {{ try {{ return Boolean({expression}); }} catch {{ return false; }} }})()");
        while self.value(&expression) != true {
            if Instant::now() > deadline {
                let shown = self.value("document.body.innerText.slice(0, 3000)");
                panic!("waited in vain for {expression}: {:?} {shown}", self.complaints);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Presses a key: its name, or a character.
    pub(crate) fn key(&mut self, key: &str) {
        let code = match key {
            "Enter" => 13,
            "Escape" => 27,
            "ArrowUp" => 38,
            "ArrowDown" => 40,
            "Tab" => 9,
            _ => 0,
        };
        let text = if key == "Enter" { "\r" } else { key };
        let mut down = json!({"type": "keyDown", "key": key, "windowsVirtualKeyCode": code});
        if key.chars().count() == 1 || key == "Enter" {
            down["text"] = json!(text);
        }
        self.call("Input.dispatchKeyEvent", &down);
        self.call("Input.dispatchKeyEvent", &json!({"type": "keyUp", "key": key, "windowsVirtualKeyCode": code}));
    }

    pub(crate) fn write(&mut self, text: &str) {
        self.call("Input.insertText", &json!({"text": text}));
    }

    /// The middle of an element that is brought into sight, its left top corner and its size: x, y, left, top, width, height.
    pub(crate) fn place(&mut self, selector: &str) -> [f64; 6] {
        let place = self.value(&format!(
            "(() => {{ const element = document.querySelector({selector:?}); element.scrollIntoView({{ block: 'center' }}); const box = \
             element.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2, box.x, box.y, box.width, box.height]; }})()"
        ));
        serde_json::from_value(place).unwrap()
    }

    fn mouse(&mut self, kind: &str, x: f64, y: f64) {
        let buttons = u8::from(kind != "mouseReleased");
        let event = json!({"type": kind, "x": x, "y": y, "button": "left", "buttons": buttons, "clickCount": 1});
        self.call("Input.dispatchMouseEvent", &event);
    }

    pub(crate) fn click(&mut self, selector: &str) {
        let [x, y, ..] = self.place(selector);
        self.mouse("mousePressed", x, y);
        self.mouse("mouseReleased", x, y);
    }

    pub(crate) fn drag(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.mouse("mousePressed", from.0, from.1);
        for part in 1..=4 {
            let share = f64::from(part) / 4.0;
            self.mouse("mouseMoved", from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1));
        }
        self.mouse("mouseReleased", to.0, to.1);
    }

    pub(crate) fn dark(&mut self, is_dark: bool) {
        let scheme = if is_dark { "dark" } else { "light" };
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", &json!({"features": features}));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends when the pipe is closed.
        self.input = None;
        let deadline = Instant::now() + Duration::from_secs(10);
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
