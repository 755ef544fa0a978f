//! `everbond journey check`: reads journey files as the server would and prints each mistake with
//! its line and a caret under the place.

use engine::journey::{FileMistake, parse};

use super::{Command, Failed, Given, failed, say};

pub const CHECK: Command = Command {
    name: "journey check",
    takes: "FILE…",
    summary: "Check journey files before they are published",
    about: "Prints every mistake as file:line:column with what to write instead. Exit code 3 \
            when there are any, so that it can stand in a build.",
    flags: &[],
    settings: &[],
    examples: &[("everbond journey check journeys/*.yaml", "all of a folder")],
    run,
};

fn run(given: Given) -> Result<(), Failed> {
    if given.words.is_empty() {
        return Err(Failed::Usage("name the files: everbond journey check FILE…".into()));
    }
    let (mut mistakes, mut files) = (0, 0);
    for file in &given.words {
        let text = std::fs::read_to_string(file)
            .map_err(|error| failed(format_args!("{file} cannot be read: {error}")))?;
        match parse(file, &text) {
            Ok(journey) => say(format_args!(
                "{file}: fine: {:?}, {} stages, {} moves, {} menu items, {} offers, {} timers",
                journey.name,
                journey.stages.len(),
                journey.moves.len(),
                journey.menu.len(),
                journey.offers.len(),
                journey.timers.len()
            ))?,
            Err(found) => {
                files += 1;
                mistakes += found.len();
                for mistake in &found {
                    say(shown(mistake, &text))?;
                }
            }
        }
    }
    if mistakes == 0 {
        return Ok(());
    }
    say(format_args!("{mistakes} mistakes in {files} of {} files", given.words.len()))?;
    Err(Failed::Mistakes)
}

/// The mistake, the line it is in, and a caret under the place.
fn shown(mistake: &FileMistake, text: &str) -> String {
    let Some(line) = (mistake.line as usize).checked_sub(1).and_then(|at| text.lines().nth(at))
    else {
        return mistake.to_string();
    };
    let number = mistake.line.to_string();
    // Tabs stay tabs, so that the caret stands where the editor shows the place.
    let indent: String = line
        .chars()
        .take((mistake.column as usize).saturating_sub(1))
        .map(|c| if c == '\t' { '\t' } else { ' ' })
        .collect();
    let gap = " ".repeat(number.len());
    format!("{mistake}\n {number} | {line}\n {gap} | {indent}^\n")
}
