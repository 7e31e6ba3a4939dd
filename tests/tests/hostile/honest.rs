//! An honest tenant at work: `std/keywords` over people's messages, without end, in the sandbox that the hostile guests are in too.
//!
//! What is measured of a batch is its time by the clock and how much of that its thread stood in the queue for a core. The rest is what anything in
//! this process can take from it: a lock, the engine, memory. Who else runs on the machine, and on how many cores, is the queue's share alone; so the
//! figure that is judged leaves it out, and is the same on a busy machine as on a quiet one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use consign_sandbox::{Bound, Decision, Failure, Sandbox};
use consign_tests::{guests, real_jsonl};
use serde_json::{Value, json};

use crate::chats::{chat, messages};

/// Events of a batch: some half a millisecond's work.
pub const EVENTS: usize = 1_000;
/// Batches of one chat, by one instance.
const BATCHES: usize = 20;

/// What a batch took.
#[derive(Debug, Clone, Copy)]
struct Batch {
    /// By the clock.
    clock: Duration,
    /// Of it, waiting for a core.
    queue: Duration,
}

/// What batches took. A run of a hundred attempts has millions of them, and the memory that is measured is this process's: so they are counted, not kept.
#[derive(Debug, Clone, Default)]
pub struct Batches {
    /// Without the queue: what this process took, or what they were kept from by this process.
    pub own: Spread,
    /// By the clock.
    pub clock: Spread,
    /// All of it, by the clock.
    pub took: Duration,
    /// And in the queue for a core.
    pub queued: Duration,
}

impl Batches {
    /// How many they are.
    pub fn len(&self) -> usize {
        self.own.0.values().sum()
    }

    /// With those of another time.
    pub fn and(mut self, others: &Self) -> Self {
        self.own.add(&others.own);
        self.clock.add(&others.clock);
        (self.took, self.queued) = (self.took + others.took, self.queued + others.queued);
        self
    }

    fn push(&mut self, batch: Batch) {
        self.own.count(batch.clock.saturating_sub(batch.queue));
        self.clock.count(batch.clock);
        (self.took, self.queued) = (self.took + batch.clock, self.queued + batch.queue);
    }
}

/// How often each time was seen, to within a hundredth of it.
#[derive(Debug, Clone, Default)]
pub struct Spread(BTreeMap<i32, usize>);

impl Spread {
    /// Of one size class to the next.
    const STEP: f64 = 1.01;

    fn count(&mut self, time: Duration) {
        #[expect(clippy::cast_possible_truncation, reason = "some thousands, of any time that there is")]
        let class = time.as_secs_f64().max(1e-9).log(Self::STEP).ceil() as i32;
        *self.0.entry(class).or_default() += 1;
    }

    fn add(&mut self, other: &Self) {
        for (class, count) in &other.0 {
            *self.0.entry(*class).or_default() += count;
        }
    }

    /// The time that this share of all is not over; nothing where there are none.
    pub fn quantile(&self, share: f64) -> Duration {
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place among some millions")]
        let mut before = (self.0.values().sum::<usize>().saturating_sub(1) as f64 * share) as usize;
        for (class, count) in &self.0 {
            if before < *count {
                return Duration::from_secs_f64(Self::STEP.powi(*class));
            }
            before -= count;
        }
        Duration::ZERO
    }
}

/// How long this thread has stood in the queue for a core, from the kernel's account of it.
#[derive(Debug)]
pub struct Queue(File);

impl Queue {
    /// Of the calling thread; it may be asked by no other.
    pub fn of_this_thread() -> Self {
        Self(File::open("/proc/thread-self/schedstat").unwrap())
    }

    /// So far.
    pub fn so_far(&self) -> Duration {
        let mut bytes = [0; 96];
        let length = self.0.read_at(&mut bytes, 0).unwrap();
        let text = std::str::from_utf8(&bytes[..length]).unwrap();
        Duration::from_nanos(text.split_whitespace().nth(1).unwrap().parse().unwrap())
    }
}

/// Every so many texts one of these words is in.
pub fn texts() -> Vec<String> {
    let corpus = real_jsonl();
    let lines = BufReader::new(flate2::read::MultiGzDecoder::new(File::open(&corpus.file).unwrap())).lines();
    let text = |line: std::io::Result<String>| {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        Some(event["text"].as_str()?.to_owned()).filter(|_| event["type"] == "message")
    };
    lines.filter_map(text).take(EVENTS * BATCHES).collect()
}

struct Shared {
    /// What was measured since it was last taken; unset while nobody wants it.
    batches: Mutex<Option<Batches>>,
    more: Condvar,
    over: AtomicBool,
    /// Calls that ran out of time for another reason than the queue.
    stopped: AtomicU64,
}

