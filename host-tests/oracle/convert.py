#!/usr/bin/env python3
"""Golden vectors of small Keras models as TensorFlow's converter writes them, computed by LiteRT's reference kernels.

    pip install tensorflow-cpu==2.21.0 ai-edge-litert==2.3.0
    python3 convert.py [--out vectors/converted] [MODEL ...]

Weights are random, the batch is 1 or unknown, the ends are int8, uint8 or float. The files are those of generate.py, with one
case each.
"""

import argparse
import os
import pathlib
import tempfile
import zlib

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf
from keras import layers as L
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2 as freeze

from generate import infer, store

MODELS = {}


def model(*shape, ends=tf.int8, batch=1):
    """Registers a function from input to output layers."""

    def register(build):
        MODELS[build.__name__] = (build, [(n,) if isinstance(n, int) else n for n in shape], ends, batch)
        return build

    return register


def conv(x, filters, size=1, strides=1, act="relu6", cell=L.Conv2D, **more):
    """Convolution, normalization, rectifier."""
    x = cell(filters, size, strides=strides, padding="same", use_bias=False, **more)(x)
    x = L.BatchNormalization()(x)
    return L.ReLU(6.0)(x) if act == "relu6" else L.Activation(act)(x) if act else x


def depthwise(x, strides=1, size=3):
    x = L.DepthwiseConv2D(size, strides=strides, padding="same", use_bias=False)(x)
    return L.ReLU(6.0)(L.BatchNormalization()(x))


@model(1)
def sine(x):
    return L.Dense(1)(L.Dense(16, activation="relu")(L.Dense(16, activation="relu")(x)))


@model(1, ends=tf.float32)
def sine_float_ends(x):
    return L.Dense(1)(L.Dense(5, activation="tanh")(L.Dense(9, activation="sigmoid")(x)))


@model(40, batch=None)
def autoencoder(x):
    for units in (16, 8, 16):
        x = L.ReLU()(L.BatchNormalization()(L.Dense(units)(x)))
    return L.Dense(40)(x)


@model((25, 5, 1), batch=None)
def ds_cnn(x):
    x = conv(x, 8, (10, 4), 2, "relu")
    for _ in range(2):
        x = conv(depthwise(x), 8, act="relu")
    x = L.Flatten()(L.AveragePooling2D(x.shape[1:3])(L.Dropout(0.2)(x)))
    return L.Softmax()(L.Dense(5)(x))


@model(392, batch=None)
def micro_speech(x):
    x = L.Conv2D(4, (10, 8), strides=2, padding="same", activation="relu")(L.Reshape((49, 8, 1))(x))
    return L.Dense(4, activation="softmax")(L.Flatten()(x))


@model((24, 24, 3), ends=tf.uint8)
def mobilenet_v1(x):
    x = conv(L.ZeroPadding2D(((0, 1), (0, 1)))(x), 8, 3, 2)
    for filters, strides in ((8, 1), (16, 2), (16, 1)):
        x = conv(depthwise(x, strides), filters)
    x = L.Conv2D(2, 1)(L.GlobalAveragePooling2D(keepdims=True)(x))
    return L.Softmax()(L.Reshape((2,))(x))


@model((24, 24, 3), batch=None)
def mobilenet_v2(x):
    x = conv(L.Rescaling(1 / 127.5, -1)(x), 8, 3, 2)
    for filters, strides in ((8, 1), (12, 2), (12, 1)):
        y = conv(depthwise(conv(x, 2 * x.shape[-1]), strides), filters, act=None)
        x = L.Add()([x, y]) if y.shape == x.shape else y
    return L.Dense(3, activation="softmax")(L.GlobalAveragePooling2D()(x))


@model((16, 16, 3), ends=tf.uint8, batch=None)
def resnet_v1(x):
    x = conv(x, 8, 3, act="relu")
    for filters, strides in ((8, 1), (12, 2)):
        y = conv(conv(x, filters, 3, strides, "relu"), filters, 3, act=None)
        x = L.Conv2D(filters, 1, strides=strides)(x) if strides > 1 else x
        x = L.Activation("relu")(L.add([x, y]))
    return L.Dense(4, activation="softmax")(L.Flatten()(L.AveragePooling2D(8)(x)))


@model((16, 16, 3))
def resnet_v2(x):
    x = L.Conv2D(8, 3, padding="same")(x)
    for filters, strides in ((8, 1), (12, 2)):
        y = L.ReLU()(L.BatchNormalization()(x))
        x = x if strides == 1 else L.Conv2D(filters, 1, strides=strides)(y)
        y = L.Conv2D(filters, 3, padding="same")(conv(y, filters, 3, strides, "relu"))
        x = L.add([x, y])
    return L.Dense(4)(L.GlobalAveragePooling2D()(L.ReLU()(L.BatchNormalization()(x))))


@model((32, 10), batch=None)
def tc_resnet(x):
    x = L.Conv1D(8, 3, padding="same")(x)
    y = conv(conv(x, 12, 9, 2, "relu", L.Conv1D), 12, 9, act=None, cell=L.Conv1D)
    x = L.ReLU()(L.Add()([conv(x, 12, 1, 2, "relu", L.Conv1D), y]))
    return L.Dense(5, activation="softmax")(L.GlobalAveragePooling1D()(x))


@model((32, 4), batch=None)
def causal(x):
    for dilation in (1, 2, 4):
        x = L.Conv1D(6, 3, padding="causal", dilation_rate=dilation, activation="relu")(x)
    return L.Dense(3)(L.GlobalMaxPooling1D()(L.MaxPooling1D(2)(L.SeparableConv1D(6, 3)(x))))


