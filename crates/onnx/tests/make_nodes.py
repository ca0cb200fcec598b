#!/usr/bin/env python3
"""Makes tests/nodes: tiny models of one operator each, and what onnxruntime computes with them.

    pip install onnx onnxruntime numpy
    python crates/onnx/tests/make_nodes.py

Inputs are drawn from a seed and stored beside the outputs in expected.json.
"""
import json
import pathlib

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

FOLDER = pathlib.Path(__file__).parent / "nodes"
CASES = {}
random = np.random.default_rng(20190601)


def draw(*shape):
    return random.uniform(-1.0, 1.0, shape).astype(np.float32)


def ints(*values):
    return np.array(values, dtype=np.int64)


def case(name, operator, data, constants=(), opset=17, outputs=1, order=None, ir=8, expected=None, **attributes):
    """`data` come with each call, `constants` stand in the file; `order` names the node's inputs, "" for one left out.

    What onnxruntime does not run any more has its result in `expected`.
    """
    data = {f"x{i}": np.asarray(value) for i, value in enumerate(data)}
    constants = {f"c{i}": np.asarray(value) for i, value in enumerate(constants)}
    order = order if order is not None else [*data, *constants]
    names = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(operator, order, names, name=name, **attributes)
    finish(name, [node], data, constants, names, opset, ir, expected)


