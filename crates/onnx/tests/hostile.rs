//! Files that lie: always a typed error or a graph that is well-formed, never a panic, a hang or memory that the file does not hold.
use proptest::prelude::*;
use std::path::Path;
use supple_onnx::{ErrorKind, Options, parse, read};

/// The bytes of every tiny model.
fn models() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nodes");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "onnx"));
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn survives(bytes: &[u8]) {
    if let Ok((graph, weights)) = parse(bytes, &Options::default()) {
        graph.check().unwrap();
        assert!(graph.parameter_ids().iter().all(|id| weights.contains_key(id)));
    }
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A field of bytes: text, a message.
fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn int(number: u64, value: u64) -> Vec<u8> {
    [varint(number << 3), varint(value)].concat()
}

fn model(graph: &[u8]) -> Vec<u8> {
    [field(8, &int(2, 17)), field(7, graph)].concat()
}

fn node(operator: &str, inputs: &[&str], outputs: &[&str], attributes: &[u8]) -> Vec<u8> {
    let names =
        |number, names: &[&str]| names.iter().flat_map(|name| field(number, name.as_bytes())).collect::<Vec<u8>>();
    let name = field(3, format!("the {operator}").as_bytes());
    field(1, &[names(1, inputs), names(2, outputs), name, field(4, operator.as_bytes()), attributes.to_vec()].concat())
}

fn value(number: u64, name: &str, dims: &[u64]) -> Vec<u8> {
    let dims: Vec<u8> = dims.iter().flat_map(|&dim| field(1, &int(1, dim))).collect();
    let tensor = [int(1, 1), field(2, &dims)].concat();
    field(number, &[field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat())
}

/// Whole numbers that stand in the file.
fn numbers(name: &str, numbers: &[u64]) -> Vec<u8> {
    let raw: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    field(5, &[int(1, numbers.len() as u64), int(2, 7), field(8, name.as_bytes()), field(9, &raw)].concat())
}

/// The error of a graph with input `x` of two by three and output `y`.
fn error_of(parts: &[Vec<u8>]) -> supple_onnx::Error {
    let graph = [value(11, "x", &[2, 3]), value(12, "y", &[2, 3]), parts.concat()].concat();
    parse(&model(&graph), &Options::default()).unwrap_err()
}

#[test]
fn a_name_that_nothing_makes_is_named_with_its_node() {
    let error = error_of(&[node("Relu", &["ghost"], &["y"], &[])]);
    assert_eq!((error.kind(), error.node(), error.operator()), (ErrorKind::Malformed, Some("the Relu"), Some("Relu")));
    assert!(error.to_string().contains("`ghost`"), "{error}");
}

#[test]
fn a_cycle_is_a_name_used_before_it_is_made() {
    let error = error_of(&[
        node("Relu", &["b"], &["a"], &[]),
        node("Relu", &["a"], &["b"], &[]),
        node("Neg", &["b"], &["y"], &[]),
    ]);
    assert_eq!(error.kind(), ErrorKind::Malformed);
}

#[test]
fn huge_shapes_are_refused_before_memory_is_touched() {
    let size = numbers("size", &[1_000_000_000, 1_000_000_000, 1_000_000_000]);
    let error = error_of(&[size, node("ConstantOfShape", &["size"], &["y"], &[])]);
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let size = numbers("size", &[1 << 62, 1 << 62]);
    assert!(matches!(
        error_of(&[size, node("Expand", &["x", "size"], &["y"], &[])]).kind(),
        ErrorKind::TooLarge | ErrorKind::Malformed
    ));
    let huge = value(11, "z", &[u64::MAX >> 1, 1 << 40]);
    let error = error_of(&[huge, node("Relu", &["z"], &["y"], &[])]);
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[test]
fn a_tensor_that_claims_more_than_the_file_holds_is_refused() {
    let claim = [int(1, 1_000_000_000), int(2, 1), field(8, b"w"), field(9, &[0; 8])].concat();
    let error = error_of(&[field(5, &claim), node("Add", &["x", "w"], &["y"], &[])]);
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(error.to_string().contains("2 elements"), "{error}");
}

#[test]
fn a_billion_axes_are_refused() {
    let dims: Vec<u64> = vec![1; 100_000];
    let error = error_of(&[value(11, "z", &dims), node("Relu", &["z"], &["y"], &[])]);
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[test]
fn deep_nesting_is_refused() {
    let mut graph = [node("Relu", &["x"], &["y"], &[]), value(12, "y", &[2])].concat();
    for _ in 0..1000 {
        let branch = |name: &str, graph: &[u8]| field(5, &[field(1, name.as_bytes()), field(6, graph)].concat());
        graph = [node("If", &["x"], &["y"], &branch("then_branch", &graph)), value(12, "y", &[2])].concat();
    }
    assert_eq!(error_of(&[graph]).kind(), ErrorKind::TooLarge);
}

#[test]
fn what_doubles_with_every_node_is_left_for_the_run() {
    let first = node("Concat", &["size", "size"], &["v0"], &axis());
    let names: Vec<String> = (0..64).map(|i| format!("v{i}")).collect();
    let doubled = names.windows(2).map(|pair| node("Concat", &[&pair[0], &pair[0]], &[&pair[1]], &axis()));
    let parts: Vec<Vec<u8>> = [numbers("size", &[1; 1000]), first].into_iter().chain(doubled).collect();
    let last = node("Cast", &["v63"], &["y"], &field(5, &[field(1, b"to"), int(3, 1)].concat()));
    assert_eq!(error_of(&[parts, vec![last]].concat()).kind(), ErrorKind::TooLarge);
}

fn axis() -> Vec<u8> {
    field(5, &[field(1, b"axis"), int(3, 0), int(20, 2)].concat())
}

#[test]
fn data_outside_of_the_folder_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let location = field(13, &[field(1, b"location"), field(2, b"../secret")].concat());
    let tensor = [int(1, 1), int(2, 1), field(8, b"w"), location, int(14, 1)].concat();
    let graph = [field(5, &tensor), node("Neg", &["w"], &["y"], &[]), value(12, "y", &[1])].concat();
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, model(&graph)).unwrap();
    let error = read(&path, &Options::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(error.to_string().contains("../secret"), "{error}");
}

#[test]
fn data_beside_the_model_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let entry = |key: &str, value: &str| field(13, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat());
    let external = [entry("location", "weights.bin"), entry("offset", "4"), entry("length", "12")].concat();
    let tensor = [int(1, 3), int(2, 1), field(8, b"w"), external, int(14, 1)].concat();
    let graph =
        [field(5, &tensor), value(11, "x", &[2, 3]), node("Add", &["x", "w"], &["y"], &[]), value(12, "y", &[2, 3])]
            .concat();
    std::fs::write(folder.path().join("model.onnx"), model(&graph)).unwrap();
    let floats: Vec<u8> = [9.0_f32, 1.0, 2.0, 3.0].into_iter().flat_map(f32::to_le_bytes).collect();
    std::fs::write(folder.path().join("weights.bin"), &floats).unwrap();
    let (_, weights) = read(folder.path().join("model.onnx"), &Options::default()).unwrap();
    assert_eq!(weights.values().next().unwrap().data(), [1.0, 2.0, 3.0]);
    std::fs::write(folder.path().join("weights.bin"), &floats[..8]).unwrap();
    assert_eq!(read(folder.path().join("model.onnx"), &Options::default()).unwrap_err().kind(), ErrorKind::Malformed);
}

#[test]
fn what_unpacks_to_more_than_is_allowed_is_refused() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx.gz");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&vec![0; 1 << 20]).unwrap();
    std::fs::write(&path, packed.finish().unwrap()).unwrap();
    let options = Options { largest: 1 << 16, ..Options::default() };
    assert_eq!(read(&path, &options).unwrap_err().kind(), ErrorKind::TooLarge);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("SUPPLE_NIGHTLY").is_some() { 20_000 } else { 1000 }))]

    #[test]
    fn bytes_that_changed_do_not_matter(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let models = models();
        let mut bytes = which.get(&models).clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        survives(&bytes);
    }

    #[test]
    fn any_bytes_do_not_matter(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        survives(&bytes);
        survives(&model(&bytes));
    }
}
