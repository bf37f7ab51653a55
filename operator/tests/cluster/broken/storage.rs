//! A volume for checkpoints that is full, and a trainer that crashes whatever it is given.

use crate::rig::{EXPERIMENT, Rig, surrogate};

/// What the trainer says where its volume is full.
const FULL: &str = "cannot write 4096 bytes to /checkpoints/step-0000000001.json.tmp: No space left on device (os error 28); free some space or give \
                    the checkpoints a larger volume; what was committed before is kept";

#[tokio::test]
async fn a_full_volume_is_told_and_fails_no_trial_however_long_it_lasts() {
    let rig = Rig::new("full").await;
    let operator = rig.operator();
    rig.create(EXPERIMENT).await;
    // As often as a Job tries, and once more.
    for end in 0_u32..6 {
        let started = rig.next_pod().await;
        assert_eq!((started.segment.trial_name.as_str(), started.segment.attempt), ("small-0", end / 5), "{end}");
        rig.end(&started, 75, FULL).await;
        if end == 0 {
            let message = rig.progressing("TrainerEnded").await;
            assert!(message.contains("exit code 75") && message.contains("free some space"), "{message}");
        }
    }
    // Somebody has made room.
    let started = rig.next_pod().await;
    assert_eq!((started.segment.trial_name.as_str(), started.segment.attempt), ("small-0", 1));
    rig.report(&started, surrogate).await;
    assert_eq!(rig.next_pod().await.segment.trial_name, "small-1");
    let trial = rig.trials().await.remove(0);
    assert_eq!((trial.counted_ends(), trial.to_record().value_at(0)), (0, Some(surrogate(0, 0))));
    let segments = trial.status.unwrap().segments;
    assert_eq!(segments.iter().map(|segment| segment.outcome.name()).collect::<Vec<_>>(), ["Stopped", "Value"]);
    assert!(segments[0].message.contains("No space left on device"), "{segments:?}");
    rig.close(operator).await;
}

/// A crash is one: the Job tries five times within the attempt, and then the trial has failed.
#[tokio::test]
async fn a_trainer_that_crashes_until_its_job_gives_up_has_failed() {
    let rig = Rig::new("crashes").await;
    let operator = rig.operator();
    rig.create(EXPERIMENT).await;
    for _ in 0..5 {
        let started = rig.next_pod().await;
        assert_eq!((started.segment.trial_name.as_str(), started.segment.attempt), ("small-0", 0));
        rig.end(&started, 1, "Traceback: no such layer").await;
    }
    assert_eq!(rig.next_pod().await.segment.trial_name, "small-1");
    let trial = rig.trials().await.remove(0);
    assert_eq!(trial.to_record().last().map(|last| last.outcome.name()), Some("Failed"));
    assert!(rig.progressing("TrialFailed").await.contains("no such layer"));
    rig.close(operator).await;
}
