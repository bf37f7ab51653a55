//! Plays the part of a node that an API server asks for the logs of its pods.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
};

use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ServerConfig, ServerConnection, StreamOwned, pki_types::PrivateKeyDer};
use serde_json::json;

/// A node whose pods say what a test lets them say.
#[derive(Clone, Debug)]
pub struct LogNode {
    said: Arc<(Mutex<BTreeMap<String, Log>>, Condvar)>,
    port: u16,
}

/// Of one container.
#[derive(Debug, Default)]
struct Log {
    lines: Vec<String>,
    has_ended: bool,
}

impl LogNode {
    /// Listens on a free port of 127.0.0.1. A thread serves it as long as the process lives.
    ///
    /// # Panics
    ///
    /// If it cannot.
    #[expect(clippy::expect_used, reason = "this is for tests alone")]
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
        // The API server asks for none of its own.
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .expect("the certificate and its key");
        let node = Self { said: Arc::default(), port };
        let (serving, config) = (node.clone(), Arc::new(config));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (node, config) = (serving.clone(), Arc::clone(&config));
                // Who asked may go away at any time.
                thread::spawn(move || drop(node.answer(stream, config)));
            }
        });
        node
    }

    /// Lets the API server know it as the node `name`.
    ///
    /// # Panics
    ///
    /// If the API server refuses it.
    #[expect(clippy::panic, reason = "this is for tests alone")]
    pub async fn join(&self, client: &Client, name: &str) {
        let nodes: Api<Node> = Api::all(client.clone());
        let mut node = Node::default();
        node.metadata.name = Some(name.to_owned());
        nodes.create(&PostParams::default(), &node).await.unwrap_or_else(|error| panic!("node {name}: {error}"));
        let status = json!({"status": {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self.port}},
        }});
        let patched = nodes.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await;
        patched.unwrap_or_else(|error| panic!("status of node {name}: {error}"));
    }

    /// A container says a line.
    pub fn say(&self, pod: &str, container: &str, line: &str) {
        self.change(pod, container, |log| log.lines.push(line.to_owned()));
    }

    /// A container says no more.
    pub fn end(&self, pod: &str, container: &str) {
        self.change(pod, container, |log| log.has_ended = true);
    }

    fn change(&self, pod: &str, container: &str, change: impl FnOnce(&mut Log)) {
        let (said, changed) = &*self.said;
        change(said.lock().unwrap_or_else(PoisonError::into_inner).entry(format!("{pod}/{container}")).or_default());
        changed.notify_all();
    }

    /// Answers `GET /containerLogs/NAMESPACE/POD/CONTAINER?follow=true&timestamps=true`.
    fn answer(&self, stream: TcpStream, config: Arc<ServerConfig>) -> Result<(), Box<dyn std::error::Error>> {
        let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(config)?, stream));
        let mut request = String::new();
        stream.read_line(&mut request)?;
        let mut header = String::from("x");
        while !header.trim().is_empty() {
            header.clear();
            stream.read_line(&mut header)?;
        }
        let mut stream = stream.into_inner();
        let target = request.split(' ').nth(1).unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let asks = |word: &str| query.split('&').any(|part| part == word);
        let key = path.rsplit('/').take(2).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("/");
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n")?;
        let mut shown = 0;
        loop {
            let (lines, has_ended) = self.next(&key, shown, asks("follow=true"));
            for line in &lines {
                let time = format!("2026-01-01T00:00:{:02}.{:09}Z ", shown / 10, 1 + shown % 10);
                shown += 1;
                writeln!(stream, "{}{line}", if asks("timestamps=true") { time.as_str() } else { "" })?;
            }
            stream.flush()?;
            if has_ended {
                stream.conn.send_close_notify();
                stream.flush()?;
                // The other side closes first: what is on its way arrives.
                let _ = stream.sock.read(&mut [0; 64]);
                return Ok(());
            }
        }
    }

    /// What was said behind the first `shown` lines, and whether that is all; waits for it where it is followed.
    fn next(&self, key: &str, shown: usize, follows: bool) -> (Vec<String>, bool) {
        let (said, changed) = &*self.said;
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let log = said.entry(key.to_owned()).or_default();
            if !follows || log.has_ended || log.lines.len() > shown {
                let lines = log.lines.get(shown..).unwrap_or_default().to_vec();
                return (lines, !follows || log.has_ended);
            }
            said = changed.wait(said).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