def finish(name, nodes, data, constants, names, opset=17, ir=8, expected=None):
    info = lambda n, v: helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
    inputs = [info(n, v) for n, v in data.items()]
    outputs = [onnx.ValueInfoProto(name=n) for n in names]
    graph = helper.make_graph(nodes, name, inputs, outputs, [numpy_helper.from_array(v, n) for n, v in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir, producer_name="")
    bytes = model.SerializeToString()
    results = expected or run(bytes, names, data)
    (FOLDER / f"{name}.onnx").write_bytes(bytes)
    store = lambda v: {"shape": list(v.shape), "data": [float(f"{float(x):.8g}") for x in v.flatten()]}
    CASES[name] = {"inputs": [store(v) for v in data.values()], "outputs": [store(v) for v in results]}


def run(bytes, names, data):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return ort.InferenceSession(bytes, options, providers=["CPUExecutionProvider"]).run(names, data)


def element_wise():
    for operator in "Abs Ceil Cos Erf Exp Floor HardSwish Mish Neg Relu Round Sigmoid Sign Sin Softplus Softsign Tanh".split():
        case(operator.lower(), operator, [3 * draw(2, 3)], opset=18)
    for operator in ["Log", "Sqrt", "Reciprocal"]:
        case(operator.lower(), operator, [np.abs(draw(2, 3)) + 0.1])
    case("gelu", "Gelu", [3 * draw(2, 3)], opset=20)
    case("gelu_tanh", "Gelu", [3 * draw(2, 3)], opset=20, approximate="tanh")
    case("elu", "Elu", [3 * draw(2, 3)], alpha=0.7)
    case("celu", "Celu", [3 * draw(2, 3)], alpha=0.7)
    case("selu", "Selu", [3 * draw(2, 3)])
    case("leaky_relu", "LeakyRelu", [3 * draw(2, 3)])
    case("leaky_relu_alpha", "LeakyRelu", [3 * draw(2, 3)], alpha=0.3)
    case("hard_sigmoid", "HardSigmoid", [3 * draw(2, 3)])
    case("hard_sigmoid_alpha", "HardSigmoid", [3 * draw(2, 3)], alpha=0.3, beta=0.4)
    case("prelu", "PRelu", [draw(2, 3, 2)], [draw(3, 1)])
    case("clip_6", "Clip", [3 * draw(2, 3)], opset=6, min=-0.5, max=1.5)
    case("clip_11", "Clip", [3 * draw(2, 3)], [np.float32(-0.5), np.float32(1.5)], opset=11)
    case("clip_high", "Clip", [3 * draw(2, 3)], [np.float32(0.25)], order=["x0", "", "c0"], opset=13)
    case("clip_made", "Clip", [3 * draw(2, 3), np.float32(-0.25)], opset=13)
    for operator in ["Add", "Sub", "Mul", "Div"]:
        case(operator.lower(), operator, [draw(2, 1, 3), draw(4, 1) + 2])
        case(operator.lower() + "_constant", operator, [draw(2, 3)], [draw(3) + 2])
    a, b = draw(2, 3, 4), draw(3)
    case("add_6", "Add", [a, b], opset=6, expected=[a + b[:, None]], broadcast=1, axis=1)
    case("div_whole", "Div", [ints(7, -7, 5), ints(2, 2, -3)])
    case("mod_whole", "Mod", [ints(7, -7, 5), ints(2, 2, -3)])
    case("pow", "Pow", [np.abs(draw(2, 3)) + 0.1, draw(3)])
    case("pow_square", "Pow", [draw(2, 3)], [np.float32(2)])
    for operator in ["Less", "LessOrEqual", "Greater", "GreaterOrEqual"]:
        case(operator.lower(), operator, [np.round(2 * draw(2, 3)), np.round(2 * draw(2, 3))], opset=16)
    case("equal", "Equal", [ints(1, 2, 3), ints(1, 5, 3)])
    truths = [np.array([True, True, False, False]), np.array([True, False, True, False])]
    for operator in ["And", "Or", "Xor"]:
        case(operator.lower(), operator, truths)
    case("not", "Not", truths[:1])
    for operator in ["Max", "Min", "Sum", "Mean"]:
        case(operator.lower(), operator, [draw(2, 3), draw(3), draw(2, 1)])
    case("where", "Where", [np.array([[True], [False]]), draw(2, 3), draw(3)])
    case("cast_whole", "Cast", [3 * draw(2, 3)], to=TensorProto.INT64)
    case("cast_truth", "Cast", [ints(0, 2, -1)], to=TensorProto.BOOL)
    case("cast_float", "Cast", [ints(0, 2, -1)], to=TensorProto.FLOAT)
    case("cast_like", "CastLike", [ints(0, 2, -1), draw(1)])
    case("identity", "Identity", [draw(2, 3)])
    case("dropout_7", "Dropout", [draw(2, 3)], opset=7, ratio=0.5)
    case("dropout_13", "Dropout", [draw(2, 3)], [np.float32(0.5)], opset=13)


def norms():
    weights = [draw(3), draw(3), draw(3), np.abs(draw(3)) + 0.5]
    case("batch_norm_9", "BatchNormalization", [draw(2, 3, 4, 5)], weights, opset=9, epsilon=1e-3)
    case("batch_norm_15", "BatchNormalization", [draw(2, 3, 4)], weights, opset=15)
    case("layer_norm", "LayerNormalization", [draw(2, 3, 4)], [draw(4), draw(4)])
    case("layer_norm_plain", "LayerNormalization", [draw(2, 3, 4)], [draw(4)], epsilon=1e-2)
    case("layer_norm_two_axes", "LayerNormalization", [draw(2, 3, 4)], [draw(3, 4), draw(3, 4)], axis=1)
    case("instance_norm", "InstanceNormalization", [draw(2, 3, 4, 5)], [draw(3), draw(3)])
    case("group_norm", "GroupNormalization", [draw(2, 6, 4)], [draw(6), draw(6)], opset=21, ir=10, num_groups=2)
    case("rms_norm", "RMSNormalization", [draw(2, 3, 4)], [draw(4)], opset=23, ir=10)
    for operator in ["Softmax", "LogSoftmax"]:
        name = operator.lower()
        case(name + "_11", operator, [draw(2, 3, 4)], opset=11)
        case(name + "_11_axis_0", operator, [draw(2, 3, 4)], opset=11, axis=0)
        case(name + "_11_last", operator, [draw(2, 3, 4)], opset=11, axis=-1)
        case(name + "_13", operator, [draw(2, 3, 4)], opset=13)
        case(name + "_13_axis_1", operator, [draw(2, 3, 4)], opset=13, axis=1)


def products():
    case("conv", "Conv", [draw(2, 3, 5, 6)], [draw(4, 3, 3, 3), draw(4)])
    case("conv_plain", "Conv", [draw(2, 3, 5, 6)], [draw(4, 3, 2, 3)])
    case("conv_1d", "Conv", [draw(2, 3, 9)], [draw(4, 3, 3)], strides=[2], pads=[1, 2])
    case("conv_3d", "Conv", [draw(1, 2, 4, 4, 4)], [draw(2, 2, 2, 2, 2)])
    case("conv_groups", "Conv", [draw(2, 4, 5, 5)], [draw(6, 2, 3, 3), draw(6)], group=2, pads=[1, 1, 1, 1], strides=[2, 2])
    case("conv_depthwise", "Conv", [draw(2, 4, 5, 5)], [draw(4, 1, 3, 3), draw(4)], group=4, pads=[1, 0, 2, 1])
    case("conv_dilated", "Conv", [draw(1, 2, 8, 8)], [draw(3, 2, 3, 3)], dilations=[2, 3], pads=[2, 3, 2, 3])
    case("conv_same_upper", "Conv", [draw(1, 2, 6, 7)], [draw(3, 2, 3, 2)], auto_pad="SAME_UPPER", strides=[2, 2])
    case("conv_same_lower", "Conv", [draw(1, 2, 6, 7)], [draw(3, 2, 3, 2)], auto_pad="SAME_LOWER", strides=[2, 1])
    case("conv_valid", "Conv", [draw(1, 2, 6, 7)], [draw(3, 2, 3, 2)], auto_pad="VALID")
    case("conv_transpose", "ConvTranspose", [draw(1, 3, 4, 5)], [draw(3, 2, 3, 3), draw(2)], strides=[2, 2], pads=[1, 0, 1, 2])
    case("conv_transpose_groups", "ConvTranspose", [draw(1, 4, 4)], [draw(4, 3, 3)], group=2, strides=[3], output_padding=[1])
    case("gemm", "Gemm", [draw(2, 3)], [draw(3, 4), draw(4)])
    case("gemm_trans_b", "Gemm", [draw(2, 3)], [draw(4, 3), draw(4)], transB=1)
    case("gemm_no_c", "Gemm", [draw(2, 3)], [draw(4, 3)], transB=1)
    case("gemm_all", "Gemm", [draw(3, 2)], [draw(4, 3), draw(2, 1)], transA=1, transB=1, alpha=0.5, beta=0.25)
    case("gemm_made", "Gemm", [draw(2, 3), draw(3, 4), draw(4)])
    case("gemm_scaled", "Gemm", [draw(2, 3)], [draw(3, 4), draw(4)], alpha=2.0, beta=3.0)
    case("matmul_weights", "MatMul", [draw(2, 3, 4)], [draw(4, 5)])
    case("matmul", "MatMul", [draw(2, 3), draw(3, 4)])
    case("matmul_heads", "MatMul", [draw(2, 2, 3, 4), draw(2, 2, 4, 3)])
    case("matmul_repeated", "MatMul", [draw(2, 3, 4), draw(4, 5)])
    case("matmul_wider", "MatMul", [draw(3, 4), draw(2, 2, 4, 5)])
    case("matmul_row", "MatMul", [draw(3), draw(2, 3, 4)])
    case("matmul_column", "MatMul", [draw(2, 3, 4), draw(4)])
    case("matmul_inner", "MatMul", [draw(4), draw(4)])


def pooling():
    case("max_pool", "MaxPool", [draw(1, 2, 5, 6)], kernel_shape=[2, 3], strides=[2, 1])
    case("max_pool_padded", "MaxPool", [draw(1, 2, 5, 6)], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    case("max_pool_ceil", "MaxPool", [draw(1, 2, 6, 6)], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    case("max_pool_dilated", "MaxPool", [draw(1, 2, 7, 7)], kernel_shape=[2, 2], dilations=[2, 3])
    case("max_pool_same", "MaxPool", [draw(1, 2, 7)], kernel_shape=[2], strides=[2], auto_pad="SAME_UPPER")
    case("average_pool", "AveragePool", [draw(1, 2, 5, 6)], kernel_shape=[2, 3], strides=[2, 1])
    case("average_pool_padded", "AveragePool", [draw(1, 2, 5, 5)], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    case("average_pool_counted", "AveragePool", [draw(1, 2, 5, 5)], kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)
    case("global_average_pool", "GlobalAveragePool", [draw(2, 3, 4, 5)])
    case("global_max_pool", "GlobalMaxPool", [draw(2, 3, 4, 5)])


def reductions():
    for operator in "Mean Max Min Prod L1 L2 SumSquare".split():
        name = "reduce_" + operator.lower()
        case(name, "Reduce" + operator, [draw(2, 3, 4)], opset=13, axes=[1])
        case(name + "_all", "Reduce" + operator, [draw(2, 3)], opset=13, keepdims=0)
        case(name + "_18", "Reduce" + operator, [draw(2, 3, 4)], [ints(-1, 0)], opset=18, keepdims=0)
    case("reduce_sum_11", "ReduceSum", [draw(2, 3, 4)], opset=11, axes=[-1])
    case("reduce_sum_13", "ReduceSum", [draw(2, 3, 4)], [ints(0, 2)], opset=13)
    case("reduce_sum_nothing", "ReduceSum", [draw(2, 3)], [ints()], opset=13, noop_with_empty_axes=1)
    case("reduce_log_sum", "ReduceLogSum", [np.abs(draw(2, 3, 4)) + 0.1], opset=13, axes=[1])
    case("arg_max", "ArgMax", [draw(2, 3, 4)], axis=1)
    case("arg_max_flat", "ArgMax", [np.round(3 * draw(2, 5))], axis=-1, keepdims=0, select_last_index=1)
    case("arg_min", "ArgMin", [draw(2, 3, 4)])
    case("top_k", "TopK", [draw(2, 5)], [ints(3)], outputs=2)
    case("top_k_1", "TopK", [draw(2, 5)], opset=9, outputs=2, k=2)
    case("top_k_least", "TopK", [draw(5, 2)], [ints(2)], outputs=2, axis=0, largest=0)


def movements():
    case("reshape", "Reshape", [draw(2, 3, 4)], [ints(0, -1)])
    case("reshape_1", "Reshape", [draw(2, 3, 4)], opset=1, shape=[4, -1])
    case("flatten", "Flatten", [draw(2, 3, 4)])
    case("flatten_2", "Flatten", [draw(2, 3, 4)], axis=-1)
    case("flatten_0", "Flatten", [draw(2, 3, 4)], axis=0)
    case("squeeze_11", "Squeeze", [draw(2, 1, 3, 1)], opset=11, axes=[1])
    case("squeeze_13", "Squeeze", [draw(2, 1, 3, 1)], [ints(-1)], opset=13)
    case("squeeze_all", "Squeeze", [draw(2, 1, 3, 1)], opset=13)
    case("unsqueeze_11", "Unsqueeze", [draw(2, 3)], opset=11, axes=[0, 3])
    case("unsqueeze_13", "Unsqueeze", [draw(2, 3)], [ints(-1, 1)], opset=13)
    case("transpose", "Transpose", [draw(2, 3, 4)])
    case("transpose_perm", "Transpose", [draw(2, 3, 4)], perm=[1, 2, 0])
    case("concat", "Concat", [draw(2, 1, 3), draw(2, 2, 3)], axis=1)
    case("concat_weights", "Concat", [draw(2, 2)], [draw(1, 2)], axis=0)
    case("concat_one", "Concat", [draw(2, 3)], axis=-1)
    case("split_11", "Split", [draw(2, 6)], opset=11, outputs=2, axis=1, split=[2, 4])
    case("split_13", "Split", [draw(2, 6)], [ints(1, 3, 2)], opset=13, outputs=3, axis=-1)
    case("split_equal", "Split", [draw(2, 6)], opset=13, outputs=3, axis=1)
    case("split_18", "Split", [draw(2, 7)], opset=18, outputs=3, axis=1, num_outputs=3)
    case("slice_9", "Slice", [draw(4, 5)], opset=9, starts=[1, -3], ends=[3, 9], axes=[0, 1])
    case("slice_10", "Slice", [draw(4, 5)], [ints(1, 0), ints(-1, 5), ints(1, 0), ints(2, 1)], opset=10)
    case("slice_no_axes", "Slice", [draw(4, 5)], [ints(1, 2), ints(1000, 2**63 - 1)])
    case("slice_backwards", "Slice", [draw(4, 5)], [ints(-1), ints(-(2**63) + 1), ints(1), ints(-2)])
    case("slice_empty", "Slice", [draw(4, 5)], [ints(3), ints(1), ints(0)])
    case("pad_2", "Pad", [draw(2, 3)], opset=2, pads=[0, 1, 2, 0], value=0.5)
    case("pad_11", "Pad", [draw(2, 3)], [ints(0, 1, 2, 0), np.float32(0.5)], opset=11)
    case("pad_reflect", "Pad", [draw(2, 4)], [ints(0, 2, 0, 3)], mode="reflect")
    case("pad_edge", "Pad", [draw(2, 4)], [ints(1, 2, 0, 3)], mode="edge")
    case("pad_cut", "Pad", [draw(4, 4)], [ints(-1, 1, 0, -2)])
    case("pad_axes", "Pad", [draw(2, 4)], [ints(1, 2), ints(1)], order=["x0", "c0", "", "c1"], opset=18)
    case("expand", "Expand", [draw(3, 1)], [ints(2, 1, 4)])
    case("tile", "Tile", [draw(2, 3)], [ints(2, 3)])
    case("gather", "Gather", [draw(4, 5), ints(0, 3, -1)], axis=1)
    case("gather_grid", "Gather", [draw(4, 5)], [np.array([[0, 2], [3, 1]], dtype=np.int64)])
    case("gather_one", "Gather", [draw(4, 5)], [np.int64(-1)], axis=1)
    case("gather_range", "Gather", [draw(4, 5)], [ints(1, 2)])
    case("embedding", "Gather", [np.array([[0, 2], [3, 1]], dtype=np.int64)], [draw(4, 5)], order=["c0", "x0"])
    case("depth_to_space", "DepthToSpace", [draw(1, 8, 2, 3)], blocksize=2)
    case("depth_to_space_crd", "DepthToSpace", [draw(1, 8, 2, 3)], blocksize=2, mode="CRD")
    case("space_to_depth", "SpaceToDepth", [draw(1, 2, 4, 6)], blocksize=2)


def resizing():
    scales = np.array([1, 1, 2, 1.5], dtype=np.float32)
    case("upsample_7", "Upsample", [draw(1, 2, 3, 4)], opset=7, scales=[1.0, 1.0, 2.0, 2.0])
    case("upsample_9", "Upsample", [draw(1, 2, 3, 4)], [scales], opset=9, mode="linear")
    case("resize_10", "Resize", [draw(1, 2, 3, 4)], [scales], opset=10, mode="linear")
    for mode in ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]:
        case("resize_" + mode, "Resize", [draw(1, 2, 3, 4)], [scales], order=["x0", "", "c0"], opset=13, mode="linear",
             coordinate_transformation_mode=mode)
    case("resize_cubic", "Resize", [draw(1, 1, 5, 4)], [ints(1, 1, 8, 7)], order=["x0", "", "", "c0"], opset=13, mode="cubic")
    for mode in ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]:
        case("resize_" + mode, "Resize", [draw(1, 2, 3, 4)], [ints(1, 2, 5, 3)], order=["x0", "", "", "c0"], opset=13, nearest_mode=mode)


def recurrent():
    time, batch, features, hidden = 4, 2, 3, 5
    for operator, gates, states in [("LSTM", 4, 2), ("GRU", 3, 1)]:
        for direction in ["forward", "reverse", "bidirectional"]:
            d = 2 if direction == "bidirectional" else 1
            weights = [draw(d, gates * hidden, features), draw(d, gates * hidden, hidden), draw(d, 2 * gates * hidden)]
            begin = [draw(d, batch, hidden) for _ in range(states)]
            order = ["x0", "c0", "c1", "c2", "", *[f"x{i + 1}" for i in range(states)]]
            case(f"{operator.lower()}_{direction}", operator, [draw(time, batch, features), *begin], weights, order=order,
                 outputs=1 + states, direction=direction, hidden_size=hidden)
        weights = [draw(1, gates * hidden, features), draw(1, gates * hidden, hidden)]
        case(f"{operator.lower()}_plain", operator, [draw(time, batch, features)], weights, outputs=1 + states, hidden_size=hidden)
    weights = [draw(1, 3 * hidden, features), draw(1, 3 * hidden, hidden), draw(1, 6 * hidden)]
    case("gru_reset_after", "GRU", [draw(time, batch, features)], weights, outputs=2, hidden_size=hidden, linear_before_reset=1)


def shapes():
    """What exporters write around a reshape: lengths read, computed with, and put together again."""
    node = helper.make_node
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "zero"], ["first"], axis=0),
        node("Gather", ["shape", "two"], ["last"], axis=0),
        node("Mul", ["last", "three"], ["wide"]),
        node("Unsqueeze", ["first", "axis"], ["a"]),
        node("Unsqueeze", ["wide", "axis"], ["b"]),
        node("Concat", ["a", "b"], ["to"], axis=0),
        node("Reshape", ["x", "to"], ["y"]),
        node("Slice", ["shape", "start", "end", "axis", "step"], ["back"]),
        node("ReduceProd", ["back"], ["count"], keepdims=0),
        node("Cast", ["count"], ["scale"], to=TensorProto.FLOAT),
        node("Div", ["y", "scale"], ["z"]),
    ]
    constants = {"zero": np.int64(0), "two": np.int64(2), "three": np.int64(3), "axis": ints(0), "start": ints(-1), "end": ints(-(2**63) + 1), "step": ints(-1)}
    finish("shapes", nodes, {"x": draw(2, 3, 4)}, constants, ["z"])
    folded = [
        node("ConstantOfShape", ["size"], ["threes"], value=helper.make_tensor("v", TensorProto.FLOAT, [1], [3.0])),
        node("Range", ["zero", "four", "one"], ["numbers"]),
        node("Cast", ["numbers"], ["floats"], to=TensorProto.FLOAT),
        node("Add", ["threes", "floats"], ["sum"]),
        node("Transpose", ["sum"], ["turned"], perm=[1, 0]),
        node("MatMul", ["x", "turned"], ["y"]),
    ]
    constants = {"size": ints(2, 4), "zero": np.int64(0), "four": np.int64(4), "one": np.int64(1)}
    finish("folded", folded, {"x": draw(3, 4)}, constants, ["y"])
    info = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
    branches = [helper.make_graph([node(operator, ["x"], ["y" + operator])], operator, [], [info("y" + operator)]) for operator in ["Exp", "Neg"]]
    nodes = [node("Shape", ["x"], ["shape"]), node("Size", ["shape"], ["rank"]), node("Equal", ["rank", "two"], ["flat"]),
             node("If", ["flat"], ["y"], then_branch=branches[0], else_branch=branches[1])]
    finish("branch_then", nodes, {"x": draw(2, 3)}, {"two": np.int64(2)}, ["y"])
    finish("branch_else", nodes, {"x": draw(2, 3, 1)}, {"two": np.int64(2)}, ["y"])
    attention = [
        node("MatMul", ["q", "k"], ["scores"]), node("Mul", ["scores", "scale"], ["scaled"]), node("Add", ["scaled", "mask"], ["masked"]),
        node("Softmax", ["masked"], ["weights"], axis=-1), node("MatMul", ["weights", "v"], ["y"]),
    ]
    data = {"q": draw(1, 2, 3, 4), "k": draw(1, 2, 4, 5), "v": draw(1, 2, 5, 4)}
    finish("attention", attention, data, {"scale": np.array([0.5], dtype=np.float32), "mask": draw(3, 5)}, ["y"])
    case("gather_block", "Gather", [draw(3, 5)], [np.array([[1, 2], [3, 4]], dtype=np.int64)], axis=1)


