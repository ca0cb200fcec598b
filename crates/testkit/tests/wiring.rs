//! Graphs as petgraph has them, and graphs read from files whose nodes stand in any order.
use petgraph::algo::{is_cyclic_directed, toposort};
use petgraph::visit::EdgeRef;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::slice::from_ref;
use supple_graph::{Graph, NodeId};
use supple_testkit::{elastic_cases, graphs};

fn stored(graph: &Graph) -> Json {
    serde_json::from_str(&graph.to_json()).unwrap()
}

/// The file with its nodes in another order: the node at `order[i]` stands at `i`.
fn in_order(mut file: Json, order: &[usize]) -> Json {
    let mut now = vec![0; order.len()];
    order.iter().enumerate().for_each(|(new, &old)| now[old] = new);
    let moved = |value: &mut Json| value["node"] = json!(now[value["node"].as_u64().unwrap() as usize]);
    let nodes = file["nodes"].as_array_mut().unwrap();
    nodes.iter_mut().flat_map(|node| node["inputs"].as_array_mut().unwrap()).for_each(moved);
    *nodes = order.iter().map(|&old| nodes[old].clone()).collect();
    file["outputs"].as_array_mut().unwrap().iter_mut().for_each(moved);
    file
}

/// The places of a graph's nodes, in any order.
fn shuffled(graph: &Graph) -> impl Strategy<Value = Vec<usize>> + use<> {
    Just((0..graph.len()).collect::<Vec<_>>()).prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_operators_is_a_topological_one(graph in graphs()) {
        let wired = graph.petgraph();
        prop_assert!(wired.edge_references().all(|edge| edge.source() < edge.target()));
        prop_assert_eq!(toposort(&wired, None).map(|order| order.len()).ok(), Some(graph.len()));
        for id in graph.ids() {
            let mut read: Vec<_> = wired.edges_directed(id.into(), petgraph::Incoming).map(|edge| *edge.weight()).collect();
            read.reverse();
            prop_assert_eq!(read.as_slice(), graph.inputs_of(id));
            prop_assert_eq!(&wired[petgraph::graph::NodeIndex::from(id)].name, &graph.node(id).name);
        }
    }

    #[test]
    fn nodes_of_a_file_may_stand_in_any_order((case, order) in elastic_cases().prop_flat_map(|case| {
        let order = shuffled(case.elastic.graph());
        (Just(case), order)
    })) {
        let graph = case.elastic.graph();
        let read = Graph::from_json(&in_order(stored(graph), &order).to_string()).unwrap();
        let named = |name: &str| graph.ids().find(|&id| graph.node(id).name == name).unwrap();
        let weight = |id: NodeId| (id, case.weights[&named(&read.node(id).name)].clone());
        let weights = read.parameter_ids().into_iter().map(weight).collect();
        let [before, after] = [(graph, &case.weights), (&read, &weights)].map(|(graph, weights)| graph.eval(weights, from_ref(&case.input)));
        prop_assert_eq!(before, after);
    }

    #[test]
    fn a_cycle_in_a_file_is_refused_by_the_name_of_one_of_its_nodes((graph, order) in graphs().prop_flat_map(|graph| {
        let order = shuffled(&graph);
        (Just(graph), order)
    }), seed in any::<prop::sample::Index>()) {
        let mut file = stored(&graph);
        let from = graph.outputs()[0].node.0;
        let reading: Vec<usize> = graph.ids().map(|id| id.0).filter(|&at| !graph.inputs_of(NodeId(at)).is_empty()).collect();
        let to = reading[seed.index(reading.len())];
        file["nodes"][to]["inputs"][0] = json!({ "node": from, "slot": 0 });
        let mut wired = graph.petgraph();
        let first = wired.edges_directed(NodeId(to).into(), petgraph::Incoming).map(|edge| edge.id()).min().unwrap();
        wired.remove_edge(first);
        wired.add_edge(NodeId(from).into(), NodeId(to).into(), graph.outputs()[0]);
        prop_assume!(is_cyclic_directed(&wired));
        let error = Graph::from_json(&in_order(file, &order).to_string()).unwrap_err().to_string();
        let cycle = petgraph::algo::tarjan_scc(&wired).into_iter().find(|nodes| nodes.contains(&NodeId(to).into())).unwrap();
        prop_assert!(error.contains("a cycle"), "{}", error);
        prop_assert!(cycle.iter().any(|&at| error.contains(&graph.node(at.into()).name)), "{}", error);
    }
}
