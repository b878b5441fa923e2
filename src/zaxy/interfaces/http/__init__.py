"""Servers over HTTP. Only the modules below this one import the web framework."""
