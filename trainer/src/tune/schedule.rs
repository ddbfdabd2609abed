//! Which trial runs next: a pure function of the results so far, so that nothing needs to be remembered but those.

use std::collections::BTreeMap;

use super::measure::Objective;
use super::pareto::fronts;
use super::space::{Method, Space};
use super::trial::{Outcome, Rung, Status};

/// What is known of a trial.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// Its result so far.
    pub outcome: Option<Outcome>,
    /// Whether a process works on it.
    pub is_running: bool,
    /// Whether its process ended without a result, so that it is left alone in this run.
    pub is_lost: bool,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Runs a trial, up to some epochs or all of them.
    Run { trial: usize, stop_after: Option<usize> },
    /// Waits for a running trial.
    Wait,
    /// Nothing is left.
    Done,
}

pub(super) fn next(space: &Space, states: &BTreeMap<usize, State>) -> Next {
    let rungs = rungs(space);
    if let Some(promoted) = promotion(space, states, &rungs) {
        return promoted;
    }
    let is_new = |trial: &usize| {
        states.get(trial).is_none_or(|state| state.outcome.is_none() && !state.is_running && !state.is_lost)
    };
    if let Some(trial) = (0..space.trials).find(is_new) {
        return Next::Run { trial, stop_after: rungs.first().copied() };
    }
    if states.values().any(|state| state.is_running) { Next::Wait } else { Next::Done }
}

/// Epochs of every round of successive halving; none for the other methods.
pub(super) fn rungs(space: &Space) -> Vec<usize> {
    let (Method::Asha { reduction, min_epochs }, Some(most)) = (space.method, space.epochs) else { return Vec::new() };
    let mut rungs = vec![min_epochs];
    while let Some(next) = rungs.last().and_then(|last| last.checked_mul(reduction)).filter(|&next| next <= most) {
        rungs.push(next);
    }
    // The last round goes to the end of the recipe.
    if rungs.len() > 1 {
        rungs.pop();
    }
    if rungs.last() != Some(&most) {
        rungs.push(most);
    }
    rungs
}

/// A trial that is among the best of its round and goes on, from the highest round that has one.
fn promotion(space: &Space, states: &BTreeMap<usize, State>, rungs: &[usize]) -> Option<Next> {
    let Method::Asha { reduction, .. } = space.method else { return None };
    let pairs = rungs.iter().zip(rungs.iter().skip(1));
    pairs.rev().find_map(|(&this, &higher)| {
        let reached = |state: &State| state.outcome.as_ref().and_then(|outcome| outcome.after(this).cloned());
        let members = states.iter().filter_map(|(&trial, state)| Some((trial, reached(state)?))).collect();
        let members = best(&space.objectives, members);
        let promoted = members.iter().take(members.len() / reduction).find(|trial| {
            let state = &states[*trial];
            let waits = state.outcome.as_ref().is_some_and(|o| o.status == Status::Ok && o.after(higher).is_none());
            waits && !state.is_running && !state.is_lost
        });
        promoted.map(|&trial| Next::Run { trial, stop_after: Some(higher) })
    })
}

/// Trials in order, the best first: by their front over all objectives, so that the small ones are not lost, then by the
/// first objective (Schmucker et al. 2021, arXiv:2106.12639).
fn best(objectives: &[Objective], members: Vec<(usize, Rung)>) -> Vec<usize> {
    let cost = |rung: &Rung| objectives.iter().map(|objective| objective.cost(&rung.measures)).collect();
    let costs: Vec<Vec<f64>> = members.iter().map(|(_, rung)| cost(rung)).collect();
    let fronts = fronts(&costs);
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by(|&a, &b| fronts[a].cmp(&fronts[b]).then(costs[a][0].total_cmp(&costs[b][0])));
    order.into_iter().map(|at| members[at].0).collect()
}

#[cfg(test)]
mod tests {
    use super::super::measure::Measures;
    use super::super::space::tests::text;
    use super::*;

