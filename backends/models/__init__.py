"""The model: checkpoint, network, ONNX graph, and the verification that the models agree."""
