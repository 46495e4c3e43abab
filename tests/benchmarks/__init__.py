"""Measurements that are run on purpose, never by default."""
