"""What stands before the routes: connections, the proxy's prefix, pages of other origins, limits of each client."""
