"""Operator faces: see `console.operations`."""
