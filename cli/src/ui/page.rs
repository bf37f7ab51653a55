//! The page and what it loads: nothing of a search is in them, and nothing is loaded from elsewhere.

use std::sync::LazyLock;

use crate::report::{DRAWING, ECHARTS, STYLE};

/// In the order in which they need each other.
const OWN: [&str; 7] = [
    include_str!("../../assets/ui/server.js"),
    include_str!("../../assets/ui/filter.js"),
    include_str!("../../assets/ui/brush.js"),
    include_str!("../../assets/ui/trials.js"),
    include_str!("../../assets/ui/detail.js"),
    include_str!("../../assets/ui/compare.js"),
    include_str!("../../assets/ui/page.js"),
];

/// What a browser allows the page: to run and to ask nothing but what comes from here, and to stand in no other page. Charts and cells bring
/// styles of their own.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; \
                                 img-src data: blob:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

const SHELL: &str = include_str!("../../assets/ui/index.html");

/// A file of the page, with its type.
pub(super) fn file(path: &str) -> Option<(&'static str, &'static str)> {
    static SCRIPT: LazyLock<String> = LazyLock::new(|| DRAWING.concat() + &OWN.concat());
    static LOOK: LazyLock<String> = LazyLock::new(|| [STYLE, include_str!("../../assets/ui/style.css")].concat());
    match path {
        "/" => Some(("text/html; charset=utf-8", SHELL)),
        "/echarts.js" => Some(("text/javascript; charset=utf-8", ECHARTS)),
        "/ui.js" => Some(("text/javascript; charset=utf-8", &SCRIPT)),
        "/ui.css" => Some(("text/css; charset=utf-8", &LOOK)),
        _ => None,
    }
}
