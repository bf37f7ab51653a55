//! `nasctl ui` as its readers meet it: in a browser, on real runs and a real API server, beside hostile pages and trainers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "a test of small numbers fails by panicking"
)]

mod browser;
mod cluster;
mod guest;
#[path = "../report/journal.rs"]
mod journal;
mod live;
mod reader;
#[path = "../rig/mod.rs"]
mod rig;
mod server;

use browser::Browser;
use server::Server;

/// The page of a search, ready.
fn opened(server: &Server) -> Browser {
    let mut browser = Browser::start(1280, 900);
    browser.open(&server.address);
    browser.until("document.documentElement.dataset.ready === 'true'");
    browser
}
