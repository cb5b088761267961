"""Restart and load the containers of compose.yaml: ``deploy/containers/try`` starts them."""
