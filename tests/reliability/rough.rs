//! A target that misbehaves, over bare TCP: it answers as DataZone and as an OpenLineage endpoint, and does to each post
//! what its trouble says. It knows what it took, how often, and whether a post was begun while the last one of the
//! same event was still under way.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What is wrong with the target.
#[derive(Debug, Clone, Copy)]
pub enum Trouble {
    Nothing,
    /// So many posts of a hundred, drawn by lot, get that instead of an answer.
    Percent(u32, How),
    /// It takes so many a second, in bursts of a tenth of that, and does that to the others.
    Rate(u32, How),
    /// Each gets that.
    Always(How),
}

/// What becomes of a post.
#[derive(Debug, Clone, Copy)]
pub enum How {
    /// A status, and perhaps `Retry-After`.
    Status(u16, Option<u32>),
    /// Never an answer.
    Hang,
    /// The connection is reset.
    Reset,
    /// Headers that end in the middle.
    HalfHeaders,
    /// A body that is shorter than its length says.
    HalfBody,
    /// No HTTP.
    Garbage,
    /// It is taken, and the answer comes byte by byte.
    Trickle,
}

#[derive(Debug)]
pub struct Rough {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    trouble: Trouble,
    drawn: u32,
    tokens: f64,
    filled: Instant,
    taken: Vec<String>,
    under_way: HashMap<String, u32>,
    figures: Figures,
}

#[derive(Debug, Clone, Default)]
pub struct Figures {
    pub posts: u32,
    /// Posts of an event while another of the same was under way.
    pub overlaps: u32,
    pub first: Option<Instant>,
    pub last_taken: Option<Instant>,
}

impl Rough {
    pub async fn start(trouble: Trouble) -> Rough {
        Rough::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), trouble)
    }

    pub fn on(listener: TcpListener, trouble: Trouble) -> Rough {
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            trouble,
            drawn: 7,
            tokens: 1.0,
            filled: Instant::now(),
            taken: Vec::new(),
            under_way: HashMap::new(),
            figures: Figures::default(),
        }));
        let shared = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, shared.clone()));
            }
        });
        Rough {
            address,
            state,
            task,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn set(&self, trouble: Trouble) {
        self.state.lock().unwrap().trouble = trouble;
    }

    pub fn figures(&self) -> Figures {
        self.state.lock().unwrap().figures.clone()
    }

    /// What it took, in order.
    pub fn taken(&self) -> Vec<String> {
        self.state.lock().unwrap().taken.clone()
    }

    /// How often each event was taken.
    pub fn times(&self) -> BTreeMap<String, u32> {
        let mut times = BTreeMap::new();
        for body in self.taken() {
            *times.entry(body).or_default() += 1;
        }
        times
    }
}

impl Drop for Rough {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    /// What becomes of the next post; nothing when it is taken.
    fn draw(&mut self) -> Option<How> {
        match self.trouble {
            Trouble::Nothing => None,
            Trouble::Always(how) => Some(how),
            Trouble::Percent(percent, how) => {
                self.drawn = self
                    .drawn
                    .wrapping_mul(1_664_525)
                    .wrapping_add(1_013_904_223);
                ((self.drawn >> 8) % 100 < percent).then_some(how)
            }
            Trouble::Rate(rate, how) => {
                let (rate, now) = (f64::from(rate), Instant::now());
                let more = now.duration_since(self.filled).as_secs_f64() * rate;
                self.tokens = (self.tokens + more).min(1.0 + rate / 10.0);
                self.filled = now;
                let takes = self.tokens >= 1.0;
                self.tokens -= if takes { 1.0 } else { 0.0 };
                (!takes).then_some(how)
            }
        }
    }
}

async fn serve(mut connection: TcpStream, state: Arc<Mutex<State>>) {
    let _ = connection.set_nodelay(true);
    let mut buffer = Vec::new();
    while let Some(body) = request(&mut connection, &mut buffer).await {
        let how = {
            let mut state = state.lock().unwrap();
            let under_way = state.under_way.entry(body.clone()).or_default();
            *under_way += 1;
            let overlaps = u32::from(*under_way > 1);
            state.figures.overlaps += overlaps;
            state.figures.posts += 1;
            state.figures.first.get_or_insert_with(Instant::now);
            state.draw()
        };
        // It is under way until the proxy has the answer or gives up.
        let goes_on = answer(&mut connection, how).await;
        let mut state = state.lock().unwrap();
        if matches!(how, None | Some(How::Trickle)) && goes_on {
            state.taken.push(body.clone());
            state.figures.last_taken = Some(Instant::now());
        }
        *state.under_way.get_mut(&body).unwrap() -= 1;
        if !goes_on {
            return;
        }
    }
}

/// The body of the next request, if the connection has one.
async fn request(connection: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        let head = buffer.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(head) = head {
            let text = String::from_utf8_lossy(&buffer[..head]).to_lowercase();
            let length = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.unwrap().trim().parse().unwrap();
            let end = head + 4 + length;
            if buffer.len() >= end {
                let body = buffer[head + 4..end].to_vec();
                buffer.drain(..end);
                return Some(String::from_utf8(body).unwrap());
            }
        }
        if connection.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

/// Whether the connection can be used again.
async fn answer(connection: &mut TcpStream, how: Option<How>) -> bool {
    let body = r#"{"id":"abcdefghij1234","domainId":"dzd_rough"}"#;
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    let whole = match how {
        None => head + body,
        Some(How::Status(status, after)) => {
            let name = match status {
                403 => "AccessDeniedException",
                429 => "ThrottlingException",
                500 => "InternalServerException",
                _ => "",
            };
            let name = match name {
                "" => String::new(),
                name => format!("x-amzn-errortype: {name}\r\n"),
            };
            let after = after.map_or(String::new(), |after| format!("retry-after: {after}\r\n"));
            format!("HTTP/1.1 {status} No\r\n{name}{after}content-length: 2\r\n\r\n{{}}")
        }
        Some(How::Hang) => {
            let mut more = [0; 1];
            let _ = connection.read(&mut more).await; // until the proxy closes it
            return false;
        }
        Some(How::Reset) => {
            let _ = connection.set_zero_linger();
            return false;
        }
        Some(How::HalfHeaders) => {
            let _ = connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-").await;
            return false;
        }
        Some(How::HalfBody) => {
            let half = head + &body[..length / 2];
            let _ = connection.write_all(half.as_bytes()).await;
            return false;
        }
        Some(How::Garbage) => {
            let _ = connection.write_all(b"\x16\x03\x01 what?\r\n\r\n").await;
            return false;
        }
        Some(How::Trickle) => {
            for byte in (head + body).bytes() {
                tokio::time::sleep(Duration::from_millis(5)).await;
                if connection.write_all(&[byte]).await.is_err() {
                    return false;
                }
            }
            return true;
        }
    };
    connection.write_all(whole.as_bytes()).await.is_ok()
}
