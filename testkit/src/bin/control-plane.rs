//! Starts a control plane, prints the path of its kubeconfig, and ends it when standard input does (or at Ctrl-C).
//!
//! ```console
//! $ cargo run --release -p nas-testkit --bin control-plane
//! /tmp/nas-plane-x/kubeconfig
//! ```

use std::{
    io::{Read, Write, stdin, stdout},
    process::ExitCode,
    sync::mpsc::channel,
    thread,
    time::Duration,
};

use nas_testkit::Plane;

fn main() -> ExitCode {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return ExitCode::FAILURE };
    let mut plane = match runtime.block_on(Plane::start()) {
        Ok(plane) => plane,
        Err(error) => return failed(&error),
    };
    println!("{}", plane.kubeconfig().display());
    println!("{}", plane.processes().iter().map(u32::to_string).collect::<Vec<_>>().join(" "));
    let _ = stdout().flush();

    let (left, gone) = channel();
    thread::spawn(move || {
        // Ends at the end of the input, which comes with the end of whoever holds the other side.
        let _ = stdin().read_to_end(&mut Vec::new());
        let _ = left.send(());
    });
    let stop = runtime.block_on(async {
        let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        loop {
            if gone.try_recv().is_ok() {
                return Ok::<_, std::io::Error>(Ok(()));
            }
            if let Err(error) = plane.check() {
                return Ok(Err(error));
            }
            tokio::select! {
                _ = interrupt.recv() => return Ok(Ok(())),
                _ = terminate.recv() => return Ok(Ok(())),
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
        }
    });
    match stop {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    let mut next = Some(error);
    let mut text = "control-plane".to_owned();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    eprintln!("{text}");
    ExitCode::FAILURE
}
