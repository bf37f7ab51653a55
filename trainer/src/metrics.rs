//! Prometheus metrics of a running segment: to look at, never to decide on.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use prometheus::{
    Counter, Encoder, Gauge, IntCounter, Registry, TextEncoder, register_counter_with_registry, register_gauge_with_registry,
    register_int_counter_with_registry,
};

/// What is exposed.
#[derive(Clone)]
pub struct TrainerMetrics {
    registry: Registry,
    /// Batches trained since the trial's beginning.
    pub batches: Gauge,
    /// Mean loss of the last batches.
    pub loss: Gauge,
    /// Last measured accuracy.
    pub accuracy: Gauge,
    /// Highest accuracy so far.
    pub best_accuracy: Gauge,
    /// Learning rate now.
    pub learning_rate: Gauge,
    /// Seconds spent on evaluations by this process.
    pub evaluation_seconds: Counter,
    /// Seconds spent on checkpoints by this process.
    pub checkpoint_seconds: Counter,
    /// Most bytes of the GPU that tensors have held.
    pub peak_gpu_bytes: Gauge,
    /// Images trained by this process.
    pub images: IntCounter,
}

impl TrainerMetrics {
    /// Metrics in a registry of their own.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let gauge = |name: &str, help: &str| register_gauge_with_registry!(name, help, registry);
        let counter = |name: &str, help: &str| register_counter_with_registry!(name, help, registry);
        Ok(Self {
            batches: gauge("nas_trainer_batches", "Batches trained since the beginning of the trial.")?,
            loss: gauge("nas_trainer_loss", "Mean training loss of the last batches.")?,
            accuracy: gauge("nas_trainer_accuracy", "Accuracy of the last evaluation, a fraction.")?,
            best_accuracy: gauge("nas_trainer_best_accuracy", "Highest accuracy of the trial so far, a fraction.")?,
            learning_rate: gauge("nas_trainer_learning_rate", "Learning rate.")?,
            evaluation_seconds: counter("nas_trainer_evaluation_seconds_total", "Seconds spent on evaluations by this process.")?,
            checkpoint_seconds: counter("nas_trainer_checkpoint_seconds_total", "Seconds spent on checkpoints by this process.")?,
            peak_gpu_bytes: gauge("nas_trainer_peak_gpu_bytes", "Most bytes of the GPU that tensors have held at once.")?,
            images: register_int_counter_with_registry!("nas_trainer_images_total", "Images trained by this process.", registry)?,
            registry,
        })
    }

    /// The text format of Prometheus.
    pub fn text(&self) -> String {
        let mut bytes = Vec::new();
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut bytes);
        String::from_utf8(bytes).unwrap_or_default()
    }

    /// Serves `/metrics` on `address` (port 0: any free one) from a thread of its own, as long as the process lives.
    pub fn serve(&self, address: &str) -> std::io::Result<SocketAddr> {
        let listener = TcpListener::bind(address)?;
        let bound = listener.local_addr()?;
        let metrics = self.clone();
        thread::Builder::new().name("metrics".to_owned()).spawn(move || {
            for stream in listener.incoming().flatten() {
                // A reader that goes away harms nobody.
                let _ = metrics.answer(stream);
            }
        })?;
        Ok(bound)
    }

    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut request = String::new();
        reader.read_line(&mut request)?;
        let mut header = String::new();
        while reader.read_line(&mut header)? > 2 {
            header.clear();
        }
        let (status, body) =
            if request.starts_with("GET /metrics ") { ("200 OK", self.text()) } else { ("404 Not Found", String::new()) };
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    }
}
