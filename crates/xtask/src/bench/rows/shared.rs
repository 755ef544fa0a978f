//! Rows on the one server with all people in it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::super::figures::Figures;
use super::super::process::{self, Process};
use super::super::server::{GTIN, KEY, Server, free_addr};
use super::super::{Bench, Trouble, machine};

/// What comes in while decisions are made.
const TOUCHES_BESIDE: f64 = 20_000.0;
const CALLERS: u64 = 32;
/// An open loop needs a free connection whenever a call is due.
const OPEN_LOOP: u64 = 128;
const WIPES: usize = 5;
const WIPED_TOUCHES: u64 = 10_000;
const LONG_TIMELINE: u64 = 100_000;
const GRAPH_UNITS: u64 = 600;

impl Bench {
    /// The server that has all people; made and filled when it is first needed.
    pub fn shared(&mut self) -> Result<SocketAddr, Trouble> {
        if let Some(server) = &self.shared {
            return Ok(server.addr);
        }
        let data = self.folder.join("shared");
        if data.exists() {
            return self.restart();
        }
        // So much that nothing has to leave it: what it is like when memory is short is a row.
        let memory_mib = (self.people * 8_000 / (1 << 20)).max(1024);
        let server = Server::start(&self.root, &self.everbond, &data, memory_mib)?;
        self.say(&format!("registering {} people and units", self.people));
        let people = self.people.to_string();
        let own = self.on(&server, "people", &[("people", people)])?.finish()?;
        self.figures.put("people", &own);
        server.tidied()?;
        // Stopped in order once, so that the folder's size is that of the people alone.
        let touches = server.client()?.metric("everbond_touches_total")? as u64;
        server.stop()?;
        self.loaded = (machine::folder_bytes(&data), touches);
        let addr = self.restart()?;
        self.warmed()?;
        Ok(addr)
    }

