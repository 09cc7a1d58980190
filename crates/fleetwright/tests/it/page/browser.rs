//! A real Chromium without a window, told what to do over its DevTools protocol.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Under which names distributions have it.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// How long an answer may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(300);

/// A browser with one page.
pub(super) struct Browser {
    child: Child,
    runtime: tokio::runtime::Runtime,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    asked: u64,
    events: Vec<Value>,
    _profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Browser {
    /// Starts one; nothing where none is installed.
    pub(super) fn start() -> Option<Self> {
        let profile = tempfile::tempdir().unwrap();
        let started = NAMES.iter().find_map(|name| {
            let mut command = Command::new(name);
            command
                .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
                .args([
                    "--disable-background-networking",
                    "--no-first-run",
                    "--window-size=1400,1000",
                ])
                .args(["--remote-debugging-port=0", "about:blank"])
                .arg(format!("--user-data-dir={}", profile.path().display()))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped());
            command.spawn().ok()
        });
        let Some(mut child) = started else {
            println!("no Chromium is installed: passed over");
            return None;
        };
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let listens = |line: String| Some(line.split_once("DevTools listening on ws://")?.1.to_owned());
        let mut lines = lines.map_while(Result::ok);
        let place = lines.by_ref().find_map(listens).unwrap();
        // It goes on talking, and stops when nobody listens.
        std::thread::spawn(move || lines.for_each(drop));
        let host = place.split('/').next().unwrap().to_owned();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let socket = runtime.block_on(async {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let list = client.get(format!("http://{host}/json/list")).send().await.unwrap();
            let list: Value = serde_json::from_slice(&list.bytes().await.unwrap()).unwrap();
            let pages = list.as_array().unwrap();
            let page = pages.iter().find(|one| one["type"] == "page").unwrap();
            let url = page["webSocketDebuggerUrl"].as_str().unwrap();
            tokio_tungstenite::connect_async(url).await.unwrap().0
        });
        let mut browser = Self {
            child,
            runtime,
            socket,
            asked: 0,
            events: Vec::new(),
            _profile: profile,
        };
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        // Without a window nothing would ever have the focus.
        browser.call("Emulation.setFocusEmulationEnabled", json!({"enabled": true}));
        Some(browser)
    }

    fn message(&mut self) -> Value {
        let next = async { tokio::time::timeout(PATIENCE, self.socket.next()).await };
        match self.runtime.block_on(next).unwrap().unwrap().unwrap() {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Asks for something and waits for the answer.
    pub(super) fn call(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let text = json!({"id": self.asked, "method": method, "params": params}).to_string();
        self.runtime.block_on(self.socket.send(Message::text(text))).unwrap();
        loop {
            let mut message = self.message();
            if message["id"] == self.asked {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].take();
            }
            self.events.push(message);
        }
    }

    /// Forgets that a page was loaded, does something that loads one, and waits until it is there.
    fn loads(&mut self, act: impl FnOnce(&mut Self)) {
        let loaded = |event: &Value| event["method"] == "Page.loadEventFired";
        self.events.retain(|event| !loaded(event));
        act(self);
        while !self.events.iter().any(loaded) {
            let event = self.message();
            self.events.push(event);
        }
    }

    pub(super) fn open(&mut self, url: &str) {
        self.loads(|browser| {
            let answer = browser.call("Page.navigate", json!({"url": url}));
            assert!(answer["errorText"].is_null(), "{url}: {answer}");
        });
    }

    /// Clicks on something that leads to another page.
    pub(super) fn follow(&mut self, selector: &str) {
        let click = format!("document.querySelector({}).click()", json!(selector));
        self.loads(|browser| drop(browser.value(&click)));
    }

    /// The value of an expression; a promise is waited for.
    pub(super) fn value(&mut self, expression: &str) -> Value {
        let params =
            json!({"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true});
        let mut answer = self.call("Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer:#}");
        answer["result"]["value"].take()
    }

    /// Waits until a condition holds in the page that is open, without loading it anew.
    pub(super) fn until(&mut self, what: &str, condition: &str) {
        let wait = format!(
            "new Promise((done) => {{ const end = Date.now() + 240000; const look = () => ({condition}) ? done(true) \
             : Date.now() > end ? done(false) : setTimeout(look, 50); look(); }})"
        );
        if self.value(&wait) != true {
            let text = self.value("document.body.innerText");
            panic!("{what}: not in time\n{}", text.as_str().unwrap_or_default());
        }
    }

    /// Everything that the page complained about since the last time.
    pub(super) fn complaints(&mut self) -> Vec<String> {
        // Whoever asks gets all events that came before the answer.
        self.value("0");
        let complaint = |event: &Value| match event["method"].as_str()? {
            "Runtime.exceptionThrown" => Some(event["params"]["exceptionDetails"].to_string()),
            "Runtime.consoleAPICalled" if event["params"]["type"] == "error" => Some(event["params"].to_string()),
            "Log.entryAdded" if event["params"]["entry"]["level"] == "error" => {
                Some(event["params"]["entry"].to_string())
            }
            _ => None,
        };
        let found = self.events.iter().filter_map(complaint).collect();
        self.events.clear();
        found
    }

    /// Shows pages as somebody sees them who prefers this.
    pub(super) fn prefer(&mut self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }
}
