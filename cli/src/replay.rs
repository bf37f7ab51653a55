//! `nasctl replay`: what was decided, computed anew.

use clap::Args;
use nas_search::replay;
use serde_json::json;

use crate::{
    failure::Failure,
    out,
    records::{Records, Target},
};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  nasctl replay runs/quickstart\n  nasctl replay constrained-adaptive --namespace research\n\n\
    When something was decided (free slots, budgets, edits) is taken as recorded; what was decided is computed anew. A decision that had \
    seen other outcomes than are recorded now is named and not computed.\n\n\
    Exit codes: 0 no difference, 1 a decision differs, 64 there is no such search, 65 a journal is damaged, 69 the cluster does not answer."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Print JSON.
    #[arg(short, long, value_parser = ["json"])]
    output: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let records = Records::read(&arguments.target)?;
    let histories: Vec<_> = records.trials.iter().map(nas_api::objects::NasTrial::to_history).collect();
    let end = records.end.as_ref().map(|end| (end.reason.as_str(), end.view.to_view()));
    let found = replay(&records.source.plan, records.created, &histories, end);
    if arguments.output.is_some() {
        let differences: Vec<_> = found.differences.iter().map(ToString::to_string).collect();
        let document = json!({
            "recomputed": found.recomputed,
            "unmatched": found.unmatched.len(),
            "deleted": found.deleted,
            "differences": differences,
        });
        out::json(&document)?;
    } else {
        println!("{} decisions computed anew: {} differences", found.recomputed, found.differences.len());
        if !found.unmatched.is_empty() {
            println!("{} decisions had seen other outcomes than are recorded now: not computed", found.unmatched.len());
        }
        if !found.deleted.is_empty() {
            println!("deleted trials: {:?}", found.deleted);
        }
        for difference in &found.differences {
            println!("  {difference}");
        }
    }
    if found.differences.is_empty() { Ok(()) } else { Err(Failure::Different(found.differences.len())) }
}
