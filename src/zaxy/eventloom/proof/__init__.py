"""Proving what a loom holds to somebody who has only a public key: trees, signed notes, checkpoints, witnesses."""
