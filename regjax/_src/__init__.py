"""Plumbing that every room may use and that uses no room."""
