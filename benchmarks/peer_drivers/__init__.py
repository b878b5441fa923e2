"""One small program a memory that is compared: it runs in that memory's own venv, with the standard library besides."""
