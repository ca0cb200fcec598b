//! The examples run.
#[path = "../examples/own_resource.rs"]
mod own_resource;
#[path = "../examples/own_workload.rs"]
mod own_workload;

#[test]
fn a_resource_of_ones_own() {
    own_resource::main();
}

#[test]
fn a_workload_of_ones_own() {
    own_workload::main().expect("the numbers fit");
}
