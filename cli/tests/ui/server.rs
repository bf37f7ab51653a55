//! `nasctl ui` as a process.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::Stdio,
};

use nix::sys::signal::Signal;

use crate::rig::{Running, nasctl};

/// One that runs.
pub(crate) struct Server {
    process: Running,
    /// With the key.
    pub(crate) address: String,
    /// 127.0.0.1 and the port.
    pub(crate) host: String,
    pub(crate) key: String,
}

impl Server {
    /// Starts it with these arguments, and waits until it says where it is.
    pub(crate) fn start(arguments: &[&str], kubeconfig: &str) -> Self {
        let mut command = nasctl();
        command.arg("ui").args(arguments).env("KUBECONFIG", kubeconfig).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = Running::start(&mut command);
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = lines.map_while(Result::ok).find(|line| line.starts_with("  http://")).expect("it says where it is");
        let address = address.trim().to_owned();
        let (host, key) = address.strip_prefix("http://").unwrap().split_once("/#").unwrap();
        let (host, key) = (host.to_owned(), key.to_owned());
        Self { process, address, host, key }
    }

    /// Sends a request as it is, and returns the answer.
    pub(crate) fn send(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Ends it as Ctrl-C does; returns its exit code.
    pub(crate) fn end(mut self) -> Option<i32> {
        self.process.end(Signal::SIGINT)
    }
}
