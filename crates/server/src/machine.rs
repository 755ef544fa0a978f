//! What the machine has.

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
