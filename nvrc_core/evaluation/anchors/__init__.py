"""Other encoders on the same frames: real bytes under the same meter."""
