"""Bytes to validated integers and back. Needs numpy, msgpack and constriction; never torch or av."""
