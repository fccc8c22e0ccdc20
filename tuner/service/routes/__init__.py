"""The service's paths: each file is a group of them."""
