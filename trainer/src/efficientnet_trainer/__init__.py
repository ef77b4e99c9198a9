"""EfficientNet training on TensorFlow 1.15, for Ascend NPUs and CPUs."""