    /// Until all units are in memory again: what the first seconds after a start are like is the
    /// row `start`.
    fn warmed(&self) -> Result<(), Trouble> {
        let mut client = self.server()?.client()?;
        let begun = Instant::now();
        while client.metric("everbond_records_in_memory{kind=\"product\"}")? < self.people as f64 {
            if begun.elapsed() > Duration::from_secs(60) {
                return Err("the records did not come into memory within a minute".into());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<SocketAddr, Trouble> {
        let memory_mib = (self.people * 8_000 / (1 << 20)).max(1024);
        let data = self.folder.join("shared");
        let server = Server::start(&self.root, &self.everbond, &data, memory_mib)?;
        let addr = server.addr;
        self.shared = Some(server);
        Ok(addr)
    }

    fn server(&self) -> Result<&Server, Trouble> {
        self.shared.as_ref().ok_or_else(|| "the server is not there".into())
    }

    /// A load on a server.
    pub fn on(
        &self,
        server: &Server,
        work: &str,
        flags: &[(&str, String)],
    ) -> Result<Process, Trouble> {
        let mut all = vec![(work, String::new()), ("addr", server.addr.to_string())];
        all.push(("key", KEY.to_owned()));
        all.extend(flags.iter().cloned());
        process::start(&self.bench, &all)
    }

    /// Touches on a server; `rate` 0 is a closed loop.
    pub fn touches(
        &mut self,
        server: &Server,
        shape: &str,
        (connections, rate, seconds): (u64, f64, f64),
    ) -> Result<Process, Trouble> {
        let first_id = self.next_id;
        self.next_id += 1_000_000_000;
        self.on(
            server,
            "ingest",
            &[
                ("shape", shape.to_owned()),
                ("people", self.people.to_string()),
                ("first-id", first_id.to_string()),
                ("connections", connections.to_string()),
                ("rate", rate.to_string()),
                ("seconds", seconds.to_string()),
            ],
        )
    }

    /// The same on the shared server, to its end, with the processor's time for each touch.
    fn touches_here(&mut self, shape: &str, load: (u64, f64, f64)) -> Result<Figures, Trouble> {
        self.shared()?;
        let server = self.shared.take().ok_or("the server is not there")?;
        let measured = self.touches_and_cpu(&server, shape, load);
        self.shared = Some(server);
        measured
    }

    pub fn touches_and_cpu(
        &mut self,
        server: &Server,
        shape: &str,
        load: (u64, f64, f64),
    ) -> Result<Figures, Trouble> {
        let mut client = server.client()?;
        let (refused, count) =
            (client.metric("everbond_refused_total")?, client.metric("everbond_touches_total")?);
        let cpu = server.cpu_seconds()?;
        let mut own = self.touches(server, shape, load)?.finish()?;
        let cpu = server.cpu_seconds()? - cpu;
        let mut client = server.client()?;
        let count = client.metric("everbond_touches_total")? - count;
        if client.metric("everbond_refused_total")? > refused {
            return Err("touches were refused".into());
        }
        let busy = own.need("busy")?;
        if busy > 0.0 {
            self.note(format!("{busy:.0} calls with {shape} touches were answered with 503"));
        }
        own.set("cpu_us", cpu * 1e6 / count.max(1.0));
        own.set("touches", count);
        Ok(own)
    }
}

/// The best number of connections, then throughput of both ways in, then latency at a quarter.
pub fn ingest(bench: &mut Bench) -> Result<(), Trouble> {
    bench.shared()?;
    let mut best = (0, 0.0);
    let tried: &[u64] = if bench.quick { &[16, 64] } else { &[8, 16, 32, 64, 128] };
    for connections in tried {
        let seconds = bench.seconds(5.0, 2.5);
        let own = bench.touches_here("native", (*connections, 0.0, seconds))?;
        let rate = own.need("per_second")?;
        bench.say(&format!("{connections} connections: {rate:.0} touches/s"));
        if rate > best.1 {
            best = (*connections, rate);
        }
    }
    bench.figures.set("ingest.connections", best.0 as f64);
    // In turns, since each has to merge what came before it.
    let seconds = bench.seconds(5.0, 2.0);
    let (mut native, mut segment) = (Vec::new(), Vec::new());
    for _ in 0..if bench.quick { 1 } else { 2 } {
        for shape in ["native", "segment", "segment", "native"] {
            let own = bench.touches_here(shape, (best.0, 0.0, seconds))?;
            bench.say(&format!("{shape}: {:.0} touches/s", own.need("per_second")?));
            if shape == "native" { native.push(own) } else { segment.push(own) }
        }
    }
    let native = Figures::mean(&native);
    bench.figures.put("ingest", &native);
    bench.figures.put("segment", &Figures::mean(&segment));
    let rate = native.need("per_second")?;
    let seconds = bench.seconds(20.0, 6.0);
    let own = bench.touches_here("native", (OPEN_LOOP, rate / 4.0, seconds))?;
    bench.figures.put("quarter", &own);
    Ok(())
}

/// A bare server of the same stack, for as long as it is needed.
fn fixed(bench: &Bench) -> Result<(Process, SocketAddr), Trouble> {
    let addr = free_addr()?;
    let flags = [("static", String::new()), ("addr", addr.to_string())];
    let process = process::start(&bench.bench, &flags)?;
    let begun = Instant::now();
    while std::net::TcpStream::connect(addr).is_err() {
        if begun.elapsed() > Duration::from_secs(10) {
            return Err("the bare server did not start".into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok((process, addr))
}

impl Bench {
    fn get_fixed(&self, addr: SocketAddr, load: (u64, f64, f64)) -> Result<Figures, Trouble> {
        self.bench(&[
            ("get", String::new()),
            ("addr", addr.to_string()),
            ("path", "/".to_owned()),
            ("connections", load.0.to_string()),
            ("rate", load.1.to_string()),
            ("seconds", load.2.to_string()),
        ])
    }

    /// The same questions as [`Bench::decisions`] asks, to the bare server.
    fn ask_fixed(&self, addr: SocketAddr, load: (u64, f64, f64)) -> Result<Figures, Trouble> {
        self.bench(&[
            ("decide", String::new()),
            ("addr", addr.to_string()),
            ("key", KEY.to_owned()),
            ("people", self.people.to_string()),
            ("preview", true.to_string()),
            ("connections", load.0.to_string()),
            ("rate", load.1.to_string()),
            ("seconds", load.2.to_string()),
        ])
    }

    fn decisions(&self, preview: bool, load: (u64, f64, f64)) -> Result<Process, Trouble> {
        self.on(
            self.server()?,
            "decide",
            &[
                ("people", self.people.to_string()),
                ("preview", preview.to_string()),
                ("connections", load.0.to_string()),
                ("rate", load.1.to_string()),
                ("seconds", load.2.to_string()),
            ],
        )
    }

    /// Runs `work` while touches come in, and sees that they did come in.
    fn beside<T>(
        &mut self,
        load: (u64, f64, f64),
        work: impl FnOnce(&mut Bench) -> Result<T, Trouble>,
    ) -> Result<(T, Figures), Trouble> {
        self.shared()?;
        let server = self.shared.take().ok_or("the server is not there")?;
        let touches = self.touches(&server, "native", load);
        self.shared = Some(server);
        let touches = touches?;
        std::thread::sleep(Duration::from_millis(500));
        let done = work(self)?;
        Ok((done, touches.finish()?))
    }
}

/// Decisions and the bare GET by the same client: alone, beside touches, and at a quarter.
pub fn decide(bench: &mut Bench) -> Result<(), Trouble> {
    bench.shared()?;
    let seconds = bench.seconds(10.0, 2.5);
    let (_fixed, addr) = fixed(bench)?;
    let own = bench.get_fixed(addr, (CALLERS, 0.0, seconds))?;
    bench.figures.put("static", &own);
    let load = (OPEN_LOOP, TOUCHES_BESIDE, seconds + 2.0);
    let (own, _) = bench.beside(load, |bench| bench.get_fixed(addr, (CALLERS, 0.0, seconds)))?;
    bench.figures.put("static_beside", &own);
    let closed = (CALLERS, 0.0, seconds);
    let (own, _) = bench.beside(load, |bench| bench.ask_fixed(addr, closed))?;
    bench.figures.put("static_decision", &own);
    let (own, touches) = bench.beside(load, |bench| bench.decisions(true, closed)?.finish())?;
    bench.figures.put("decide", &own);
    let came = touches.need("per_second")?;
    bench.figures.set("decide.touches_beside", came);
    if came < TOUCHES_BESIDE * 0.95 {
        bench.note(format!(
            "decide: only {came:.0} of 20,000 touches/s could come in, so the machine was full \
             while decisions were measured"
        ));
    }
    let rate = own.need("per_second")?;
    bench.say(&format!("{rate:.0} decisions/s"));
    let open = (OPEN_LOOP, rate / 4.0, seconds);
    let (own, _) = bench.beside(load, |bench| bench.decisions(true, open)?.finish())?;
    bench.figures.put("decide_quarter", &own);
    let (own, _) = bench.beside(load, |bench| bench.get_fixed(addr, open))?;
    bench.figures.put("static_quarter", &own);
    let own = bench.get_fixed(addr, open)?;
    bench.figures.put("static_quarter_alone", &own);
    Ok(())
}

/// Persons with many touches are wiped while touches come in; the same load without is beside it.
pub fn wipe(bench: &mut Bench) -> Result<(), Trouble> {
    bench.shared()?;
    let wipes = if bench.quick { 3 } else { WIPES };
    let names: Vec<String> = (0..wipes).map(|at| format!("wiped-{at}")).collect();
    let flags = [("touches", WIPED_TOUCHES.to_string()), ("names", names.join(","))];
    bench.on(bench.server()?, "crowd", &flags)?.finish()?;
    // Load, but not more than there is room for: a full machine would hide what a wipe costs.
    let room = bench.figures.get("ingest.per_second").map_or(TOUCHES_BESIDE, |rate| rate / 2.0);
    let load = (OPEN_LOOP, TOUCHES_BESIDE.min(room), bench.seconds(20.0, 7.0));
    bench.figures.set("wipe.touches_beside", load.1);
    let ((), without) = bench.beside(load, |_| Ok(()))?;
    let (mut times, with) = bench.beside(load, |bench| {
        std::thread::sleep(Duration::from_secs(1));
        let mut client = bench.server()?.client()?;
        let mut times = Vec::new();
        for name in &names {
            let begun = Instant::now();
            let path = format!("/v1/persons/user:{name}");
            client.call("DELETE", &path, "")?;
            while client.ask("GET", &path, "")?.0 != 404 {
                if begun.elapsed() > Duration::from_secs(30) {
                    return Err("a wiped person is still there".into());
                }
            }
            times.push(begun.elapsed().as_secs_f64() * 1e3);
            std::thread::sleep(Duration::from_millis(500));
        }
        Ok(times)
    })?;
    times.sort_by(f64::total_cmp);
    bench.figures.set("wipe.median_ms", times[wipes / 2]);
    bench.figures.set("wipe.max_ms", times[wipes - 1]);
    bench.figures.put("wipe_without", &without);
    bench.figures.put("wipe_with", &with);
    Ok(())
}

/// A page of a long timeline, and a graph at its largest.
pub fn read(bench: &mut Bench) -> Result<(), Trouble> {
    bench.shared()?;
    let crowd = |name: &str, touches: u64, units: u64| {
        [("names", name.to_owned()), ("touches", touches.to_string()), ("units", units.to_string())]
    };
    let long = if bench.quick { LONG_TIMELINE / 5 } else { LONG_TIMELINE };
    for flags in [crowd("long", long, 1), crowd("wide", 1_000, GRAPH_UNITS)] {
        bench.on(bench.server()?, "crowd", &flags)?.finish()?;
    }
    bench.server()?.settle()?;
    for (row, path, list) in [
        ("timeline", "/v1/persons/user:long/timeline?limit=50", "items"),
        ("graph", "/v1/persons/user:wide/graph", "nodes"),
    ] {
        let flags = [
            ("path", path.to_owned()),
            ("list", list.to_owned()),
            ("rate", "30".to_owned()),
            ("seconds", bench.seconds(12.0, 4.0).to_string()),
        ];
        let own = bench.on(bench.server()?, "read", &flags)?.finish()?;
        bench.say(&format!("{row}: {} {list}", own.need("items")?));
        bench.figures.put(row, &own);
    }
    Ok(())
}

/// Killed in the middle of touches; the time until a decision is answered.
pub fn start(bench: &mut Bench) -> Result<(), Trouble> {
    bench.shared()?;
    let mut times = Vec::new();
    for _ in 0..if bench.quick { 1 } else { 3 } {
        // Behind a checkpoint and in the middle of the next one's time.
        bench.touches_here("native", (16, 0.0, 3.0))?;
        let server = bench.shared.take().ok_or("the server is not there")?;
        let (data, memory_mib) = (server.data.clone(), server.memory_mib);
        server.kill()?;
        let begun = Instant::now();
        let server = Server::spawn(&bench.everbond, &data, memory_mib)?;
        let body = format!(
            r#"{{"person":"user:u00000042","product":"/01/{GTIN}/21/S00000042","preview":true}}"#
        );
        let answered = || -> Result<u16, Trouble> {
            Ok(server.client()?.ask("POST", "/v1/decisions", &body)?.0)
        };
        while !answered().is_ok_and(|status| status == 200) {
            if begun.elapsed() > Duration::from_secs(600) {
                return Err("no decision within ten minutes of the start".into());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        times.push(begun.elapsed().as_secs_f64());
        bench.shared = Some(server);
    }
    times.sort_by(f64::total_cmp);
    bench.figures.set("start.first_decision_s", times[times.len() / 2]);
    bench.figures.set("start.max_s", times[times.len() - 1]);
    Ok(())
}

/// Stopped in order: what the touches take on the disk, and how fast all of it folds anew.
pub fn replay(bench: &mut Bench) -> Result<(), Trouble> {
    let limit = bench.bench(&[
        ("replay", String::new()),
        ("folder", bench.folder.display().to_string()),
        ("people", bench.people.to_string()),
        ("touches", if bench.quick { "1000000" } else { "5000000" }.to_owned()),
    ])?;
    bench.figures.put("replay_limit", &limit);
    bench.shared()?;
    if bench.figures.get("ingest.touches").is_none() {
        bench.touches_here("native", (16, 0.0, bench.seconds(15.0, 5.0)))?;
    }
    let server = bench.shared.take().ok_or("the server is not there")?;
    let touches = server.client()?.metric("everbond_touches_total")? as u64;
    let data = server.data.clone();
    server.tidied()?;
    server.stop()?;
    let bytes = machine::folder_bytes(&data);
    let (bytes_before, touches_before) = bench.loaded;
    let more = touches.saturating_sub(touches_before).max(1) as f64;
    bench.figures.set("size.touch_bytes", (bytes.saturating_sub(bytes_before)) as f64 / more);
    bench.figures.set("size.person_bytes", bytes_before as f64 / bench.people as f64);
    bench.figures.set("size.log_bytes", machine::folder_bytes(&data.join("log")) as f64);
    bench.figures.set("size.store_bytes", machine::folder_bytes(&data.join("store")) as f64);
    bench.figures.set("size.touches", touches as f64);
    let (entries, rate) = replayed(&bench.everbond, &data)?;
    bench.figures.set("replay.entries", entries);
    bench.figures.set("replay.per_second", rate);
    Ok(())
}

/// `1234 entries folded in 1.20 s, 1028 a second`
fn replayed(everbond: &Path, data: &Path) -> Result<(f64, f64), Trouble> {
    let output =
        Command::new(everbond).args(["inspect", "--replay", "--data"]).arg(data).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = said.lines().find(|line| line.contains("entries folded in"));
    let line = line.ok_or_else(|| {
        format!("inspect --replay: {said}{}", String::from_utf8_lossy(&output.stderr))
    })?;
    if !output.status.success() {
        return Err(said.into());
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let last = words.len().saturating_sub(3);
    Ok((words[0].parse()?, words[last].parse()?))
}

/// The same folder with a tenth of its state as memory budget, and the best tree beside it.
pub fn beyond(bench: &mut Bench) -> Result<(), Trouble> {
    bench.shared()?;
    let server = bench.shared.take().ok_or("the server is not there")?;
    let data = server.data.clone();
    server.tidied()?;
    server.stop()?;
    let state = machine::folder_bytes(&data.join("store"));
    let budget_mib = (state / 10 / (1 << 20)).max(64);
    let times = state as f64 / (budget_mib << 20) as f64;
    bench.figures.set("beyond.budget_mib", budget_mib as f64);
    bench.figures.set("beyond.state_times", times);
    if times < 9.0 {
        bench.note(format!(
            "beyond: the state is only {times:.1} times the budget, because the least budget is \
             64 MiB; take more people"
        ));
    }
    let limit = bench.bench(&[
        ("fjall", String::new()),
        ("folder", bench.folder.display().to_string()),
        ("people", bench.people.to_string()),
        ("group", "1000".to_owned()),
        ("cache-mib", budget_mib.to_string()),
        ("seconds", bench.seconds(20.0, 5.0).to_string()),
    ])?;
    bench.figures.put("fjall", &limit);
    let server = Server::start(&bench.root, &bench.everbond, &data, budget_mib)?;
    let seconds = bench.seconds(30.0, 8.0);
    bench.shared = Some(server);
    let decisions = bench.decisions(true, (OPEN_LOOP, 200.0, seconds))?;
    let own = bench.touches_here("native", (16, 0.0, seconds))?;
    bench.figures.put("beyond_decide", &decisions.finish()?);
    bench.figures.put("beyond", &own);
    // What of a decision's time is the machine's: another program, the same two cores and loads.
    let (_fixed, addr) = fixed(bench)?;
    let (own, _) = bench.beside((16, 0.0, seconds / 2.0 + 1.0), |bench| {
        bench.get_fixed(addr, (OPEN_LOOP, 200.0, seconds / 2.0))
    })?;
    bench.figures.put("beyond_static", &own);
    let resident = bench.server()?.resident_bytes()?;
    bench.figures.set("beyond.resident_mib", resident / f64::from(1 << 20));
    bench.shared = None;
    Ok(())
}
