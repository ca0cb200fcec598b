"""Writes onnxruntime.jsonl: small cases of operators as onnxruntime computes them, one a line.

    pip install onnx onnxruntime numpy && python generate.py

A line holds a name, the operator as supple-graph writes it in JSON, and its inputs and outputs.
"""
import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper

ort.set_default_logger_severity(4)
rng = np.random.default_rng(5)
TYPES = {"float32": (TensorProto.FLOAT, "f32"), "int64": (TensorProto.INT64, "i64"), "bool": (TensorProto.BOOL, "bool")}
cases = []


def number(v):
    v = float(v)
    return float(f"{v:.7g}") if np.isfinite(v) else str(v)


def tensor(a):
    return {"dtype": TYPES[a.dtype.name][1], "shape": list(a.shape), "data": [number(v) for v in a.ravel()]}


def run(nodes, feeds, outputs, opset):
    """Outputs of a model of `nodes`; feeds by name."""
    value = lambda name, a: helper.make_tensor_value_info(name, TYPES[a.dtype.name][0], a.shape)
    made = [helper.make_empty_tensor_value_info(name) for name in outputs]
    graph = helper.make_graph(nodes, "case", [value(k, v) for k, v in feeds.items()], made)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    return ort.InferenceSession(model.SerializeToString()).run(None, feeds)


def case(op_type, op, inputs, outputs=1, opset=20, name=None, spare=(), **attributes):
    """One ONNX node. `spare` are inputs that our operator holds as attributes: (position, array)."""
    feeds = {f"x{i}": a for i, a in enumerate(inputs) if a is not None}
    names = [f"x{i}" if a is not None else "" for i, a in enumerate(inputs)]
    for at, a in spare:
        names += [""] * (at + 1 - len(names))
        names[at] = f"s{at}"
        feeds[f"s{at}"] = a
    node = helper.make_node(op_type, names, [f"y{i}" for i in range(outputs)], **attributes)
    results = run([node], feeds, [f"y{i}" for i in range(outputs)], opset)
    record(name or op_type, op, [a for a in inputs if a is not None], results)


def record(name, op, inputs, outputs):
    cases.append({"name": name, "op": op, "inputs": [tensor(a) for a in inputs], "outputs": [tensor(a) for a in outputs]})


def f(*shape, low=-2.0, high=2.0):
    return rng.uniform(low, high, shape).astype(np.float32)


def ints(*shape, low=-9, high=9):
    return rng.integers(low, high, shape, dtype=np.int64)


def bools(*shape):
    return rng.integers(0, 2, shape).astype(bool)


def elements():
    x = np.concatenate([np.array([-50, -3, -1, -0.5, 0, 0.5, 1, 1.5, 2.5, 3, 50], np.float32), f(5, low=-4, high=4)])
    plain = "Relu Sigmoid HardSwish Mish Softplus Softsign Tanh Erf Sin Cos Neg Abs Floor Ceil Round Sign"
    for kind in plain.split():
        snake = {"HardSwish": "hard_swish"}.get(kind, kind.lower())
        case(kind, {"op": "unary", "function": snake}, [x])
    positive = f(6, low=0.1, high=9)
    for kind, function in [("Exp", "exp"), ("Log", "log"), ("Sqrt", "sqrt"), ("Reciprocal", "recip")]:
        case(kind, {"op": "unary", "function": function}, [positive])
    for form, function in [("none", "gelu"), ("tanh", "gelu_tanh")]:
        case("Gelu", {"op": "unary", "function": function}, [x], approximate=form)
    case("Not", {"op": "unary", "function": "not"}, [bools(5)])
    case("Neg", {"op": "unary", "function": "neg"}, [ints(5)])
    nodes = [helper.make_node("Sigmoid", ["x"], ["s"]), helper.make_node("Mul", ["x", "s"], ["y"])]
    record("Silu", {"op": "unary", "function": "silu"}, [x], run(nodes, {"x": x}, ["y"], 20))
    case("LeakyRelu", {"op": "leaky_relu", "slope": 0.2}, [x], alpha=0.2)
    case("Elu", {"op": "elu", "alpha": 0.7, "width": 1.0, "scale": 1.0}, [x], alpha=0.7)
    case("Celu", {"op": "elu", "alpha": 0.7, "width": 0.7, "scale": 1.0}, [x], alpha=0.7)
    alpha, gamma = 1.6732632423543772, 1.0507009873554805
    case("Selu", {"op": "elu", "alpha": alpha, "width": 1.0, "scale": gamma}, [x])
    case("HardSigmoid", {"op": "hard_sigmoid", "alpha": 0.25, "beta": 0.4}, [x], alpha=0.25, beta=0.4)
    bounds = [(1, np.array(-1, np.float32)), (2, np.array(1.25, np.float32))]
    case("Clip", {"op": "clip", "low": -1.0, "high": 1.25}, [x], spare=bounds)
    case("Clip", {"op": "clip", "high": 1.25}, [x], spare=bounds[1:])
    case("Clip", {"op": "clip", "low": -1.0}, [x], spare=bounds[:1])
    case("Dropout", {"op": "dropout", "ratio": 0.5}, [x])
    for to, code in [("f32", TensorProto.FLOAT), ("i64", TensorProto.INT64), ("bool", TensorProto.BOOL)]:
        for source in [f(5), ints(5, low=-1, high=2), bools(5)]:
            case("Cast", {"op": "cast", "to": to}, [source], to=code)


