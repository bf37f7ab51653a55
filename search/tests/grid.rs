//! Grid search: every combination, in order, once.

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, reason = "a test fails by panicking")]

use nas_search::{
    Assignment, Condition, Constraints, Domain, End, Grid, GridError, Index, Outcome, Parameter, Plan, Sampler, Scalar, Scale,
    Simulation, Space, replay, simulate,
};

mod searches;

use searches::{Step, drive, finish, keep};

fn int(name: &str, min: i64, max: i64, count: Option<u64>) -> Parameter {
    Parameter { name: name.into(), domain: Domain::Int { min, max, scale: Scale::Linear }, when: None, count }
}

fn double(name: &str, min: f64, max: f64, scale: Scale, count: Option<u64>) -> Parameter {
    Parameter { name: name.into(), domain: Domain::Double { min, max, scale }, when: None, count }
}

fn choice(name: &str, values: &[&str]) -> Parameter {
    let values = values.iter().map(|value| Scalar::from(*value)).collect();
    Parameter { name: name.into(), domain: Domain::Categorical(values), when: None, count: None }
}

/// A plan that tries the whole grid in full length.
fn plan(parameters: Vec<Parameter>, rules: &[&str]) -> Plan {
    let mut plan = searches::plan(1000, 2, 3);
    plan.space = Space::new(parameters).unwrap();
    for rule in rules {
        plan.constraints.add(rule, "").unwrap();
    }
    let grid = Grid::new(&plan.space, &plan.constraints).unwrap();
    plan.max_trials = grid.len();
    plan.sampler = Sampler::Grid(grid);
    plan
}

/// The values of the trials, by name of the parameter, as text.
fn tried(simulation: &Simulation) -> Vec<String> {
    let values = |trial: &nas_search::Trial| trial.assignment.values().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    simulation.index.trials().map(values).collect()
}

fn search(plan: &Plan) -> Simulation {
    simulate(plan, |_, _| Outcome::Value(0.5))
}

#[test]
fn points_come_in_order_and_the_last_parameter_changes_fastest() {
    let found = search(&plan(vec![int("b", 0, 10, Some(3)), int("a", 0, 20, Some(3))], &[]));
    assert_eq!(tried(&found), ["0 0", "0 5", "0 10", "10 0", "10 5", "10 10", "20 0", "20 5", "20 10"]);
    assert_eq!(found.end, End::Completed);
}

#[test]
fn the_values_of_each_kind_are_spread_over_its_range() {
    let axis = |parameter: Parameter| tried(&search(&plan(vec![parameter], &[])));
    assert_eq!(axis(int("n", 0, 4, Some(5))), ["0", "1", "2", "3", "4"]);
    assert_eq!(axis(int("n", -4, -2, Some(3))), ["-4", "-3", "-2"]);
    assert_eq!(axis(int("n", 7, 11, Some(2))), ["7", "11"]);
    // Not more than there are, all without a count, the middle for one.
    assert_eq!(axis(int("n", 1, 3, Some(50))), ["1", "2", "3"]);
    assert_eq!(axis(int("n", 1, 3, None)), ["1", "2", "3"]);
    assert_eq!(axis(int("n", 0, 4, Some(1))), ["2"]);
    assert_eq!(axis(double("x", 13.0, 17.0, Scale::Linear, Some(3))), ["13.0", "15.0", "17.0"]);
    assert_eq!(axis(double("x", 10.0, 100.0, Scale::Log, Some(2))), ["10.0", "100.0"]);
    let log = |min, max, count| axis(double("x", min, max, Scale::Log, Some(count)))[1].parse::<f64>().unwrap();
    assert!((log(0.001, 0.1, 3) - 0.01).abs() < 1e-12);
    assert_eq!(axis(choice("c", &["b", "a"])), ["b", "a"]);
}

