//! Genotypes as 32 choices, as facts for constraints, and as drawings.

use std::collections::BTreeMap;

use crate::sample::{cell, darts_v2, genotypes};
use nas_darts::{Cell, Choice, Edge, Genotype, GenotypeError, Op, Slot, choice_names};
use proptest::prelude::*;

fn lookup(choices: &[(&'static str, Choice<'static>)]) -> impl Fn(&str) -> Option<Choice<'static>> + use<> {
    let choices: BTreeMap<_, _> = choices.iter().copied().collect();
    move |name| choices.get(name).copied()
}

proptest! {
    #[test]
    fn choices_and_genotypes_are_inverse(genotype in genotypes(&Op::ALL)) {
        let choices = genotype.choices();
        prop_assert!(choices.iter().map(|(name, _)| *name).eq(choice_names()));
        prop_assert_eq!(Genotype::from_choices(lookup(&choices)), Ok(genotype));
    }

    #[test]
    fn drawings_show_every_edge(genotype in genotypes(&Op::ALL)) {
        let (svg, text, graph) = (genotype.to_svg(), genotype.to_text(), genotype.to_graph());
        let count = |op| genotype.cells().iter().map(|(_, cell)| cell.count(op)).sum::<usize>();
        for op in Op::ALL {
            prop_assert_eq!(svg.matches(&format!(">{op}</text>")).count(), count(op));
            prop_assert_eq!(text.matches(&format!("{op}(")).count(), count(op));
            prop_assert_eq!(graph.matches(&format!(" {op} ")).count(), count(op));
        }
        prop_assert_eq!(unclosed(&svg), Vec::<String>::new());
        for (kind, cell) in genotype.cells() {
            let alone = genotype.cell_to_svg(kind);
            prop_assert_eq!(unclosed(&alone), Vec::<String>::new());
            prop_assert_eq!(alone.matches("</text></g>").count(), 8);
            prop_assert_eq!(read(&cell.to_graph()), *cell);
        }
    }
}

/// The cell that a graph of characters shows, read back by following its lines.
fn read(graph: &str) -> Cell {
    let edges: Vec<(Op, usize)> = graph
        .lines()
        .filter(|line| line.ends_with(['┐', '┤']))
        .map(|line| {
            let dot = line.chars().position(|character| character == '●').unwrap();
            let op = line.split(' ').rfind(|word| word.len() > 3).unwrap();
            assert!(line.chars().skip(dot + 1).take_while(|character| *character != ' ').all(|c| ['─', '┼'].contains(&c)));
            (op.parse().unwrap(), (dot - 2) / 4)
        })
        .collect();
    cell(edges.try_into().unwrap())
}

/// Tags of an XML text without comments or CDATA that are not closed in order.
fn unclosed(xml: &str) -> Vec<String> {
    let mut open = Vec::new();
    for tag in xml.split('<').skip(1).map(|rest| rest.split_once('>').unwrap().0) {
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop().as_deref(), Some(name)),
            None if tag.ends_with('/') => {}
            None => open.push(tag.split(' ').next().unwrap().to_owned()),
        }
    }
    open
}

#[test]
fn names_are_those_of_the_seed_in_alphabetical_order() {
    let names: Vec<_> = choice_names().collect();
    assert_eq!(names.len(), 32);
    assert_eq!(names[..3], ["normal_node1_edge1", "normal_node1_edge1_op", "normal_node1_edge2"]);
    assert_eq!(names[31], "reduce_node4_edge2_op");
    assert!(names.is_sorted());
    for slot in Slot::all() {
        let name = format!("{}_node{}_edge{}", slot.cell(), slot.node(), slot.edge());
        assert_eq!((slot.input_name(), slot.op_name()), (&*name, &*format!("{name}_op")));
    }
    let per_cell: Vec<_> = Slot::all().map(|slot| slot.inputs().count()).collect();
    assert_eq!(per_cell[..8].iter().product::<usize>(), 14_400);
    assert_eq!(per_cell[..8], per_cell[8..]);
}

#[test]
fn a_bad_choice_is_named_with_what_is_allowed() {
    let ops = "none, max_pool_3x3, avg_pool_3x3, skip_connect, sep_conv_3x3, sep_conv_5x5, dil_conv_3x3, dil_conv_5x5";
    let cases = [
        ("normal_node1_edge1", Some(Choice::Input(2)), "is 2: it must be a whole number from 0 to 1".to_owned()),
        ("normal_node3_edge2", Some(Choice::Input(-1)), "is -1: it must be a whole number from 0 to 3".to_owned()),
        ("reduce_node4_edge1", Some(Choice::Op("2")), "is \"2\": it must be a whole number from 0 to 4".to_owned()),
        ("reduce_node2_edge1", None, "is missing: set it to a whole number from 0 to 2".to_owned()),
        ("normal_node2_edge2_op", Some(Choice::Op("conv")), format!("is \"conv\": it must be one of {ops}")),
        ("reduce_node4_edge2_op", Some(Choice::Input(3)), format!("is 3: it must be one of {ops}")),
        ("reduce_node1_edge1_op", None, format!("is missing: set it to one of {ops}")),
    ];
    for (name, choice, message) in cases {
        let good = lookup(&darts_v2().choices());
        let error = Genotype::from_choices(|asked| if asked == name { choice } else { good(asked) }).unwrap_err();
        assert_eq!(error.to_string(), format!("`{name}` {message}"));
        let named = match error {
            GenotypeError::Missing { name, .. } | GenotypeError::NotAllowed { name, .. } => name,
            GenotypeError::InputTooLate { .. } => "",
        };
        assert_eq!(named, name);
    }
}

#[test]
fn facts_of_a_cell() {
    let Genotype { normal, reduce } = darts_v2();
    assert_eq!((normal.count(Op::SepConv3x3), normal.count(Op::SkipConnect), normal.count(Op::None)), (5, 2, 0));
    assert_eq!((normal.depth(), normal.inputs_used()), (2, 2));
    assert_eq!((reduce.depth(), reduce.inputs_used()), (2, 2));

    let chain = cell([0, 0, 2, 2, 3, 3, 4, 4].map(|input| (Op::SkipConnect, input)));
    assert_eq!((chain.depth(), chain.inputs_used()), (4, 1));

    // Without a connection nothing is deep, and what follows a node that is cut off is cut off too.
    let mut nodes: [[Edge; 2]; 4] = *chain.nodes();
    nodes[1] = nodes[1].map(|edge| Edge { op: Op::None, ..edge });
    assert_eq!(Cell::new(nodes).unwrap().depth(), 1);
    let empty = cell([0; 8].map(|input| (Op::None, input)));
    assert_eq!((empty.depth(), empty.inputs_used()), (0, 0));
}

#[test]
fn darts_v2_is_drawn_as_before() {
    assert_eq!(darts_v2().to_text(), include_str!("../golden/darts_v2.txt"));
    assert_eq!(darts_v2().to_graph(), include_str!("../golden/darts_v2.graph.txt"));
    assert_eq!(darts_v2().to_svg(), include_str!("../golden/darts_v2.svg"));
}