def pairs():
    shapes = [((2, 3), (2, 3)), ((2, 1, 3), (4, 1)), ((3,), (2, 2, 3)), ((2, 2), ())]
    for kind in "Add Sub Mul Div Min Max".split():
        for a, b in shapes:
            case(kind, {"op": "binary", "function": kind.lower()}, [f(*a), f(*b, low=0.5)])
    case("Pow", {"op": "binary", "function": "pow"}, [f(2, 3, low=0.1), f(3)])
    case("PRelu", {"op": "binary", "function": "prelu"}, [f(2, 3, 2), f(3, 1)])
    for kind, snake in [("Equal", "equal"), ("Less", "less"), ("LessOrEqual", "less_or_equal"),
                        ("Greater", "greater"), ("GreaterOrEqual", "greater_or_equal")]:
        case(kind, {"op": "binary", "function": snake}, [ints(3, 4, low=0, high=3), ints(4, low=0, high=3)])
        case(kind, {"op": "binary", "function": snake}, [f(3, 4).round(), f(3, 1).round()])
    for kind in ["And", "Or", "Xor"]:
        case(kind, {"op": "binary", "function": kind.lower()}, [bools(3, 4), bools(4)])
    divisors = np.array([2, -3, 4, -5], np.int64)
    case("Div", {"op": "binary", "function": "quotient"}, [ints(3, 4, low=-20, high=20), divisors])
    case("Mod", {"op": "binary", "function": "modulo"}, [ints(3, 4, low=-20, high=20), divisors])
    case("Mul", {"op": "binary", "function": "mul"}, [ints(3, 4), ints(4)])
    case("Where", {"op": "where"}, [bools(2, 1, 3), f(4, 1), f(3)])
    case("Where", {"op": "where"}, [bools(3), ints(3), ints(1)])


def rows():
    x = f(2, 3, 4)
    for axis in range(3):
        case("Softmax", {"op": "softmax", "axis": axis}, [x], axis=axis)
        case("LogSoftmax", {"op": "log_softmax", "axis": axis}, [x * 30], axis=axis)
    for op_type in "Sum Mean Max Min Prod L1 L2 SumSquare".split():
        reduction = {"SumSquare": "sum_square"}.get(op_type, op_type.lower())
        for axes, keep in [([1], True), ([2, 0], False), ([0, 1, 2], False)]:
            op = {"op": "reduce", "reduction": reduction, "axes": axes, "keep": keep}
            case("Reduce" + op_type, op, [x], spare=[(1, np.array(axes, np.int64))], keepdims=int(keep))
    for kind, reduction in [("GlobalAveragePool", "mean"), ("GlobalMaxPool", "max")]:
        case(kind, {"op": "reduce", "reduction": reduction, "axes": [2, 3], "keep": True}, [f(2, 3, 4, 2)])
    tied = ints(3, 4, low=0, high=3).astype(np.float32)
    for kind, least in [("ArgMax", False), ("ArgMin", True)]:
        for axis, keep, last in [(0, True, False), (1, False, True), (1, True, False)]:
            op = {"op": "arg_max", "axis": axis, "keep": keep, "least": least, "last": last}
            case(kind, op, [tied], axis=axis, keepdims=int(keep), select_last_index=int(last))
    for axis, k, least in [(0, 2, False), (1, 3, True), (1, 4, False)]:
        op = {"op": "top_k", "k": k, "axis": axis, "least": least}
        case("TopK", op, [f(3, 4)], outputs=2, spare=[(1, np.array([k], np.int64))], axis=axis, largest=int(not least))
    case("Gather", {"op": "embedding"}, [f(5, 3), ints(2, 2, low=0, high=5)])
    case("Gather", {"op": "embedding"}, [f(5, 3), ints(3, low=0, high=5)])


