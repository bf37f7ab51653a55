//! Fetching from a server that cuts, lies, or knows no ranges; by several at once.

use std::{
    fs,
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use nas_trainer::{
    data::DataSet,
    fetch::{FetchError, Published, PublishedFile, fetch},
};
use sha2::{Digest, Sha256};

use crate::{
    folder, says,
    server::{Answer, Server},
    write::{Files, cifar10_binary, idx, tar_gz},
};

const IMAGES: &str = "train-images-idx3-ubyte.gz";

fn published(files: &Files, url: &str) -> Published {
    let file = |(name, bytes): (&String, &Vec<u8>)| PublishedFile {
        name: name.clone(),
        bytes: bytes.len() as u64,
        sha256: format!("{:x}", Sha256::digest(bytes)),
    };
    Published { name: "small".into(), url: url.into(), images: 6, files: files.iter().map(file).collect() }
}

fn fetched(set: &Published, dir: &Path) -> Result<DataSet, FetchError> {
    fetch(set, dir, Duration::ZERO, &|_| {})
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_fetch_goes_on_where_the_connection_was_cut() {
    let files = idx(true);
    let server =
        Server::start(files.clone(), &[(IMAGES, vec![Answer::Cut(40), Answer::HangUp, Answer::Status(503), Answer::Cut(50)])]);
    let dir = tempfile::tempdir().unwrap();
    let data = fetched(&published(&files, &server.url), dir.path()).unwrap();
    assert_eq!((data.train.len(), data.test.len()), (4, 2));
    assert_eq!(server.asked(IMAGES), [0, 40, 40, 40, 90]);
    assert_eq!(names(&dir.path().join("small")), files.keys().cloned().collect::<Vec<_>>());
    let before = server.requests();
    assert_eq!(fetched(&published(&files, &server.url), dir.path()).unwrap(), data);
    assert_eq!(server.requests(), before, "what is there is not asked for");
}

#[test]
fn a_server_without_ranges_starts_again_and_one_that_is_away_is_waited_for_in_vain() {
    let files = idx(true);
    let server = Server::start(files.clone(), &[(IMAGES, vec![Answer::Cut(40), Answer::NoRange])]);
    let dir = tempfile::tempdir().unwrap();
    fetched(&published(&files, &server.url), dir.path()).unwrap();
    assert_eq!(server.asked(IMAGES), [0, 40]);

    let away = [vec![Answer::Cut(30)], vec![Answer::HangUp; 4]].concat();
    let server = Server::start(files.clone(), &[(IMAGES, away)]);
    let dir = tempfile::tempdir().unwrap();
    let error = fetched(&published(&files, &server.url), dir.path()).unwrap_err();
    says(&error.to_string(), &[IMAGES, "byte 30 of", "goes on from there"]);
    assert_eq!(error.exit().code(), 75);
    assert!(!dir.path().join("small").exists(), "half a data set is not in its place");
    fetched(&published(&files, &server.url), dir.path()).unwrap();
    assert_eq!(server.asked(IMAGES).last(), Some(&30), "the next process goes on");
}

#[test]
fn another_file_than_the_published_one_is_refused_and_not_kept() {
    let files = idx(true);
    let mut set = published(&files, "");
    let mut other = files.clone();
    *other.get_mut(IMAGES).unwrap().last_mut().unwrap() ^= 1;
    let server = Server::start(other.clone(), &[]);
    set.url.clone_from(&server.url);
    let dir = tempfile::tempdir().unwrap();
    let refused = |set: &Published| {
        let error = fetched(set, dir.path()).unwrap_err();
        assert_eq!(error.exit().code(), 65, "{error}");
        error.to_string()
    };
    says(&refused(&set), &[IMAGES, "SHA-256", "--url"]);
    assert!(!names(&dir.path().join(".small.fetch")).iter().any(|name| name.starts_with(IMAGES)));
    other.get_mut(IMAGES).unwrap().push(0);
    set.url = Server::start(other.clone(), &[]).url;
    let length = other[IMAGES].len();
    says(&refused(&set), &[&format!("has {length} bytes"), &(length - 1).to_string()]);
    other.remove(IMAGES);
    set.url = Server::start(other, &[]).url;
    says(&refused(&set), &[IMAGES, "404", "--url"]);
    set.url = Server::start(files, &[]).url;
    fetched(&set, dir.path()).unwrap();
}

#[test]
fn archives_are_unpacked() {
    let archive = Files::from([("cifar-10-binary.tar.gz".to_owned(), tar_gz("cifar-10-batches-bin", &cifar10_binary()))]);
    let server = Server::start(archive.clone(), &[]);
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(fetched(&published(&archive, &server.url), dir.path()).unwrap().train.len(), 4);
    assert_eq!(names(&dir.path().join("small")), cifar10_binary().into_keys().collect::<Vec<_>>());
}

#[test]
fn of_many_that_fetch_the_same_set_one_does_it() {
    let files = idx(true);
    let server = Server::start(files.clone(), &[(IMAGES, vec![Answer::Cut(20), Answer::Cut(20)])]);
    let dir = tempfile::tempdir().unwrap();
    let set = published(&files, &server.url);
    thread::scope(|scope| {
        let running: Vec<_> = (0..8).map(|_| scope.spawn(|| fetched(&set, dir.path()).unwrap())).collect();
        for one in running {
            assert_eq!(one.join().unwrap().train.len(), 4);
        }
    });
    assert_eq!((server.asked(IMAGES), server.requests()), (vec![0, 20, 40], 6));
}

#[test]
fn a_folder_that_holds_something_else_is_left_alone() {
    let files = idx(true);
    let server = Server::start(files.clone(), &[]);
    let set = Published { images: 7, ..published(&files, &server.url) };
    let root = tempfile::tempdir().unwrap();
    crate::put(&root.path().join("small"), &files);
    says(&fetched(&set, root.path()).unwrap_err().to_string(), &["holds 6 images", "7", "--dir"]);
    assert_eq!(server.requests(), 0);
}

#[test]
fn the_commands_say_what_they_do_and_leave_with_the_codes_of_the_contract() {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_nas-trainer")).args(arguments).output().unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (output.status.code(), out, err)
    };
    let root = folder(&idx(true));
    let path = root.path().to_str().unwrap();
    let sheet = format!("{path}/sheet.png");
    let (code, out, _) = run(&["data", "inspect", path, "--sheet", &sheet, "--output", "json"]);
    let said: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &said["train"]["by_class"], &said["shape"]),
        (Some(0), &serde_json::json!([2, 2]), &serde_json::json!([1, 9, 8]))
    );
    // 12 images of 8 pixels across and 2 of 9 down, with 2 pixels between and around.
    let drawn = image::open(&sheet).unwrap().into_rgb8();
    assert_eq!(drawn.dimensions(), (122, 24));
    assert_eq!(drawn.get_pixel(12, 2).0, [crate::write::pixel(2, 0); 3]);
    let (code, out, _) = run(&["data", "inspect", path]);
    assert_eq!(code, Some(0));
    says(&out, &["IDX", "1x9x8", "4 (2 of each class)", "mean"]);
    fs::write(root.path().join(IMAGES), b"x").unwrap();
    let (code, _, err) = run(&["data", "inspect", path]);
    assert_eq!(code, Some(65));
    says(&err, &[IMAGES, "gzip"]);
    let server = Server::start(Files::from([(IMAGES.to_owned(), vec![0; 10])]), &[]);
    let (code, _, err) = run(&["data", "fetch", "mnist", "--dir", path, "--url", &server.url]);
    assert_eq!(code, Some(65));
    says(&err, &["fetching", IMAGES, "has 10 bytes", "9912422"]);
    let (code, _, err) = run(&["data", "fetch", "mnisst", "--dir", path]);
    assert_eq!(code, Some(64));
    says(&err, &["mnisst", "fashion-mnist"]);
}

