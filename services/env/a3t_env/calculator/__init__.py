"""Arithmetic with a calculator as a tool: an example of an environment that cannot list its actions."""
