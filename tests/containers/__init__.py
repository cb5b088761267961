"""Restart and load the containers of compose.yaml: ``tests/containers/try`` starts them."""
