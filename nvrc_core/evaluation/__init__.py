"""Metrics, anchor encoders and BD-rate."""
