"""Prefect flows and the command line: the package that joins `restoration` and `storage`."""