/// A proxy that connects whatever it is asked for with this server, once; returns its address and what it was asked for.
fn proxy(server: &Server) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let to = server.url.strip_prefix("http://").and_then(|rest| rest.split('/').next()).unwrap().to_owned();
    let asked = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(client.try_clone().unwrap()).lines().map_while(Result::ok);
        let asked = lines.next().unwrap();
        while lines.next().is_some_and(|line| !line.is_empty()) {}
        client.write_all(b"HTTP/1.1 200 x\r\n\r\n").unwrap();
        let mut server = TcpStream::connect(to).unwrap();
        let (mut from, mut into) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || io::copy(&mut from, &mut into));
        // Either side may hang up.
        let _ = io::copy(&mut server, &mut client);
        asked
    });
    (url, asked)
}

#[test]
fn a_fetch_goes_through_the_proxy_of_its_environment_and_past_it_where_that_says_so() {
    let server = Server::start(Files::from([(IMAGES.to_owned(), vec![0; 10])]), &[]);
    let dir = tempfile::tempdir().unwrap();
    let fetch = |url: &str, env: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nas-trainer"));
        for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"] {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        command.args(["data", "fetch", "mnist", "--url", url, "--dir"]).arg(dir.path()).envs(env.iter().copied());
        let output = command.output().unwrap();
        // It arrived there, and found something else than the published file.
        says(&String::from_utf8(output.stderr).unwrap(), &["has 10 bytes", "9912422"]);
    };
    let (through, asked) = proxy(&server);
    // A name that only the proxy knows.
    fetch("http://sets.invalid/sets/", &[("HTTPS_PROXY", &through)]);
    assert_eq!(asked.join().unwrap(), "CONNECT sets.invalid:80 HTTP/1.1");
    fetch(&server.url, &[("HTTPS_PROXY", "http://nowhere.invalid:3128"), ("NO_PROXY", "127.0.0.1")]);
    assert_eq!(server.requests(), 2);
}

#[test]
fn a_fetch_that_waits_for_its_server_ends_at_once_when_it_is_told_to() {
    // Takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_nas-trainer"));
    command
        .args(["data", "fetch", "mnist", "--url", &format!("http://{}", silent.local_addr().unwrap()), "--dir"])
        .arg(dir.path());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    says(&line, &["fetching", IMAGES]);
    let _connection = silent.accept().unwrap();
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(143));
}
