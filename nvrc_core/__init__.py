"""The codec: media, representation, compression, fitting and evaluation."""

__version__ = "0.1.0"
