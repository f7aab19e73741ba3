"""Runs Marram's built programs as a user would, for the interop tests."""
