"""Assess and restore photographs: pixels in, pixels and measurements out.

This package knows nothing of storage or orchestration; see README.md in this folder.
"""
