"""PostgreSQL as this project asks it: connections, transactions, and never a wait without end."""
