"""A shop, whose orders are invoiced by durable jobs."""
