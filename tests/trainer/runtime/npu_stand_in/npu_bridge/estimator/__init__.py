"""As in npu_bridge."""
