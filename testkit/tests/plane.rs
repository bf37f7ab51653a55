//! The control plane stays on this machine, and ends with whoever started it.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nas_testkit::Cluster;

/// The sockets that processes hold: (local address, peer), in the kernel's notation.
fn sockets(processes: &[u32]) -> Vec<(String, String)> {
    let mut held = Vec::new();
    for process in processes {
        let folder = format!("/proc/{process}");
        let links = fs::read_dir(format!("{folder}/fd")).unwrap().filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        let inodes: Vec<String> =
            links.filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())).collect();
        for table in ["tcp", "tcp6", "udp", "udp6"] {
            for line in fs::read_to_string(format!("{folder}/net/{table}")).unwrap_or_default().lines().skip(1) {
                let fields: Vec<&str> = line.split_whitespace().collect();
                if inodes.iter().any(|inode| inode == fields[9]) {
                    held.push((fields[1].to_owned(), fields[2].to_owned()));
                }
            }
        }
    }
    held
}

/// 127.0.0.1 as a number, as an IPv4 address in IPv6, and `::1`; or no peer yet.
fn is_local(address: &str) -> bool {
    let host = address.split(':').next().unwrap();
    ["0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"].contains(&host)
}

#[tokio::test]
async fn not_one_socket_of_the_control_plane_leads_out_of_this_machine() {
    let cluster = Cluster::shared();
    cluster.namespace("any").await;
    let sockets = sockets(cluster.processes());
    assert!(sockets.len() > 20, "{sockets:?}");
    for (local, peer) in &sockets {
        let no_peer = peer.ends_with(":0000");
        assert!(is_local(local), "bound to {local} with peer {peer}");
        assert!(no_peer || is_local(peer), "a connection to {peer}");
    }
}

#[test]
fn it_ends_with_whoever_started_it_even_where_that_is_killed() {
    let program = Path::new(env!("CARGO_BIN_EXE_control-plane"));
    let mut supervisor = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(supervisor.stdout.take().unwrap()).lines().map(Result::unwrap);
    let folder = Path::new(&lines.next().unwrap()).parent().unwrap().to_owned();
    let processes: Vec<String> = lines.next().unwrap().split_whitespace().map(|id| format!("/proc/{id}")).collect();
    assert_eq!(processes.len(), 3);
    assert!(processes.iter().all(|process| Path::new(process).exists()));
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while processes.iter().any(|process| Path::new(process).join("exe").canonicalize().is_ok()) {
        assert!(Instant::now() < deadline, "still there: {processes:?}");
        thread::sleep(Duration::from_millis(20));
    }
    // A kill leaves the folder, and nothing else can: clear up behind it.
    fs::remove_dir_all(folder).unwrap();
}
