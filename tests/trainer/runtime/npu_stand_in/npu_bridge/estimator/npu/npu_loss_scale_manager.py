"""FixedLossScaleManager."""


class FixedLossScaleManager:
    """Keeps one loss scale."""

    def __init__(self, loss_scale):
        """Take the scale."""
        if loss_scale < 1:
            raise ValueError("loss scale must be at least 1")
        self._loss_scale = loss_scale

    def get_loss_scale(self):
        """Return it."""
        return self._loss_scale
