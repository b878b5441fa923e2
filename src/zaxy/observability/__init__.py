"""What a server tells its operators: metrics and traces. Nothing here is imported before a server asks for it."""