@model((8, 6), batch=None)
def lstm_unrolled(x):
    return L.Dense(4, activation="softmax")(L.LSTM(7, unroll=True)(x))


@model((6, 6), batch=None)
def gru_unrolled(x):
    return L.Dense(4)(L.Flatten()(L.GRU(5, unroll=True, return_sequences=True)(x)))


@model((4, 5))
def gru_reset_before(x):
    return L.Dense(3)(L.GRU(4, unroll=True, reset_after=False)(x))


@model((16, 16, 1), batch=None)
def unet(x):
    a = L.Conv2D(4, 3, padding="same", activation="relu")(x)
    b = L.Conv2D(6, 3, padding="same", activation="relu")(L.MaxPooling2D()(a))
    u = L.Concatenate()([L.Conv2DTranspose(4, 2, strides=2)(b), a])
    u = L.Conv2D(4, 3, padding="same", activation="relu")(u)
    return L.Conv2D(1, 1, activation="sigmoid")(L.UpSampling2D(2, interpolation="bilinear")(u))


@model((12, 12, 3))
def squeeze_and_excite(x):
    x = L.Conv2D(8, 3, strides=2, padding="same", activation="swish")(x)
    s = L.Reshape((1, 1, 8))(L.GlobalAveragePooling2D()(x))
    x = L.Multiply()([x, L.Conv2D(8, 1, activation="sigmoid")(L.Conv2D(4, 1, activation="relu")(s))])
    x = L.Conv2D(6, 1, activation="hard_swish")(x)
    x = L.PReLU(shared_axes=[1, 2])(L.LeakyReLU()(L.Conv2D(6, 1, activation="hard_sigmoid")(x)))
    return L.Dense(3)(L.Flatten()(x))


@model((12, 12, 3), batch=None)
def shuffle(x):
    x = L.Conv2D(8, 3, strides=2, padding="same", activation="relu")(x)
    a, b = keras.ops.split(x, 2, axis=-1)
    x = L.Reshape((6, 6, 2, 4))(L.Concatenate()([a, depthwise(b)]))
    x = L.Conv2D(8, 3, groups=2, padding="same")(L.Reshape((6, 6, 8))(L.Permute((1, 2, 4, 3))(x)))
    return L.Dense(3)(L.GlobalMaxPooling2D()(x))


@model((24, 24, 3), batch=None)
def detection(x):
    maps = []
    for filters in (6, 8, 12):
        x = L.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(x)
        maps.append(x)
    boxes = [L.Reshape((-1, 4))(L.Conv2D(8, 3, padding="same")(m)) for m in maps[1:]]
    scores = [L.Reshape((-1, 3))(L.Conv2D(6, 3, padding="same")(m)) for m in maps[1:]]
    return [L.Concatenate(axis=1)(boxes), L.Activation("sigmoid")(L.Concatenate(axis=1)(scores))]


@model((8, 8, 2), 5)
def two_inputs(image, sensor):
    y = L.Dense(7, activation="relu")(sensor)
    z = L.Concatenate()([L.Flatten()(L.Conv2D(4, 3, activation="relu")(image)), y])
    return [L.Dense(3, activation="softmax")(z), L.Dense(4)(z), L.Dense(1, activation="sigmoid")(y)]


@model((8, 12), batch=None)
def attention(x):
    y = L.LayerNormalization()(L.Add()([L.MultiHeadAttention(2, 4)(x, x), x]))
    return L.Dense(3, activation="softmax")(L.GlobalAveragePooling1D()(y))


@model((10, 10, 3), batch=None)
def normalized(x):
    x = L.Conv2D(6, 3, activation="relu")(L.BatchNormalization()(x))
    x = L.BatchNormalization()(L.MaxPooling2D()(L.BatchNormalization()(x)))
    return L.Activation("log_softmax")(L.Dense(4)(L.BatchNormalization()(L.Flatten()(x))))


def convert(name):
    build, shapes, ends, batch = MODELS[name]
    seed = zlib.crc32(name.encode())
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    inputs = [L.Input(shape) for shape in shapes]
    network = keras.Model(inputs, build(*inputs))
    for w in network.weights:
        if w.path.endswith(("moving_variance", "gamma")):
            w.assign(rng.uniform(0.5, 1.5, w.shape))
        elif w.path.endswith(("moving_mean", "beta", "bias")):
            w.assign(rng.normal(0, 0.2, w.shape))
    samples = [[rng.normal(0, 1, (1, *shape)).astype(np.float32) for shape in shapes] for _ in range(20)]
    with tempfile.TemporaryDirectory() as folder:
        if batch is None:
            network.export(folder, verbose=False)
            converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        else:
            run = tf.function(lambda *x: network(list(x) if len(x) > 1 else x[0], training=False))
            concrete = run.get_concrete_function(*[tf.TensorSpec((1, *shape), tf.float32) for shape in shapes])
            converter = tf.lite.TFLiteConverter.from_concrete_functions([freeze(concrete)])
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: iter(samples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = ends
        return converter.convert(), rng


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent / "vectors" / "converted")
    parser.add_argument("models", nargs="*")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.models or MODELS:
        bytes_, rng = convert(name)
        store(args.out / f"{name}.gz", [(bytes_, *infer(bytes_, rng))])
        print(f"{name}: {len(bytes_)} bytes", flush=True)


if __name__ == "__main__":
    main()
