//! Peers doing the work of a touch: an insert and two upserts in PostgreSQL and SQLite, a bare
//! publish in JetStream. Each in a folder and on a port of its own, ended by its process id;
//! whatever is not installed is skipped with a word on how to get it.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::figures::Figures;
use super::server::free_addr;
use super::{Bench, Trouble};

const BATCH: u64 = 500;

pub fn run(bench: &mut Bench) -> Result<(), Trouble> {
    type Peer = fn(&mut Bench) -> Result<(), Trouble>;
    let peers: [(&str, Peer); 3] =
        [("PostgreSQL", postgres), ("SQLite", sqlite), ("JetStream", jetstream)];
    for (name, peer) in peers {
        if let Err(trouble) = peer(bench) {
            bench.note(format!("{name} was skipped: {trouble}"));
        }
    }
    Ok(())
}

fn installed(candidates: &[&str], hint: &str) -> Result<PathBuf, Trouble> {
    let found = candidates.iter().map(PathBuf::from).find(|path| path.exists());
    found.ok_or_else(|| format!("it is not installed; {hint}").into())
}

/// A program that is ended by its id.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A cluster of its own. PostgreSQL refuses to run as root, so root hands it to its own user. It is
/// our child rather than pg_ctl's, so that it ends with us when somebody presses Ctrl-C.
struct Cluster {
    bin: PathBuf,
    folder: PathBuf,
    port: u16,
    as_root: bool,
    server: Option<Child>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        // SIGINT is its fast stop, which takes its own children along.
        let _ = Command::new("kill").args(["-INT", &server.id().to_string()]).status();
        let _ = server.wait();
    }
}

