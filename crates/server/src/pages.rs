//! The machine's memory: how much there is, and in large pages.
//!
//! Records lie all over the memory, and with pages of 4 KiB the processor
//! spends more time on finding out where a page is than on what stands in it: with pages of 2 MiB
//! the fold is twice as fast (measured, 1 M persons). The system's allocator asks for such pages if
//! its environment says so when the process begins, so the program begins once more, as the same
//! process. An allocator of our own choice did the same with a C compiler in the build, and
//! measured no faster.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

const VARIABLE: &str = "GLIBC_TUNABLES";
const TUNABLE: &str = "glibc.malloc.hugetlb";

/// Begins again with large pages asked for. Returns if that was done, if the environment says
/// something of its own about it, or if it cannot be: then all works, only slower.
pub fn ask() {
    if cfg!(not(target_env = "gnu")) {
        return;
    }
    let before = std::env::var(VARIABLE).unwrap_or_default();
    let (Ok(program), false) = (std::env::current_exe(), before.contains(TUNABLE)) else { return };
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| program.clone().into());
    let separator = if before.is_empty() { "" } else { ":" };
    let tunables = format!("{before}{separator}{TUNABLE}=1");
    // It comes back only if it failed.
    let _ = Command::new(program).arg0(name).args(arguments).env(VARIABLE, tunables).exec();
}

/// What the machine has, or what the container may use if that is less; 2 GiB if nobody says.
pub fn memory_mib() -> u64 {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
    });
    let container = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let container = container.and_then(|text| Some(text.trim().parse::<u64>().ok()? >> 20));
    let least = machine.into_iter().chain(container).min();
    least.unwrap_or(2_048).max(128)
}
