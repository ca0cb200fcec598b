//! tmp
use burn::tensor::{Device, Tensor};
use burn::module::Module;
use supple_models::CnnConfig;
#[test]
fn zz() {
    let config = CnnConfig::new().with_channels([4, 6, 8]).with_hidden(7).with_classes(5).with_groups(Some(2));
    let m = config.init(&Device::default());
    let rec = |b: usize| {
        let device = Device::capture();
        let c = device.capture_scope(|scope| {
            let m = m.clone().to_device(&device);
            let x = Tensor::<4>::zeros([b, 1, 28, 28], &Device::default()).to_device(&device);
            let y = m.forward(x);
            drop(y);
            scope.complete([], [])
        }).unwrap();
        c.graph.operations.iter().map(|o| { let t = format!("{o:?}"); t.chars().take(4000).collect::<String>() }).collect::<Vec<_>>()
    };
    let (a, b) = (rec(2), rec(3));
    println!("{} {}", a.len(), b.len());
    for (i, (x, y)) in a.iter().zip(&b).enumerate() { println!("{i}\n  {x}\n  {y}"); }
}