#[test]
fn sizes_multiply_and_rules_take_points_out() {
    let parameters = || {
        vec![
            choice("c", &["x", "y"]),
            int("n", 7, 11, Some(2)),
            double("f", 13.0, 17.0, Scale::Linear, Some(2)),
            double("l", 10.0, 100.0, Scale::Log, Some(2)),
        ]
    };
    assert_eq!(search(&plan(parameters(), &[])).index.created(), 16);
    let allowed = search(&plan(parameters(), &["hp.n < 8 || hp.c == 'x'"]));
    assert_eq!(allowed.index.created(), 12);
    assert_eq!(allowed.end, End::Completed);
}

#[test]
fn a_parameter_that_does_not_exist_makes_no_points() {
    let mut beta = double("beta", 0.1, 0.9, Scale::Linear, Some(3));
    beta.when = Some(Condition { name: "kind".into(), values: vec!["adam".into()] });
    let found = search(&plan(vec![beta, choice("kind", &["sgd", "adam"])], &[]));
    assert_eq!(tried(&found), ["sgd", "0.1 adam", "0.5 adam", "0.9 adam"]);
}

#[test]
fn a_point_that_is_infeasible_is_not_replaced() {
    let plan = plan(vec![int("n", 1, 5, None)], &[]);
    let found = simulate(&plan, |trial, _| if trial.number == 2 { Outcome::Infeasible } else { Outcome::Value(0.5) });
    assert_eq!((found.index.created(), found.end), (5, End::Completed));
}

#[test]
fn points_with_whole_floats_are_the_same_when_they_are_read_back() {
    let parameters = vec![double("x", 0.0, 0.5, Scale::Linear, Some(3)), double("y", -1.0, 1.0, Scale::Linear, Some(3))];
    // To a rule they are doubles.
    let plan = plan(parameters, &["hp.x * 2.0 <= 1.0 && hp.y + 0.5 < 2.0"]);
    let mut histories = Vec::new();
    let steps = [Step { pick: 0, outcome: Outcome::Value(0.5) }];
    let (index, end) = drive(&plan, &steps, |_, decisions| keep(&mut histories, decisions));
    finish(&mut histories, &index);
    assert_eq!((histories.len(), end), (9, Some(End::Completed)));
    // As serde writes a whole float, and as an API server does.
    for without_point in [false, true] {
        let mut known = Index::new(plan.direction, &plan.rungs);
        for history in &mut histories {
            let drawn = history.trial.assignment.clone();
            let text = serde_json::to_string(&drawn).unwrap();
            let text = if without_point { text.replace(".0", "") } else { text };
            history.trial.assignment = serde_json::from_str::<Assignment>(&text).unwrap();
            known.apply(history.trial.clone());
            assert!(known.has_assignment(&drawn), "{drawn:?}");
        }
        assert_eq!(replay(&plan, 0, &histories, None).differences, []);
    }
}

#[test]
fn fewer_trials_than_points_try_the_first_points() {
    let plan = Plan { max_trials: 2, ..plan(vec![int("n", 1, 5, None)], &[]) };
    assert_eq!(tried(&search(&plan)), ["1", "2"]);
}

#[test]
fn a_space_without_a_grid_is_told_why() {
    let grid = |parameters: Vec<Parameter>, rules: &[&str]| {
        let mut constraints = Constraints::new(None);
        for rule in rules {
            constraints.add(rule, "").unwrap();
        }
        Grid::new(&Space::new(parameters).unwrap(), &constraints).unwrap_err()
    };
    assert_eq!(grid(vec![double("x", 0.0, 1.0, Scale::Linear, None)], &[]), GridError::NoCount("x".into()));
    assert_eq!(grid(vec![int("a", 0, 999, None), int("b", 0, 999, None)], &[]), GridError::TooLarge);
    assert_eq!(grid(vec![int("a", 0, i64::MAX, None)], &[]), GridError::TooLarge);
    let broken = grid(vec![choice("c", &["x"])], &["hp.c > 3"]);
    assert!(matches!(broken, GridError::Broken { rule: 0, .. }), "{broken:?}");
    let empty = grid(vec![int("a", 0, 3, None)], &["hp.a >= 0", "hp.a > 3"]);
    assert_eq!(empty, GridError::Empty { points: 4, rule: "hp.a > 3".into() });
}