def norms():
    for shape in [(2, 3), (2, 3, 4), (1, 2, 3, 2)]:
        c = shape[1]
        weights = [f(c), f(c), f(c), f(c, low=0.1)]
        case("BatchNormalization", {"op": "batch_norm", "epsilon": 0.01}, [f(*shape), *weights], epsilon=0.01)
    for shape in [(2, 3, 4), (1, 2, 3, 2)]:
        c = shape[1]
        case("InstanceNormalization", {"op": "instance_norm", "epsilon": 0.01}, [f(*shape), f(c), f(c)], epsilon=0.01)
    for shape, groups in [((2, 4, 3), 2), ((1, 6, 2, 2), 3), ((1, 3, 2, 2), 1), ((1, 3, 2, 2), 3)]:
        c = shape[1]
        op = {"op": "group_norm", "size": c // groups, "epsilon": 0.01}
        weights = [f(c), f(c)]
        case("GroupNormalization", op, [f(*shape), *weights], opset=21, epsilon=0.01, num_groups=groups)
    op = {"op": "layer_norm", "epsilon": 0.01}
    case("LayerNormalization", op, [f(2, 3, 4), f(4), f(4)], axis=-1, epsilon=0.01)
    case("LayerNormalization", op, [f(2, 3, 4), f(3, 4), f(3, 4)], axis=1, epsilon=0.01)
    case("LayerNormalization", op, [f(2, 4), f(4)], axis=1, epsilon=0.01)
    for shape, axis in [((2, 3, 4), -1), ((2, 3, 4), 1)]:
        gamma = f(*shape[axis:])
        case("RMSNormalization", {"op": "rms_norm", "epsilon": 0.01}, [f(*shape), gamma], opset=23, axis=axis, epsilon=0.01)


def windows():
    plans = [
        ((1, 2, 7), [3], [2], [[0, 0]], [1], False),
        ((1, 2, 7), [2], [3], [[1, 0]], [2], False),
        ((1, 2, 7), [2], [3], [[0, 0]], [1], True),
        ((2, 1, 5, 6), [3, 2], [2, 2], [[1, 1], [0, 1]], [1, 1], False),
        ((1, 2, 6, 6), [3, 3], [2, 2], [[0, 0], [0, 0]], [1, 1], True),
        ((1, 2, 7, 7), [2, 3], [1, 2], [[0, 1], [1, 1]], [2, 1], False),
        ((1, 1, 6, 5), [3, 3], [2, 2], [[1, 1], [1, 1]], [1, 1], True),
        ((1, 1, 3, 4, 4), [2, 2, 2], [1, 2, 2], [[0, 0], [1, 1], [0, 0]], [1, 1, 1], False),
    ]
    for shape, kernel, stride, padding, dilation, ceil in plans:
        window = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation, "ceil": ceil}
        pads = [before for before, _ in padding] + [after for _, after in padding]
        attributes = {"kernel_shape": kernel, "strides": stride, "pads": pads, "dilations": dilation, "ceil_mode": int(ceil)}
        x = f(*shape)
        case("MaxPool", {"op": "pool", "function": "max", **window}, [x], opset=22, **attributes)
        for count, function in [(0, "average"), (1, "padded_average")]:
            op = {"op": "pool", "function": function, **window}
            case("AveragePool", op, [x], opset=22, count_include_pad=count, **attributes)


def stretches():
    modes = [("nearest", {"nearest_mode": m}, m) for m in ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]]
    modes += [("linear", {}, "linear"), ("cubic", {}, "cubic")]
    frames = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
    for mode, attributes, interpolation in modes:
        for coordinates in frames:
            flat, square = ((1, 1, 4), [7]), ((1, 2, 3, 4), [5, 6] if mode == "cubic" else [5, 2])
            for shape, to in [square] if mode == "cubic" else [flat, square]:
                scale = [n / old for n, old in zip(to, shape[2:])]
                op = {"op": "resize", "to": to, "scale": scale, "interpolation": interpolation, "coordinates": coordinates}
                sizes = np.array([*shape[:2], *to], np.int64)
                case("Resize", op, [f(*shape)], opset=19, spare=[(3, sizes)], mode=mode,
                     coordinate_transformation_mode=coordinates, **attributes)
    op = {"op": "resize", "to": [6], "scale": [1.6], "interpolation": "linear", "coordinates": "half_pixel"}
    scales = np.array([1, 1, 1.6], np.float32)
    case("Resize", op, [f(1, 2, 4)], opset=19, spare=[(2, scales)], mode="linear")


def recurrent():
    for direction, d in [("forward", 1), ("reverse", 1), ("bidirectional", 2)]:
        for bias, initial in [(False, False), (True, True), (True, False)]:
            t, b, i, h = 3, 2, 2, 2
            walk = {"direction": direction, "bias": bias, "initial": initial, "batch_first": False}
            x, state = f(t, b, i), lambda: f(d, b, h) if initial else None
            inputs = [x, f(d, 4 * h, i), f(d, 4 * h, h), f(d, 8 * h) if bias else None, None, state(), state()]
            case("LSTM", {"op": "lstm", **walk}, inputs, outputs=3, hidden_size=h, direction=direction)
            for after in [0, 1]:
                inputs = [x, f(d, 3 * h, i), f(d, 3 * h, h), f(d, 6 * h) if bias else None, None, state()]
                op = {"op": "gru", "reset_after": bool(after), **walk}
                case("GRU", op, inputs, outputs=2, hidden_size=h, direction=direction, linear_before_reset=after)


for part in [elements, pairs, rows, norms, windows, stretches, recurrent]:
    part()
lines = [json.dumps(one, separators=(",", ":")) for one in cases]
Path(__file__).with_name("onnxruntime.jsonl").write_text("\n".join(lines) + "\n")
print(len(lines), "cases")