def scattered():
    case("scatter_nd", "ScatterND", [draw(3, 4), draw(2)], [np.array([[2, 1], [0, -1]], dtype=np.int64)], order=["x0", "c0", "x1"])
    case("scatter_nd_rows", "ScatterND", [draw(4, 2, 3), draw(2, 2, 3)], [np.array([[3], [1]], dtype=np.int64)], order=["x0", "c0", "x1"])
    case("scatter_elements", "ScatterElements", [draw(3, 4), draw(2, 2)], [np.array([[2, 0], [1, -1]], dtype=np.int64)],
         order=["x0", "c0", "x1"], axis=1)
    node = helper.make_node
    nodes = [node("ScatterND", ["zeros", "at", "three"], ["mask"]), node("Add", ["x", "mask"], ["y"])]
    constants = {"zeros": np.zeros((2, 3), dtype=np.float32), "at": np.array([[0, 1], [1, 2]], dtype=np.int64), "three": np.float32([3, 3])}
    finish("scatter_folded", nodes, {"x": draw(2, 3)}, constants, ["y"])
    case("trilu", "Trilu", [draw(2, 3, 4)])
    case("trilu_lower", "Trilu", [draw(4, 3)], [np.int64(1)], upper=0)
    case("trilu_above", "Trilu", [draw(3, 3)], [np.int64(-1)], upper=1)


