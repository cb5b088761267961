"""Restart and load the containers of compose.yaml: ``campaigns/containers/try`` starts them."""
