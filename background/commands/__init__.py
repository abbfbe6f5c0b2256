"""What `python -m background` does to the server's side: each process, and `doctor`."""