def summed():
    case("einsum_product", "Einsum", [draw(2, 3), draw(3, 4)], equation="ij,jk->ik")
    case("einsum_heads", "Einsum", [draw(1, 3, 2, 4), draw(1, 5, 2, 4)], equation="b i h d, b j h d -> b h i j")
    case("einsum_layer", "Einsum", [draw(1, 3, 4)], [draw(4, 2, 3)], equation="bsd,dhk->bhsk")
    case("einsum_dots", "Einsum", [draw(2, 3, 4), draw(4, 5)], equation="...ij,jk->...ik")
    case("einsum_implied", "Einsum", [draw(2, 3), draw(3, 4)], equation="ba,ac")
    case("einsum_outer", "Einsum", [draw(2), draw(3)], equation="i,j->ji")
    case("einsum_elements", "Einsum", [draw(2, 3), draw(3, 2)], equation="ij,ji->i")
    case("einsum_one", "Einsum", [draw(2, 3, 4)], equation="ijk->ki")
    case("einsum_three", "Einsum", [draw(2, 3), draw(3, 4), draw(4, 2)], equation="ab,bc,cd->ad")
    case("einsum_wide", "Einsum", [draw(2, 3, 4, 2), draw(4, 2, 5, 3)], equation="abcd,cdef->abef")


