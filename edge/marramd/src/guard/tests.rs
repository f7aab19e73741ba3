//! Trials of programs that are shell scripts.

use std::fs;

use marram_nucleus::paths::NucleusPaths;

use super::*;

const DEADLINE: Duration = Duration::from_secs(30);

struct Trial {
    folder: tempfile::TempDir,
    alternatives: Alternatives,
    program: PathBuf,
    old: PathBuf,
}

impl Trial {
    /// A new program with this script; `$1` is the folder of `alts`.
    fn of(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let alternatives = Alternatives::new(&NucleusPaths::new(folder.path()));
        let file = folder.path().join("program");
        let counted = format!("#!/bin/sh\necho start >> $1/../starts\n{script}\n");
        fs::write(&file, counted).unwrap();
        alternatives.stage("a", &file, &"2.18.0".parse().unwrap(), &file).unwrap();
        let program = alternatives.on_trial().unwrap();
        let old = alternatives.current().unwrap();
        Self { folder, alternatives, program, old }
    }

    async fn watch(&self, deadline: Duration) -> Verdict {
        let guard = Guard {
            alternatives: &self.alternatives,
            program: &self.program,
            words: &[self.alternatives.folder().into()],
            deadline,
        };
        tokio::time::timeout(DEADLINE, guard.watch()).await.unwrap().unwrap()
    }

    fn starts(&self) -> usize {
        fs::read_to_string(self.folder.path().join("starts")).unwrap().lines().count()
    }
}

#[tokio::test]
async fn a_program_that_crashes_three_times_is_replaced_by_the_old_one() {
    let trial = Trial::of("exit 1");
    assert_eq!(trial.watch(DEADLINE).await, Verdict::Become(trial.old.clone()));
    assert_eq!(trial.starts(), 3);
    assert_eq!(trial.alternatives.on_trial(), None);
}

#[tokio::test]
async fn attempts_of_before_a_power_cut_count() {
    let trial = Trial::of("exit 1");
    trial.alternatives.set_attempts(2).unwrap();
    assert_eq!(trial.watch(DEADLINE).await, Verdict::Become(trial.old.clone()));
    assert_eq!(trial.starts(), 1);
}

#[tokio::test]
async fn a_program_that_does_not_come_up_in_time_is_ended() {
    let trial = Trial::of("exec sleep 1000");
    trial.alternatives.set_attempts(2).unwrap();
    let verdict = trial.watch(Duration::from_millis(200)).await;
    assert_eq!(verdict, Verdict::Become(trial.old.clone()));
}

#[tokio::test]
async fn a_program_that_cannot_be_executed_is_replaced_at_once() {
    let trial = Trial::of("");
    fs::write(&trial.program, "no program").unwrap();
    assert_eq!(trial.watch(DEADLINE).await, Verdict::Become(trial.old.clone()));
}

#[tokio::test]
async fn the_end_of_a_proven_program_is_its_own_affair() {
    let keep = "rm $1/current; ln -s a $1/current; rm $1/new;";
    let trial = Trial::of(&format!("{keep} exit 7"));
    assert_eq!(trial.watch(DEADLINE).await, Verdict::Exit(7));
    let trial = Trial::of(&format!("{keep} exit 100"));
    assert_eq!(trial.watch(DEADLINE).await, Verdict::Become(trial.program.clone()));
}

#[tokio::test]
async fn a_program_that_withdraws_itself_gives_back() {
    let trial = Trial::of("mv $1/new $1/broken; exit 100");
    assert_eq!(trial.watch(DEADLINE).await, Verdict::Become(trial.old.clone()));
    assert_eq!(trial.starts(), 1);
}

#[tokio::test]
async fn a_wish_to_start_again_counts_only_from_a_program_that_is_up() {
    let trial = Trial::of("exit 100");
    assert_eq!(trial.watch(DEADLINE).await, Verdict::Become(trial.old.clone()));
    assert_eq!(trial.starts(), 3, "it never said that it is up");
}
