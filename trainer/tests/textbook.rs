//! The textbook's worked example: forward, loss, gradients and one step, exact.

use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use thumbnet_trainer::graph::{Graph, Input, Node, Op};
use thumbnet_trainer::nn::{
    Initializer, Loss, Net, Optimizer, Params, Value, clip_by_global_norm, initialize, training_device,
};

fn graph() -> Graph {
    let node = |name: &str, input: &str, op: Op| Node { name: name.into(), inputs: vec![input.into()], op };
    Graph {
        name: "textbook".into(),
        inputs: vec![Input { name: "x".into(), shape: vec![3] }],
        nodes: vec![
            node("a", "x", Op::Dense { units: 2, bias: true }),
            node("hidden", "a", Op::Relu),
            node("b", "hidden", Op::Dense { units: 1, bias: true }),
            node("y", "b", Op::Relu),
        ],
        outputs: vec!["y".into()],
    }
}

/// Forward to the loss and back: the loss of the example and its gradients.
fn gradients() -> (Params, GradientsParams) {
    let device = training_device();
    let net = Net::new(&graph()).unwrap();
    let weights = initialize(&graph(), net.shapes(), Initializer::Ones, 0);
    let params = Params::from_weights(&graph(), &weights, &device).unwrap();
    let mut values = net.forward(&params, Value::new(vec![1.0, 2.0, 3.0], 1, &[3], &device));
    // 1 + 2 + 3 + 1 = 7 twice; 7 + 7 + 1 = 15.
    assert_eq!(values["hidden"].clone().numbers().data, [7.0, 7.0]);
    let output = values.remove("y").unwrap().flat();
    assert_eq!(Value::Flat(output.clone()).numbers().data, [15.0]);
    let target = Tensor::<2>::from_data(TensorData::new(vec![10.0f32], [1, 1]), &device);
    let loss = Loss::HalfSquaredError.forward(output, target);
    assert_eq!(loss.clone().into_scalar::<f32>(), 12.5);
    let gradients = GradientsParams::from_grads(loss.backward(), &params);
    (params, gradients)
}

#[test]
fn forward_loss_gradients_and_one_step_are_those_of_the_book() {
    let (params, gradients) = gradients();
    let mut sgd = Optimizer::Sgd { momentum: 0.0, nesterov: false }.build(0.0);
    let new = sgd.step(0.1, params, gradients).to_weights(&graph());
    // dL/dy = 15 − 10 = 5, so b's kernel has gradient 5 · 7 = 35 and its bias 5; both hidden units get 5 · 1, so a's kernel
    // has gradient 5 · (1, 2, 3) and its bias 5. With rate 0.1: 1 − 3.5, 1 − 0.5, and 1 − (0.5, 1, 1.5).
    assert_eq!(new["b/kernel"].data, [-2.5, -2.5]);
    assert_eq!(new["b/bias"].data, [0.5]);
    assert_eq!(new["a/kernel"].data, [0.5, 0.0, -0.5, 0.5, 0.0, -0.5]);
    assert_eq!(new["a/bias"].data, [0.5, 0.5]);
}

/// The gradients of the book's example have the square sum `2 · 35² + 5² + 2 · 5² · (1 + 4 + 9) + 2 · 5² = 3225`.
#[test]
fn clipped_gradients_keep_their_direction() {
    let step = |most: f64| {
        let (params, gradients) = gradients();
        let clipped = clip_by_global_norm(gradients, &params, most);
        let mut sgd = Optimizer::Sgd { momentum: 0.0, nesterov: false }.build(0.0);
        sgd.step(0.1, params, clipped).to_weights(&graph())
    };
    let norm = 3225f64.sqrt();
    // Twice as long as allowed: half of each, 1 − 0.1 · 17.5, 1 − 0.1 · 2.5, and 1 − 0.1 · 2.5 · (1, 2, 3).
    let half = step(norm / 2.0);
    assert_eq!(half["b/kernel"].data, [-0.75, -0.75]);
    assert_eq!(half["b/bias"].data, [0.75]);
    assert_eq!(half["a/kernel"].data, [0.75, 0.5, 0.25, 0.75, 0.5, 0.25]);
    assert_eq!(step(norm * 1.001)["b/kernel"].data, [-2.5, -2.5]);
}