def starting():
    """Recurrent layers that begin at zero, as PyTorch says it: zeros as long as the batch."""
    node = helper.make_node
    nodes = [
        node("Shape", ["x"], ["shape"]), node("Gather", ["shape", "one"], ["batch"], axis=0), node("Concat", ["first", "batch", "hidden"], ["to"], axis=0),
        node("ConstantOfShape", ["to"], ["zeros"]), node("Slice", ["zeros", "zero", "one", "zero"], ["begin"]),
        node("GRU", ["x", "c0", "c1", "", "", "begin"], ["y"], hidden_size=5),
    ]
    constants = {"zero": ints(0), "one": ints(1), "first": ints(2), "hidden": ints(5), "c0": draw(1, 15, 3), "c1": draw(1, 15, 5)}
    finish("gru_from_zero", nodes, {"x": draw(4, 2, 3)}, constants, ["y"])


def indexed():
    case("gather_nd", "GatherND", [draw(3, 4, 2)], [np.array([[2, 1], [0, -1]], dtype=np.int64)])
    case("gather_nd_made", "GatherND", [draw(3, 4), np.array([[[2, 1], [0, -1]]], dtype=np.int64)])
    case("gather_nd_rows", "GatherND", [draw(3, 4)], [np.array([[2], [0]], dtype=np.int64)])
    case("one_hot", "OneHot", [ints(1, -1, 5)], [ints(3), draw(2)])
    case("one_hot_first", "OneHot", [ints(1, 0)], [ints(3), draw(2)], axis=0)


