"""Measure the models by the protocols of the field, beside peers that a pip install brings."""
