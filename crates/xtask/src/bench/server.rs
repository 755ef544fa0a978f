//! The program under test: started on a free port of the loopback, asked for its memory and its
//! processor time, stopped in order or killed.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Trouble;
use super::client::Client;
use super::machine;

pub const KEY: &str = "sk_benchkey_abcdefghijklmnopqrstuvwxyz012345";
pub const GTIN: &str = "09506000134352";
const MODELS: [&str; 3] = [GTIN, "09506000134369", "09506000134376"];
const START_MOST: Duration = Duration::from_secs(600);
const STOP_MOST: Duration = Duration::from_secs(120);

pub struct Server {
    child: Child,
    pub addr: SocketAddr,
    pub data: PathBuf,
    pub memory_mib: u64,
}

impl Drop for Server {
    fn drop(&mut self) {
        // When it was stopped or killed before, there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn free_addr() -> Result<SocketAddr, Trouble> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

impl Server {
    /// Starts it and waits until it is ready; on a fresh folder sets up models and journey.
    pub fn start(
        root: &Path,
        everbond: &Path,
        data: &Path,
        memory_mib: u64,
    ) -> Result<Server, Trouble> {
        let fresh = !data.exists();
        let mut server = Server::spawn(everbond, data, memory_mib)?;
        let begun = Instant::now();
        while !server.is_ready() {
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("everbond ended: {status}").into());
            }
            if begun.elapsed() > START_MOST {
                return Err("everbond was not ready in time".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        if fresh {
            server.set_up(root)?;
        }
        Ok(server)
    }

    /// Starts it and does not wait.
    pub fn spawn(everbond: &Path, data: &Path, memory_mib: u64) -> Result<Server, Trouble> {
        let addr = free_addr()?;
        let child = Command::new(everbond)
            .args(["serve", "--log-level", "warn", "--listen", &addr.to_string()])
            .args(["--memory-mib", &memory_mib.to_string(), "--data"])
            .arg(data)
            .env("EVERBOND_FIRST_SECRET_KEY", KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Server { child, addr, data: data.to_owned(), memory_mib })
    }

    fn is_ready(&self) -> bool {
        let asked = self.client().and_then(|mut client| client.ask("GET", "/readyz", ""));
        asked.is_ok_and(|(status, _)| status < 300)
    }

    fn set_up(&self, root: &Path) -> Result<(), Trouble> {
        let mut client = self.client()?;
        for gtin in MODELS {
            let model = r#"{"name":"EverPrint 3","brand":"Ever","price":"299.00 USD"}"#;
            client.call("PUT", &format!("/v1/models/{gtin}"), model)?;
        }
        let journey = std::fs::read_to_string(root.join("crates/bench/journey.yaml"))?;
        client.call("PUT", "/v1/journeys/bench", &journey)?;
        let names = ["Product Used", "Product Reported", "Page Viewed", "Guide Viewed"];
        let names = names.iter().chain(&["Product Failed", "Product Fixed"]);
        let pairs: Vec<String> = names
            .map(|name| format!("\"{name}\":\"{}\"", name.to_lowercase().replace(' ', ".")))
            .collect();
        client.call("PUT", "/v1/mappings", &format!("{{{}}}", pairs.join(",")))?;
        Ok(())
    }

    pub fn client(&self) -> Result<Client, Trouble> {
        Client::open(self.addr, KEY)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn resident_bytes(&self) -> Result<f64, Trouble> {
        machine::resident_bytes(self.pid())
    }

    pub fn cpu_seconds(&self) -> Result<f64, Trouble> {
        machine::cpu_seconds(self.pid())
    }

    /// Until a checkpoint holds everything, so that what is measured is not in the middle of one.
    pub fn settle(&self) -> Result<(), Trouble> {
        let mut client = self.client()?;
        let position = client.metric("everbond_position")?;
        let begun = Instant::now();
        while client.metric("everbond_checkpoint_position")? < position {
            if begun.elapsed() > Duration::from_secs(60) {
                return Err("no checkpoint came within a minute".into());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        std::thread::sleep(Duration::from_secs(1));
        Ok(())
    }

    /// Until the store has given back what is out of date in it, as it does when nothing comes:
    /// its size stands still then. While it is tidied it grows and shrinks.
    pub fn tidied(&self) -> Result<(), Trouble> {
        let mut client = self.client()?;
        let (begun, mut last, mut since) = (Instant::now(), f64::NAN, Instant::now());
        while since.elapsed() < Duration::from_secs(10) {
            if begun.elapsed() > Duration::from_secs(120) {
                return Err("the store was not tidied within two minutes".into());
            }
            let bytes = client.metric("everbond_store_bytes")?;
            if bytes != last {
                (last, since) = (bytes, Instant::now());
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        Ok(())
    }

    /// As an operator stops it.
    pub fn stop(mut self) -> Result<(), Trouble> {
        let pid = self.pid().to_string();
        if !Command::new("kill").args(["-TERM", &pid]).status()?.success() {
            return Err("everbond could not be told to stop".into());
        }
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > STOP_MOST {
                return Err("everbond did not stop in time".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// As a power cut does.
    pub fn kill(mut self) -> Result<(), Trouble> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}
