//! Who is not the reader: other pages in the same browser, other programs on the same machine.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    thread,
};

use crate::{
    browser::Browser,
    journal, opened,
    rig::{nasctl, told},
    server::Server,
};

#[test]
fn who_has_not_the_whole_address_reads_nothing() {
    let folder = tempfile::tempdir().unwrap();
    journal::write(folder.path(), 16);
    let server = Server::start(&[folder.path().to_str().unwrap()], "/nonexistent");
    let (host, key) = (&server.host, &server.key);
    let ask = |line: &str, headers: &str| server.send(&format!("{line} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"));
    let own = format!("Host: {host}\r\n");
    let whole = format!("{own}Authorization: Bearer {key}\r\n");
    let answer = ask("GET /data", &whole);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"name\":\"made\""), "{}", &answer[..200]);
    for said in [
        "content-security-policy: default-src 'none'",
        "frame-ancestors 'none'",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
    ] {
        assert!(answer.contains(said), "{said}");
    }
    assert!(!answer.contains("access-control-"));
    let cases = [
        ("GET /data", own.clone(), "401"),
        ("GET /trials/1", own.clone(), "401"),
        ("GET /trials/1/log", own.clone(), "401"),
        ("GET /curves/1", own.clone(), "401"),
        ("GET /state", own.clone(), "401"),
        ("GET /nothing", own.clone(), "401"),
        // A name of somebody else's that leads here.
        ("GET /data", format!("Host: evil.example\r\nAuthorization: Bearer {key}\r\n"), "421"),
        ("GET /", "Host: evil.example\r\n".to_owned(), "421"),
        ("GET /data", format!("{whole}Origin: http://evil.example\r\n"), "403"),
        ("POST /data", format!("{whole}Content-Length: 0\r\n"), "405"),
        (
            "OPTIONS /data",
            format!("{own}Origin: http://evil.example\r\nAccess-Control-Request-Headers: authorization\r\n"),
            "405",
        ),
        ("GET /trials/99", whole.clone(), "404"),
        ("GET /curves/1,x", whole.clone(), "400"),
        ("GET /nothing", whole.clone(), "404"),
        ("GET /", own.clone(), "200"),
    ];
    for (line, headers, expected) in cases {
        let answer = ask(line, &headers);
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{line} {headers}: {answer}");
        assert!(!answer.contains("\"made") && !answer.contains(key), "{line} {headers}: {answer}");
    }

    let port = host.rsplit(':').next().unwrap();
    let (code, said) = told(nasctl().arg("ui").arg(folder.path()).args(["--port", port]));
    assert!(code == 64 && said.contains(&format!("port {port} is taken")), "{code}: {said}");
    assert_eq!(server.end(), Some(0));
}

/// A page of somebody else's, on a port of its own; it ends with the test.
fn elsewhere(page: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let _ = lines.map_while(Result::ok).find(String::is_empty);
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
                page.len()
            );
        }
    });
    address
}

#[test]
fn another_page_in_the_same_browser_reads_nothing_either() {
    let folder = tempfile::tempdir().unwrap();
    journal::write(folder.path(), 16);
    let server = Server::start(&[folder.path().to_str().unwrap()], "/nonexistent");
    // The reader has it open, with the key in a tab.
    let mut reader = opened(&server);
    assert!(!reader.text("window.location.href").contains(&server.key));
    // Even one that has got hold of the key.
    let page = format!(
        "<!doctype html><title>evil</title><script>
const target = 'http://{host}';
const tries = {{
  plain: () => fetch(target + '/data').then((answer) => answer.text()),
  withKey: () => fetch(target + '/data', {{ headers: {{ Authorization: 'Bearer {key}' }} }}).then((answer) => answer.text()),
  posted: () => fetch(target + '/data', {{ method: 'POST', mode: 'no-cors' }}).then((answer) => answer.text()),
  script: () => new Promise((resolve, reject) => {{ const it = document.createElement('script'); it.src = target + '/ui.js'; it.onload = () => resolve('ran'); it.onerror = reject; document.head.append(it); }}),
}};
const frame = document.createElement('iframe');
frame.src = target + '/';
const framed = new Promise((resolve) => {{ frame.onload = () => {{ let inside = ''; try {{ inside = frame.contentDocument.body.innerText; }} catch {{ inside = ''; }} resolve(inside); }}; }});
document.documentElement.append(frame);
Promise.allSettled([...Object.values(tries).map((attempt) => attempt()), framed]).then((all) => {{ window.got = all.map((one) => (one.status === 'fulfilled' ? one.value : '')); }});
</script>",
        host = server.host,
        key = server.key
    );
    let mut hostile = Browser::start(800, 600);
    hostile.open(&elsewhere(page));
    hostile.until("window.got");
    let got = hostile.value("window.got");
    assert_eq!(got, serde_json::json!(["", "", "", "", ""]));
    // Not even shown in a frame, for a reader to click at.
    assert!(hostile.complaints.iter().any(|said| said.contains("frame-ancestors")), "{:?}", hostile.complaints);
    // In a tab of its own, without the key, there is an empty page that says what is missing.
    hostile.open(&format!("http://{}/", server.host));
    hostile.until("document.querySelector('#reading')?.textContent.includes('the key is missing or wrong')");
}
