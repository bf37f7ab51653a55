//! The program as a plugin of kubectl: linked as `kubectl-nas` it is `kubectl nas`, and linked as `kubectl_complete-nas` it says what kubectl's own
//! completion of a shell may go on with.

use std::{env, path::Path, process::ExitCode};

use clap::{Arg, ArgAction, Command};

const PLUGIN: &str = "kubectl-nas";
const COMPLETER: &str = "kubectl_complete-nas";
/// What a shell does with candidates: these alone (cobra's `ShellCompDirectiveNoFileComp`), or files where there are none.
const NO_FILES: &str = ":4";
const FILES: &str = ":0";

/// Whether this process was called by kubectl.
pub(crate) fn is_called() -> bool {
    called_as(PLUGIN)
}

fn called_as(name: &str) -> bool {
    let program = env::args_os().next().unwrap_or_default();
    Path::new(&program).file_stem().is_some_and(|stem| stem == name)
}

/// Answers kubectl's completion, if this process was called for that.
pub(crate) fn completed(command: &Command) -> Option<ExitCode> {
    if !called_as(COMPLETER) {
        return None;
    }
    let words: Vec<String> = env::args().skip(1).collect();
    print!("{}", completions(command, &words));
    Some(ExitCode::SUCCESS)
}

/// The command as it is called: with the name that people type, in its usage and its examples.
pub(crate) fn named(command: Command) -> Command {
    if is_called() { reworded(command).name(PLUGIN).bin_name("kubectl nas").display_name(PLUGIN) } else { command }
}

fn reworded(mut command: Command) -> Command {
    let words = |text: Option<&clap::builder::StyledStr>| text.map(|text| text.to_string().replace("nasctl ", "kubectl nas "));
    if let Some(text) = words(command.get_after_help()) {
        command = command.after_help(text);
    }
    if let Some(text) = words(command.get_after_long_help()) {
        command = command.after_long_help(text);
    }
    command.mut_subcommands(reworded)
}

/// One candidate a line, with its help behind a tab, then what the shell does with them. `words`: all that was typed, the last of them perhaps in part.
fn completions(command: &Command, words: &[String]) -> String {
    let (typed, before) = words.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
    let mut at = command;
    for word in before {
        at = at.find_subcommand(word).unwrap_or(at);
    }
    let option = before.last().and_then(|last| at.get_arguments().find(|option| is_spelt(option, last) && takes_value(option)));
    let candidates: Vec<(String, String)> = match option {
        Some(option) => option.get_possible_values().iter().map(|value| (value.get_name().to_owned(), String::new())).collect(),
        None if typed.starts_with('-') => {
            at.get_arguments().filter_map(|option| Some((format!("--{}", option.get_long()?), help(option)))).collect()
        }
        None => {
            let verbs = at.get_subcommands().filter(|verb| !verb.is_hide_set());
            verbs
                .map(|verb| (verb.get_name().to_owned(), verb.get_about().map(ToString::to_string).unwrap_or_default()))
                .collect()
        }
    };
    let fitting = candidates.iter().filter(|(name, _)| name.starts_with(typed));
    let lines: String =
        fitting.map(|(name, help)| if help.is_empty() { format!("{name}\n") } else { format!("{name}\t{help}\n") }).collect();
    let directive = if candidates.is_empty() { FILES } else { NO_FILES };
    format!("{lines}{directive}\n")
}

fn help(option: &Arg) -> String {
    option.get_help().map(|help| help.to_string().lines().next().unwrap_or_default().to_owned()).unwrap_or_default()
}

fn is_spelt(option: &Arg, word: &str) -> bool {
    let long = option.get_long().is_some_and(|long| word.strip_prefix("--") == Some(long));
    long || option.get_short().is_some_and(|short| word == format!("-{short}"))
}

fn takes_value(option: &Arg) -> bool {
    matches!(option.get_action(), ArgAction::Set | ArgAction::Append)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn complete(words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        completions(&crate::Arguments::command(), &words)
    }

    #[test]
    fn verbs_options_and_values_are_completed() {
        let verbs = complete(&["re"]);
        let names: Vec<&str> = verbs.lines().filter_map(|line| Some(line.split_once('\t')?.0)).collect();
        assert_eq!(names, ["report", "resume", "retry", "replay"], "{verbs}");
        assert!(verbs.ends_with("\n:4\n"));
        let options = complete(&["get", "--n"]);
        assert!(
            options.starts_with("--namespace\tShow the experiments of this namespace") && options.ends_with(":4\n"),
            "{options}"
        );
        assert_eq!(complete(&["get", "-o", "y"]), "yaml\n:4\n");
        assert_eq!(complete(&["describe", ""]), ":0\n", "a folder");
        assert!(!complete(&[""]).contains("supervise"));
    }

    #[test]
    fn examples_name_what_people_type() {
        let mut command = reworded(crate::Arguments::command());
        let help = command.find_subcommand_mut("get").map(|get| get.render_long_help().to_string()).unwrap_or_default();
        assert!(help.contains("kubectl nas get --namespace research") && !help.contains("nasctl get"), "{help}");
    }
}
