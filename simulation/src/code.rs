//! Architectures of the DARTS space as 16 bytes, as hyperparameters, and as a space.

use nas_darts::{Cell, Choice, Edge, Genotype, GenotypeError, NODES, Op, Slot};
use nas_search::{Assignment, Domain, Parameter, Scalar, Scale, Space};
use thiserror::Error;

/// An architecture: normal cell, then reduction cell; in each node by node two bytes, the edge with the smaller input first.
/// A byte is 8 times the operation's place in [`Op::DARTS`], plus the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub [u8; 16]);

/// Why bytes are no architecture, or an architecture has no code.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CodeError {
    /// A byte stands for no operation.
    #[error("byte {place} of an architecture is {byte}, which stands for no operation")]
    NoOperation {
        /// From 0.
        place: usize,
        /// Its value.
        byte: u8,
    },
    /// An edge reads a node that is not there yet.
    #[error(transparent)]
    Genotype(#[from] GenotypeError),
    /// No code has an operation beyond [`Op::DARTS`], such as `none`.
    #[error("an edge applies {0}, which no table and no surrogate knows: they know {known}", known = Op::DARTS.map(Op::as_str).join(", "))]
    Unknown(Op),
    /// Both edges of a node read the same input.
    #[error("both edges of a node read input {0}, which no table and no surrogate knows")]
    SameInput(usize),
}

impl Code {
    /// The architecture.
    ///
    /// # Errors
    ///
    /// Where a byte is not what an edge can be.
    pub fn genotype(self) -> Result<Genotype, CodeError> {
        let mut edges = [Edge { op: Op::None, input: 0 }; 16];
        for (place, (edge, byte)) in edges.iter_mut().zip(self.0).enumerate() {
            let op = Op::DARTS.get(usize::from(byte / 8)).ok_or(CodeError::NoOperation { place, byte })?;
            *edge = Edge { op: *op, input: usize::from(byte % 8) };
        }
        let cell = |first| Cell::new(std::array::from_fn(|node| [edges[first + 2 * node], edges[first + 2 * node + 1]]));
        Ok(Genotype { normal: cell(0)?, reduce: cell(2 * NODES)? })
    }

    /// The code of an architecture; the order of a node's edges does not matter.
    ///
    /// # Errors
    ///
    /// Where an edge applies what no table knows, or a node reads one input twice.
    pub fn of(genotype: &Genotype) -> Result<Self, CodeError> {
        let mut code = [0; 16];
        let nodes = genotype.normal.nodes().iter().chain(genotype.reduce.nodes());
        for (bytes, edges) in code.as_chunks_mut::<2>().0.iter_mut().zip(nodes) {
            let [mut first, mut second] = *edges;
            if first.input == second.input {
                return Err(CodeError::SameInput(first.input));
            }
            if first.input > second.input {
                std::mem::swap(&mut first, &mut second);
            }
            *bytes = [byte(first)?, byte(second)?];
        }
        Ok(Self(code))
    }
}

fn byte(edge: Edge) -> Result<u8, CodeError> {
    let op = Op::DARTS.iter().position(|op| *op == edge.op).ok_or(CodeError::Unknown(edge.op))?;
    // 7 operations and 5 inputs: at most 52.
    Ok(u8::try_from(8 * op + edge.input).unwrap_or(u8::MAX))
}

/// An architecture as the 32 choices of `space.darts`.
pub fn assignment(genotype: &Genotype) -> Assignment {
    let scalar = |choice| match choice {
        Choice::Input(input) => Scalar::Int(input),
        Choice::Op(op) => Scalar::from(op),
    };
    genotype.choices().into_iter().map(|(name, choice)| (name.into(), scalar(choice))).collect()
}

/// The architecture that 32 choices describe.
///
/// # Errors
///
/// Where a choice is missing or impossible.
pub fn genotype(assignment: &Assignment) -> Result<Genotype, GenotypeError> {
    Genotype::from_choices(|name| match assignment.get(name)? {
        Scalar::Int(input) => Some(Choice::Input(*input)),
        Scalar::Text(op) => Some(Choice::Op(op)),
        Scalar::Bool(_) | Scalar::Float(_) => None,
    })
}

/// The space of all architectures with the operations of [`Op::DARTS`]: the 32 choices of `space.darts`.
///
/// # Panics
///
/// Never: its parameters are constant.
pub fn darts_space() -> Space {
    let operations: Vec<Scalar> = Op::DARTS.iter().map(|op| op.as_str().into()).collect();
    let parameters = Slot::all().flat_map(|slot| {
        let inputs = Domain::Int { min: 0, max: i64::try_from(*slot.inputs().end()).unwrap_or(i64::MAX), scale: Scale::Linear };
        [(slot.input_name(), inputs), (slot.op_name(), Domain::Categorical(operations.clone()))]
    });
    let parameter = |(name, domain): (&str, _)| Parameter { name: name.into(), domain, when: None, count: None };
    Space::new(parameters.map(parameter).collect()).expect("names and domains are constant and well-formed")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: Code = Code([0, 9, 17, 26, 32, 41, 0, 52, 48, 1, 0, 10, 16, 27, 1, 20]);

    #[test]
    fn codes_genotypes_and_choices_are_the_same_architecture() {
        let found = SOME.genotype().unwrap();
        assert_eq!(Code::of(&found), Ok(SOME));
        let choices = assignment(&found);
        assert_eq!(choices.len(), 32);
        assert_eq!(choices["normal_node1_edge2_op"], Scalar::from("avg_pool_3x3"));
        assert_eq!(choices["normal_node4_edge2"], Scalar::Int(4));
        assert_eq!(genotype(&choices), Ok(found));
    }

    #[test]
    fn the_order_of_the_edges_does_not_matter() {
        let mut found = SOME.genotype().unwrap();
        let mut nodes = *found.normal.nodes();
        for edges in &mut nodes {
            edges.reverse();
        }
        found.normal = Cell::new(nodes).unwrap();
        assert_eq!(Code::of(&found), Ok(SOME));
    }

    #[test]
    fn what_has_no_code_is_told() {
        let mut nodes = *SOME.genotype().unwrap().normal.nodes();
        let code = |nodes| Code::of(&Genotype { normal: Cell::new(nodes).unwrap(), ..SOME.genotype().unwrap() });
        nodes[2][1].op = Op::None;
        let unknown = code(nodes).unwrap_err();
        assert_eq!(unknown, CodeError::Unknown(Op::None));
        let said = unknown.to_string();
        assert!(
            said.starts_with("an edge applies none, which no table") && said.contains("they know max_pool_3x3, avg_pool_3x3"),
            "{said}"
        );
        nodes[2][1] = nodes[2][0];
        assert_eq!(code(nodes), Err(CodeError::SameInput(nodes[2][0].input)));
        assert_eq!(Code([56; 16]).genotype(), Err(CodeError::NoOperation { place: 0, byte: 56 }));
        assert!(matches!(Code([2; 16]).genotype(), Err(CodeError::Genotype(_))));
    }

    #[test]
    fn the_space_has_the_choices_of_an_architecture() {
        let names: Vec<_> = assignment(&SOME.genotype().unwrap()).keys().cloned().collect();
        assert!(darts_space().parameters().iter().map(|parameter| &parameter.name).eq(&names));
    }
}
