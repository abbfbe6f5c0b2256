"""An API with durable work behind it."""