def composed():
    case("threshold", "ThresholdedRelu", [3 * draw(2, 3)], alpha=0.5)
    nodes = [helper.make_node("Div", ["x", "by"], ["ratio"]), helper.make_node("IsNaN", ["ratio"], ["y"])]
    finish("is_nan", nodes, {"x": np.array([0, 1], dtype=np.float32), "by": np.array([0, 2], dtype=np.float32)}, {}, ["y"])
    case("lrn", "LRN", [3 * draw(2, 6, 2, 3)], size=5, alpha=0.3, beta=0.6, bias=1.5)
    case("lrn_plain", "LRN", [3 * draw(2, 6, 2, 3)], size=3)
    case("lp_norm", "LpNormalization", [draw(2, 3, 4)])
    case("lp_norm_1", "LpNormalization", [draw(2, 3, 4)], axis=1, p=1)
    case("reduce_log_sum_exp", "ReduceLogSumExp", [90 * draw(2, 3, 4)], opset=13, axes=[1])
    case("reduce_log_sum_exp_all", "ReduceLogSumExp", [draw(2, 3, 4)], opset=13, keepdims=0)
    case("cum_sum", "CumSum", [draw(2, 3, 4)], [ints(1)])
    case("cum_sum_back", "CumSum", [draw(2, 3, 4)], [ints(-1)], reverse=1, exclusive=1)
    case("cum_sum_whole", "CumSum", [np.array([[1, 0, 1, 1]], dtype=np.int64)], [ints(1)])


def fused():
    options = dict(opset=23, ir=10)
    case("attention_heads", "Attention", [draw(1, 2, 3, 4), draw(1, 2, 5, 4), draw(1, 2, 5, 3)], **options)
    case("attention_flat", "Attention", [draw(1, 3, 8), draw(1, 5, 4), draw(1, 5, 6)], q_num_heads=4, kv_num_heads=2, scale=0.7, **options)
    case("attention_causal", "Attention", [draw(1, 2, 3, 4), draw(1, 2, 3, 4), draw(1, 2, 3, 4)], is_causal=1, **options)
    seen = np.array([[True, False, True], [True, True, True]])
    case("attention_seen", "Attention", [draw(1, 2, 2, 4), draw(1, 2, 3, 4), draw(1, 2, 3, 4)], [seen], **options)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for part in [element_wise, norms, products, pooling, reductions, movements, resizing, recurrent, shapes, scattered, summed, starting, indexed, composed, fused]:
        part()
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in CASES.items())
    (FOLDER / "expected.json").write_text("{\n" + lines + "\n}\n")
    print(len(CASES), "models")