impl Cluster {
    fn start(bench: &Bench) -> Result<Cluster, Trouble> {
        let hint = "on Debian: apt-get install postgresql-15";
        let bin = installed(&["/usr/lib/postgresql/15/bin"], hint)?;
        let folder = bench.folder.join("postgres");
        fs::create_dir_all(&folder)?;
        let as_root = Command::new("id").arg("-u").output()?.stdout.starts_with(b"0\n");
        if as_root {
            Command::new("chown").arg("postgres").arg(&folder).status()?;
        }
        let port = free_addr()?.port();
        let mut cluster = Cluster { bin, folder, port, as_root, server: None };
        let data = cluster.folder.join("data").display().to_string();
        cluster.run("initdb", &["-D", &data, "-A", "trust", "--no-sync"])?;
        let folder = cluster.folder.display();
        let settings = format!(
            "port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{folder}'\n\
             shared_buffers = 2GB\nmax_wal_size = 8GB\ncheckpoint_timeout = 15min\n"
        );
        let path = cluster.folder.join("data/postgresql.conf");
        let all = fs::read_to_string(&path)? + &settings;
        fs::write(&path, all)?;
        let log = fs::File::create(cluster.folder.join("log"))?;
        let mut server = cluster.command("postgres", &["-D", &data]);
        server.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        cluster.server = Some(server.spawn()?);
        let begun = Instant::now();
        while cluster.run_on("pg_isready", &[]).is_err() {
            if begun.elapsed() > Duration::from_secs(60) {
                return Err("it was not ready within a minute".into());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(cluster)
    }

    /// One of its programs, as the user that may.
    fn command(&self, program: &str, args: &[&str]) -> Command {
        let path = self.bin.join(program);
        let mut command = match self.as_root {
            true => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(path);
                command
            }
            false => Command::new(path),
        };
        command.args(args).current_dir(&self.folder);
        command
    }

    fn run(&self, program: &str, args: &[&str]) -> Result<String, Trouble> {
        let output = self.command(program, args).stdin(Stdio::null()).output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match output.status.success() {
            true => Ok(text(&output.stdout)),
            false => {
                let said = text(&output.stderr);
                Err(format!("{program}: {}", said.lines().next().unwrap_or_default()).into())
            }
        }
    }

    /// The same against the running server.
    fn run_on(&self, program: &str, args: &[&str]) -> Result<String, Trouble> {
        let (folder, port) = (self.folder.display().to_string(), self.port.to_string());
        let mut all = vec!["-h", &folder, "-p", &port];
        if self.as_root {
            all.extend(["-U", "postgres"]);
        }
        all.extend(args);
        self.run(program, &all)
    }

    fn script(&self, name: &str, text: &str) -> Result<String, Trouble> {
        let path = self.folder.join(name);
        fs::write(&path, text)?;
        Ok(path.display().to_string())
    }

    fn sql(&self, name: &str, text: &str) -> Result<(), Trouble> {
        let path = self.script(name, text)?;
        self.run_on("psql", &["-q", "-v", "ON_ERROR_STOP=1", "-d", "postgres", "-f", &path])?;
        Ok(())
    }

    /// Transactions a second of a script.
    fn pgbench(&self, name: &str, script: &str, seconds: f64) -> Result<f64, Trouble> {
        let (path, seconds) = (self.script(name, script)?, format!("{seconds:.0}"));
        let clients = ["-n", "-M", "prepared", "-c", "8", "-j", "2", "-T", &seconds];
        let args = [&clients[..], &["-f", &path, "postgres"]].concat();
        let said = self.run_on("pgbench", &args)?;
        let tps = said.lines().find_map(|line| line.strip_prefix("tps = "));
        let tps = tps.and_then(|rest| rest.split(' ').next()).ok_or("pgbench says no tps")?;
        Ok(tps.parse()?)
    }
}

/// A touch: kept with an index on its person, and the person's and the unit's record moved on.
fn tables(people: u64) -> String {
    format!(
        "create table touch (id bigserial primary key, person bigint not null, body jsonb not null);
create index on touch (person, id);
create table person (id bigint primary key, touches bigint not null, last timestamptz, body jsonb)
  with (fillfactor = 80);
create table unit (like person including all) with (fillfactor = 80);
insert into person select i, 0, now(), jsonb_build_object('pad', repeat(md5(i::text), 12))
  from generate_series(1, {people}) i;
insert into unit select i, 0, now(), jsonb_build_object('pad', repeat(md5(i::text), 4))
  from generate_series(1, {people}) i;
create function body(n bigint) returns jsonb language sql immutable as $f$ select jsonb_build_object(
  'kind', 'product.used', 'id', n, 'user', 'u' || n, 'unit', '/01/09506000134352/21/S' || n,
  'channel', 'device', 'state', jsonb_build_object('ink_percent', n % 100),
  'properties', jsonb_build_object('pages', n % 40, 'note', repeat('paper ', 20))) $f$;
vacuum analyze person; vacuum analyze unit; checkpoint;
"
    )
}

fn postgres(bench: &mut Bench) -> Result<(), Trouble> {
    let cluster = Cluster::start(bench)?;
    let people = bench.people;
    cluster.sql("tables.sql", &tables(people))?;
    let upsert = |table: &str, id: &str| {
        format!(
            "insert into {table} values ({id}, 1, now(), '{{}}') on conflict (id) do update set \
             touches = {table}.touches + 1, last = excluded.last;\n"
        )
    };
    let single = format!(
        "\\set p random(1, {people})\nbegin;\ninsert into touch (person, body) values (:p, \
         body(:p));\n{}{}commit;\n",
        upsert("person", ":p"),
        upsert("unit", ":p")
    );
    let many = |table: &str| {
        format!(
            "{table}s as (insert into {table} select p, count(*), now(), '{{}}' from source group \
             by p order by p on conflict (id) do update set touches = {table}.touches + \
             excluded.touches, last = excluded.last)"
        )
    };
    let batch = format!(
        "\\set s random(1, 2000000000)\nwith source as materialized (select 1 + \
         abs(hashint8(:s::bigint + i * 7919)::bigint) % {people} p from generate_series(1, \
         {BATCH}) i), {}, {} insert into touch (person, body) select p, body(p) from source;\n",
        many("person"),
        many("unit")
    );
    let seconds = bench.seconds(15.0, 3.0);
    let single = cluster.pgbench("single.sql", &single, seconds)?;
    let batch = cluster.pgbench("batch.sql", &batch, seconds)?;
    bench.figures.set("postgres_single.per_second", single);
    bench.figures.set("postgres_batch.per_second", batch * BATCH as f64);
    Ok(())
}

fn sqlite(bench: &mut Bench) -> Result<(), Trouble> {
    let python = installed(&["/usr/bin/python3", "/usr/local/bin/python3"], "install python3")?;
    for (name, batch) in [("sqlite_single", 1), ("sqlite_batch", BATCH)] {
        let folder = bench.folder.join(name);
        fs::create_dir_all(&folder)?;
        let output = Command::new(&python)
            .arg(bench.root.join("crates/bench/sqlite.py"))
            .arg(&folder)
            .args([bench.people.to_string(), batch.to_string()])
            .arg(bench.seconds(10.0, 2.0).to_string())
            .output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        let own = Figures::parse(&String::from_utf8_lossy(&output.stdout))?;
        bench.figures.put(name, &own);
        fs::remove_dir_all(&folder)?;
    }
    Ok(())
}

fn jetstream(bench: &mut Bench) -> Result<(), Trouble> {
    let hint = "on Debian: apt-get install nats-server";
    let candidates =
        ["/usr/sbin/nats-server", "/usr/bin/nats-server", "/usr/local/bin/nats-server"];
    let program = installed(&candidates, hint)?;
    let folder = bench.folder.join("jetstream");
    let addr = free_addr()?;
    let server = Command::new(program)
        .args(["-js", "-a", "127.0.0.1", "-p", &addr.port().to_string(), "-sd"])
        .arg(&folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let _server = Ended(server);
    let begun = Instant::now();
    while TcpStream::connect(addr).is_err() {
        if begun.elapsed() > Duration::from_secs(10) {
            return Err("nats-server did not start".into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let own = bench.bench(&[
        ("jetstream", String::new()),
        ("addr", addr.to_string()),
        ("seconds", bench.seconds(8.0, 2.0).to_string()),
    ])?;
    bench.figures.put("jetstream", &own);
    Ok(())
}
