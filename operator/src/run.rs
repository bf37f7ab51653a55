//! Wires the operator: caches, lease, passes, web. Everything ends with one token.

use std::{sync::Arc, time::Instant};

use futures::{FutureExt, StreamExt, channel::mpsc, future};
use kube::{
    Client,
    runtime::{
        applier,
        controller::Action,
        reflector::{self, ObjectRef},
    },
};
use nas_api::objects::NasExperiment;
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};
use tracing::{
    Instrument, Span,
    field::{Empty, display},
    info_span,
};

use crate::{
    Config, Error, Metrics,
    context::Context,
    events::Events,
    experiment::{Next, delete_orphans, reconcile, tell_failing, tell_unreadable},
    lease::Candidate,
    store::ExperimentKey,
    telemetry,
    watches::Watches,
    web,
    world::World,
};

/// Passes over different experiments at the same time: more than ever are due, as a rule, since where more wait kube takes whom it finds first in a
/// set, again and again. What keeps the API server from being asked too much is the limit of requests in flight, which is first come, first served.
const AT_ONCE: u16 = 256;
/// Events that come close together are one pass.
const DEBOUNCE: std::time::Duration = std::time::Duration::from_millis(5);
/// Jobs that outlive their experiment are looked at again after this long.
const ORPHANS_AGAIN: std::time::Duration = std::time::Duration::from_secs(10);
/// At the end, events that nobody has been told of yet have so long.
const LAST_EVENTS: std::time::Duration = std::time::Duration::from_secs(5);
/// Passes that have failed for so long are told on their experiment: an API server that is restarted takes less.
const TOLD_AFTER: std::time::Duration = std::time::Duration::from_secs(10);
/// Races that have been lost for so long are no accident: they are told as well, and run no longer without a pause.
const LOST_FOR: std::time::Duration = std::time::Duration::from_mins(1);
/// Pause after a pass that failed.
const AFTER_ERROR: std::time::Duration = std::time::Duration::from_secs(2);

/// Runs the operator until `stop`, or until it loses its lease.
///
/// # Errors
///
/// If it cannot listen, or another replica takes the lease.
pub async fn run(config: Config, client: Client, metrics: Metrics, stop: CancellationToken) -> Result<(), Error> {
    let world = Arc::new(World::new());
    let (events, publish) = Events::new(client.clone(), &config.identity);
    let context = Arc::new(Context::new(client.clone(), config.clone(), Arc::clone(&world), metrics.clone(), events));
    let (touch, touched) = mpsc::unbounded();
    let writer = reflector::store::Writer::default();
    let reader = writer.as_reader();

    let tasks = TaskTracker::new();
    let end = stop.child_token();
    let spawn = |future: future::BoxFuture<'static, ()>| {
        let end = end.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = end.cancelled() => {}
                () = future => {}
            }
        });
    };
    let last = end.clone();
    tasks.spawn(async move {
        let late = async {
            last.cancelled().await;
            tokio::time::sleep(LAST_EVENTS).await;
        };
        future::select(Box::pin(publish), Box::pin(late)).await;
    });
    let watches = Watches {
        client: client.clone(),
        namespace: config.watch_namespace.clone(),
        world: Arc::clone(&world),
        touched: touch.clone(),
    };
    spawn(watches.clone().experiments(writer).boxed());
    spawn(watches.clone().trials().boxed());
    spawn(watches.clone().jobs().boxed());
    spawn(watches.pods(metrics.clone()).boxed());
    let web = tokio::spawn(web::serve(config.listen, Arc::clone(&world), metrics.clone(), end.clone()));

    let candidate =
        Candidate::new(client, &config.lease_namespace, &config.lease_name, &config.identity, config.lease_duration());
    metrics.leads(&config.lease_name, false);
    let ended = async {
        let Some(lease) = candidate.acquire(&stop).await else { return Ok(()) };
        tracing::info!(identity = config.identity, "leading");
        metrics.leads(&config.lease_name, true);
        let work = stop.child_token();
        let done = CancellationToken::new();
        // Passes end before the lease is given back: nothing is written by two.
        let passes = async {
            passes(Arc::clone(&context), reader, touch, touched, work.clone()).await;
            done.cancel();
        };
        let keep = async {
            let kept = candidate.keep(lease, &done).await;
            work.cancel();
            kept
        };
        let ((), kept) = future::join(passes, keep).await;
        kept
    }
    .await;
    metrics.leads(&config.lease_name, false);
    end.cancel();
    // With it goes the last that could tell something.
    drop(context);
    tasks.close();
    tasks.wait().await;
    let served = web.await.unwrap_or_else(|error| Err(Error::Task(error.to_string())));
    ended.and(served)
}