/// The tenant's thread.
pub struct Honest {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Honest {
    /// Binds the module and begins, with so many events in a batch. All verdicts are held against a plain search.
    pub fn start(sandbox: &Sandbox, texts: &[String], events: usize) -> Self {
        let path = guests::folder().join("../../guest-filters/dist/std/keywords.wasm");
        let module = sandbox.load(&std::fs::read(path).unwrap()).unwrap();
        let words = ["theorem", "please", "error", "rewrite", "definition", "thanks"];
        let config = json!({"any": words, "ignore-case": true});
        let bound = module.bind(&config, &module.manifest().needs).unwrap();
        let expected: Vec<u8> = texts.iter().map(|text| u8::from(!words.iter().any(|word| text.to_ascii_lowercase().contains(word)))).collect();
        let shared = Arc::new(Shared { batches: Mutex::new(None), more: Condvar::new(), over: AtomicBool::new(false), stopped: AtomicU64::new(0) });
        let (for_thread, texts) = (Arc::clone(&shared), texts.to_vec());
        let thread = std::thread::spawn(move || work(&bound, &texts, &expected, events, &for_thread));
        Self { shared, thread: Some(thread) }
    }

    /// What so many batches take while nothing else is done.
    pub fn alone(&self, least: usize) -> Batches {
        self.beside(least, || false)
    }

    /// What batches take while `others` is done, again and again until it says that it has done enough and there are so many of them.
    pub fn beside(&self, least: usize, mut others: impl FnMut() -> bool) -> Batches {
        *self.shared.batches.lock().unwrap() = Some(Batches::default());
        let mut again = true;
        loop {
            again = again && others();
            let batches = self.shared.batches.lock().unwrap();
            let enough = |batches: &mut Option<Batches>| batches.as_ref().is_some_and(|batches| batches.len() >= least);
            let mut batches = if again { batches } else { self.shared.more.wait_while(batches, |batches| !enough(batches) && !self.gone()).unwrap() };
            assert!(!self.gone(), "the honest tenant's run has failed: see above");
            if !again && enough(&mut batches) {
                return batches.take().unwrap();
            }
        }
    }

    /// How many of its calls ran out of time so far, for another reason than the queue.
    pub fn stopped(&self) -> u64 {
        self.shared.stopped.load(Ordering::Relaxed)
    }

    fn gone(&self) -> bool {
        self.shared.over.load(Ordering::Relaxed)
    }
}

impl Drop for Honest {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            assert!(std::thread::panicking(), "the honest tenant's run has failed: see above");
        }
    }
}

fn work(bound: &Bound, texts: &[String], expected: &[u8], events: usize, shared: &Shared) {
    // Whoever waits for the next batch has to hear that there will be none.
    struct Wake<'a>(&'a Shared);
    impl Drop for Wake<'_> {
        fn drop(&mut self) {
            // With the lock, so that nobody is between looking and waiting.
            let _batches = self.0.batches.lock();
            self.0.over.store(true, Ordering::Relaxed);
            self.0.more.notify_all();
        }
    }
    let _wake = Wake(shared);
    let queue = Queue::of_this_thread();
    let chat = chat("honest");
    let batches: Vec<_> = texts.chunks(events).map(|texts| messages(&chat, texts)).collect();
    while !shared.over.load(Ordering::Relaxed) {
        let mut session = bound.criteria(Arc::clone(&chat)).unwrap();
        let Some((decision, _)) = timed(&queue, shared, || session.begin()) else { continue };
        assert_eq!(decision, Decision::Inspect);
        for (batch, expected) in batches.iter().zip(expected.chunks(events)) {
            let Some((verdicts, measured)) = timed(&queue, shared, || session.evaluate(batch)) else { break };
            assert!(verdicts == expected, "the honest tenant's verdicts have changed");
            if let Some(batches) = shared.batches.lock().unwrap().as_mut() {
                batches.push(measured);
                shared.more.notify_all();
            }
            if shared.over.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

/// A call, and what it took. Nothing where it ran out of time, since the tenant has the guests' short limits: it goes on with the next chat. That is counted,
/// unless its thread stood in the queue for a core for most of the time.
fn timed<T>(queue: &Queue, shared: &Shared, call: impl FnOnce() -> Result<T, Failure>) -> Option<(T, Batch)> {
    let (waited, begun) = (queue.so_far(), Instant::now());
    let answer = call();
    let measured = Batch { clock: begun.elapsed(), queue: queue.so_far().saturating_sub(waited) };
    match answer {
        Ok(value) => Some((value, measured)),
        Err(Failure::OutOfTime { .. }) => {
            if 2 * measured.queue < measured.clock {
                shared.stopped.fetch_add(1, Ordering::Relaxed);
            }
            None
        }
        Err(failure) => panic!("the honest tenant's module: {failure}"),
    }
}
