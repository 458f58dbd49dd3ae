"""The model's way: checkpoint, ONNX, simplified ONNX, .om, and the proof that they agree."""