    fn space(method: &str, trials: usize) -> Space {
        let tune = format!(
            "method = {{ {method} }}\ntrials = {trials}\nobjectives = [\"accuracy\"]\n[tune.fields]\n\"train.batch\" = [8, 16]\n"
        );
        Space::parse(&text(&tune)).unwrap()
    }

    fn measures(accuracy: f64) -> Measures {
        Measures {
            accuracy: Some(accuracy),
            float_accuracy: None,
            test_accuracy: None,
            mean_squared_error: 0.0,
            parameters: 0,
            model_bytes: 0,
            flash_bytes: None,
            ram_bytes: 0,
            macs: 0,
            instructions: None,
        }
    }

    /// Runs a search with several workers; trial `n` is worth `worth(n)`. Gives the epochs that each was trained.
    fn search(space: &Space, workers: usize, worth: fn(usize) -> f64) -> BTreeMap<usize, usize> {
        let mut states: BTreeMap<usize, State> = BTreeMap::new();
        let mut running: Vec<(usize, usize)> = Vec::new();
        loop {
            match next(space, &states) {
                Next::Run { trial, stop_after } if running.len() < workers => {
                    states.entry(trial).or_default().is_running = true;
                    running.push((trial, stop_after.unwrap_or(9)));
                }
                Next::Done if running.is_empty() => break,
                _ => {
                    let (trial, epochs) = running.remove(0);
                    let state = states.get_mut(&trial).unwrap();
                    state.is_running = false;
                    let outcome = state.outcome.get_or_insert_with(|| Outcome {
                        parameters: BTreeMap::new(),
                        status: Status::Ok,
                        message: None,
                        seconds: 0.0,
                        rungs: Vec::new(),
                    });
                    outcome.rungs.push(Rung { epochs, measures: measures(worth(trial)) });
                }
            }
        }
        states.iter().map(|(&trial, state)| (trial, state.outcome.as_ref().unwrap().last().unwrap().epochs)).collect()
    }

    #[test]
    fn rounds_end_with_the_recipes_epochs() {
        assert_eq!(rungs(&space("name = \"asha\"", 9)), [1, 3, 9]);
        assert_eq!(rungs(&space("name = \"asha\", reduction = 2", 9)), [1, 2, 4, 9]);
        assert_eq!(rungs(&space("name = \"asha\", min_epochs = 9", 9)), [9]);
        assert!(rungs(&space("name = \"random\"", 9)).is_empty());
    }

    #[test]
    fn halving_gives_the_best_all_epochs_and_the_rest_few() {
        // The later the better: each is the best so far when it comes, so a rule that does not wait lets nearly all go on; the
        // first two come when a third of their round is less than one, and stay behind.
        let epochs = search(&space("name = \"asha\"", 27), 1, |trial| trial as f64 / 27.0);
        assert_eq!(epochs.len(), 27);
        assert_eq!([epochs[&0], epochs[&1], epochs[&26]], [1, 1, 9]);
        // The other way round, nothing is promoted in vain: 27, 9 and 3 trials reach the rounds.
        let epochs = search(&space("name = \"asha\"", 27), 2, |trial| 1.0 - trial as f64 / 27.0);
        let with = |wanted: usize| epochs.values().filter(|&&epochs| epochs >= wanted).count();
        assert_eq!([with(1), with(3), with(9)], [27, 9, 3]);
    }

    #[test]
    fn every_trial_of_a_random_search_runs_once_and_lost_ones_are_left_alone() {
        let space = space("name = \"random\"", 5);
        assert_eq!(search(&space, 2, |_| 0.5).into_values().collect::<Vec<_>>(), [9; 5]);
        let lost = State { is_lost: true, ..State::default() };
        let states = BTreeMap::from([(0, lost)]);
        assert_eq!(next(&space, &states), Next::Run { trial: 1, stop_after: None });
    }
}
