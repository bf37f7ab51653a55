//! Where traces go, and how many: by our own settings or, where those are silent, by OpenTelemetry's standard variables.

use http::Uri;

use crate::{Config, Error};

/// Where each collector receives traces.
const PATH: &str = "/v1/traces";

#[derive(Debug, PartialEq)]
pub(super) struct Destination {
    pub(super) endpoint: Uri,
    /// The share of traces that is sent.
    pub(super) sample: f64,
}

impl Destination {
    /// What is set; `None`: nothing is traced. An empty variable of OpenTelemetry's is none.
    pub(super) fn of(config: &Config, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, Error> {
        let set = |name: &'static str| variable(name).filter(|value| !value.is_empty()).map(|value| (name, value));
        let wrong = |(name, value): (&'static str, String), problem| Error::Variable { name, value, problem };
        let endpoint = if let Some(base) = &config.otlp_endpoint {
            Some(below(base))
        } else if let Some((name, value)) = set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
            Some(address(&value).map_err(|problem| wrong((name, value), problem))?)
        } else if let Some((name, value)) = set("OTEL_EXPORTER_OTLP_ENDPOINT") {
            Some(below(&address(&value).map_err(|problem| wrong((name, value), problem))?))
        } else {
            None
        };
        let Some(endpoint) = endpoint else { return Ok(None) };
        let sample = match (config.trace_sample, set("OTEL_TRACES_SAMPLER_ARG")) {
            (Some(sample), _) => sample,
            (None, Some((name, value))) => share(&value).map_err(|problem| wrong((name, value), problem))?,
            (None, None) => 1.0,
        };
        Ok(Some(Self { endpoint, sample }))
    }
}

/// The address of traces below that of a collector.
fn below(base: &Uri) -> Uri {
    let text = base.to_string();
    let text = text.trim_end_matches('/');
    let text = if text.ends_with(PATH) { text.to_owned() } else { format!("{text}{PATH}") };
    text.parse().unwrap_or_else(|_| base.clone())
}

/// Reads the address of a collector.
pub(crate) fn address(text: &str) -> Result<Uri, &'static str> {
    let problem = "an address such as http://collector:4318 is wanted";
    let uri: Uri = text.parse().map_err(|_| problem)?;
    let is_whole = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty());
    if is_whole && uri.query().is_none() { Ok(uri) } else { Err(problem) }
}

/// Reads a share.
pub(crate) fn share(text: &str) -> Result<f64, &'static str> {
    let problem = "a number from 0 to 1 is wanted";
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or(problem)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    /// What is sent where, with these arguments and variables; `Err`: what is complained of.
    fn of(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Option<(String, f64)>, String> {
        let arguments = ["nas-operator"].iter().chain(arguments);
        let config = Config::try_parse_from(arguments).map_err(|error| error.to_string())?;
        let variable = |name: &str| Some(variables.iter().find(|(variable, _)| *variable == name)?.1.to_owned());
        let found = Destination::of(&config, variable).map_err(|error| error.chain())?;
        Ok(found.map(|found| (found.endpoint.to_string(), found.sample)))
    }

    #[test]
    fn the_flag_wins_over_the_variable_for_traces_and_that_over_the_one_for_all() {
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:1/in");
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://all:2/otlp/");
        let argument = ("OTEL_TRACES_SAMPLER_ARG", "0.5");
        let to = |endpoint: &str, sample| Ok(Some((endpoint.to_owned(), sample)));
        assert_eq!(of(&[], &[]), Ok(None));
        assert_eq!(of(&[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", ""), argument]), Ok(None));
        assert_eq!(of(&["--otlp-endpoint", "http://flag:3"], &[traces, all]), to("http://flag:3/v1/traces", 1.0));
        assert_eq!(of(&["--otlp-endpoint", "http://flag:3/v1/traces"], &[]), to("http://flag:3/v1/traces", 1.0));
        assert_eq!(of(&[], &[traces, all, argument]), to("http://traces:1/in", 0.5));
        assert_eq!(of(&["--trace-sample", "0.25"], &[all, argument]), to("https://all:2/otlp/v1/traces", 0.25));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for wrong in ["collector:4318", "grpc://collector:4317", "http://", "http://collector:4318?token=1", "a b"] {
            let said = of(&["--otlp-endpoint", wrong], &[]).unwrap_err();
            assert!(said.contains("--otlp-endpoint") && said.contains("http://collector:4318"), "{said}");
            let said = of(&[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", wrong)]).unwrap_err();
            assert!(said.contains("OTEL_EXPORTER_OTLP_ENDPOINT") && said.contains(wrong), "{said}");
        }
        for wrong in ["2", "-0.1", "NaN", "all"] {
            let sample = format!("--trace-sample={wrong}");
            let said = of(&["--otlp-endpoint", "http://collector:4318", &sample], &[]).unwrap_err();
            assert!(said.contains("--trace-sample") && said.contains("0 to 1"), "{said}");
        }
    }
}
