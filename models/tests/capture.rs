//! Every model can be recorded on Burn's capture device: plain tensor operations, and nothing read back.
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use supple_models::{CharTransformerConfig, CnnConfig, MlpConfig};

/// Whether `forward` is recorded from end to end, and how many operations that takes.
fn recorded(forward: impl FnOnce(&Device)) -> usize {
    let device = Device::capture();
    let captured = device.capture_scope(|scope| {
        forward(&device);
        scope.complete([], [])
    });
    captured.unwrap().graph.operations.len()
}

#[test]
fn the_mlp_is_recorded() {
    let model = MlpConfig::new().init(&Device::default());
    let forward = |device: &Device| drop(model.to_device(device).forward(Tensor::zeros([2, 1, 28, 28], device)));
    assert!(recorded(forward) > 0);
}

#[test]
fn the_cnn_is_recorded() {
    for groups in [None, Some(4)] {
        let model = CnnConfig::new().with_groups(groups).init(&Device::default());
        let forward = |device: &Device| drop(model.to_device(device).forward(Tensor::zeros([2, 1, 28, 28], device)));
        assert!(recorded(forward) > 0);
    }
}

#[test]
fn the_char_transformer_is_recorded() {
    let model = CharTransformerConfig::new(14, 9).init(&Device::default());
    let forward = |device: &Device| drop(model.to_device(device).forward(Tensor::<2, Int>::zeros([2, 9], device)));
    assert!(recorded(forward) > 0);
}
