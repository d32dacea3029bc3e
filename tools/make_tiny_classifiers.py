#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/data/onnx: one tiny image classifier in each form in which ONNX files come.

Run it by hand when the forms change; its output is committed. It needs torch, torchvision, onnx
and Pillow (made with torch 1.12.1 and onnx 1.14.1):

    python3 tools/make_tiny_classifiers.py tests/data/onnx tests/data/images/square.jpg

  dynamic.onnx      torch's exporter, batch dynamic, logits (as torchvision's ResNets)
  fixed.onnx        torch's exporter, batch fixed to 1
  softmax.onnx      torch's exporter, ends in softmax
  zoo.onnx          as the ONNX Model Zoo's: IR version 3, weights among the inputs, input "data"
  nhwc.onnx         channels last
  reshape.onnx      says its batch is dynamic, but reshapes to 1
  external.onnx     weights in external.bin
  two_inputs.onnx, uint8.onnx, batch8.onnx, grey.onnx   forms that are refused

All but the last line compute the same function. expected.json has the classes' probabilities for
the picture, prepared with resize 37 and crop 32.
"""
import io
import json
import pathlib
import sys
import warnings

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from torchvision import transforms

SIDE, CLASSES = 32, 5


class Tiny(torch.nn.Module):
    def __init__(self, softmax=False):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.bn = torch.nn.BatchNorm2d(8)
        self.pool = torch.nn.AdaptiveAvgPool2d((1, 1))
        self.fc = torch.nn.Linear(8, CLASSES)
        self.softmax = softmax

    def forward(self, x):
        x = torch.flatten(self.pool(torch.relu(self.bn(self.conv(x)))), 1)
        x = self.fc(x)
        return torch.softmax(x, 1) if self.softmax else x


def export(model, path, dynamic):
    buffer = io.BytesIO()
    axes = {"input": {0: "batch"}, "output": {0: "batch"}} if dynamic else None
    torch.onnx.export(model, torch.zeros(1, 3, SIDE, SIDE), buffer, input_names=["input"],
                      output_names=["output"], dynamic_axes=axes, opset_version=13)
    path.write_bytes(buffer.getvalue())


def tensor(name, array):
    return numpy_helper.from_array(array.detach().numpy(), name)


def graph_of(model, name, nodes, inputs, output, weights, ir, opset):
    graph = helper.make_graph(nodes, name, inputs, [output], weights)
    return helper.make_model(graph, ir_version=ir, opset_imports=[helper.make_opsetid("", opset)])


def zoo(model, batch="N"):
    """MXNet's exporter, which made the Model Zoo's ResNets: batch normalisation stays a node."""
    weights = {"conv_weight": model.conv.weight, "gamma": model.bn.weight, "beta": model.bn.bias,
               "mean": model.bn.running_mean, "var": model.bn.running_var,
               "fc_weight": model.fc.weight, "fc_bias": model.fc.bias}
    nodes = [
        helper.make_node("Conv", ["data", "conv_weight"], ["c"], kernel_shape=[3, 3],
                         strides=[2, 2], pads=[1, 1, 1, 1], dilations=[1, 1], group=1),
        helper.make_node("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], ["b"],
                         epsilon=1e-5, momentum=0.9),
        helper.make_node("Relu", ["b"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "fc_weight", "fc_bias"], ["resnet_dense0_fwd"], transB=1),
    ]
    floats = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    inputs = [floats("data", [batch, 3, SIDE, SIDE])]
    inputs += [floats(n, list(w.shape)) for n, w in weights.items()]
    return graph_of(model, "zoo", nodes, inputs, floats("resnet_dense0_fwd", [batch, CLASSES]),
                    [tensor(n, w) for n, w in weights.items()], ir=3, opset=8)


def wrapped(base, first, rename, value_info):
    """`base` behind one more node."""
    model = onnx.ModelProto()
    model.CopyFrom(base)
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            if name == "input":
                node.input[i] = rename
    model.graph.node.insert(0, first)
    del model.graph.input[:]
    model.graph.input.append(value_info)
    return model


def main():
    folder, picture = pathlib.Path(sys.argv[1]), sys.argv[2]
    folder.mkdir(parents=True, exist_ok=True)
    warnings.filterwarnings("ignore")
    torch.manual_seed(7)
    model = Tiny()
    model.bn.running_mean.normal_(0, 0.2)
    model.bn.running_var.uniform_(0.5, 1.5)
    with torch.no_grad():
        model.fc.weight.mul_(6)
    model.eval()
    export(model, folder / "dynamic.onnx", dynamic=True)
    export(model, folder / "fixed.onnx", dynamic=False)
    soft = Tiny(softmax=True)
    soft.load_state_dict(model.state_dict())
    export(soft.eval(), folder / "softmax.onnx", dynamic=True)
    onnx.save(zoo(model), folder / "zoo.onnx")

    base = onnx.load(folder / "dynamic.onnx")
    info = helper.make_tensor_value_info
    onnx.save(wrapped(base, helper.make_node("Transpose", ["nhwc"], ["nchw"], perm=[0, 3, 1, 2]),
                      "nchw", info("nhwc", TensorProto.FLOAT, ["batch", SIDE, SIDE, 3])),
              folder / "nhwc.onnx")
    shaped = wrapped(base, helper.make_node("Reshape", ["input", "shape"], ["one"]), "one",
                     info("input", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE]))
    shaped.graph.initializer.append(
        numpy_helper.from_array(np.array([1, 3, SIDE, SIDE], np.int64), "shape"))
    onnx.save(shaped, folder / "reshape.onnx")
    external = onnx.ModelProto()
    external.CopyFrom(base)  # saving turns the model's own weights into references
    onnx.save(external, str(folder / "external.onnx"), save_as_external_data=True,
              location="external.bin", size_threshold=0)

    two = wrapped(base, helper.make_node("Add", ["input", "other"], ["sum"]), "sum",
                  info("input", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE]))
    two.graph.input.append(info("other", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE]))
    onnx.save(two, folder / "two_inputs.onnx")
    onnx.save(wrapped(base, helper.make_node("Cast", ["bytes"], ["f"], to=TensorProto.FLOAT), "f",
                      info("bytes", TensorProto.UINT8, ["batch", 3, SIDE, SIDE])),
              folder / "uint8.onnx")
    onnx.save(zoo(model, batch=8), folder / "batch8.onnx")
    onnx.save(wrapped(base, helper.make_node("Concat", ["grey"] * 3, ["rgb"], axis=1), "rgb",
                      info("grey", TensorProto.FLOAT, ["batch", 1, SIDE, SIDE])),
              folder / "grey.onnx")

    steps = [transforms.Resize(37), transforms.CenterCrop(SIDE), transforms.ToTensor(),
             transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
    image = transforms.Compose(steps)(Image.open(picture).convert("RGB"))
    with torch.no_grad():
        probabilities = torch.softmax(model(image[None]), 1)[0].tolist()
    (folder / "expected.json").write_text(json.dumps([round(p, 6) for p in probabilities]) + "\n")
    (folder / "labels.txt").write_text("".join(f"class {c}\n" for c in "abcde"[:CLASSES]))


if __name__ == "__main__":
    main()
