//! A process that measures: started here, waited for, ended by its id when it takes too long.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Trouble;
use super::figures::Figures;

/// Nothing that is measured takes longer, except loading very many people.
const MOST: Duration = Duration::from_secs(1_900);

pub struct Process {
    child: Child,
    name: String,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has usually ended; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first pair is the work's name; the others are flags with their values.
pub fn start(program: &Path, args: &[(&str, String)]) -> Result<Process, Trouble> {
    let mut command = Command::new(program);
    let mut name = String::new();
    for (flag, value) in args {
        if name.is_empty() {
            name = (*flag).to_owned();
            command.arg(flag);
        } else {
            command.arg(format!("--{flag}")).arg(value);
        }
    }
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    Ok(Process { child, name })
}

impl Process {
    pub fn finish(mut self) -> Result<Figures, Trouble> {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if begun.elapsed() > MOST {
                return Err(format!("bench {} took too long", self.name).into());
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        // One line fits into the pipe, so it could end before it was read.
        let mut text = String::new();
        self.child.stdout.take().ok_or("no output")?.read_to_string(&mut text)?;
        if !status.success() {
            return Err(format!("bench {} failed", self.name).into());
        }
        Figures::parse(&text)
    }
}