/// One pass after the other over each experiment that something touches, until `stop`.
async fn passes(
    context: Arc<Context>,
    reader: reflector::Store<NasExperiment>,
    touch: mpsc::UnboundedSender<ExperimentKey>,
    touched: mpsc::UnboundedReceiver<ExperimentKey>,
    stop: CancellationToken,
) {
    let known = {
        let world = Arc::clone(&context.world);
        futures::stream::once(async move {
            while !world.is_synced() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            futures::stream::iter(world.experiments.groups())
        })
        .flatten()
    };
    let metrics = context.metrics.clone();
    metrics.works_at_once(AT_ONCE);
    let queue = known
        .chain(touched)
        .inspect(move |key| metrics.queued(key))
        .map(|key| Ok::<_, std::convert::Infallible>(ObjectRef::new(&key.experiment).within(&key.namespace)))
        .take_until(stop.clone().cancelled_owned());
    let settings = kube::runtime::controller::Config::default().concurrency(AT_ONCE).debounce(DEBOUNCE);
    // Each pass is a task of its own: a decision that computes for seconds holds up neither other experiments nor the lease.
    let task = |experiment, context| {
        let pass = AbortOnDropHandle::new(tokio::spawn(pass(experiment, context).boxed()));
        pass.map(|ended| ended.unwrap_or_else(|error| Err(Error::Task(error.to_string())))).boxed()
    };
    applier(task, after_error, Arc::clone(&context), reader, queue, settings)
        .for_each_concurrent(usize::from(AT_ONCE), |ended| {
            let (context, stop, touch) = (&context, &stop, &touch);
            async move {
                // No error: it was deleted, or cannot be read.
                if let Err(kube::runtime::controller::Error::ObjectNotFound(gone)) = ended {
                    let key =
                        ExperimentKey { namespace: gone.namespace.clone().unwrap_or_default(), experiment: gone.name.clone() };
                    clear_up(context, &key, stop, touch).await;
                }
            }
        })
        .await;
}

/// What is left to do for an experiment that was deleted, or cannot be read.
async fn clear_up(
    context: &Arc<Context>,
    key: &ExperimentKey,
    stop: &CancellationToken,
    touch: &mpsc::UnboundedSender<ExperimentKey>,
) {
    context.forget(key);
    if let Some(problem) = context.world.unreadable(key) {
        if let Err(error) = tell_unreadable(context, key, &problem).await {
            tracing::warn!(error = error.chain(), "cannot say that an experiment cannot be read");
        }
        return;
    }
    let left = delete_orphans(context, key).await.unwrap_or_else(|error| {
        tracing::warn!(error = error.chain(), "cannot delete Jobs whose trials are gone");
        true
    });
    if left && context.leaves(key) {
        let (context, stop, touch, key) = (Arc::clone(context), stop.clone(), touch.clone(), key.clone());
        tokio::spawn(async move {
            if stop.run_until_cancelled(tokio::time::sleep(ORPHANS_AGAIN)).await.is_some() {
                context.left(&key);
                // Nobody listens any more when the operator ends.
                let _ = touch.unbounded_send(key);
            }
        });
    }
}

fn key_of(experiment: &NasExperiment) -> ExperimentKey {
    let name = |value: &Option<String>| value.clone().unwrap_or_default();
    ExperimentKey { namespace: name(&experiment.metadata.namespace), experiment: name(&experiment.metadata.name) }
}

async fn pass(experiment: Arc<NasExperiment>, context: Arc<Context>) -> Result<Action, Error> {
    let key = key_of(&experiment);
    // kube's own span of a pass, which says the same in more words, is left out.
    let (namespace, experiment) = (&key.namespace, &key.experiment);
    let span =
        info_span!(parent: None, "reconcile", namespace, experiment, trace_id = Empty, result = Empty, otel.status_code = Empty);
    look(&context, &key).instrument(span).await
}

/// A pass in its span.
async fn look(context: &Context, key: &ExperimentKey) -> Result<Action, Error> {
    let span = Span::current();
    if let Some(trace) = telemetry::trace_id() {
        span.record("trace_id", display(trace));
    }
    let began = Instant::now();
    let _working = context.metrics.takes(key);
    let ended = reconcile(context, key).await;
    let result = match &ended {
        Ok(_) => {
            context.succeeded(key);
            "success"
        }
        // Somebody was faster: what they wrote is in the cache already.
        Err(error @ Error::Conflict { .. }) => {
            if context.failed(key) >= LOST_FOR {
                tell_failing(context, key, error).await;
            }
            "requeue"
        }
        Err(error) => {
            tracing::warn!(error = error.chain(), "a pass failed");
            context.metrics.failed(error.category());
            if context.failed(key) >= TOLD_AFTER {
                tell_failing(context, key, error).await;
            }
            span.record("otel.status_code", "ERROR");
            "error"
        }
    };
    span.record("result", result);
    context.metrics.reconciled(result, began.elapsed());
    ended.map(|Next(after)| Action::requeue(after))
}

#[expect(clippy::needless_pass_by_value, reason = "kube's own form")]
fn after_error(experiment: Arc<NasExperiment>, error: &Error, context: Arc<Context>) -> Action {
    let is_race = matches!(error, Error::Conflict { .. }) && context.failing_for(&key_of(&experiment)) < LOST_FOR;
    Action::requeue(if is_race { DEBOUNCE } else { AFTER_ERROR })
}
